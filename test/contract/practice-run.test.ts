/** The practice cluster as `npm start` runs it: faults switched on by HTTP, and an end without notice. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { connectCluster } from '../../control-plane/src/cluster/connection.ts';
import { createClusterReader } from '../../control-plane/src/cluster/reader.ts';
import type { Store } from '../../control-plane/src/contract.ts';
import {
  ApiClient,
  startControlPlaneProcess,
  type ControlPlaneProcess,
} from '../support/control-plane-process.ts';
import { findFreePort } from '../support/free-port.ts';
import { callFaults } from '../support/practice-faults.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const TOKEN = 'practice-run-operator-token';
const WITHIN = { timeout: 80_000 };
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
let database: TestDatabase;
let ports: { readonly api: number; readonly forge: number; readonly stores: number };
let controlPlane: ControlPlaneProcess;
let api: ApiClient;

async function start(): Promise<void> {
  controlPlane = await startControlPlaneProcess({
    env: {
      SHOPYARD_CLUSTER: 'practice',
      SHOPYARD_DATA_DIR: join(folder, 'data'),
      SHOPYARD_BOOTSTRAP_TOKEN: TOKEN,
      SHOPYARD_FORGE_PORT: String(ports.forge),
      SHOPYARD_STORE_PORT: String(ports.stores),
      SHOPYARD_LOG_LEVEL: 'warn',
      DATABASE_URL: database.url,
    },
    port: ports.api,
    log: join(folder, 'log'),
  });
  api = new ApiClient(controlPlane.url, TOKEN);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-practice-run-'));
  await chmod(folder, 0o755);
  database = await createTestDatabase();
  ports = { api: await findFreePort(), forge: await findFreePort(), stores: await findFreePort() };
  await start();
});

afterAll(async () => {
  await controlPlane.stop();
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

const kubeconfigPath = (): string => join(folder, 'data', 'practice', 'kubeconfig');

const switchFaults = (
  method: Parameters<typeof callFaults>[1],
  path?: string,
): ReturnType<typeof callFaults> => callFaults(kubeconfigPath(), method, path);

/** What runs; the Jobs of a last moment that was not saved run again. */
async function readServers({ namespace }: Store): Promise<(string | Date)[][]> {
  const connection = connectCluster(kubeconfigPath());
  const pods = await createClusterReader(connection, { namespace: 'argocd' }).listPods(namespace);
  connection.close();
  return pods.filter(({ job }) => job === null).map(({ name, createdAt }) => [name, createdAt]);
}

test('faults are switched by HTTP, by whoever has the token', async () => {
  expect(
    (await callFaults(kubeconfigPath(), 'PUT', '/quick/image', { withToken: false })).status,
  ).toBe(401);
  expect(await switchFaults('GET')).toMatchObject({ status: 200, body: { faults: {} } });
  expect(await switchFaults('PUT', '/quick/image')).toEqual({
    status: 200,
    body: { faults: { quick: ['image'] } },
  });
  expect(await switchFaults('PUT', '/*/slow')).toMatchObject({
    body: { faults: { quick: ['image'], '*': ['slow'] } },
  });
  expect((await switchFaults('PUT', '/quick/nonsense')).status).toBe(404);
  expect((await switchFaults('POST', '/quick/slow')).status).toBe(404);
  await switchFaults('DELETE', '/*/slow');
  expect(await switchFaults('DELETE', '/quick/image')).toEqual({
    status: 200,
    body: { faults: {} },
  });
});

test('a slow store is behind; killed on its way, it is finished by the next start', async () => {
  await switchFaults('PUT', '/slowly/slow');
  const { store: slowly } = await api.create({ name: 'slowly', type: 'woocommerce' });
  const { store: quick } = await api.create({ name: 'quick', type: 'woocommerce' });
  await api.waitFor(quick.id, 'ready', ({ status }) => status === 'ready', WITHIN);
  // Begun first, and not there yet.
  const behind = await api.waitFor(
    slowly.id,
    'syncing',
    ({ stage }) => stage === 'syncing',
    WITHIN,
  );
  expect(behind.status).toBe('provisioning');
  const servers = await readServers(quick);
  expect(servers).toHaveLength(2);

  await controlPlane.kill();
  await start();
  // The fault was in memory alone: it goes on at the usual pace.
  expect(await switchFaults('GET')).toMatchObject({ body: { faults: {} } });
  await api.waitFor(slowly.id, 'ready', ({ status }) => status === 'ready', WITHIN);
  expect(await api.read(quick.id)).toMatchObject({ status: 'ready', generation: 1 });
  expect(await readServers(quick)).toEqual(servers);
});
