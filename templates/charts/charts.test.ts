/**
 * What the chart of every engine must hold to, asked of what the real Helm renders. Whether the API server takes it is
 * for test/lab/charts.test.ts; what concerns one engine alone is beside its chart.
 */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readConnections } from './connections.ts';
import { claimsOf, findFaults, findShortages, podsOf } from './pod-rules.ts';
import {
  combine,
  exampleStores,
  namespace,
  publishCharts,
  render,
  renderText,
  s3Backup,
  storeValues,
} from './published-charts.ts';
import {
  findHelm,
  HELMS,
  podTemplateOf,
  runHelm,
  waveOf,
  type Manifest,
  type Values,
} from './render-chart.ts';

const { charts, remove } = await publishCharts();
afterAll(remove);

const found = findHelm();
const helm = found ?? '';

function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const manifest = manifests.find((m) => m.kind === kind && m.metadata.name === name);
  if (manifest === undefined) throw new Error(`No ${kind} ${name} was rendered.`);
  return manifest;
}

const nameOf = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.name}`;

test('a chart is published with its library, which is no chart of its own', async () => {
  expect(charts.map(({ name }) => name)).not.toContain('store');
  for (const { folder } of charts) {
    const paths = await readdir(folder, { recursive: true });
    expect(paths).toContain('charts/store/Chart.yaml');
    expect(paths.filter((path) => /golden|\.md$|\.test\.ts$/.test(path))).toEqual([]);
  }
});

test('charts describe alike what all stores have in common', () => {
  const [first, ...others] = charts.map(({ schema: { properties, definitions } }) => {
    const { store, plan, storagePlan, url, cluster, claims, global } = properties;
    return { store, plan, storagePlan, url, cluster, claims, global, definitions };
  });
  for (const other of others) expect(other).toEqual(first);
});

describe.skipIf(found === undefined).each(charts)(
  `chart $name${found === undefined ? ' (skipped: no helm in HELM, on the PATH or in the lab’s cache)' : ''}`,
  (chart) => {
    const { plans, flags } = chart;
    const known = new Map<string, Promise<Manifest[]>>();
    const rendered = (values: Values): Promise<Manifest[]> => {
      const key = JSON.stringify(values);
      const manifests = known.get(key) ?? render(helm, chart, values);
      known.set(key, manifests);
      return manifests;
    };
    /** A store of each plan with each way to answer the options. */
    const stores = plans.flatMap((plan) =>
      combine(Object.keys(flags)).map((options) => {
        const on = Object.keys(options).filter((flag) => options[flag]);
        const title = [plan, ...on].join(', ');
        return [title, storeValues({ plan, storagePlan: plan, options })] as const;
      }),
    );

    test('plans.yaml and the schema name the same plans', () => {
      const { plan, storagePlan } = chart.schema.properties as Record<string, { enum: string[] }>;
      expect(plan?.enum).toEqual(plans);
      expect(storagePlan?.enum).toEqual(plans);
    });

    describe.each(HELMS)('Helm %s', (_version, program) => {
      test.skipIf(program === undefined).each(Object.entries(exampleStores(chart)))(
        'passes lint: %s',
        async (_, values) => {
          const said = await runHelm(
            program ?? '',
            ['lint', chart.folder, '--strict', '--namespace', namespace],
            values,
          );
          expect(said).toContain('0 chart(s) failed');
        },
      );
    });

    test.each(Object.entries(exampleStores(chart)))(
      'renders the same twice, and as recorded: %s',
      async (name, values) => {
        const first = await renderText(helm, chart, values);
        expect(await renderText(helm, chart, values)).toBe(first);
        const file = join(chart.source, 'golden', `${name}.yaml`);
        if (process.env['GOLDEN_UPDATE'] === '1') {
          await mkdir(join(chart.source, 'golden'), { recursive: true });
          await writeFile(file, first);
        }
        expect(first).toBe(await readFile(file, 'utf8'));
      },
    );

    test('golden output has no leftovers', async () => {
      expect((await readdir(join(chart.source, 'golden'))).sort()).toEqual(
        Object.keys(exampleStores(chart))
          .map((name) => `${name}.yaml`)
          .sort(),
      );
    });

    test.skipIf(HELMS[1][1] === undefined)('Helm 4 renders the same objects', async () => {
      for (const values of Object.values(exampleStores(chart)))
        expect(await render(HELMS[1][1] ?? '', chart, values)).toEqual(await rendered(values));
    });

    test.each(stores)(
      'pods are restricted, ask for resources, and fit the quota at the worst moment of an upgrade: %s',
      async (_, values) => {
        const manifests = await rendered(values);
        const pods = podsOf(manifests);
        expect(pods.map(({ owner }) => owner)).toEqual(
          expect.arrayContaining(['Deployment/web', 'StatefulSet/database', 'Job/setup']),
        );
        expect(pods.flatMap(({ owner, spec }) => findFaults(spec).map((f) => [owner, f]))).toEqual(
          [],
        );
        expect(findShortages(manifests)).toEqual([]);
      },
    );

    test('a change of plan leaves claims as they were made', async () => {
      const claims = async (values: Values): Promise<unknown[]> =>
        (await rendered(values)).flatMap(claimsOf);
      const made = await claims(storeValues());
      expect(made).not.toEqual([]);
      expect(await claims(storeValues({ plan: 'large' }))).toEqual(made);
      expect(await claims(storeValues({ plan: 'large', storagePlan: 'large' }))).not.toEqual(made);
    });

    test('a former plan’s quota is pruned first and the new one made last', async () => {
      for (const plan of plans) {
        const manifests = await rendered(storeValues({ plan }));
        const named = manifests.filter((m) => m.metadata.name === `plan-${plan}`);
        expect(named.map((m) => [m.kind, waveOf(m)]).sort()).toEqual([
          ['LimitRange', Math.min(...manifests.filter((m) => m.kind !== 'Namespace').map(waveOf))],
          ['ResourceQuota', Math.max(...manifests.map(waveOf))],
        ]);
      }
    });

    const running = Object.entries(exampleStores(chart)).filter(([name]) => name !== 'suspended');
    test.each(running)('waves are in order: %s', async (_, values) => {
      const manifests = await rendered(values);
      const waves = (...kinds: string[]): number[] =>
        manifests.filter(({ kind }) => kinds.includes(kind)).map(waveOf);
      const wave = (kind: string, name: string): number => waveOf(find(manifests, kind, name));
      const last = Math.max(...manifests.map(waveOf));

      const prepared = waves('ServiceAccount', 'Role', 'RoleBinding', 'NetworkPolicy', 'ConfigMap');
      expect(wave('Namespace', namespace)).toBeLessThan(Math.min(...prepared));
      expect(Math.max(...prepared)).toBeLessThan(wave('Job', 'secrets'));
      expect(wave('Job', 'secrets')).toBeLessThan(Math.min(...waves('StatefulSet')));
      expect(Math.max(...waves('StatefulSet'))).toBeLessThan(wave('Job', 'setup'));
      expect(Math.max(...waves('StatefulSet'))).toBeLessThan(Math.min(...waves('Deployment')));
      expect(Math.max(...waves('Deployment', 'Job'))).toBeLessThan(last);
      expect([...new Set(waves('Ingress', 'CronJob', 'HorizontalPodAutoscaler'))]).toEqual([last]);

      // A claim that waits for its first consumer would hold up an earlier wave for ever.
      for (const claim of manifests.filter(({ kind }) => kind === 'PersistentVolumeClaim')) {
        const users = manifests.filter(
          (m) =>
            m.kind !== 'CronJob' &&
            podTemplateOf(m)?.spec.volumes?.some(
              (v) => v.persistentVolumeClaim?.claimName === claim.metadata.name,
            ),
        );
        expect([nameOf(claim), Math.min(...users.map(waveOf))]).toEqual([
          nameOf(claim),
          waveOf(claim),
        ]);
      }
      for (const service of manifests.filter(({ kind }) => kind === 'Service')) {
        const { name } = service.metadata;
        const owner = manifests.find(
          (m) => ['Deployment', 'StatefulSet'].includes(m.kind) && m.metadata.name === name,
        );
        expect([name, owner && waveOf(owner)]).toEqual([name, waveOf(service)]);
      }
    });

    test.each(running)(
      'suspended it has no pods and no Jobs, and keeps all else as it was: %s',
      async (_, values) => {
        const before = await rendered(values);
        const store = { ...(values['store'] as Values), suspended: true };
        const after = await rendered({ ...values, store });
        const gone = before.filter((one) => !after.some((m) => nameOf(m) === nameOf(one)));
        expect(
          gone
            .map(nameOf)
            .filter((name) => !name.startsWith('Horizontal'))
            .sort(),
        ).toEqual(['Job/secrets', 'Job/setup']);
        expect(after.filter(({ kind }) => kind === 'HorizontalPodAutoscaler')).toEqual([]);
        expect(findShortages(after)).toEqual([]);
        for (const manifest of after) {
          const former = find(before, manifest.kind, manifest.metadata.name);
          const { kind, spec } = manifest;
          const name = nameOf(manifest);
          if (kind === 'Deployment' || kind === 'StatefulSet') {
            expect([name, spec?.replicas]).toEqual([name, 0]);
            expect([name, podTemplateOf(manifest)]).toEqual([name, podTemplateOf(former)]);
            expect([name, claimsOf(manifest)]).toEqual([name, claimsOf(former)]);
            // What is scaled to nothing keeps its volume.
            if (spec?.volumeClaimTemplates !== undefined)
              expect([name, spec.persistentVolumeClaimRetentionPolicy?.whenScaled]).toEqual([
                name,
                'Retain',
              ]);
          } else if (kind === 'CronJob') expect([name, spec?.suspend]).toEqual([name, true]);
          else if (kind === 'PersistentVolumeClaim') {
            expect([name, spec]).toEqual([name, former.spec]);
            // Without a pod it may never be bound: nothing comes after it or asks for its health.
            expect(waveOf(manifest)).toBe(Math.max(...after.map(waveOf)));
            expect(manifest.metadata.annotations).toMatchObject({
              'argocd.argoproj.io/ignore-healthcheck': 'true',
            });
            expect(manifest.metadata.annotations?.['argocd.argoproj.io/sync-options']).toBe(
              former.metadata.annotations?.['argocd.argoproj.io/sync-options'],
            );
            // A delete comes to the waves from the last to the first, and waits: a claim goes once no
            // pod holds it, not even the ended one of a Job that ran before.
            const users = before.filter(
              (m) => m.kind === 'Job' && mountsClaim(m, manifest.metadata.name),
            );
            expect(users.filter((job) => waveOf(job) < waveOf(manifest)).map(nameOf)).toEqual([]);
          } else expect(withoutWave(manifest)).toEqual(withoutWave(former));
        }
      },
    );

    test('there are only Argo CD’s hooks: the two Jobs', async () => {
      const manifests = await rendered(storeValues());
      const annotations = manifests.flatMap((m) => Object.keys(m.metadata.annotations ?? {}));
      expect(annotations.filter((key) => key.startsWith('helm.sh/'))).toEqual([]);
      const hooks = manifests.filter((m) => m.metadata.annotations?.['argocd.argoproj.io/hook']);
      expect(hooks.map(nameOf).sort()).toEqual(['Job/secrets', 'Job/setup']);
      expect(manifests.filter(({ kind }) => kind === 'Job')).toEqual(hooks);
      for (const { metadata, spec } of hooks) {
        expect(metadata.annotations?.['argocd.argoproj.io/hook-delete-policy']).toBe(
          'BeforeHookCreation',
        );
        expect(spec?.ttlSecondsAfterFinished).toBeUndefined();
        expect(spec?.backoffLimit).toBeGreaterThan(0);
        expect(spec?.activeDeadlineSeconds).toBeGreaterThan(0);
      }
    });

    test('the generation is on the ConfigMap and the set-up Job, the attempt on the Deployments’ pods', async () => {
      const changed = async (store: Values): Promise<Manifest[]> => {
        const before = await rendered(storeValues());
        const after = await rendered(storeValues({ store }));
        return after.filter((m, index) => JSON.stringify(m) !== JSON.stringify(before[index]));
      };
      const [configMap, setup, ...others] = await changed({ generation: 12 });
      expect(others).toEqual([]);
      expect(configMap).toMatchObject({ kind: 'ConfigMap', data: { generation: '12' } });
      expect(configMap?.metadata.name).toBe('shopyard-generation');
      expect(setup && nameOf(setup)).toBe('Job/setup');
      expect(setup?.metadata.labels?.['shopyard.dev/generation']).toBe('12');

      const deployments = (await rendered(storeValues())).filter((m) => m.kind === 'Deployment');
      const retried = await changed({ attempt: 3 });
      expect(retried.map(nameOf)).toEqual(deployments.map(nameOf));
      for (const one of retried)
        expect(podTemplateOf(one)?.metadata.annotations?.['shopyard.dev/attempt']).toBe('3');
    });

    test('Secrets are made in the cluster and read by name only', async () => {
      const manifests = await rendered(storeValues());
      expect(manifests.filter(({ kind }) => kind === 'Secret')).toEqual([]);
      expect(find(manifests, 'Role', 'secrets').rules).toEqual([
        { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
      ]);
      expect(find(manifests, 'Role', 'observer').rules).toEqual([
        {
          apiGroups: [''],
          resources: ['secrets'],
          resourceNames: ['store-admin', 'store-api'],
          verbs: ['get'],
        },
      ]);
      expect(find(manifests, 'RoleBinding', 'observer').subjects).toEqual([
        { kind: 'ServiceAccount', name: 'shopyard-observer', namespace: 'shopyard-system' },
      ]);
      expect(manifests.filter(({ kind }) => kind === 'Role')).toHaveLength(2);
      const withToken = podsOf(manifests).filter(
        ({ spec }) => spec.automountServiceAccountToken !== false,
      );
      expect(withToken.map(({ owner }) => owner)).toEqual(['Job/secrets']);
    });

    test.each(stores)(
      'everything is in the store’s namespace, from its registry, labelled, and runs as an account there: %s',
      async (_, values) => {
        const manifests = await rendered(values);
        for (const { kind, metadata } of manifests) {
          expect(kind === 'Namespace' ? metadata.name : metadata.namespace).toBe(namespace);
          expect(metadata.labels?.['shopyard.dev/store']).toBe('st_aaaaaaaaaaaaaaaa');
          expect(metadata.labels?.['app.kubernetes.io/instance']).toBeUndefined();
        }
        const accounts = manifests.flatMap((m) =>
          m.kind === 'ServiceAccount' ? [m.metadata.name] : [],
        );
        for (const { spec } of podsOf(manifests)) {
          expect(accounts).toContain(spec.serviceAccountName);
          for (const { image } of [...(spec.initContainers ?? []), ...spec.containers])
            expect(image).toMatch(/^registry\.example\/shopyard\//);
        }
      },
    );

    test('the Namespace says what the admission policies ask: hosts, images, restricted pods', async () => {
      const { metadata } = find(await rendered(storeValues()), 'Namespace', namespace);
      expect(metadata.annotations).toMatchObject({
        'shopyard.dev/hosts': 'shop.localhost',
        'shopyard.dev/images': 'registry.example/shopyard/',
      });
      expect(metadata.labels?.['pod-security.kubernetes.io/enforce']).toBe('restricted');
    });

    test.each(stores)(
      'whom one end may call, the other end lets in, and nobody else: %s',
      async (_, values) => {
        const { calls, admissions } = readConnections(await rendered(values));
        expect(calls).not.toEqual([]);
        expect(calls).toEqual(admissions);
      },
    );

    test.each(stores)(
      'one component tells Prometheus of the store, which comes from its own namespace to that port alone: %s',
      async (_, values) => {
        const manifests = await rendered(values);
        const telling = podsOf(manifests).flatMap(({ owner, spec }) =>
          spec.containers
            .flatMap(({ ports = [] }) => ports)
            .filter(({ name }) => name === 'metrics')
            .map(({ containerPort }) => [owner, containerPort] as const),
        );
        expect(telling).toEqual([[expect.stringMatching(/^Deployment\//), 9117]]);
        const component = telling[0]?.[0].split('/')[1];
        expect(find(manifests, 'NetworkPolicy', 'metrics').spec).toEqual({
          podSelector: { matchLabels: { 'app.kubernetes.io/component': component } },
          policyTypes: ['Ingress'],
          ingress: [
            {
              from: [
                {
                  namespaceSelector: {
                    matchExpressions: [
                      {
                        key: 'kubernetes.io/metadata.name',
                        operator: 'In',
                        values: ['monitoring'],
                      },
                    ],
                  },
                },
              ],
              ports: [{ protocol: 'TCP', port: 9117 }],
            },
          ],
        });
        // Nobody else is let in there, and no Service, so no Ingress either, leads there.
        const admitting = manifests.filter((m) =>
          m.spec?.ingress?.some(({ ports }) => ports.some(({ port }) => port === 9117)),
        );
        expect(admitting.map(nameOf)).toEqual(['NetworkPolicy/metrics']);
        const targets = manifests
          .filter(({ kind }) => kind === 'Service')
          .flatMap(({ spec }) => (spec?.ports ?? []).map(({ targetPort }) => targetPort));
        expect(targets).not.toEqual([]);
        expect(targets.filter((port) => port === 'metrics' || port === 9117)).toEqual([]);
      },
    );

    test('the address is the Ingress’ one host; its certificate is the host’s, the cluster’s or a Secret’s', async () => {
      const ingress = async (values: Values) =>
        find(await rendered(storeValues(values)), 'Ingress', 'web');
      expect((await ingress({})).spec?.tls).toBeUndefined();
      const url = 'https://shop.example.com';
      const { spec } = await ingress({ url });
      expect(spec?.rules?.map(({ host }) => host)).toEqual(['shop.example.com']);
      const hosts = ['shop.example.com'];
      const tls = async (tlsSecret: string | null) =>
        (await ingress({ url, cluster: { tlsSecret } })).spec?.tls;
      expect(await tls(null)).toEqual([{ hosts, secretName: 'web-tls' }]);
      expect(await tls('')).toEqual([{ hosts }]);
      expect(await tls('wildcard')).toEqual([{ hosts, secretName: 'wildcard' }]);

      const ingressAnnotations = { 'cert-manager.io/cluster-issuer': 'letsencrypt' };
      const annotated = await ingress({ url, cluster: { ingressAnnotations } });
      expect(annotated.metadata.annotations).toMatchObject(ingressAnnotations);
    });

    test('backups go into a claim that its first users bind, and are restored by a suspended CronJob', async () => {
      const manifests = await rendered(storeValues());
      const [backup, restore] = ['backup', 'restore'].map((n) => find(manifests, 'CronJob', n));
      expect([backup?.spec?.suspend, restore?.spec?.suspend]).toEqual([false, true]);
      for (const cronJob of [backup, restore]) {
        const ignored = cronJob?.metadata.annotations?.['argocd.argoproj.io/ignore-healthcheck'];
        expect(ignored).toBe('true');
        expect(valueOf(cronJob, 'RESTIC_REPOSITORY')).toBe('/backups/restic');
        expect(valueOf(cronJob, 'BACKUP_NAME')).toBe(namespace);
      }
      expect(valueOf(restore, 'SNAPSHOT')).toBe('latest');
      expect(
        find(manifests, 'PersistentVolumeClaim', 'backups').metadata.annotations,
      ).toMatchObject({ 'argocd.argoproj.io/sync-options': 'Prune=false' });
    });

    test('backups go to the operator’s S3 server with the operator’s Secret, and nothing else reaches it', async () => {
      const manifests = await rendered(storeValues({ cluster: { backup: s3Backup } }));
      expect(
        manifests.filter(
          (m) => m.kind === 'PersistentVolumeClaim' && m.metadata.name === 'backups',
        ),
      ).toEqual([]);
      for (const name of ['backup', 'restore']) {
        const cronJob = find(manifests, 'CronJob', name);
        expect(valueOf(cronJob, 'RESTIC_REPOSITORY')).toBe(
          `s3:http://s3.example.com:8333/shop-backups/${namespace}`,
        );
        expect(podTemplateOf(cronJob)?.spec.volumes?.map((v) => v.secret?.secretName)).toContain(
          'backup-s3',
        );
      }
      const reaching = manifests.filter((m) =>
        m.spec?.egress?.some(({ ports }) => ports.some(({ port }) => port === 8333)),
      );
      expect(reaching.map(nameOf)).toEqual(['NetworkPolicy/backup']);
    });

    test.each<[string, Values, RegExp]>([
      ['an unknown plan', storeValues({ plan: 'huge' }), /plan/],
      ['a further key', storeValues({ namespace: 'kube-system' }), /namespace/],
      ['a further key of the store', storeValues({ store: { project: 'default' } }), /project/],
      ['“suspended” that is text', storeValues({ store: { suspended: 'no' } }), /suspended/],
      ['a generation that is text', storeValues({ store: { generation: '1' } }), /generation/],
      ['an address with a path', storeValues({ url: 'http://shop.localhost/x' }), /url/],
      ['an address that ends a line', storeValues({ url: 'http://a.b\nkind: Pod' }), /url/],
      ['a name that is no label', storeValues({ store: { name: 'Shop' } }), /name/],
      ['no address', storeValues({ url: undefined }), /url/],
      ['an unknown option', storeValues({ options: { wings: true } }), /wings/],
      ['a country that is none', storeValues({ options: { country: 'de' } }), /country/],
      [
        'an annotation of Argo CD’s',
        storeValues({ cluster: { ingressAnnotations: { 'argocd.argoproj.io/hook': 'Sync' } } }),
        /invalid propertyName 'argocd\.argoproj\.io\/hook'/,
      ],
      [
        'S3 without its server',
        storeValues({ cluster: { backup: { ...s3Backup, s3: null } } }),
        /backup/,
      ],
    ])('the schema refuses %s', async (_, values, words) => {
      await expect(renderText(helm, chart, values)).rejects.toThrow(words);
    });

    test('a namespace other than the store’s own is refused', async () => {
      await expect(renderText(helm, chart, storeValues(), { into: 'kube-system' })).rejects.toThrow(
        'this store belongs in namespace store-abc123-shop, not in kube-system',
      );
    });
  },
);

function valueOf(manifest: Manifest | undefined, name: string): string | undefined {
  const template = manifest && podTemplateOf(manifest);
  return template?.spec.containers.flatMap((c) => c.env ?? []).find((e) => e.name === name)?.value;
}

function mountsClaim(manifest: Manifest, name: string): boolean {
  const volumes = podTemplateOf(manifest)?.spec.volumes ?? [];
  return volumes.some((volume) => volume.persistentVolumeClaim?.claimName === name);
}

function withoutWave(manifest: Manifest): Manifest {
  const { 'argocd.argoproj.io/sync-wave': _, ...annotations } = manifest.metadata.annotations ?? {};
  return { ...manifest, metadata: { ...manifest.metadata, annotations } };
}
