/**
 * Every kind of change from its request to its end: API → commit → practice cluster → status, on the
 * control plane as people run it, on a cluster that keeps what is deleted for a week.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  connectCluster,
  type ClusterConnection,
} from '../../control-plane/src/cluster/connection.ts';
import { createClusterReader } from '../../control-plane/src/cluster/reader.ts';
import type { ClusterReader } from '../../control-plane/src/cluster/types.ts';
import {
  ChangeList,
  OperationList,
  Preview,
  type Store,
} from '../../control-plane/src/contract.ts';
import type { ApiClient, ControlPlaneProcess } from '../support/control-plane-process.ts';
import { openPractice, type Practice } from '../support/practice.ts';

const WITHIN = { timeout: 80_000 };
vi.setConfig({ testTimeout: 120_000 });

let practice: Practice;
let connection: ClusterConnection;
let reader: ClusterReader;
let controlPlane: ControlPlaneProcess;
let api: ApiClient;

async function startControlPlane(): Promise<void> {
  ({ controlPlane, api } = await practice.startControlPlane({
    env: { SHOPYARD_CLUSTER_SETTINGS: join(practice.folder, 'cluster.yaml') },
  }));
}

beforeAll(async () => {
  practice = await openPractice({ speed: 12 });
  await writeFile(join(practice.folder, 'cluster.yaml'), 'retentionDays: 7\n');
  connection = connectCluster(practice.cluster.kubeconfig);
  reader = createClusterReader(connection, { namespace: 'argocd' });
  await startControlPlane();
});

afterAll(async () => {
  await controlPlane.stop();
  connection.close();
  await practice.close();
});

const is =
  (status: Store['status'], generation?: number) =>
  (store: Store): boolean =>
    store.status === status && (generation === undefined || store.generation === generation);

async function makeReady(name: string, more: object = {}): Promise<Store> {
  const { store } = await api.create({ name, type: 'woocommerce', ...more });
  return api.waitFor(store.id, 'ready', is('ready'), WITHIN);
}

/** Pods that run, those of Jobs aside. */
const listRunning = async ({ namespace }: Store): Promise<string[]> =>
  (await reader.listPods(namespace))
    .filter(({ job, phase }) => job === null && phase === 'Running')
    .map(({ name }) => name);

const listStages = async ({ id }: Store): Promise<string[]> =>
  (await api.readStages(id)).map(({ stage }) => stage);

async function listChanges({ id }: Store) {
  const { body } = await api.call('GET', `/api/stores/${id}/changes`);
  return ChangeList.parse(body).changes;
}

async function listOperations({ id }: Store) {
  const { body } = await api.call('GET', `/api/stores/${id}/operations`);
  return OperationList.parse(body).operations;
}

/** The message of a commit, as git tells it. */
async function readMessage(sha: string): Promise<string> {
  const git = promisify(execFile);
  const dir = join(practice.folder, 'data', 'forge', 'shopyard.git');
  const { stdout } = await git('git', ['-C', dir, 'log', '-1', '--format=%B', sha]);
  return stdout;
}

/** Lets the time that a deleted store is kept for be over. */
async function endRetention({ id }: Store): Promise<void> {
  await practice.database.db
    .updateTable('stores')
    .set({ purgeAt: new Date(Date.now() - 1000) })
    .where('id', '=', id)
    .execute();
}

