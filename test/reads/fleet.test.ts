/** Counts, the fleet and the platform's health, as operators and tenants see them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  Fleet,
  Health,
  PlatformHealth,
  StoreAnswer,
  StoreList,
  StoreTally,
} from '../../control-plane/src/contract.ts';
import type { StoreStatus } from '../../control-plane/src/domain/store.ts';
import { PlatformError } from '../../control-plane/src/errors.ts';
import { startApi, type Api } from '../api/support.ts';
import { insertStore } from '../support/stores.ts';

let api: Api;
let operator: string;
let mine: string;
const trouble = { isThere: false };
const DAY_MS = 24 * 60 * 60 * 1000;
let credentialEnd: () => Promise<Date | null> = () => Promise.resolve(null);

beforeAll(async () => {
  api = await startApi({
    reads: {
      repository: {
        readTip: () =>
          Promise.reject(new PlatformError('repository_unavailable', 'The disk is full.')),
        readChange: () => Promise.resolve(null),
      },
      credentialEnd: () => credentialEnd(),
    },
    probes: [
      {
        name: 'writer',
        check: () => {
          if (trouble.isThere) throw new Error('The forge does not answer.');
        },
      },
    ],
  });
  operator = (await api.token('operator')).token;
  mine = (await api.token('viewer', 'mine')).token;
  await api.token('viewer', 'theirs');
});
afterAll(() => api.close());

async function addStore(
  tenant: string,
  name: string,
  status: StoreStatus,
  changes: { readonly cluster?: string; readonly updatedAt?: Date } = {},
): Promise<string> {
  const { cluster = 'lab', updatedAt = new Date() } = changes;
  const { id } = await api.db
    .selectFrom('tenants')
    .select('id')
    .where('slug', '=', tenant)
    .executeTakeFirstOrThrow();
  const { spec } = await insertStore(api.db, { name, tenantId: id, tenant, cluster });
  await api.db.updateTable('stores').set({ status, updatedAt }).where('id', '=', spec.id).execute();
  return spec.id;
}

const counts = async (token: string): Promise<StoreTally> =>
  StoreTally.parse((await api.request('GET', '/api/counts', { token })).body);

test('counts are of one’s own stores, or of all; deleted ones are none', async () => {
  expect(Object.values(await counts(mine)).every((count) => count === 0)).toBe(true);
  await addStore('mine', 'a', 'ready');
  await addStore('mine', 'b', 'ready');
  await addStore('mine', 'c', 'failed');
  await addStore('mine', 'd', 'deleted');
  await addStore('theirs', 'e', 'degraded');
  api.advance(3000);
  expect(await counts(mine)).toEqual({
    provisioning: 0,
    ready: 2,
    degraded: 0,
    failed: 1,
    rejected: 0,
    suspended: 0,
    deleting: 0,
    disconnected: 0,
  });
  expect(await counts(operator)).toMatchObject({ ready: 2, failed: 1, degraded: 1 });
});

test('whoever asks within a moment gets the same count', async () => {
  api.advance(3000);
  const first = await api.inOneMoment(async () => {
    const first = await counts(operator);
    await addStore('mine', 'f', 'ready');
    const answers = await Promise.all(Array.from({ length: 20 }, () => counts(operator)));
    for (const answer of answers) expect(answer).toEqual(first);
    return first;
  });
  api.advance(3000);
  expect((await counts(operator)).ready).toBe(first.ready + 1);
});

test('the fleet: each cluster with its stores, and the stores in trouble, newest first', async () => {
  const heardAt = new Date('2026-11-21T12:00:00Z');
  await api.db.insertInto('clusters').values({ name: 'lab', heardAt, trouble: null }).execute();
  const old = new Date(Date.now() - 3_600_000);
  const failed = await addStore('mine', 'g', 'failed', { cluster: 'away', updatedAt: old });
  const stuck = await addStore('mine', 'h', 'deleting', { updatedAt: old });
  const going = await addStore('mine', 'i', 'deleting', {
    updatedAt: new Date(Date.now() + 60_000),
  });
  api.advance(3000);
  const { clusters, stuck: found } = Fleet.parse(
    (await api.request('GET', '/api/fleet', { token: operator })).body,
  );
  expect(clusters).toMatchObject([
    {
      name: 'lab',
      kind: 'lab',
      argocdUrl: 'http://argocd.test',
      heardAt: heardAt.toISOString(),
      trouble: null,
      stores: { deleting: 2, failed: 1 },
    },
    {
      name: 'away',
      kind: null,
      heardAt: null,
      trouble: 'It is not among the clusters of the settings.',
      stores: { failed: 1, ready: 0 },
    },
  ]);
  const ids = found.map((one) => one.id);
  expect(ids).toContain(failed);
  expect(ids).toContain(stuck);
  expect(ids).not.toContain(going);
  expect(found.map((one) => one.status)).not.toContain('ready');
  for (const path of ['/api/fleet', '/api/health'])
    expect((await api.request('GET', path, { token: mine })).status).toBe(403);
});

test('health: each part, and what to do about one that is not well', async () => {
  const ask = async () =>
    PlatformHealth.parse((await api.request('GET', '/api/health', { token: operator })).body).parts;
  const parts = await ask();
  expect(parts.map((part) => [part.name, part.ready])).toEqual([
    ['database', true],
    ['writer', true],
    ['repository', false],
    ['cluster', true],
  ]);
  expect(parts.find((part) => part.name === 'database')?.advice).toBeNull();
  expect(parts.find((part) => part.name === 'repository')).toMatchObject({
    message: 'The disk is full.',
    advice: expect.stringContaining('data folder') as string,
  });
  trouble.isThere = true;
  expect((await ask()).find((part) => part.name === 'writer')).toMatchObject({
    ready: false,
    message: 'The forge does not answer.',
    advice: expect.stringContaining('nothing is committed') as string,
  });
});

test('health: a credential that ends, with two weeks’ warning', async () => {
  const ask = async () =>
    PlatformHealth.parse(
      (await api.request('GET', '/api/health', { token: operator })).body,
    ).parts.find((part) => part.name === 'credential');
  const end = (at: number): void => {
    credentialEnd = () => Promise.resolve(new Date(Date.now() + at));
  };
  expect(await ask()).toBeUndefined();
  end(14 * DAY_MS + 60_000);
  expect(await ask()).toEqual({ name: 'credential', ready: true, message: null, advice: null });
  end(14 * DAY_MS - 60_000);
  expect(await ask()).toMatchObject({
    ready: false,
    message: expect.stringMatching(
      /^It ends in 13 days, on \d{4}-\d\d-\d\d \d\d:\d\d UTC; after that /,
    ) as string,
    advice: expect.stringContaining('cluster-credential-expiring.md') as string,
  });
  end(DAY_MS + 60_000);
  expect((await ask())?.message).toContain('It ends in a day, on ');
  end(60_000);
  expect((await ask())?.message).toContain('It ends within a day, on ');
  end(-60_000);
  expect((await ask())?.message).toContain('It ended on ');
  credentialEnd = () => Promise.reject(new Error('The kubeconfig cannot be read.'));
  expect(await ask()).toBeUndefined();
});

test('metrics: when a cluster’s credential ends, as of now', async () => {
  const ask = async (): Promise<string | undefined> =>
    /^cluster_credential_expiry_timestamp_seconds{.*$/m.exec(
      (await api.request('GET', '/metrics')).text,
    )?.[0];
  credentialEnd = () => Promise.resolve(new Date(1_800_000_000_000));
  expect(await ask()).toBe('cluster_credential_expiry_timestamp_seconds{cluster="lab"} 1800000000');
  credentialEnd = () => Promise.resolve(new Date(1_900_000_000_000));
  expect(await ask()).toBe('cluster_credential_expiry_timestamp_seconds{cluster="lab"} 1900000000');
  credentialEnd = () => Promise.reject(new Error('The kubeconfig cannot be read.'));
  expect(await ask()).toBeUndefined();
});

test('a store of a cluster that is not connected any more says so, and is not changed', async () => {
  const id = await addStore('mine', 'left', 'ready', { cluster: 'practice' });
  const heardAt = new Date();
  await api.db
    .insertInto('clusters')
    .values({ name: 'practice', heardAt, trouble: null })
    .execute();
  await api.db.updateTable('stores').set({ readyAt: heardAt }).where('id', '=', id).execute();
  const path = `/api/stores/${id}`;
  const { store } = StoreAnswer.parse((await api.request('GET', path, { token: mine })).body);
  expect(store).toMatchObject({ status: 'ready', disconnected: true });
  api.advance(3000);
  expect(await counts(mine)).toMatchObject({ ready: 3, failed: 1, disconnected: 2 });
  const find = async (status: string): Promise<string[]> => {
    const { body } = await api.request('GET', `/api/stores?status=${status}`, { token: mine });
    return StoreList.parse(body).stores.map(({ name }) => name);
  };
  expect(await find('disconnected')).toHaveLength(2);
  expect(await find('disconnected')).toContain('left');
  expect(await find('ready')).toHaveLength(3);
  expect(await find('ready')).not.toContain('left');
  const { stores } = StoreList.parse((await api.request('GET', '/api/stores?limit=200')).body);
  expect(new Set(stores.map(({ cluster, disconnected }) => `${cluster} ${disconnected}`))).toEqual(
    new Set(['lab false', 'away true', 'practice true']),
  );
  const health = Health.parse((await api.request('GET', `${path}/health`)).body);
  expect(health).toMatchObject({ status: 'ready', cluster: { heard: false, connected: false } });
  const problem = { code: 'cluster_not_connected', title: 'The store’s cluster is not connected' };
  const refused = [
    await api.request('DELETE', path),
    await api.request('PATCH', path, { body: { plan: 'medium' } }),
    await api.request('POST', `${path}/retry`),
    await api.request('POST', `${path}/test-order`),
  ];
  for (const { status, body } of refused)
    expect({ status, body }).toMatchObject({ status: 409, body: problem });
  expect((await api.request('GET', `${path}/orders`)).body).toMatchObject({
    problem: { code: 'cluster_not_connected' },
  });
});

test('the same again is no store of a cluster that is not connected', async () => {
  const body = { name: 'twice', type: 'woocommerce', tenant: 'mine' };
  expect((await api.request('POST', '/api/stores', { body })).status).toBe(202);
  await api.db
    .updateTable('stores')
    .set({ cluster: 'practice' })
    .where('name', '=', 'twice')
    .execute();
  const { status, body: problem } = await api.request('POST', '/api/stores', { body });
  expect(status).toBe(409);
  expect(problem).toMatchObject({
    code: 'name_taken',
    detail: 'A store “twice” exists on the cluster “practice”, which is not connected.',
    errors: [{ field: 'name' }],
  });
});
