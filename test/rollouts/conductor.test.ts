/** The conductor on a real database, with the real acceptance; the cluster's part is played by hand. */
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Accepted } from '../../control-plane/src/contract.ts';
import { createAcceptor, type Acceptor } from '../../control-plane/src/db/accept.ts';
import { takeLease, type Lease } from '../../control-plane/src/db/leases.ts';
import type { Db } from '../../control-plane/src/db/open.ts';
import type { Principal } from '../../control-plane/src/db/principals.ts';
import {
  countRolloutStores,
  findRollout,
  insertRollout,
  listRolloutStores,
  setRolloutState,
  type NewRollout,
} from '../../control-plane/src/db/rollouts.ts';
import { endUncommitted } from '../../control-plane/src/db/uncommitted.ts';
import { DEFAULT_RULES, type ReviewMode } from '../../control-plane/src/domain/cluster.ts';
import { createIds } from '../../control-plane/src/domain/ids.ts';
import type { Offer } from '../../control-plane/src/domain/request.ts';
import type { StoreStatus } from '../../control-plane/src/domain/store.ts';
import { createConductor } from '../../control-plane/src/reconcile/rollouts.ts';
import { exampleStore } from '../support/example-store.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertStore, insertTenant, queueOperation } from '../support/stores.ts';

/** What a test leaves, in the order in which it can go. */
const EMPTIED = [
  'clusters',
  'rolloutStores',
  'rollouts',
  'stages',
  'events',
  'idempotency',
  'operations',
  'stores',
] as const;
const OLD = '1.1.0';
const NEW = '1.2.0';
const offer: Offer = {
  engines: [
    {
      ...{ type: 'woocommerce', chart: 'woocommerce', version: NEW },
      ...{ plans: ['small', 'medium'], options: [] },
    },
  ],
  clusters: [
    { ...DEFAULT_RULES, name: 'lab', baseDomain: 'localhost', scheme: 'http', port: 8088 },
    { ...DEFAULT_RULES, name: 'north', baseDomain: 'north.example.com', scheme: 'https' },
  ],
};
const ids = createIds();
const clock = () => new Date();
const logger = pino({ level: 'silent' });
const operator = { id: 'usr_operator', name: 'Olga', kind: 'user', tenantId: 'abc123' } as const;
const owner: Principal = {
  ...{ id: 'usr_owner', name: 'Otto', kind: 'user', tenantId: 'abc123', tenant: 'acme' },
  ...{ role: 'owner', userId: 'usr_owner', sessionId: null, scopes: ['read', 'write'] },
  confirmedAt: null,
};
const signal = new AbortController().signal;

let database: TestDatabase;
let db: Db;
let lease: Lease;
let queued: number;

beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
  await insertTenant(db);
  const taken = await takeLease(db, 'conductor', 'test');
  if (taken === null) throw new Error('The lease is free.');
  lease = taken;
});
afterAll(() => database.close());
beforeEach(() => {
  queued = 0;
});
afterEach(async () => {
  for (const table of EMPTIED) await db.deleteFrom(table).execute();
});

function conduct(
  options: { readonly engines?: Offer['engines']; readonly change?: Acceptor['change'] } = {},
) {
  const acceptor = createAcceptor({ db, clock, ids, offer, deadlineMs: 600_000 });
  return createConductor({
    ...{ db, clock, logger },
    acceptor: { change: options.change ?? ((request) => acceptor.change(request)) },
    engines: options.engines ?? offer.engines,
    clusters: offer.clusters,
    onQueued: () => {
      queued += 1;
    },
  });
}

function accept(review: ReviewMode): Acceptor {
  const clusters = offer.clusters.map((cluster) => ({ ...cluster, review }));
  return createAcceptor({ db, clock, ids, offer: { ...offer, clusters }, deadlineMs: 600_000 });
}

/** What its owner asks for meanwhile. */
async function changePlan(storeId: string, acceptor = accept('never')): Promise<Accepted> {
  const outcome = await acceptor.change({
    principal: owner,
    storeId,
    change: { kind: 'update', plan: 'medium' },
    key: null,
    origin: { requestId: 'request', address: '127.0.0.1' },
  });
  if (outcome.kind !== 'accepted') throw new Error(JSON.stringify(outcome));
  return outcome.body;
}

