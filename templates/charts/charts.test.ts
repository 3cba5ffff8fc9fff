/**
 * What every chart of a store must hold to, asked of what the real Helm renders. Whether the API server takes it and
 * the pods run is for the lab's tests.
 */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import {
  findHelm,
  podTemplateOf,
  readManifests,
  readQuantity,
  runHelm,
  waveOf,
  type Manifest,
  type PodSpec,
  type Values,
} from './render-chart.ts';

const found = findHelm();
const helm = found ?? '';
const folder = join(import.meta.dirname, 'woocommerce');
const namespace = 'store-abc123-shop';
const plans = ['small', 'medium', 'large'] as const;

function storeValues(changes: Values = {}, store: Values = {}): Values {
  return {
    store: {
      id: 'st_aaaaaaaaaaaaaaaa',
      name: 'shop',
      tenant: 'abc123',
      generation: 1,
      attempt: 1,
      ...store,
    },
    plan: 'small',
    storagePlan: 'small',
    url: 'http://shop.localhost:8088',
    cluster: {
      ingressClass: 'traefik',
      storageClass: '',
      imageRegistry: 'registry.example/shopyard',
      observer: { namespace: 'shopyard-system', serviceAccount: 'shopyard-observer' },
    },
    ...changes,
  };
}

async function renderText(values: Values, into = namespace): Promise<string> {
  return runHelm(helm, ['template', 'abc123-shop', folder, '--namespace', into], values);
}

async function render(values: Values): Promise<Manifest[]> {
  return readManifests(await renderText(values));
}

function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const manifest = manifests.find((m) => m.kind === kind && m.metadata.name === name);
  if (manifest === undefined) throw new Error(`No ${kind} ${name} was rendered.`);
  return manifest;
}

function podsOf(manifests: readonly Manifest[]): { owner: string; spec: PodSpec }[] {
  return manifests.flatMap((manifest) => {
    const template = podTemplateOf(manifest);
    const owner = `${manifest.kind}/${manifest.metadata.name}`;
    return template === undefined ? [] : [{ owner, spec: template.spec }];
  });
}

/** What Pod Security `restricted` would object to, and what a quota or a read-only root asks beyond it. */
function findFaults(spec: PodSpec): string[] {
  const faults: string[] = [];
  const pod = spec.securityContext;
  if (pod?.runAsNonRoot !== true || !pod.runAsUser) faults.push('may run as root');
  if (pod?.seccompProfile?.type !== 'RuntimeDefault') faults.push('no seccomp profile');
  if (spec.hostNetwork ?? spec.hostPID ?? spec.hostIPC) faults.push('uses the host’s namespaces');
  const allowed = ['emptyDir', 'secret', 'configMap', 'persistentVolumeClaim', 'projected'];
  for (const { name, ...source } of spec.volumes ?? [])
    if (!Object.keys(source).every((type) => allowed.includes(type)))
      faults.push(`volume ${name} is of a forbidden type`);
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    const security = container.securityContext;
    const say = (fault: string) => faults.push(`${container.name}: ${fault}`);
    if (security?.allowPrivilegeEscalation !== false) say('may escalate privileges');
    if (security?.readOnlyRootFilesystem !== true) say('writes to its root');
    if (security?.privileged === true) say('is privileged');
    if (security?.capabilities?.drop?.includes('ALL') !== true) say('keeps capabilities');
    if (security?.capabilities?.add !== undefined) say('adds capabilities');
    for (const side of ['requests', 'limits'] as const)
      for (const resource of ['cpu', 'memory'])
        if (container.resources?.[side]?.[resource] === undefined)
          say(`has no ${side} of ${resource}`);
  }
  return faults;
}

function sumResources(specs: readonly PodSpec[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const spec of specs)
    for (const { resources } of spec.containers)
      for (const side of ['requests', 'limits'] as const)
        for (const [resource, amount] of Object.entries(resources?.[side] ?? {})) {
          const key = `${side}.${resource}`;
          sums.set(key, (sums.get(key) ?? 0) + readQuantity(amount));
        }
  return sums;
}

