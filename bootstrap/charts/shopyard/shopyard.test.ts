/**
 * The control plane's own chart, asked of what the real Helm renders: that it holds to the settings, routes, rights and
 * parts that the control plane has.
 */
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { Environment, readConfig } from '../../../control-plane/src/config.ts';
import { probeRoutes } from '../../../control-plane/src/http/platform.ts';
import { PARTS, readParts } from '../../../control-plane/src/parts/list.ts';
import { findFaults, podsOf } from '../../../templates/charts/pod-rules.ts';
import {
  findHelm,
  HELMS,
  podTemplateOf,
  readManifests,
  runHelm,
  type Manifest,
  type PodSpec,
  type Values,
} from '../../../templates/charts/render-chart.ts';
import { describeSettings, MADE_BY_THE_CHART, SECRETS } from './values-schema.ts';

const chart = import.meta.dirname;
const namespace = 'shopyard-system';
const found = findHelm();
const helm = found ?? '';
const examples = ['local', 'production'] as const;
type Example = (typeof examples)[number];

const cluster = ['--namespace', namespace, '--kube-version', '1.34.4'];

async function readValues(example: Example): Promise<Values> {
  return parse(await readFile(join(chart, `values-${example}.yaml`), 'utf8')) as Values;
}

function renderText(program: string, values: Values): Promise<string> {
  return runHelm(program, ['template', 'shopyard', chart, ...cluster], values);
}

const known = new Map<string, Promise<Manifest[]>>();
async function render(example: Example, changes: Values = {}): Promise<Manifest[]> {
  const values = { ...(await readValues(example)), ...changes };
  const key = JSON.stringify(values);
  const manifests = known.get(key) ?? renderText(helm, values).then(readManifests);
  known.set(key, manifests);
  return manifests;
}

function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const manifest = manifests.find((one) => one.kind === kind && one.metadata.name === name);
  if (manifest === undefined) throw new Error(`No ${kind} ${name} was rendered.`);
  return manifest;
}

/** As much of Argo CD's objects as is looked at here. */
type Project = {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly sourceRepos: readonly string[];
    readonly destinations: readonly { readonly namespace: string }[];
    readonly clusterResourceWhitelist: readonly { readonly group: string; readonly kind: string }[];
    readonly namespaceResourceWhitelist: readonly {
      readonly group: string;
      readonly kind: string;
    }[];
  };
};
type Application = { readonly spec: object };

