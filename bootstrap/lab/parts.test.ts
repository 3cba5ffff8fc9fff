import { expect, test } from 'vitest';
import { layOut } from './layout.ts';
import { describeFoundationObjects, selectArgocdManifests } from './objects.ts';
import { describeStages, parseNameservers, renderCorefile } from './parts.ts';
import { resolveLabPaths } from './paths.ts';
import { readLabSettings } from './settings.ts';
import { formatMemory, renderStatus } from './status.ts';
import { describeConnection } from './connection.ts';
import { findMissingPackages } from './debian.ts';
import { cutToWidth, formatDuration } from './progress.ts';

const paths = resolveLabPaths({ SHOPYARD_LAB_DIR: '/lab', SHOPYARD_CACHE_DIR: '/cache' });
const layout = layOut(paths);

test('folders come from the settings, then from the XDG ones, then from the home folder', () => {
  expect(paths).toMatchObject({ lab: '/lab', cache: '/cache', bin: '/cache/bin' });
  expect(resolveLabPaths({ XDG_STATE_HOME: '/s', XDG_CACHE_HOME: '/c' })).toMatchObject({
    lab: '/s/shopyard/lab',
    cache: '/c/shopyard',
  });
  expect(resolveLabPaths({}).lab).toMatch(/\/\.local\/state\/shopyard\/lab$/);
});

test('settings have defaults, and every wrong one is named', () => {
  expect(readLabSettings({ LAB_SYNC_TIMEOUT_SECONDS: '20' })).toEqual({
    syncTimeoutSeconds: 20,
    reconciliationSeconds: 60,
    syncWaveDelaySeconds: 2,
  });
  const wrong = { LAB_SYNC_TIMEOUT_SECONDS: '-1', LAB_RECONCILIATION_SECONDS: '1m' };
  expect(() => readLabSettings(wrong)).toThrow(
    /LAB_SYNC_TIMEOUT_SECONDS.*\n.*LAB_RECONCILIATION_SECONDS/,
  );
});

test('a changed setting reaches the part that it is for, and no other', () => {
  const render = (env: NodeJS.ProcessEnv): Map<string, string> =>
    new Map(
      describeStages({ paths, layout, settings: readLabSettings(env) })
        .flatMap((stage) => stage.parts)
        .map((part) => [part.name, JSON.stringify([part.args, part.env])]),
    );
  const before = render({});
  const after = render({ LAB_SYNC_TIMEOUT_SECONDS: '20' });
  const changed = [...before.keys()].filter((name) => before.get(name) !== after.get(name));
  expect(changed).toEqual(['argocd-application-controller']);
});

test('the connection file has the settings that the control plane reads, all of them text', () => {
  const connection = describeConnection(layout, {
    forgeReadPassword: 'r',
    forgeWritePassword: 'w',
    webhookSecret: 's',
  });
  expect(connection).toEqual({
    SHOPYARD_CLUSTER_NAME: 'lab',
    SHOPYARD_KUBECONFIG: '/lab/observer.kubeconfig',
    SHOPYARD_BASE_DOMAIN: 'localhost',
    SHOPYARD_STORE_SCHEME: 'http',
    SHOPYARD_STORE_PORT: '8088',
    SHOPYARD_REPOSITORY_URL: 'http://127.0.0.1:8081/shopyard.git',
    SHOPYARD_FORGE_PORT: '8081',
    SHOPYARD_FORGE_READ_PASSWORD: 'r',
    SHOPYARD_FORGE_WRITE_PASSWORD: 'w',
    SHOPYARD_ARGOCD_WEBHOOK_URL: 'http://127.0.0.1:18080/api/webhook',
    SHOPYARD_ARGOCD_WEBHOOK_SECRET: 's',
    SHOPYARD_ARGOCD_UI_URL: 'http://127.0.0.1:18080',
  });
});

test('a Service leads to each part that pods or the API server find by one', () => {
  const listening = describeStages({ paths, layout, settings: readLabSettings({}) })
    .flatMap((stage) => stage.parts)
    .flatMap((part) => part.listens.map(({ host, port }) => [`${host}:${port}`, part.name]));
  const partAt = new Map(listening.map(([address = '', name]) => [address, name]));
  type Slice = {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly ports: readonly { readonly port: number }[];
    readonly endpoints: readonly { readonly addresses: readonly string[] }[];
  };
  const slices = describeFoundationObjects().filter(
    ({ kind }) => kind === 'EndpointSlice',
  ) as unknown as Slice[];
  const led = slices.map((slice) => [
    slice.metadata.labels['kubernetes.io/service-name'],
    partAt.get(`${slice.endpoints[0]?.addresses[0]}:${slice.ports[0]?.port}`),
  ]);
  expect(led).toEqual([
    ['kube-dns', 'coredns'],
    ['metrics-server', 'metrics-server'],
  ]);
});

test("leaves out Argo CD's workloads and keeps the rest", () => {
  const yaml = ['ConfigMap', 'Deployment', 'StatefulSet', 'CustomResourceDefinition', 'Service']
    .map((kind) => `apiVersion: v1\nkind: ${kind}\nspec:\n  kind: Deployment\n`)
    .join('---\n');
  const kinds = [...selectArgocdManifests(yaml).matchAll(/^kind: (\S+)/gm)].map(([, kind]) => kind);
  expect(kinds).toEqual(['ConfigMap', 'CustomResourceDefinition']);
});

test('names outside the cluster go to the name servers of the machine, if it has any', () => {
  const found = parseNameservers(
    '# nameserver 1.1.1.1\nnameserver 10.0.0.2\nnameserver ::1\nsearch x',
  );
  expect(found).toEqual(['10.0.0.2', '::1']);
  expect(renderCorefile(layout, found)).toContain('  forward . 10.0.0.2 ::1\n');
  expect(renderCorefile(layout, [])).not.toContain('forward');
});

test('shows a line for each part and the sum of their memory', () => {
  const mebibyte = 1024 * 1024;
  const parts = [
    { name: 'etcd', state: 'up' as const, pid: 12, memory: 50 * mebibyte },
    { name: 'kubelet', state: 'down' as const, memory: 0 },
    { name: 'redis', state: 'not answering' as const, pid: 345, memory: 1000 * mebibyte },
  ];
  expect(renderStatus(parts, 2 * mebibyte)).toBe(
    [
      '  etcd     up             pid 12       50 MiB',
      '  kubelet  down',
      '  redis    not answering  pid 345      1000 MiB',
      '  memory: parts 1.0 GiB, pods 2 MiB',
    ].join('\n'),
  );
  expect(formatMemory(0)).toBe('0 MiB');
});

test('names each missing Debian package once', () => {
  expect(findMissingPackages(() => true)).toEqual([]);
  const missing = findMissingPackages((path) => !/containerd|ptp/.test(path));
  expect(missing).toEqual(['containerd', 'containernetworking-plugins']);
});

test('a progress line never fills the terminal’s last column, where it would wrap', () => {
  expect(cutToWidth('abcdefgh', 9)).toBe('abcdefgh');
  expect(cutToWidth('abcdefgh', 8)).toBe('abcdef…');
  expect(cutToWidth('abcdefgh', 0)).toBe('abcdefgh');
});

test('writes durations as people say them', () => {
  expect([850, 59_400, 75_000, 3_600_000].map(formatDuration)).toEqual([
    '0.8 s',
    '59 s',
    '1 min 15 s',
    '60 min 0 s',
  ]);
});