test('suspended, nothing of a store runs and its data stays; resumed, it is as it was', async () => {
  const shop = await makeReady('sleeper');
  const login = await reader.readSecret(shop.namespace, 'store-admin');
  const claims = (await reader.listClaims(shop.namespace)).map(({ name }) => name).sort();
  expect(await listRunning(shop)).not.toEqual([]);

  await api.ask(shop.id, 'suspend');
  const suspended = await api.waitFor(shop.id, 'suspended', is('suspended', 2), WITHIN);
  expect(suspended).toMatchObject({ suspended: true, stage: 'suspended', purgeAt: null });
  expect(await listStages(shop)).toEqual([
    'requested', 'committed', 'seen', 'syncing', 'verifying', 'suspended',
  ]); // prettier-ignore
  expect(await listRunning(shop)).toEqual([]);
  expect((await reader.listClaims(shop.namespace)).map(({ name }) => name).sort()).toEqual(claims);
  expect(await reader.readSecret(shop.namespace, 'store-admin')).toEqual(login);

  await api.ask(shop.id, 'resume');
  const resumed = await api.waitFor(shop.id, 'ready', is('ready', 3), WITHIN);
  expect(resumed.suspended).toBe(false);
  expect(await listRunning(shop)).not.toEqual([]);
  expect(await reader.readSecret(shop.namespace, 'store-admin')).toEqual(login);
  expect((await listChanges(shop)).map(({ action }) => action)).toEqual([
    'resume', 'suspend', 'create',
  ]); // prettier-ignore
});