const nameOf = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.name}`;

/** As much of a container as only these tests look at. */
type Told = {
  readonly args: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly valueFrom: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
  }[];
  readonly envFrom: readonly { readonly configMapRef: { readonly name: string } }[];
};

function containerOf({ containers }: PodSpec): PodSpec['containers'][number] & Told {
  const [container, ...others] = containers as unknown as (PodSpec['containers'][number] & Told)[];
  if (container === undefined || others.length > 0) throw new Error('a pod is one container');
  return container;
}

test('the schema says of settings, secrets and clusters what the control plane says', async () => {
  const file = join(chart, 'values.schema.json');
  const schema = JSON.parse(await readFile(file, 'utf8')) as { properties: object };
  const whole = { ...schema, properties: { ...schema.properties, ...describeSettings() } };
  if (process.env['GOLDEN_UPDATE'] === '1')
    await writeFile(file, `${JSON.stringify(whole, null, 2)}\n`);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(whole);
});

test('what the chart calls secret or its own are settings', () => {
  const names = Object.keys(Environment.shape);
  expect(names).toEqual(expect.arrayContaining([...SECRETS, ...MADE_BY_THE_CHART]));
  const secret = names.filter(
    (name) => /TOKEN$|SECRET$|PASSWORD$|_KEY$/.test(name) && !SECRETS.includes(name),
  );
  // Of a single cluster; in a list of clusters it is in a file.
  expect(secret).toEqual(['SHOPYARD_ARGOCD_WEBHOOK_SECRET']);
});

describe.skipIf(found === undefined)(
  `chart shopyard${found === undefined ? ' (skipped: no helm in HELM, on the PATH or in the lab’s cache)' : ''}`,
  () => {
    describe.each(HELMS)('Helm %s', (_version, program) => {
      test.skipIf(program === undefined).each(examples)('passes lint: %s', async (example) => {
        const lint = ['lint', chart, '--strict', ...cluster];
        expect(await runHelm(program ?? '', lint, await readValues(example))).toContain(
          '0 chart(s) failed',
        );
      });
    });

    test.each(examples)('renders the same twice, and as recorded: %s', async (example) => {
      const values = await readValues(example);
      const first = await renderText(helm, values);
      expect(await renderText(helm, values)).toBe(first);
      const file = join(chart, 'golden', `${example}.yaml`);
      if (process.env['GOLDEN_UPDATE'] === '1') {
        await mkdir(join(chart, 'golden'), { recursive: true });
        await writeFile(file, first);
      }
      expect(first).toBe(await readFile(file, 'utf8'));
    });

    test('golden output has no leftovers', async () => {
      const names = examples.map((example) => `${example}.yaml`);
      expect((await readdir(join(chart, 'golden'))).sort()).toEqual(names);
    });

    test.skipIf(HELMS[1][1] === undefined)('Helm 4 renders the same objects', async () => {
      for (const example of examples)
        expect(
          readManifests(await renderText(HELMS[1][1] ?? '', await readValues(example))),
        ).toEqual(await render(example));
    });

    test.each(examples)('every part runs, from one pinned image: %s', async (example) => {
      const pods = podsOf(await render(example));
      const roles = pods.map(({ spec }) => containerOf(spec).args[1] ?? '');
      const isEmbedded = example === 'local';
      expect(roles.sort()).toEqual(PARTS.filter((part) => isEmbedded || part !== 'forge').sort());
      const images = new Set(pods.map(({ spec }) => containerOf(spec).image));
      expect([...images]).toEqual([expect.stringMatching(/[^:/]:[^:/]+$/)]);
      expect([...images][0]).not.toMatch(/:latest$/);
    });

    test('a digest wins over a tag', async () => {
      const digest = `sha256:${'0a'.repeat(32)}`;
      const image = { repository: 'registry.example.com/shopyard/control-plane', digest };
      for (const { spec } of podsOf(await render('local', { image })))
        expect(containerOf(spec).image).toBe(`${image.repository}@${digest}`);
    });

    test.each(examples)('pods are restricted and ask for resources: %s', async (example) => {
      const pods = podsOf(await render(example));
      expect(pods.flatMap(({ owner, spec }) => findFaults(spec).map((f) => [owner, f]))).toEqual(
        [],
      );
      // Numeric, as the image's: a name would not be known not to be root's.
      expect(pods.map(({ spec }) => spec.securityContext?.runAsUser)).toEqual(pods.map(() => 1000));
    });

    test.each(examples)('selectors find the pods they are for: %s', async (example) => {
      const manifests = await render(example);
      const labels = manifests.flatMap((one) => {
        const template = podTemplateOf(one);
        return template === undefined ? [] : [template.metadata.labels];
      });
      const covers = (selector: Readonly<Record<string, string>>): number =>
        labels.filter((one) => Object.entries(selector).every(([key, value]) => one[key] === value))
          .length;
      for (const one of manifests) {
        const { selector } = (one.spec ?? {}) as unknown as {
          selector?: { matchLabels?: Record<string, string> } & Record<string, string>;
        };
        if (selector === undefined) continue;
        if (one.kind === 'ServiceMonitor') {
          const services = manifests.filter(({ kind }) => kind === 'Service');
          expect(
            services.filter(
              ({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] === 'shopyard',
            ),
          ).toHaveLength(labels.length);
          expect(selector.matchLabels).toEqual({ 'app.kubernetes.io/name': 'shopyard' });
        } else
          expect([
            nameOf(one),
            covers(one.kind === 'Service' ? selector : (selector.matchLabels ?? {})),
          ]).toEqual([nameOf(one), 1]);
      }
      for (const { kind, metadata, spec } of manifests)
        if (kind === 'NetworkPolicy')
          expect([metadata.name, covers(spec?.podSelector?.matchLabels ?? {})]).toEqual([
            metadata.name,
            /deny|dns|metrics/.test(metadata.name) ? labels.length : 1,
          ]);
    });

    test('probes ask what there is, and a part that is asked goes on answering before it stops', async () => {
      // Without figures: of the routes only the paths are wanted.
      const routes = probeRoutes({ probes: [], registry: null as never }).map(({ path }) => path);
      for (const { owner, spec } of podsOf(await render('local'))) {
        const { startupProbe, readinessProbe, livenessProbe } = containerOf(spec);
        const paths = [startupProbe, readinessProbe, livenessProbe].map(
          (one) => one?.httpGet?.path,
        );
        expect([owner, paths]).toEqual([owner, ['/healthz', '/readyz', '/healthz']]);
        expect(routes).toEqual(expect.arrayContaining(paths));
        const { terminationGracePeriodSeconds: grace } = spec as {
          terminationGracePeriodSeconds?: number;
        };
        const { lifecycle } = containerOf(spec) as {
          lifecycle?: { preStop: { sleep: { seconds: number } } };
        };
        expect(grace).toBeGreaterThan((lifecycle?.preStop.sleep.seconds ?? 0) + 10);
      }
    });

    test('a rolling update takes nothing away before there is more, and a drain one pod at a time', async () => {
      const manifests = await render('production');
      const deployments = manifests.filter(({ kind }) => kind === 'Deployment');
      expect(deployments).toHaveLength(4);
      for (const { metadata, spec } of deployments) {
        expect(spec?.strategy).toEqual({
          type: 'RollingUpdate',
          rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
        });
        const budget = find(manifests, 'PodDisruptionBudget', metadata.name);
        expect(budget.spec).toMatchObject({ maxUnavailable: 1 });
        const scaler = manifests.find(
          (one) => one.kind === 'HorizontalPodAutoscaler' && one.metadata.name === metadata.name,
        );
        // What is scaled names no number, or every sync would take it back.
        expect([metadata.name, spec?.replicas]).toEqual([
          metadata.name,
          scaler === undefined ? 2 : undefined,
        ]);
        if (scaler !== undefined) expect(scaler.spec?.minReplicas).toBe(2);
      }
    });

    test('the observer’s rights are those of bootstrap/access/observer.yaml', async () => {
      const applied = readManifests(
        await readFile(join(chart, '../../access/observer.yaml'), 'utf8'),
      ).filter(({ kind }) => kind !== 'Namespace');
      const rendered = (await render('production')).filter(
        ({ kind, metadata }) => /Role|ServiceAccount/.test(kind) && metadata.name !== 'shopyard',
      );
      const bare = (all: readonly Manifest[]): unknown[] =>
        all
          .map(({ metadata: { labels: _, ...metadata }, ...rest }) => ({ ...rest, metadata }))
          .sort((one, other) => one.kind.localeCompare(other.kind));
      expect(bare(rendered)).toEqual(bare(applied));
      const without = await render('production', { access: { create: false } });
      expect(without.filter(({ kind }) => /Role|ServiceAccount/.test(kind)).map(nameOf)).toEqual([
        'ServiceAccount/shopyard',
      ]);
    });

    test('Argo CD’s project for it lets in what the chart can render, and no other kind', async () => {
      const [project, application] = readManifests(
        await readFile(join(chart, 'argocd.yaml'), 'utf8'),
      ) as unknown as readonly [Project, Application];
      const { name, version } = parse(await readFile(join(chart, 'Chart.yaml'), 'utf8')) as Record<
        'name' | 'version',
        string
      >;
      expect(application.spec).toMatchObject({
        project: project.metadata.name,
        source: { path: `charts/${name}/${version}`, repoURL: project.spec.sourceRepos[0] },
        destination: { namespace },
      });
      const rendered = (await Promise.all(examples.map((example) => render(example)))).flat();
      const kinds = (isOfCluster: boolean): string[] =>
        rendered
          .filter((one) => (one.metadata.namespace === undefined) === isOfCluster)
          .map(({ apiVersion, kind }) => `${apiVersion.replace(/\/?[^/]+$/, '')} ${kind}`);
      const listed = (list: readonly { readonly group: string; readonly kind: string }[]) =>
        list.map(({ group, kind }) => `${group} ${kind}`);
      const { clusterResourceWhitelist, namespaceResourceWhitelist, destinations } = project.spec;
      expect(new Set(kinds(true))).toEqual(new Set(listed(clusterResourceWhitelist)));
      expect(new Set(kinds(false))).toEqual(new Set(listed(namespaceResourceWhitelist)));
      const places = rendered.flatMap(({ metadata }) => metadata.namespace ?? []);
      expect(new Set(places)).toEqual(new Set(destinations.map((one) => one.namespace)));
    });

    test('who looks at the cluster has the account for it; the others have no token', async () => {
      const accounts = async (changes: Values): Promise<unknown> =>
        Object.fromEntries(
          podsOf(await render('production', changes)).map(({ owner, spec }) => [
            owner.replace('Deployment/shopyard-', ''),
            [spec.serviceAccountName, spec.automountServiceAccountToken],
          ]),
        );
      const others = { portal: ['shopyard', false], writer: ['shopyard', false] };
      expect(await accounts({})).toEqual({
        ...others,
        api: ['shopyard-observer', true],
        observer: ['shopyard-observer', true],
      });
      const elsewhere = [{ name: 'north', kubeconfig: 'north', baseDomain: 'north.example.com' }];
      expect(await accounts({ clusters: elsewhere })).toEqual({
        ...others,
        api: ['shopyard-observer', false],
        observer: ['shopyard-observer', false],
      });
    });

    describe.each(examples)('the settings of %s', (example) => {
      let folder: string;
      const service = {
        KUBERNETES_SERVICE_HOST: process.env['KUBERNETES_SERVICE_HOST'],
        KUBERNETES_SERVICE_PORT: process.env['KUBERNETES_SERVICE_PORT'],
      };
      const assign = (values: Readonly<Record<string, string | undefined>>): void => {
        for (const [name, value] of Object.entries(values))
          if (value === undefined) Reflect.deleteProperty(process.env, name);
          else process.env[name] = value;
      };
      beforeAll(async () => {
        folder = await mkdtemp(join(tmpdir(), 'shopyard-chart-settings-'));
        // As the kubelet has it in every pod.
        assign({ KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' });
      });
      afterAll(async () => {
        assign(service);
        await rm(folder, { recursive: true });
      });

      test('are known, reach who needs them, and each part starts with its own', async () => {
        const manifests = await render(example);
        const list = find(manifests, 'ConfigMap', 'shopyard-clusters').data?.['clusters.yaml'];
        await writeFile(join(folder, 'clusters.yaml'), list ?? '');
        for (const file of ['forge-token', 'argocd-webhook'])
          await writeFile(join(folder, file), 'a-secret-of-some-length');
        for (const { owner, spec } of podsOf(manifests)) {
          const { args, env = [], envFrom } = containerOf(spec);
          const settings = envFrom.flatMap(({ configMapRef }) =>
            Object.entries(find(manifests, 'ConfigMap', configMapRef.name).data ?? {}),
          );
          const told = [...settings.map(([name]) => name), ...env.map(({ name }) => name)];
          expect([owner, told.filter((name) => !(name in Environment.shape))]).toEqual([owner, []]);
          expect(settings.filter(([name]) => SECRETS.includes(name))).toEqual([]);

          const read = readParts(args);
          if (!read.ok) throw new Error(read.message);
          const [part] = read.parts;
          expect(owner).toMatch(new RegExp(`/shopyard-${part ?? ''}$`));
          const given = {
            SHOPYARD_LAB_DIR: join(folder, 'no-lab'),
            ...Object.fromEntries(
              settings.map(([name, value]) => [name, value.replace('/etc/shopyard', folder)]),
            ),
            ...Object.fromEntries(env.map(({ name }) => [name, EXAMPLE_SECRETS[name]])),
          };
          const config = readConfig(given, read.parts);
          expect([owner, config.ok ? [] : config.problems]).toEqual([owner, []]);
        }
      });

      test('a secret goes to those alone that use it', async () => {
        const holders = Object.fromEntries(
          podsOf(await render(example)).map(({ owner, spec }) => [
            owner.replace(/.*\/shopyard-/, ''),
            (containerOf(spec).env ?? []).map(({ name }) => name),
          ]),
        );
        expect(holders['portal']).toEqual(['SHOPYARD_PORTAL_SECRET']);
        expect(holders['writer']).not.toContain('SHOPYARD_AUTH_SECRET');
        expect(holders['observer']).not.toContain('SHOPYARD_AUTH_SECRET');
        expect(holders['api']).toContain('SHOPYARD_AUTH_SECRET');
      });
    });

    test('browsers find portal and API at one address, by TLS where it is https', async () => {
      const ingress = async (example: Example): Promise<unknown> =>
        find(await render(example), 'Ingress', 'shopyard').spec;
      const paths = [
        ['/', 'portal'],
        ['/api', 'api'],
      ].map(([path, role]) => ({
        path,
        pathType: 'Prefix',
        backend: { service: { name: `shopyard-${role ?? ''}`, port: { name: 'http' } } },
      }));
      expect(await ingress('local')).toEqual({
        ingressClassName: 'traefik',
        rules: [{ host: 'shopyard.localhost', http: { paths } }],
      });
      expect(await ingress('production')).toEqual({
        ingressClassName: 'traefik',
        rules: [{ host: 'shopyard.example.com', http: { paths } }],
        tls: [{ hosts: ['shopyard.example.com'], secretName: 'shopyard-tls' }],
      });
    });

    test('nothing may be asked but what a policy names', async () => {
      const manifests = await render('production');
      const deny = find(manifests, 'NetworkPolicy', 'shopyard-default-deny').spec;
      expect(deny).toEqual({
        podSelector: { matchLabels: { 'app.kubernetes.io/name': 'shopyard' } },
        policyTypes: ['Ingress', 'Egress'],
      });
      const portsOut = (role: string): number[] =>
        (find(manifests, 'NetworkPolicy', `shopyard-${role}`).spec?.egress ?? []).flatMap(
          ({ ports = [] }) => ports.map(({ port }) => port),
        );
      expect(portsOut('portal')).toEqual([8080]);
      expect(portsOut('writer')).toEqual([5432, 443, 443, 8080]);
      expect(portsOut('observer')).toEqual([5432, 443, 6443, 465, 587]);
      const visited = manifests.filter(
        ({ kind, spec }) => kind === 'NetworkPolicy' && spec?.ingress !== undefined,
      );
      expect(visited.map(({ metadata }) => metadata.name).sort()).toEqual([
        'shopyard-api',
        'shopyard-metrics',
        'shopyard-portal',
      ]);
    });

    test.each<[string, Values, RegExp]>([
      ['a setting that there is not', { settings: { SHOPYARD_COLOUR: 'red' } }, /SHOPYARD_COLOUR/],
      [
        'a secret in the open',
        { secrets: { DATABASE_URL: 'postgres://a:b@c/d' } },
        /secrets.*DATABASE_URL/,
      ],
      ['no replicas', { roles: { api: { replicas: 0 } } }, /roles.*api.*replicas/],
      ['a floating tag', { image: { tag: 'latest' } }, /image.*tag/],
      ['a memory without a unit', { forge: { storage: '10' } }, /forge.*storage/],
      ['a cluster’s unknown field', { clusters: [{ name: 'main', domain: 'x' }] }, /domain/],
      ['a field of its own', { colour: 'red' }, /colour/],
    ])('refuses %s, and says where', async (_, values, said) => {
      const wrong = merge(await readValues('local'), values);
      await expect(renderText(helm, wrong)).rejects.toThrow(said);
    });

    test('says what an external forge, or the embedded one, lacks', async () => {
      const { settings, secrets } = (await readValues('local')) as Record<string, Values>;
      await expect(
        render('local', { settings: { ...settings, SHOPYARD_FORGE: 'gitea' } }),
      ).rejects.toThrow('settings.SHOPYARD_REPOSITORY_URL');
      const { SHOPYARD_FORGE_READ_PASSWORD: _, ...fewer } = secrets ?? {};
      await expect(render('local', { secrets: fewer })).rejects.toThrow(
        'secrets.SHOPYARD_FORGE_READ_PASSWORD',
      );
    });

    test('a large number stays one, and a change of a setting makes other pods', async () => {
      const { settings } = (await readValues('local')) as Record<string, Values>;
      const changed = await render('local', {
        settings: { ...settings, SHOPYARD_DEADLINE_SECONDS: 3_600_000 },
      });
      expect(find(changed, 'ConfigMap', 'shopyard-api').data).toMatchObject({
        SHOPYARD_DEADLINE_SECONDS: '3600000',
      });
      const sum = (manifests: readonly Manifest[]): unknown =>
        podTemplateOf(find(manifests, 'Deployment', 'shopyard-api'))?.metadata.annotations?.[
          'checksum/settings'
        ];
      expect(sum(changed)).not.toBe(sum(await render('local')));
    });

    test('is for the namespace that every store lets in', async () => {
      const elsewhere = runHelm(
        helm,
        ['template', 'shopyard', chart, '--namespace', 'elsewhere', '--kube-version', '1.34.4'],
        await readValues('local'),
      );
      await expect(elsewhere).rejects.toThrow('shopyard-system');
    });
  },
);

/** Values as the Secrets hold them. */
const EXAMPLE_SECRETS: Readonly<Record<string, string>> = {
  DATABASE_URL: 'postgresql://shopyard:password@shopyard-database-rw.shopyard-system:5432/shopyard',
  SHOPYARD_AUTH_SECRET: 'at-least-thirty-two-characters-long',
  SHOPYARD_PORTAL_SECRET: 'at-least-sixteen-characters',
  SHOPYARD_FORGE_READ_PASSWORD: 'at-least-sixteen-characters',
  SHOPYARD_FORGE_WRITE_PASSWORD: 'at-least-sixteen-characters',
  SHOPYARD_FORGE_WEBHOOK_SECRET: 'at-least-sixteen-characters',
  SHOPYARD_OIDC_CLIENT_SECRET: 'a-secret',
  SHOPYARD_SMTP_URL: 'smtps://user:password@smtp.example.com:465',
};

function merge(one: Values, other: Values): Values {
  const isObject = (value: unknown): value is Values =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  return Object.entries(other).reduce<Values>((merged, [key, value]) => {
    const former = merged[key];
    return { ...merged, [key]: isObject(former) && isObject(value) ? merge(former, value) : value };
  }, one);
}