/** Stores that are ready on the old version. */
async function makeStores(count: number): Promise<string[]> {
  const made: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const { spec } = await insertStore(db, { name: `shop-${index}`, chartVersion: OLD });
    made.push(spec.id);
  }
  await finish(made, 'ready');
  return made;
}

/** What the writer and the observer would do. */
async function finish(storeIds: readonly string[], status: StoreStatus): Promise<void> {
  await db
    .updateTable('stores')
    .set({ status })
    .where('id', '=', sql<string>`any(${storeIds})`)
    .execute();
  await db
    .updateTable('operations')
    .set({ state: status === 'failed' ? 'failed' : 'done', finishedAt: new Date() })
    .where('storeId', '=', sql<string>`any(${storeIds})`)
    .where('state', 'in', ['queued', 'waiting'])
    .execute();
}

async function begin(changes: Partial<NewRollout> = {}): Promise<string> {
  const id = ids.account('ro');
  const rollout: NewRollout = {
    id,
    type: 'woocommerce',
    toVersion: NEW,
    selection: { kind: 'all' },
    waveSize: 2,
    allowedUnhealthy: 0,
    ...changes,
  };
  const made = await db
    .transaction()
    .execute((tx) => insertRollout(tx, rollout, operator, clock()));
  expect(made).toBe('made');
  return id;
}

async function listIn(id: string, state: 'upgrading' | 'upgraded' | 'unhealthy' | 'left-out') {
  return (await listRolloutStores(db, id, { after: 0, limit: 100, state })).map(
    ({ storeId }) => storeId,
  );
}

async function listUpgrades(): Promise<{ storeId: string; requestedBy: string }[]> {
  return db
    .selectFrom('operations')
    .select(['storeId', 'requestedBy'])
    .where('kind', '=', 'upgrade')
    .execute();
}

test('waves follow one another, each when the one before is through', async () => {
  await makeStores(5);
  const id = await begin();
  const { tick } = conduct();
  const sizes: number[] = [];
  for (let wave = 0; wave < 3; wave += 1) {
    await tick(lease, signal);
    const upgrading = await listIn(id, 'upgrading');
    sizes.push(upgrading.length);
    // Another look changes nothing while they are under way.
    await tick(lease, signal);
    expect(await listIn(id, 'upgrading')).toEqual(upgrading);
    await finish(upgrading, 'ready');
  }
  await tick(lease, signal);
  expect(sizes).toEqual([2, 2, 1]);
  expect(queued).toBe(3);
  expect(await findRollout(db, id)).toMatchObject({ state: 'done', wave: 3, reason: null });
  expect((await countRolloutStores(db, [id])).get(id)).toMatchObject({ upgraded: 5, pending: 0 });
  const upgrades = await listUpgrades();
  expect(new Set(upgrades.map(({ storeId }) => storeId)).size).toBe(5);
  expect(upgrades.map(({ requestedBy }) => requestedBy)).toEqual(upgrades.map(() => operator.id));
  expect(await tick(lease, signal)).toBe(false);
});

test('a share is of those with an older version, and others are not touched', async () => {
  await makeStores(10);
  const id = await begin({ selection: { kind: 'share', percent: 25 }, waveSize: 10 });
  await conduct().tick(lease, signal);
  expect(await listIn(id, 'upgrading')).toHaveLength(3);
  expect(await listUpgrades()).toHaveLength(3);
});

test('a type has one rollout at a time, and one without stores is none', async () => {
  const attempt = (changes: Partial<NewRollout> = {}) =>
    db.transaction().execute(async (tx) => {
      const rollout = { type: 'woocommerce', toVersion: NEW, waveSize: 1, allowedUnhealthy: 0 };
      return insertRollout(
        tx,
        { ...rollout, id: ids.account('ro'), selection: { kind: 'all' }, ...changes },
        operator,
        clock(),
      );
    });
  await makeStores(1);
  await begin();
  expect(await attempt()).toBe('open');
  await sql`update rollouts set state = 'cancelled'`.execute(db);
  expect(await attempt({ toVersion: OLD })).toBe('empty');
});

