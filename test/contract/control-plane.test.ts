/**
 * The whole path without a cluster: API → commit → practice cluster → status, on the control plane
 * as people run it. What the practice cluster does is what real Argo CD does: contract.ts.
 */
import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectCluster } from '../../control-plane/src/cluster/connection.ts';
import { createClusterReader } from '../../control-plane/src/cluster/reader.ts';
import type { Store } from '../../control-plane/src/contract.ts';
import type { ApiClient, ControlPlaneProcess } from '../support/control-plane-process.ts';
import { openPractice, type Practice } from '../support/practice.ts';

/** The observer looks into what is stuck after 15 s: by then a Job must not have timed out yet. */
const SPEED = 8;

let practice: Practice;
let controlPlane: ControlPlaneProcess;
let api: ApiClient;

const isReady = (store: Store): boolean => store.status === 'ready';
const isDeleted = (store: Store): boolean => store.status === 'deleted';
const WITHIN = { timeout: 80_000 };
// Nothing takes that long, unless the machine is busy with something else.
vi.setConfig({ testTimeout: 180_000 });

async function startControlPlane(): Promise<void> {
  ({ controlPlane, api } = await practice.startControlPlane());
}

beforeAll(async () => {
  practice = await openPractice({ speed: SPEED });
  await startControlPlane();
});

afterAll(async () => {
  await controlPlane.stop();
  await practice.close();
});

function visit(port: number, host: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, headers: { host: `${host}:${port}` } }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    }).on('error', reject);
  });
}

let shop: Store;

test('a store walks every stage to ready', async () => {
  const { store } = await api.create({ name: 'shop', type: 'woocommerce' });
  shop = await api.waitFor(store.id, 'ready', isReady, WITHIN);
  expect((await api.readStages(shop.id)).map(({ stage }) => stage)).toEqual([
    'requested', 'committed', 'seen', 'syncing', 'setup', 'verifying', 'ready',
  ]); // prettier-ignore
});

test('its pods, log, events and set-up job can be read, and say that this is practice', async () => {
  const connection = connectCluster(practice.cluster.kubeconfig);
  const reader = createClusterReader(connection, { namespace: 'argocd' });
  const pods = await reader.listPods(shop.namespace);
  expect(pods.flatMap(({ containers }) => containers.map(({ name }) => name)).sort()).toEqual([
    'mariadb', 'secrets', 'setup', 'wordpress',
  ]); // prettier-ignore
  const web = pods.find(({ name }) => name.startsWith('web-'));
  expect(web).toMatchObject({ phase: 'Running', containers: [{ ready: true }] });
  expect(await reader.readLog(shop.namespace, web?.name ?? '')).toMatch(/^practice: made-up log/);
  const events = await reader.listEvents(shop.namespace);
  expect(events.length).toBeGreaterThan(5);
  for (const { message } of events) expect(message).toContain('practice');
  const { configMap, setup } = await reader.readGeneration(shop.namespace);
  expect({ configMap, setup }).toMatchObject({ configMap: 1, setup: { state: 'complete' } });
  connection.close();
});

test('its address shows a page that says it is practice; another name shows none', async () => {
  const port = practice.cluster.shopPort;
  const page = await visit(port, new URL(shop.url).hostname);
  expect(page.status).toBe(200);
  expect(page.body).toContain('This is a practice shop');
  expect((await visit(port, 'nobody.localhost')).status).toBe(404);
});

test('a change of plan is live as a generation of its own', async () => {
  await api.change(shop.id, { plan: 'medium' });
  const changed = await api.waitFor(
    shop.id,
    'ready again',
    (store) => isReady(store) && store.generation === 2,
    WITHIN,
  );
  expect(changed.plan).toBe('medium');
});

test('an option that is switched on adds a server; switched off it takes it away', async () => {
  const connection = connectCluster(practice.cluster.kubeconfig);
  const reader = createClusterReader(connection, { namespace: 'argocd' });
  const readServers = async (namespace: string): Promise<string[]> =>
    (await reader.listPods(namespace))
      .filter(({ job }) => job === null)
      .map(({ name }) => name.split('-')[0] ?? '')
      .sort();
  const { store } = await api.create({ name: 'busy', type: 'medusa', options: { worker: true } });
  const busy = await api.waitFor(store.id, 'ready', isReady, WITHIN);
  const servers = ['backend', 'database', 'redis', 'web', 'worker'];
  expect(await readServers(busy.namespace)).toEqual(servers);
  await api.change(busy.id, { options: { worker: false } });
  await api.waitFor(busy.id, 'ready again', (now) => isReady(now) && now.generation === 2, WITHIN);
  expect(await readServers(busy.namespace)).toEqual(servers.slice(0, -1));
  connection.close();
});

