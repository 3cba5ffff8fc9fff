/**
 * Several clusters under one control plane, as people run it: practice clusters on one repository,
 * each with its own folder. One goes away and comes back, one is not there yet; the others go on.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { startPracticeCluster, type PracticeCluster } from '../../bootstrap/practice/cluster.ts';
import { connectCluster } from '../../control-plane/src/cluster/connection.ts';
import { createClusterReader } from '../../control-plane/src/cluster/reader.ts';
import { ClusterList, EngineList, Health, type Store } from '../../control-plane/src/contract.ts';
import { READER } from '../../control-plane/src/forge/server.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import { ApiClient, startControlPlaneProcess } from '../support/control-plane-process.ts';
import { findFreePort } from '../support/free-port.ts';
import { createTestDatabase } from '../support/postgres.ts';

const TOKEN = 'clusters-test-operator-token';
const SECRET = 'clusters-test-webhook-secret';
const READ_PASSWORD = 'clusters-test-read-password';
const NAMES = ['north', 'south', 'east'] as const;
type Name = (typeof NAMES)[number];

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

const cleanup = new AsyncDisposableStack();
const running = new Map<Name, PracticeCluster>();
const ports = new Map<Name, { readonly api: number; readonly shops: number }>();
/** Paths of the commits that each cluster's Argo CD was told of. */
const told = new Map<Name, Set<string>>(NAMES.map((name) => [name, new Set()]));
let folder: string;
let forgePort: number;
let url: string;
let api: ApiClient;

async function startCluster(name: Name): Promise<void> {
  const { api: port = 0, shops = 0 } = ports.get(name) ?? {};
  running.set(
    name,
    await startPracticeCluster({
      dir: join(folder, name),
      cluster: name,
      repository: {
        url: `http://127.0.0.1:${String(forgePort)}/shopyard.git`,
        username: READER,
        password: READ_PASSWORD,
        branch: 'main',
      },
      webhookSecret: SECRET,
      port,
      shopPort: shops,
      speed: 8,
      logger: createLogger('silent'),
    }),
  );
}