test('who cannot be upgraded is left out with the reason, and others take their turn', async () => {
  const stores = await makeStores(4);
  const [asleep = '', busy = '', ...well] = stores;
  await db.updateTable('stores').set({ status: 'suspended' }).where('id', '=', asleep).execute();
  await db.updateTable('stores').set({ status: 'provisioning' }).where('id', '=', busy).execute();
  const id = await begin();
  await conduct().tick(lease, signal);
  expect((await listIn(id, 'upgrading')).toSorted()).toEqual(well.toSorted());
  await finish(well, 'ready');
  await conduct().tick(lease, signal);
  await conduct().tick(lease, signal);
  const left = await listRolloutStores(db, id, { after: 0, limit: 10, state: 'left-out' });
  expect(new Map(left.map(({ storeId, reason }) => [storeId, reason]))).toEqual(
    new Map([
      [asleep, 'It is suspended: it is upgraded when it is resumed.'],
      [busy, 'Another change of it is under way.'],
    ]),
  );
  expect(await findRollout(db, id)).toMatchObject({ state: 'done' });
});

test('what the acceptance refuses is left out in its words', async () => {
  const [store = ''] = await makeStores(1);
  const id = await begin();
  const refuse: Acceptor['change'] = () =>
    Promise.resolve({ kind: 'refused', code: 'store_deleting', message: 'Not now.' });
  await conduct({ change: refuse }).tick(lease, signal);
  const [row] = await listRolloutStores(db, id, { after: 0, limit: 1 });
  expect(row).toMatchObject({ storeId: store, state: 'left-out', reason: 'Not now.' });
});

describe('unhealthy stores', () => {
  test('more than allowed stop it; when they are well again it can go on', async () => {
    await makeStores(6);
    const id = await begin({ allowedUnhealthy: 1 });
    const { tick } = conduct();
    await tick(lease, signal);
    const [first = '', second = ''] = await listIn(id, 'upgrading');
    await finish([first], 'failed');
    await finish([second], 'ready');
    await tick(lease, signal);
    // One may be: the next wave has begun.
    expect(await findRollout(db, id)).toMatchObject({ state: 'running', wave: 2 });
    expect(await listIn(id, 'unhealthy')).toEqual([first]);
    // One that was upgraded before turns degraded.
    await db.updateTable('stores').set({ status: 'degraded' }).where('id', '=', second).execute();
    await tick(lease, signal);
    const stopped = await findRollout(db, id);
    expect(stopped?.state).toBe('stopped');
    expect(stopped?.reason).toContain('2 upgraded stores are failed or degraded; at most 1 may be');
    // What is under way comes to its end; nothing new begins.
    await finish(await listIn(id, 'upgrading'), 'ready');
    await tick(lease, signal);
    expect((await countRolloutStores(db, [id])).get(id)).toMatchObject({
      upgraded: 2,
      unhealthy: 2,
      upgrading: 0,
      pending: 2,
    });
    await finish([first, second], 'ready');
    await db.transaction().execute((tx) => setRolloutState(tx, id, 'running', null, new Date()));
    await tick(lease, signal);
    expect(await findRollout(db, id)).toMatchObject({ state: 'running', wave: 3 });
    expect(await listIn(id, 'unhealthy')).toEqual([]);
  });

  test('one that is rolled back is so until that is on the branch, and was not upgraded', async () => {
    await makeStores(2);
    const id = await begin({ waveSize: 1, allowedUnhealthy: 1 });
    await conduct().tick(lease, signal);
    const [store = ''] = await listIn(id, 'upgrading');
    await finish([store], 'failed');
    await conduct().tick(lease, signal);
    expect(await listIn(id, 'unhealthy')).toEqual([store]);
    // In review, while the store is well again by itself.
    const before = exampleStore({ id: store, chartVersion: OLD });
    const rollback = await queueOperation(db, before, 'rollback', 'rollback');
    const set = { chartVersion: OLD, status: 'ready' } as const;
    await db.updateTable('stores').set(set).where('id', '=', store).execute();
    await conduct().tick(lease, signal);
    expect(await listIn(id, 'unhealthy')).toEqual([store]);
    await db.updateTable('operations').set({ state: 'done' }).where('id', '=', rollback).execute();
    await conduct().tick(lease, signal);
    expect(await listRolloutStores(db, id, { after: 0, limit: 1 })).toMatchObject([
      { storeId: store, state: 'left-out', reason: 'It was rolled back.' },
    ]);
  });

  test('a store that a later change of its owner’s broke is not counted', async () => {
    await makeStores(3);
    const id = await begin({ waveSize: 1 });
    await conduct().tick(lease, signal);
    const [store = ''] = await listIn(id, 'upgrading');
    await finish([store], 'ready');
    await changePlan(store);
    await finish([store], 'failed');
    await conduct().tick(lease, signal);
    expect(await listIn(id, 'unhealthy')).toEqual([]);
    await conduct().tick(lease, signal);
    expect(await findRollout(db, id)).toMatchObject({ state: 'running', wave: 2 });
    expect(await listIn(id, 'upgraded')).toEqual([store]);
  });
});