test('a deleted store is kept, can be had back, and goes when its time is over', async () => {
  const shop = await makeReady('keeper');
  const { operation } = await api.delete(shop.id);
  expect(operation).toMatchObject({ kind: 'delete', action: 'retire' });
  const kept = await api.waitFor(shop.id, 'kept', ({ stage }) => stage === 'kept', WITHIN);
  expect(kept.status).toBe('suspended');
  const days = (Date.parse(kept.purgeAt ?? '') - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(6.9);
  expect(days).toBeLessThanOrEqual(7);
  expect(await listRunning(shop)).toEqual([]);
  expect(await listStages(shop)).toEqual(['requested', 'retiring', 'kept']);
  const taken = await api.call('POST', '/api/stores', { name: 'keeper', type: 'woocommerce' });
  expect(taken).toMatchObject({ status: 409, body: { code: 'store_deleting' } });

  await api.ask(shop.id, 'resume');
  await api.waitFor(shop.id, 'ready again', is('ready', 3), WITHIN);
  expect((await api.read(shop.id)).purgeAt).toBeNull();
  expect((await listOperations(shop)).map(({ kind, state }) => [kind, state])).toEqual([
    ['resume', 'done'],
    ['delete', 'superseded'],
    ['create', 'done'],
  ]);

  const again = await api.delete(shop.id);
  await api.waitFor(shop.id, 'kept again', ({ stage }) => stage === 'kept', WITHIN);
  await endRetention(shop);
  await api.waitFor(shop.id, 'gone', is('deleted'), WITHIN);
  expect(await reader.readNamespace(shop.namespace)).toBeNull();
  expect(await listStages(shop)).toEqual([
    'requested', 'retiring', 'kept', 'releasing', 'removing', 'purging', 'gone',
  ]); // prettier-ignore
  const [last] = await listOperations(shop);
  expect(last).toMatchObject({ id: again.operation.id, action: 'purge', state: 'done' });
  const { status } = await api.call('POST', '/api/stores', { name: 'keeper', type: 'woocommerce' });
  expect(status, 'the name is free again').toBe(202);
});

test('a kept store can be purged before its time, and a suspended one deleted', async () => {
  const shop = await makeReady('hasty');
  await api.ask(shop.id, 'suspend');
  await api.waitFor(shop.id, 'suspended', is('suspended', 2), WITHIN);
  await api.delete(shop.id);
  await api.waitFor(shop.id, 'kept', ({ stage }) => stage === 'kept', WITHIN);
  const { status } = await api.call('DELETE', `/api/stores/${shop.id}?now=true`);
  expect(status).toBe(202);
  await api.waitFor(shop.id, 'gone', is('deleted'), WITHIN);
  expect(await listStages(shop)).toEqual([
    'requested', 'releasing', 'removing', 'purging', 'gone',
  ]); // prettier-ignore
});

test('protection goes beside a change that is under way, and keeps a store', async () => {
  const { store } = await api.create({ name: 'fenced', type: 'woocommerce' });
  const { operation } = await api.change(store.id, { protected: true });
  const shop = await api.waitFor(store.id, 'ready', is('ready', 1), WITHIN);
  expect(shop).toMatchObject({ protected: true, generation: 1 });
  expect(
    (await listOperations(shop)).map(({ kind, state }) => [kind, state]).sort(),
  ).toEqual([['create', 'done'], ['protect', 'done']]); // prettier-ignore
  const [change] = await listChanges(shop);
  expect(change).toMatchObject({ action: 'protect', operation: operation.id });
  const refused = await api.call('DELETE', `/api/stores/${shop.id}?now=true`);
  expect(refused).toMatchObject({ status: 409, body: { code: 'protected' } });
  await api.change(shop.id, { protected: false });
  await api.call('DELETE', `/api/stores/${shop.id}?now=true`);
  await api.waitFor(shop.id, 'gone', is('deleted'), WITHIN);
});

test('a store goes back to what it was at a commit, and forward again', async () => {
  const shop = await makeReady('wanderer');
  await api.change(shop.id, { plan: 'large' });
  await api.waitFor(shop.id, 'large', is('ready', 2), WITHIN);
  const [large, small] = await listChanges(shop);
  const back = { commit: small?.sha ?? '' };
  const shown = await api.call('GET', `/api/stores/${shop.id}/rollback?commit=${back.commit}`);
  const { files, subject } = Preview.parse(shown.body);
  expect(subject).toMatch(/^Roll back store wanderer/);
  expect(files.map(({ path }) => path.split('/').at(-1))).toEqual(
    expect.arrayContaining(['store.yaml', expect.stringMatching(/^values-/)]),
  );
  await api.ask(shop.id, 'rollback', back);
  const small2 = await api.waitFor(shop.id, 'small again', is('ready', 3), WITHIN);
  expect(small2.plan).toBe('small');
  const [undoing] = await listChanges(shop);
  const message = await readMessage(undoing?.sha ?? '');
  expect(message).toContain(`\nReverts: ${large?.sha ?? ''}\n`);
  expect(message).toContain(back.commit);

  const now = await api.call('GET', `/api/stores/${shop.id}/rollback?commit=${back.commit}`);
  expect(now).toMatchObject({ status: 409, body: { code: 'rollback_refused' } });
  await api.ask(shop.id, 'rollback', { commit: large?.sha ?? '' });
  const large2 = await api.waitFor(shop.id, 'large again', is('ready', 4), WITHIN);
  expect(large2.plan).toBe('large');

  await api.ask(shop.id, 'repair');
  await api.waitFor(shop.id, 'written again', is('ready', 5), WITHIN);
  expect((await listChanges(shop))[0]).toMatchObject({ action: 'repair' });
});

test('a purge that began is not stopped; what came before it is', async () => {
  const shop = await makeReady('racer');
  await api.delete(shop.id);
  await api.waitFor(shop.id, 'kept', ({ stage }) => stage === 'kept', WITHIN);
  await endRetention(shop);
  await api.waitFor(shop.id, 'on its way out', is('deleting'), WITHIN);
  const late = await api.call('POST', `/api/stores/${shop.id}/resume`);
  expect(late).toMatchObject({ status: 409, body: { code: 'store_deleting' } });
  await api.waitFor(shop.id, 'gone', is('deleted'), WITHIN);
});

test('killed between the steps, all of it comes to its end', async () => {
  const shop = await makeReady('survivor');
  const asleep = await makeReady('sleeper-too');
  await api.delete(shop.id);
  await api.ask(asleep.id, 'suspend');
  await controlPlane.kill();
  await startControlPlane();
  await api.waitFor(shop.id, 'kept', ({ stage }) => stage === 'kept', WITHIN);
  await api.waitFor(asleep.id, 'suspended', is('suspended'), WITHIN);
  await controlPlane.kill();
  await endRetention(shop);
  await startControlPlane();
  await api.waitFor(shop.id, 'gone', is('deleted'), WITHIN);
  expect((await api.read(asleep.id)).status).toBe('suspended');
  expect((await listChanges(shop)).map(({ action }) => action)).toEqual([
    'purge', 'remove', 'release', 'retire', 'create',
  ]); // prettier-ignore
});