test('after a restart of everything it is still ready, and nothing is made again', async () => {
  await controlPlane.stop();
  await practice.restartCluster();
  await startControlPlane();
  const connection = connectCluster(practice.cluster.kubeconfig);
  const reader = createClusterReader(connection, { namespace: 'argocd' });
  const before = await reader.listPods(shop.namespace);
  const seen = new Set<string>();
  const stream = new AbortController();
  api.follow(stream.signal, ({ status }) => seen.add(status));
  // A later store has been through all of it: by then the first would have been touched, too.
  const { store } = await api.create({ name: 'later', type: 'woocommerce' });
  await api.waitFor(store.id, 'ready', isReady, WITHIN);
  stream.abort();
  expect((await api.read(shop.id)).status).toBe('ready');
  const after = await reader.listPods(shop.namespace);
  expect(after.map(({ name, createdAt }) => [name, createdAt])).toEqual(
    before.map(({ name, createdAt }) => [name, createdAt]),
  );
  connection.close();
});

describe('when things go wrong', () => {
  let broken: Store;
  let refused: Store;
  let hanging: Store;
  let repaired: Store;

  // These take their time to fail; the tests between need not wait for it.
  beforeAll(async () => {
    practice.cluster.faults.set('broken', 'image');
    practice.cluster.faults.set('refused', 'sync-error');
    ({ store: broken } = await api.create({ name: 'broken', type: 'woocommerce' }));
    ({ store: refused } = await api.create({ name: 'refused', type: 'woocommerce' }));
    practice.cluster.faults.set('hanging', 'hang');
    ({ store: hanging } = await api.create({ name: 'hanging', type: 'woocommerce' }));
    const isSyncing = (store: Store): boolean => store.detail === 'starting the database';
    await api.waitFor(hanging.id, 'starting its database', isSyncing, WITHIN);
    await api.delete(hanging.id);
    practice.cluster.faults.set('repaired', 'hang');
    ({ store: repaired } = await api.create({ name: 'repaired', type: 'woocommerce' }));
    await api.waitFor(repaired.id, 'starting its database', isSyncing, WITHIN);
    await api.retry(repaired.id);
    practice.cluster.faults.clear('repaired', 'hang');
  });

  test('a store whose web server crashes is degraded, says why, and recovers', async () => {
    practice.cluster.faults.set('shop', 'degraded');
    const degraded = await api.waitFor(
      shop.id,
      'degraded by crashes',
      ({ status, error }) => status === 'degraded' && error?.code === 'crash_loop',
      WITHIN,
    );
    expect(degraded.error?.message).toMatch(/wordpress .*keeps ending/);
    practice.cluster.faults.clear('shop', 'degraded');
    await api.waitFor(shop.id, 'ready again', isReady, WITHIN);
  });

  test('a store that somebody removed from the cluster is degraded until it is made again', async () => {
    practice.cluster.faults.set('shop', 'gone');
    await api.waitFor(
      shop.id,
      'degraded',
      ({ status, error }) => status === 'degraded' && error?.code === 'application_missing',
      WITHIN,
    );
    practice.cluster.faults.clear('shop', 'gone');
    await api.waitFor(shop.id, 'ready', isReady, WITHIN);
  });

  test('an image that cannot be pulled is named as the reason; once it is there, all goes on (reliability 21)', async () => {
    const stuck = await api.waitFor(
      broken.id,
      'stuck by the image',
      ({ error }) => error?.code === 'image_pull',
      { ...WITHIN, mayFail: true },
    );
    expect(stuck.error?.message).toContain('there is no such image');
    practice.cluster.faults.clear('broken', 'image');
    await api.waitFor(broken.id, 'ready', isReady, { ...WITHIN, mayFail: true });
  });

  test('an object that the API server refuses fails a store; Retry repairs it (reliability 21)', async () => {
    await api.waitFor(refused.id, 'failed', ({ status }) => status === 'failed', {
      ...WITHIN,
      mayFail: true,
    });
    practice.cluster.faults.clear('refused', 'sync-error');
    await api.retry(refused.id);
    await api.waitFor(refused.id, 'ready', isReady, { ...WITHIN, mayFail: true });
  });

  test('a store whose sync hangs can be deleted: it goes when Argo CD gives the sync up (reliability 21)', async () => {
    await api.waitFor(hanging.id, 'deleted', isDeleted, WITHIN);
  });

  test('a store whose sync hangs can be repaired: it goes on when Argo CD gives the sync up (reliability 21)', async () => {
    const isRepaired = (store: Store): boolean => isReady(store) && store.generation === 2;
    await api.waitFor(repaired.id, 'ready again', isRepaired, { ...WITHIN, mayFail: true });
  });
});

test('a deletion takes everything along, and the name is free again', async () => {
  await api.delete(shop.id);
  await api.waitFor(shop.id, 'deleted', isDeleted, WITHIN);
  const connection = connectCluster(practice.cluster.kubeconfig);
  const reader = createClusterReader(connection, { namespace: 'argocd' });
  expect(await reader.readNamespace(shop.namespace)).toBeNull();
  connection.close();
  const { store } = await api.create({ name: 'shop', type: 'woocommerce' });
  expect(store.id).not.toBe(shop.id);
  await vi.waitFor(async () => expect((await api.read(store.id)).status).toBe('ready'), {
    ...WITHIN,
    interval: 250,
  });
});