describe('an upgrade in review that another reviewed change takes over', () => {
  /** The first of two stores, in waves of one: nothing is on the branch, and nothing concluded. */
  async function takeOver(): Promise<{ id: string; store: string; change: string }> {
    await makeStores(2);
    await db.updateTable('stores').set({ commitSha: 'c0ffee', commitPosition: 1 }).execute();
    await db.updateTable('operations').set({ committedAt: new Date() }).execute();
    const id = await begin({ waveSize: 1 });
    const reviewed = accept('always');
    await conduct({ change: (request) => reviewed.change(request) }).tick(lease, signal);
    const [store = ''] = await listIn(id, 'upgrading');
    const { operation, store: row } = await changePlan(store, reviewed);
    expect(row).toMatchObject({ status: 'ready', chartVersion: NEW });
    await conduct().tick(lease, signal);
    expect(await listIn(id, 'upgrading')).toEqual([store]);
    expect(await findRollout(db, id)).toMatchObject({ state: 'running', wave: 1 });
    return { id, store, change: operation.id };
  }

  test('goes on until that is on the branch, and ends as its store is then', async () => {
    const { id, store, change } = await takeOver();
    await db
      .updateTable('operations')
      .set({ state: 'waiting', committedAt: new Date() })
      .where('id', '=', change)
      .execute();
    await db
      .updateTable('stores')
      .set({ status: 'provisioning' })
      .where('id', '=', store)
      .execute();
    await conduct().tick(lease, signal);
    expect(await listIn(id, 'upgrading')).toEqual([store]);
    await finish([store], 'ready');
    await conduct().tick(lease, signal);
    expect(await listIn(id, 'upgraded')).toEqual([store]);
    expect(await findRollout(db, id)).toMatchObject({ wave: 2 });
  });

  test('is left out when that is rejected', async () => {
    const { id, store, change } = await takeOver();
    await db.transaction().execute((tx) =>
      endUncommitted(tx, {
        operationId: change,
        state: 'rejected',
        problem: { code: 'review_rejected', message: 'No.', hint: null },
        domainOf: () => null,
        deadlineMs: 1000,
        at: new Date(),
      }),
    );
    await conduct().tick(lease, signal);
    expect(await listRolloutStores(db, id, { after: 0, limit: 1 })).toMatchObject([
      { storeId: store, state: 'left-out', reason: 'Another change took it over.' },
    ]);
  });
});

describe('another version on offer', () => {
  const engines = offer.engines.map((engine) => ({ ...engine, version: '1.3.0' }));
  const stopped = {
    state: 'stopped',
    reason: 'The version on offer is 1.3.0 now, not 1.2.0: begin a rollout of that.',
  };

  /** A conductor that was stopped before it asked for this store of its wave, and the next release's. */
  async function takeOver(id: string, before: number) {
    const older = accept('never');
    let calls = 0;
    const dying: Acceptor['change'] = async (request) => {
      calls += 1;
      if (calls === before) throw new Error('killed');
      return older.change(request);
    };
    await expect(conduct({ change: dying }).tick(lease, signal)).rejects.toThrow('killed');
    expect(await listIn(id, 'upgrading')).toHaveLength(3);
    const newer = createAcceptor({
      ...{ db, clock, ids, deadlineMs: 600_000 },
      offer: { ...offer, engines },
    });
    return conduct({ engines, change: (request) => newer.change(request) });
  }

  test('stops it', async () => {
    await makeStores(1);
    const id = await begin();
    await conduct({ engines }).tick(lease, signal);
    expect(await findRollout(db, id)).toMatchObject(stopped);
    expect(await listUpgrades()).toEqual([]);
  });

  test('stops it in the middle of a wave, once what was asked for is through', async () => {
    await makeStores(3);
    const id = await begin({ waveSize: 3 });
    const { tick } = await takeOver(id, 2);
    const upgrades = await listUpgrades();
    expect(upgrades).toHaveLength(1);
    for (let look = 0; look < 2; look += 1) {
      await tick(lease, signal);
      expect(await listUpgrades()).toEqual(upgrades);
      expect(await findRollout(db, id)).toMatchObject({ state: 'running', reason: null });
    }
    const counts = async () => (await countRolloutStores(db, [id])).get(id);
    expect(await counts()).toMatchObject({ pending: 2, upgrading: 1 });
    await finish(await listIn(id, 'upgrading'), 'ready');
    await tick(lease, signal);
    expect(await findRollout(db, id)).toMatchObject(stopped);
    expect(await counts()).toMatchObject({ pending: 2, upgraded: 1 });
    expect(await listUpgrades()).toEqual(upgrades);
  });

  test('stops it when nothing of a wave was asked for yet', async () => {
    await makeStores(3);
    const id = await begin({ waveSize: 3 });
    const { tick } = await takeOver(id, 1);
    await tick(lease, signal);
    await tick(lease, signal);
    expect(await findRollout(db, id)).toMatchObject(stopped);
    expect((await countRolloutStores(db, [id])).get(id)).toMatchObject({ pending: 3 });
    expect(await listUpgrades()).toEqual([]);
  });
});

