/** A cluster's add-ons as files: byte for byte, within their projects, and by the schemas of their kinds. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { checkProject } from '../../bootstrap/practice/compare.ts';
import { ADD_ONS, AddOns } from '../../control-plane/src/domain/add-ons.ts';
import { renderAddOns } from '../../control-plane/src/render/add-ons.ts';
import { readStorePath } from '../../control-plane/src/render/paths.ts';
import { isSealed } from '../../control-plane/src/render/seal.ts';
import { EVERY_ADD_ON, renderExample, type RenderedAddOn } from '../support/add-ons.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { expectGolden } from '../support/golden.ts';
import {
  ARGOCD,
  KUBERNETES,
  openSchemas,
  TRAEFIK,
  type Check,
  type SchemaSource,
} from '../support/kind-schemas.ts';

const TOP = join(import.meta.dirname, '../..');
const all = renderExample(EVERY_ADD_ON);
const find = (name: string): RenderedAddOn => {
  const found = all.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no add-on ${name}`);
  return found;
};

test('every add-on there is, all switched on', async () => {
  expect(all.map(({ name }) => name).sort()).toEqual(Object.values(ADD_ONS).sort());
  const files = all.flatMap((one) => one.files);
  expect(files.filter(({ content }) => !isSealed(content))).toEqual([]);
  // Alert rules and dashboards are files of the checkout; below they are compared with those.
  const short = files.filter(({ path }) => !/rules\.yaml$|platform\/grafana\/shopyard-/.test(path));
  await expectGolden(join(import.meta.dirname, 'golden/add-ons'), short);
});

test('a cluster without add-ons has no file of one', () => {
  expect(renderExample({})).toEqual([]);
});

describe.each(all)('$name', ({ name, project, applications, manifests }) => {
  test('is what its project allows, and not a store', () => {
    expect(project.metadata.name).toBe(`shopyard-${name}`);
    expect(applications).not.toEqual([]);
    for (const app of applications) {
      expect(app.spec.project).toBe(project.metadata.name);
      expect(checkProject(app, project)).toBeNull();
      // Stores are told by their names in a shard; none of these may look like one.
      expect(readStorePath(`clusters/main/apps/0/${app.metadata.name}.yaml`)).toBeNull();
    }
    const rules = [
      ...project.spec.clusterResourceWhitelist,
      ...(project.spec.namespaceResourceWhitelist ?? []),
    ];
    for (const { apiVersion, kind, metadata } of manifests) {
      const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
      expect(rules).toContainEqual({ group, kind });
      if (metadata.namespace !== undefined)
        expect(project.spec.destinations).toContainEqual(
          expect.objectContaining({ namespace: metadata.namespace }),
        );
    }
    expect(JSON.stringify(project.spec)).not.toContain('*');
  });

  test('goes from the cluster only by a person’s hand', () => {
    for (const { metadata } of [project, ...applications]) {
      expect(metadata.annotations?.['argocd.argoproj.io/sync-options']).toBe('Prune=false');
      expect(metadata.finalizers).toBeUndefined();
    }
  });

  test('is pinned, and does not prune kinds that it owns', () => {
    const owns = project.spec.clusterResourceWhitelist.some(
      ({ kind }) => kind === 'CustomResourceDefinition',
    );
    for (const { spec } of applications) {
      if ('chart' in spec.source) {
        expect(spec.source.targetRevision).toMatch(/^v?\d+\.\d+\.\d+$/);
        if (owns) expect(spec.syncPolicy?.automated?.prune).toBe(false);
      } else expect(spec.source.targetRevision).toBe('refs/heads/main');
      expect(spec.syncPolicy?.automated?.selfHeal).toBe(true);
    }
  });
});

test('what is not on is not counted on by the others', () => {
  const others = Object.entries(EVERY_ADD_ON).filter(
    ([name]) => name !== 'prometheus' && name !== 'grafana',
  );
  const text = renderExample(Object.fromEntries(others)).flatMap(({ files }) =>
    files.map(({ content }) => content),
  );
  expect(text.filter((one) => one.includes('monitoring.coreos.com'))).toEqual([]);
  const [grafana] = renderExample({ grafana: {} });
  expect(grafana?.files[0]?.content).not.toContain('loki');
});

test('alert rules and dashboards are those of the checkout', async () => {
  const rules = await readFile(join(TOP, 'bootstrap/monitoring/rules.yaml'), 'utf8');
  const rule = find('prometheus').manifests.find(({ kind }) => kind === 'PrometheusRule');
  expect(rule?.spec).toEqual(parse(rules));
  const [fleet] = find('grafana').manifests.filter(
    ({ metadata }) => metadata.name === 'shopyard-fleet',
  );
  expect(fleet?.metadata.labels).toEqual({ grafana_dashboard: '1' });
  expect(fleet?.data?.['shopyard-fleet.json']).toBe(
    await readFile(join(TOP, 'bootstrap/monitoring/dashboards/shopyard-fleet.json'), 'utf8'),
  );
});

test('what is off has its file taken out, and nothing else', () => {
  const platform = AddOns.parse({ off: ['velero', 'policies'] });
  const parts = { sources: {}, monitoring: { groups: [], dashboards: [] } };
  const address = { repositoryUrl: 'https://git.example.com/x.git', branch: 'main' };
  expect(renderAddOns(parts, address, { ...exampleCluster('main'), platform })).toEqual(
    ['velero', 'policies'].map((addOn) => ({
      addOn,
      files: [{ path: `clusters/main/root/platform/${addOn}.yaml`, content: null }],
    })),
  );
  expect(AddOns.safeParse({ off: ['logs'], logs: {} }).success).toBe(false);
});

describe('by the schemas of their kinds', () => {
  const [certManager] = find('cert-manager').applications;
  const CERT_MANAGER: SchemaSource = {
    module: 'github.com/cert-manager/cert-manager',
    version: certManager?.spec.source.targetRevision ?? '',
    path: 'deploy/crds',
  };
  const PROMETHEUS_OPERATOR: SchemaSource = {
    module: 'github.com/prometheus-operator/prometheus-operator',
    version: 'v0.93.1',
    path: 'example/prometheus-operator-crd',
  };

  /** Asks only when the schemas are there; says why when they are not. */
  async function open(
    sources: readonly SchemaSource[],
    skip: (why: string) => never,
  ): Promise<Check> {
    const check = await openSchemas(sources);
    if (typeof check !== 'string') return check;
    console.warn(check);
    return skip(check);
  }

  test('projects and Applications: Argo CD’s', async ({ skip }) => {
    const check = await open([ARGOCD], skip);
    for (const { project, applications } of all)
      for (const one of [project, ...applications]) expect(check(one)).toEqual([]);
    const [one] = find('velero').applications;
    expect(check({ ...one, spec: { ...one?.spec, projekt: 'x' } })).not.toEqual([]);
  }, 200_000);

  test.for([
    ['cert-manager', [CERT_MANAGER, TRAEFIK]],
    ['middlewares', [TRAEFIK]],
    ['prometheus', [PROMETHEUS_OPERATOR]],
    ['grafana', [KUBERNETES]],
  ] as const)('manifests of %s', { timeout: 200_000 }, async ([name, sources], { skip }) => {
    const check = await open(sources, skip);
    const { manifests } = find(name);
    expect(manifests).not.toEqual([]);
    for (const manifest of manifests) expect(check(manifest)).toEqual([]);
  });

  test('manifests of external-secrets that are Kubernetes’ own', async ({ skip }) => {
    const check = await open([KUBERNETES], skip);
    const own = find('external-secrets').manifests.filter(
      ({ apiVersion }) => !apiVersion.startsWith('external-secrets.io/'),
    );
    expect(own.map(({ kind }) => kind)).toEqual(['ServiceAccount', 'Role', 'RoleBinding']);
    for (const manifest of own) expect(check(manifest)).toEqual([]);
  }, 200_000);
});