/** As in front of Argo CDs: notes what each is told, and passes it on. */
async function startWebhooks(): Promise<Server> {
  const server = createServer((request, response) => {
    void (async () => {
      const name = (request.url ?? '').slice(1) as Name;
      const body = await text(request);
      const { commits } = JSON.parse(body) as { commits: { modified: string[] }[] };
      for (const path of commits.flatMap((commit) => commit.modified)) told.get(name)?.add(path);
      const cluster = running.get(name);
      const headers = ['x-github-event', 'x-hub-signature-256'].map(
        (header) => [header, String(request.headers[header])] as const,
      );
      const passed = await fetch(cluster?.webhookUrl ?? 'http://127.0.0.1:1', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...Object.fromEntries(headers) },
        body,
      }).catch(() => null);
      response.writeHead(passed?.status ?? 503).end();
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-several-'));
  await chmod(folder, 0o755);
  cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const database = await createTestDatabase();
  cleanup.defer(() => database.close());
  forgePort = await findFreePort();
  for (const name of NAMES)
    ports.set(name, { api: await findFreePort(), shops: await findFreePort() });
  const webhooks = await startWebhooks();
  cleanup.defer(() => {
    webhooks.closeAllConnections();
    webhooks.close();
  });
  const hookPort = (webhooks.address() as AddressInfo).port;
  await writeFile(join(folder, 'secret'), SECRET);
  await writeFile(
    join(folder, 'clusters.yaml'),
    stringify(
      NAMES.map((name) => ({
        name,
        kubeconfig: `${name}/kubeconfig`,
        baseDomain: 'localhost',
        scheme: 'http',
        port: ports.get(name)?.shops,
        labels: { side: name },
        capacity: name === 'north' ? 3 : 100,
        webhook: { url: `http://127.0.0.1:${String(hookPort)}/${name}`, secretFile: 'secret' },
      })),
    ),
  );
  cleanup.defer(async () => {
    await Promise.all([...running.values()].map((cluster) => cluster.stop()));
  });
  // East is not there yet: its kubeconfig is missing.
  await startCluster('north');
  await startCluster('south');
  const controlPlane = await startControlPlaneProcess({
    env: {
      SHOPYARD_CLUSTERS: join(folder, 'clusters.yaml'),
      SHOPYARD_DATA_DIR: join(folder, 'data'),
      SHOPYARD_LAB_DIR: join(folder, 'no-lab'),
      SHOPYARD_BOOTSTRAP_TOKEN: TOKEN,
      SHOPYARD_FORGE_PORT: String(forgePort),
      SHOPYARD_FORGE_READ_PASSWORD: READ_PASSWORD,
      SHOPYARD_LOG_LEVEL: 'warn',
      DATABASE_URL: database.url,
    },
    port: await findFreePort(),
    log: join(folder, 'control-plane.log'),
  });
  cleanup.defer(async () => {
    await controlPlane.stop();
  });
  url = controlPlane.url;
  api = new ApiClient(url, TOKEN);
});
afterAll(() => cleanup.disposeAsync());

async function look(name: Name): Promise<ClusterList['clusters'][number]> {
  const { clusters } = ClusterList.parse((await api.call('GET', '/api/clusters')).body);
  const found = clusters.find((one) => one.name === name);
  if (found === undefined) throw new Error(`${name} is not listed`);
  return found;
}

const waitUntilHeard = (name: Name, heard: boolean) =>
  vi.waitFor(async () => expect(await look(name)).toMatchObject({ heard }), {
    timeout: 60_000,
    interval: 100,
  });

const make = async (store: object): Promise<Store> =>
  (await api.create({ type: 'woocommerce', ...store })).store;
const becomeReady = (store: Store): Promise<Store> =>
  api.waitFor(store.id, 'ready', ({ status }) => status === 'ready', { timeout: 120_000 });

async function isOn(name: Name, { namespace }: Store): Promise<boolean> {
  const connection = connectCluster(running.get(name)?.kubeconfig ?? '');
  const reader = createClusterReader(connection, { namespace: 'argocd' });
  try {
    return (await reader.readNamespace(namespace)) !== null;
  } finally {
    connection.close();
  }
}

let first: Store;
let second: Store;

test('a cluster without its kubeconfig is shown with the reason; the rest is ready', async () => {
  await waitUntilHeard('north', true);
  await waitUntilHeard('south', true);
  await expect.poll(async () => (await look('east')).trouble).toMatch(/kubeconfig .*ENOENT/);
  expect(await look('east')).toMatchObject({ heard: false, heardAt: null, stores: 0 });
  await expect
    .poll(() => api.call('GET', '/readyz'))
    .toMatchObject({
      status: 200,
      body: {
        checks: expect.arrayContaining([
          expect.objectContaining({ name: 'watch north', ready: true }),
          expect.objectContaining({ name: 'watch east', ready: false }),
        ]) as unknown[],
      },
    });
  const { clusters, placement } = EngineList.parse((await api.call('GET', '/api/engines')).body);
  expect(clusters.map(({ name, open }) => [name, open])).toEqual([
    ['north', true],
    ['south', true],
    ['east', false],
  ]);
  expect(placement).toBe('north');
});

test('stores go to the cluster with the most room, or that has the labels', async () => {
  first = await make({ name: 'first' });
  second = await make({ name: 'second' });
  const third = await make({ name: 'third', labels: { side: 'south' } });
  expect([first.cluster, second.cluster, third.cluster]).toEqual(['north', 'south', 'south']);
  expect(first.url).toBe(`http://first.localhost:${String(ports.get('north')?.shops)}`);
  await Promise.all([first, second, third].map(becomeReady));
  expect([await isOn('north', first), await isOn('south', first)]).toEqual([true, false]);
  expect([await isOn('north', second), await isOn('south', second)]).toEqual([false, true]);
  const preview = await api.call('POST', '/api/stores/preview', {
    ...{ name: 'shown', type: 'woocommerce', labels: { side: 'north' } },
  });
  expect(preview.body).toMatchObject({
    cluster: 'north',
    files: expect.arrayContaining([
      expect.objectContaining({
        path: expect.stringMatching(/^clusters\/north\/stores\//) as string,
      }),
    ]) as unknown[],
  });
});

test('each Argo CD is told of every push', () => {
  for (const name of ['north', 'south', 'east'] as const)
    for (const cluster of ['north', 'south'])
      expect([...(told.get(name) ?? [])]).toContainEqual(
        expect.stringMatching(new RegExp(`^clusters/${cluster}/stores/.*/store\\.yaml$`)),
      );
});

let waiting: Store;

test('one cluster goes away: its stores are shown as they were, with the age; the other goes on', async () => {
  const before = await look('south');
  await running.get('south')?.stop();
  await waitUntilHeard('south', false);
  const gone = await look('south');
  expect(gone.trouble).not.toBeNull();
  expect(Date.parse(gone.heardAt ?? '')).toBeGreaterThanOrEqual(Date.parse(before.heardAt ?? ''));

  // What is known of its stores stands, and says from when it is.
  expect((await api.read(second.id)).status).toBe('ready');
  const health = Health.parse((await api.call('GET', `/api/stores/${second.id}/health`)).body);
  expect(health.cluster).toEqual({
    name: 'south',
    heard: false,
    connected: true,
    heardAt: gone.heardAt,
  });
  expect(await api.call('GET', `/api/stores/${second.id}/pods`)).toMatchObject({
    status: 503,
    body: {
      code: 'cluster_unreachable',
      hint: `What is shown of its stores is as of ${gone.heardAt ?? ''}.`,
    },
  });
  expect((await api.call('GET', `/api/stores/${first.id}/pods`)).status).toBe(200);
  await expect.poll(async () => (await fetch(`${url}/readyz`)).status).toBe(200);

  // South would have more room.
  const other = await make({ name: 'other' });
  expect(other.cluster).toBe('north');
  // Who names a cluster that is away waits for it.
  waiting = await make({ name: 'waiting', cluster: 'south' });
  expect(
    await api.call('POST', '/api/stores', {
      ...{ name: 'nowhere', type: 'woocommerce', labels: { side: 'south' } },
    }),
  ).toMatchObject({
    status: 409,
    body: {
      code: 'no_cluster',
      errors: [
        {
          field: 'labels',
          message: expect.stringContaining('has not been heard from since') as string,
        },
      ],
    },
  });
  await becomeReady(other);
  expect((await api.read(waiting.id)).status).toBe('provisioning');
});

test('it comes back: what waited for it goes on', async () => {
  await startCluster('south');
  await becomeReady(waiting);
  await waitUntilHeard('south', true);
  expect(await look('south')).toMatchObject({ trouble: null, stores: 3 });
  expect((await api.call('GET', `/api/stores/${second.id}/pods`)).status).toBe(200);
});

test('a full cluster takes no more, and still answers for what it has', async () => {
  const last = await make({ name: 'last', cluster: 'north' });
  const body = { name: 'over', type: 'woocommerce', cluster: 'north' };
  expect(await api.call('POST', '/api/stores', body)).toMatchObject({
    status: 409,
    body: {
      code: 'no_cluster',
      errors: [{ field: 'cluster', message: 'The cluster “north” is full.' }],
    },
  });
  const again = { name: last.name, type: 'woocommerce' };
  expect(await api.call('POST', '/api/stores', { ...again, cluster: 'north' })).toMatchObject({
    status: 200,
    body: { store: { id: last.id } },
  });
  // Named or not: it is the same store.
  expect(await api.call('POST', '/api/stores', again)).toMatchObject({
    status: 200,
    body: { store: { id: last.id, cluster: 'north' } },
  });
  expect((await make({ name: 'elsewhere' })).cluster).toBe('south');
});

test('a cluster whose kubeconfig is put there later is taken up without a restart', async () => {
  await startCluster('east');
  await waitUntilHeard('east', true);
  const store = await make({ name: 'late', labels: { side: 'east' } });
  expect(store.cluster).toBe('east');
  await becomeReady(store);
});