test('killed after an acceptance, the next conductor notes the same operation', async () => {
  await makeStores(3);
  const id = await begin({ waveSize: 3 });
  const acceptor = createAcceptor({ db, clock, ids, offer, deadlineMs: 600_000 });
  let calls = 0;
  const dying: Acceptor['change'] = async (request) => {
    const outcome = await acceptor.change(request);
    calls += 1;
    if (calls === 2) throw new Error('killed');
    return outcome;
  };
  await expect(conduct({ change: dying }).tick(lease, signal)).rejects.toThrow('killed');
  expect(await listUpgrades()).toHaveLength(2);
  await conduct().tick(lease, signal);
  const rows = await listRolloutStores(db, id, { after: 0, limit: 10 });
  expect(rows.map(({ state }) => state)).toEqual(['upgrading', 'upgrading', 'upgrading']);
  const upgrades = await listUpgrades();
  expect(upgrades.map(({ storeId }) => storeId).toSorted()).toEqual(
    rows.map(({ storeId }) => storeId).toSorted(),
  );
  expect(await findRollout(db, id)).toMatchObject({ wave: 1 });
});

test('paused in the middle of a wave, those who were not asked for wait for another', async () => {
  await makeStores(2);
  const id = await begin();
  const dying: Acceptor['change'] = () => Promise.reject(new Error('killed'));
  await expect(conduct({ change: dying }).tick(lease, signal)).rejects.toThrow('killed');
  await db.transaction().execute((tx) => setRolloutState(tx, id, 'paused', null, new Date()));
  await conduct().tick(lease, signal);
  expect((await countRolloutStores(db, [id])).get(id)).toMatchObject({ pending: 2, upgrading: 0 });
  expect(await listUpgrades()).toEqual([]);
});

test('paused after an acceptance that was not noted, its upgrade is one that is under way', async () => {
  await makeStores(2);
  const id = await begin();
  const acceptor = createAcceptor({ db, clock, ids, offer, deadlineMs: 600_000 });
  const dying: Acceptor['change'] = async (request) => {
    await acceptor.change(request);
    throw new Error('killed');
  };
  await expect(conduct({ change: dying }).tick(lease, signal)).rejects.toThrow('killed');
  await db.transaction().execute((tx) => setRolloutState(tx, id, 'paused', null, new Date()));
  await conduct().tick(lease, signal);
  const [upgrade] = await listUpgrades();
  expect(await listIn(id, 'upgrading')).toEqual([upgrade?.storeId]);
  await finish([upgrade?.storeId ?? ''], 'ready');
  await conduct().tick(lease, signal);
  expect((await countRolloutStores(db, [id])).get(id)).toMatchObject({ pending: 1, upgraded: 1 });
});

test('cancelled in the middle of a wave, no more upgrades are asked for', async () => {
  await makeStores(3);
  const id = await begin({ waveSize: 3 });
  const acceptor = createAcceptor({ db, clock, ids, offer, deadlineMs: 600_000 });
  const change: Acceptor['change'] = async (request) => {
    const outcome = await acceptor.change(request);
    await db.transaction().execute((tx) => setRolloutState(tx, id, 'cancelled', null, new Date()));
    return outcome;
  };
  await conduct({ change }).tick(lease, signal);
  expect(await listUpgrades()).toHaveLength(1);
});

