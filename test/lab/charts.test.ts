/**
 * What the charts render, asked of the real API server: every object is submitted as a dry run that allows no unknown
 * field, and every pod template as a Pod, since Pod Security refuses pods and not what makes them. Only the namespaces
 * with their accounts and limits, which the answers depend on, are really made.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { podsOf } from '../../templates/charts/pod-rules.ts';
import {
  exampleStores,
  publishCharts,
  renderText,
} from '../../templates/charts/published-charts.ts';
import {
  findHelm,
  readManifests,
  type Manifest,
  type Values,
} from '../../templates/charts/render-chart.ts';
import { kubectl } from './lab.ts';

const helm = findHelm() ?? '';
const { charts, remove } = await publishCharts();
const folder = await mkdtemp(join(tmpdir(), 'shopyard-lab-charts-'));
const story = Date.now().toString(36).slice(-6);
const stores = charts.flatMap((chart) =>
  Object.entries(exampleStores(chart)).map(([example, values]) => {
    const name = `${chart.name}-${example}`;
    const store = { ...(values['store'] as Values), tenant: story, name };
    return {
      title: `${chart.name}, ${example}`,
      chart,
      values: { ...values, store },
      namespace: `store-${story}-${name}`,
    };
  }),
);

afterAll(async () => {
  const namespaces = stores.map(({ namespace }) => namespace);
  await kubectl('delete', 'namespace', '--ignore-not-found', '--wait=false', ...namespaces);
  await rm(folder, { recursive: true });
  await remove();
});

/** Submits objects; what the API server says of each. Rejects with its words when it takes one of them not. */
async function submit(objects: readonly unknown[], ...options: string[]): Promise<string[]> {
  const file = join(folder, 'objects.json');
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  const said = await kubectl('create', '--validate=strict', ...options, '-f', file);
  return said.trim().split('\n');
}

describe.each(stores)('$title', ({ chart, values, namespace }) => {
  let manifests: Manifest[];
  let pods: { metadata: { name: string }; spec: unknown }[];

  beforeAll(async () => {
    manifests = readManifests(await renderText(helm, chart, values, { into: namespace }));
    pods = podsOf(manifests).map(({ owner, spec }) => {
      const name = owner.toLowerCase().replace('/', '-');
      // As the StatefulSet's controller gives them.
      const volumes = manifests
        .filter((manifest) => owner === `${manifest.kind}/${manifest.metadata.name}`)
        .flatMap((manifest) => manifest.spec?.volumeClaimTemplates ?? [])
        .map(({ metadata }) => ({
          name: metadata.name,
          persistentVolumeClaim: { claimName: `${metadata.name}-${name}-0` },
        }));
      return {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace },
        spec: { ...spec, volumes: [...(spec.volumes ?? []), ...volumes] },
      };
    });
    const first = ['Namespace', 'ServiceAccount', 'ResourceQuota', 'LimitRange'];
    await submit(first.flatMap((kind) => manifests.filter((manifest) => manifest.kind === kind)));
  });

  test('the API server knows every object and every field', async () => {
    const others = manifests.filter(
      ({ kind }) => !['Namespace', 'ServiceAccount', 'ResourceQuota', 'LimitRange'].includes(kind),
    );
    expect(await submit(others, '--dry-run=server')).toHaveLength(others.length);
  });

  test('every pod passes as a Pod under restricted, within its quota', async () => {
    expect(pods.length).toBeGreaterThan(4);
    expect(await submit(pods, '--dry-run=server')).toHaveLength(pods.length);
  });

  test('a pod that may escalate its privileges does not', async () => {
    const [pod] = structuredClone(pods) as {
      spec: { containers: { securityContext: object }[] };
    }[];
    const [container] = pod?.spec.containers ?? [];
    if (container === undefined) throw new Error('There is no pod.');
    container.securityContext = { ...container.securityContext, allowPrivilegeEscalation: true };
    await expect(submit([pod], '--dry-run=server')).rejects.toThrow(
      /violates PodSecurity "restricted.*allowPrivilegeEscalation/,
    );
  });
});