function requireSpec(manifest: Manifest): PodSpec {
  const template = podTemplateOf(manifest);
  if (template === undefined) throw new Error(`${manifest.metadata.name} makes no pods.`);
  return template.spec;
}

test('what a pod lacks of the restricted standard is found', () => {
  expect(findFaults({ containers: [{ name: 'c', image: 'i' }] })).toEqual([
    'may run as root',
    'no seccomp profile',
    'c: may escalate privileges',
    'c: writes to its root',
    'c: keeps capabilities',
    'c: has no requests of cpu',
    'c: has no requests of memory',
    'c: has no limits of cpu',
    'c: has no limits of memory',
  ]);
});

test('plans.yaml and the schema name the same plans', async () => {
  const sizes: unknown = parse(await readFile(join(folder, 'plans.yaml'), 'utf8'));
  expect(Object.keys(sizes as object)).toEqual([...plans]);
});

describe.skipIf(found === undefined)(
  `chart woocommerce${found === undefined ? ' (skipped: no helm in HELM, on the PATH or in the lab’s cache)' : ''}`,
  () => {
    test.each(plans)('plan %s passes helm lint', async (plan) => {
      const said = await runHelm(
        helm,
        ['lint', folder, '--strict', '--namespace', namespace],
        storeValues({ plan }),
      );
      expect(said).toContain('0 chart(s) failed');
    });

    test.each([
      ['small', storeValues()],
      [
        'large-https',
        storeValues(
          { plan: 'large', url: 'https://shop.example.com' },
          { generation: 7, attempt: 2 },
        ),
      ],
    ])('renders the same twice, and as recorded: %s', async (name, values) => {
      const first = await renderText(values);
      expect(await renderText(values)).toBe(first);
      const file = join(folder, 'golden', `${name}.yaml`);
      if (process.env.GOLDEN_UPDATE === '1') {
        await mkdir(join(folder, 'golden'), { recursive: true });
        await writeFile(file, first);
      }
      expect(first).toBe(await readFile(file, 'utf8'));
    });

    test.each(plans)('plan %s: every pod is restricted and asks for resources', async (plan) => {
      const pods = podsOf(await render(storeValues({ plan })));
      expect(pods.map(({ owner }) => owner).sort()).toEqual([
        'CronJob/cron',
        'Deployment/web',
        'Job/secrets',
        'Job/setup',
        'StatefulSet/database',
      ]);
      for (const { owner, spec } of pods) expect([owner, findFaults(spec)]).toEqual([owner, []]);
    });

    test.each(plans)('plan %s fits its quota at the worst moment of an upgrade', async (plan) => {
      const manifests = await render(storeValues({ plan, storagePlan: plan }));
      const web = find(manifests, 'Deployment', 'web');
      const jobs = ['secrets', 'setup'].map((name) => requireSpec(find(manifests, 'Job', name)));
      // Recreate and a StatefulSet of one never run two generations at once; a Job's former pod may still be ending.
      const pods = [
        ...Array.from({ length: web.spec?.replicas ?? 1 }, () => requireSpec(web)),
        requireSpec(find(manifests, 'StatefulSet', 'database')),
        requireSpec(find(manifests, 'CronJob', 'cron')),
        ...jobs,
        ...jobs,
      ];
      const hard = find(manifests, 'ResourceQuota', `plan-${plan}`).spec?.hard ?? {};
      const needed = sumResources(pods);
      expect([...needed.keys()].sort()).toEqual([
        'limits.cpu',
        'limits.memory',
        'requests.cpu',
        'requests.memory',
      ]);
      for (const [resource, amount] of needed)
        expect([resource, amount <= readQuantity(hard[resource] ?? '0')]).toEqual([resource, true]);
      expect(pods.length).toBeLessThanOrEqual(readQuantity(hard['pods'] ?? '0'));

      const claims = [
        find(manifests, 'PersistentVolumeClaim', 'uploads'),
        ...(find(manifests, 'StatefulSet', 'database').spec?.volumeClaimTemplates ?? []),
      ];
      const storage = claims.map((c) =>
        readQuantity(c.spec?.resources?.requests['storage'] ?? '0'),
      );
      expect(storage.reduce((sum, amount) => sum + amount, 0)).toBeLessThanOrEqual(
        readQuantity(hard['requests.storage'] ?? '0'),
      );
      expect(claims.length).toBeLessThanOrEqual(
        readQuantity(hard['persistentvolumeclaims'] ?? '0'),
      );
    });

    test('a change of plan leaves claims as they were made', async () => {
      const claims = async (values: Values): Promise<unknown[]> =>
        (await render(values)).flatMap((m) =>
          m.kind === 'PersistentVolumeClaim' ? [m] : (m.spec?.volumeClaimTemplates ?? []),
        );
      const made = await claims(storeValues());
      expect(made).toHaveLength(2);
      expect(await claims(storeValues({ plan: 'large' }))).toEqual(made);
      expect(await claims(storeValues({ plan: 'large', storagePlan: 'large' }))).not.toEqual(made);
    });

    test('a former plan’s quota is pruned first and the new one made last', async () => {
      for (const plan of plans) {
        const manifests = await render(storeValues({ plan }));
        const named = manifests.filter((m) => m.metadata.name === `plan-${plan}`);
        expect(named.map((m) => [m.kind, waveOf(m)]).sort()).toEqual([
          ['LimitRange', Math.min(...manifests.filter((m) => m.kind !== 'Namespace').map(waveOf))],
          ['ResourceQuota', Math.max(...manifests.map(waveOf))],
        ]);
      }
    });

    test('waves are in order and there are only Argo CD’s hooks', async () => {
      const manifests = await render(storeValues());
      const wave = (kind: string, name: string) => waveOf(find(manifests, kind, name));
      const order = [
        wave('Namespace', namespace),
        wave('Role', 'secrets'),
        wave('Job', 'secrets'),
        wave('StatefulSet', 'database'),
        wave('Deployment', 'web'),
        wave('Job', 'setup'),
        wave('Ingress', 'web'),
      ];
      expect(order).toEqual([...new Set(order)].sort((a, b) => a - b));
      expect(wave('NetworkPolicy', 'default-deny')).toBeLessThan(wave('Job', 'secrets'));
      expect(wave('PersistentVolumeClaim', 'uploads')).toBe(wave('Deployment', 'web'));
      expect(wave('CronJob', 'cron')).toBe(Math.max(...manifests.map(waveOf)));

      const annotations = manifests.flatMap((m) => Object.keys(m.metadata.annotations ?? {}));
      expect(annotations.filter((key) => key.startsWith('helm.sh/'))).toEqual([]);
      const hooks = manifests.filter((m) => m.metadata.annotations?.['argocd.argoproj.io/hook']);
      expect(hooks.map((m) => `${m.kind}/${m.metadata.name}`)).toEqual([
        'Job/secrets',
        'Job/setup',
      ]);
      for (const { metadata, spec } of hooks) {
        expect(metadata.annotations?.['argocd.argoproj.io/hook-delete-policy']).toBe(
          'BeforeHookCreation',
        );
        expect(spec?.ttlSecondsAfterFinished).toBeUndefined();
        expect(spec?.backoffLimit).toBeGreaterThan(0);
        expect(spec?.activeDeadlineSeconds).toBeGreaterThan(0);
      }
    });

    test('the generation is on the ConfigMap and the set-up Job, the attempt on the web pods', async () => {
      const changed = async (store: Values): Promise<string[]> => {
        const before = await render(storeValues());
        const after = await render(storeValues({}, store));
        return after
          .filter((manifest, index) => JSON.stringify(manifest) !== JSON.stringify(before[index]))
          .map((m) => `${m.kind}/${m.metadata.name}`);
      };
      expect(await changed({ generation: 2 })).toEqual([
        'ConfigMap/shopyard-generation',
        'Job/setup',
      ]);
      expect(await changed({ attempt: 2 })).toEqual(['Deployment/web']);

      const manifests = await render(storeValues({}, { generation: 12, attempt: 3 }));
      expect(find(manifests, 'ConfigMap', 'shopyard-generation').data).toEqual({
        generation: '12',
      });
      expect(find(manifests, 'Job', 'setup').metadata.labels?.['shopyard.dev/generation']).toBe(
        '12',
      );
      const web = podTemplateOf(find(manifests, 'Deployment', 'web'));
      expect(web?.metadata.annotations?.['shopyard.dev/attempt']).toBe('3');
    });

    test('Secrets are made in the cluster and read by name only', async () => {
      const manifests = await render(storeValues());
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
      const withToken = podsOf(manifests).filter(
        ({ spec }) => spec.automountServiceAccountToken !== false,
      );
      expect(withToken.map(({ owner }) => owner)).toEqual(['Job/secrets']);
    });

    test('everything is in the store’s namespace, from its registry, and carries its label', async () => {
      const manifests = await render(storeValues({ plan: 'large' }));
      for (const { kind, metadata } of manifests) {
        expect(kind === 'Namespace' ? metadata.name : metadata.namespace).toBe(namespace);
        expect(metadata.labels?.['shopyard.dev/store']).toBe('st_aaaaaaaaaaaaaaaa');
        expect(metadata.labels?.['app.kubernetes.io/instance']).toBeUndefined();
      }
      for (const { spec } of podsOf(manifests))
        for (const { image } of spec.containers)
          expect(image).toMatch(/^registry\.example\/shopyard\//);
    });

    test('a budget is there only where it does not stop a node from being drained', async () => {
      const kinds = async (plan: string) =>
        (await render(storeValues({ plan }))).map(({ kind }) => kind);
      expect(await kinds('small')).not.toContain('PodDisruptionBudget');
      expect(await kinds('large')).toContain('PodDisruptionBudget');
    });

    test('the address reaches the Ingress and the probe', async () => {
      const manifests = await render(storeValues({ url: 'https://shop.example.com' }));
      const ingress = find(manifests, 'Ingress', 'web').spec;
      expect(ingress?.rules?.map(({ host }) => host)).toEqual(['shop.example.com']);
      expect(ingress?.tls?.[0]?.hosts).toEqual(['shop.example.com']);
      const [wordpress] = requireSpec(find(manifests, 'Deployment', 'web')).containers;
      expect(wordpress?.readinessProbe?.httpGet?.httpHeaders).toEqual([
        { name: 'Host', value: 'shop.example.com' },
        { name: 'X-Forwarded-Proto', value: 'https' },
      ]);
      expect(wordpress?.livenessProbe?.tcpSocket).toBeDefined();
    });

    test.each<[string, Values, RegExp]>([
      ['an unknown plan', storeValues({ plan: 'huge' }), /plan/],
      ['a further key', storeValues({ namespace: 'kube-system' }), /namespace/],
      ['a further key of the store', storeValues({}, { project: 'default' }), /project/],
      ['a generation that is text', storeValues({}, { generation: '1' }), /generation/],
      ['an address with a path', storeValues({ url: 'http://shop.localhost/x' }), /url/],
      ['an address that ends a line', storeValues({ url: 'http://a.b\nkind: Pod' }), /url/],
      ['a name that is no label', storeValues({}, { name: 'Shop' }), /name/],
      ['no address', { ...storeValues(), url: undefined }, /url/],
    ])('the schema refuses %s', async (_, values, words) => {
      await expect(renderText(values)).rejects.toThrow(words);
    });

    test('a namespace other than the store’s own is refused', async () => {
      await expect(renderText(storeValues(), 'kube-system')).rejects.toThrow(
        'this store belongs in namespace store-abc123-shop, not in kube-system',
      );
    });

    test('golden output has no leftovers', async () => {
      expect((await readdir(join(folder, 'golden'))).sort()).toEqual([
        'large-https.yaml',
        'small.yaml',
      ]);
    });
  },
);