describe('a cluster that is not connected any more', () => {
  /** Long ago it was heard, as every cluster that there ever was. */
  async function leave(storeId: string): Promise<void> {
    await db
      .insertInto('clusters')
      .values({ name: 'gone', heardAt: new Date('2026-01-01T00:00:00Z'), trouble: null })
      .execute();
    await db.updateTable('stores').set({ cluster: 'gone' }).where('id', '=', storeId).execute();
  }

  test('its stores are left out, with the reason; nobody waits for them', async () => {
    const [store = ''] = await makeStores(1);
    await leave(store);
    const id = await begin({ waveSize: 1 });
    await conduct().tick(lease, signal);
    expect(await listIn(id, 'left-out')).toEqual([store]);
    await conduct().tick(lease, signal);
    expect(await findRollout(db, id)).toMatchObject({ state: 'done' });
    expect(await listUpgrades()).toEqual([]);
  });

  test.each(['queued', 'unhealthy'])('so is one whose upgrade is %s', async (how) => {
    const [store = ''] = await makeStores(1);
    const id = await begin({ waveSize: 1, allowedUnhealthy: 0 });
    await conduct().tick(lease, signal);
    if (how === 'unhealthy') {
      await finish([store], 'failed');
      await conduct().tick(lease, signal);
      expect(await findRollout(db, id)).toMatchObject({ state: 'stopped' });
    }
    await leave(store);
    await db.transaction().execute((tx) => setRolloutState(tx, id, 'running', null, new Date()));
    await conduct().tick(lease, signal);
    expect(await listRolloutStores(db, id, { after: 0, limit: 1 })).toMatchObject([
      { state: 'left-out', reason: 'The store’s cluster, “gone”, is not connected.' },
    ]);
    expect(await findRollout(db, id)).toMatchObject({ state: 'done' });
  });
});

describe('a cluster that is not heard', () => {
  async function hear(heardAt: Date, trouble: string | null): Promise<void> {
    await db
      .insertInto('clusters')
      .values({ name: 'north', heardAt, trouble })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ heardAt, trouble }))
      .execute();
  }
  const move = (ids: readonly string[]) =>
    db
      .updateTable('stores')
      .set({ cluster: 'north' })
      .where('id', '=', sql<string>`any(${ids})`)
      .execute();
  const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000);

  test.each([
    ['in trouble', ago(0), 'connect ECONNREFUSED'],
    ['silent for minutes', ago(4), null],
  ])('%s: its stores are in no wave, and waited for at the end', async (_what, at, trouble) => {
    const [first = '', second = '', ...others] = await makeStores(5);
    await move([first, second]);
    await hear(at, trouble);
    const id = await begin({ waveSize: 3 });
    await conduct().tick(lease, signal);
    expect((await listIn(id, 'upgrading')).toSorted()).toEqual(others.toSorted());
    await finish(others, 'ready');
    await conduct().tick(lease, signal);
    expect(await findRollout(db, id)).toMatchObject({
      state: 'running',
      reason: expect.stringContaining('north') as string,
    });
    await hear(ago(0), null);
    await conduct().tick(lease, signal);
    expect((await listIn(id, 'upgrading')).toSorted()).toEqual([first, second].toSorted());
    expect(await findRollout(db, id)).toMatchObject({ state: 'running', reason: null });
  });

  test('in the middle of a wave: what is said of its stores stops nothing', async () => {
    const stores = await makeStores(2);
    await move(stores);
    await hear(ago(0), null);
    const id = await begin({ waveSize: 1 });
    await conduct().tick(lease, signal);
    const upgrading = await listIn(id, 'upgrading');
    await hear(ago(5), 'connect ECONNREFUSED');
    await finish(upgrading, 'failed');
    await conduct().tick(lease, signal);
    expect(await listIn(id, 'upgrading')).toEqual(upgrading);
    expect(await findRollout(db, id)).toMatchObject({
      state: 'running',
      reason: expect.stringContaining('north') as string,
    });
    await db.updateTable('stores').set({ status: 'ready' }).execute();
    await db.updateTable('operations').set({ state: 'done' }).execute();
    await hear(ago(0), null);
    await conduct().tick(lease, signal);
    expect(await listIn(id, 'upgraded')).toEqual(upgrading);
  });
});

test('who lost the lease notes nothing', async () => {
  await makeStores(1);
  const id = await begin();
  await expect(conduct().tick({ ...lease, fence: lease.fence - 1 }, signal)).rejects.toThrow();
  expect((await countRolloutStores(db, [id])).get(id)).toMatchObject({ pending: 1 });
});
