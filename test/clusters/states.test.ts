/** What is known of clusters, on a real Postgres: counted beside, never while somebody waits. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClusterStates } from '../../control-plane/src/db/cluster-states.ts';
import { recordHearing, listHearings } from '../../control-plane/src/db/clusters.ts';
import { takeLease, type Lease } from '../../control-plane/src/db/leases.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertStore, insertTenant } from '../support/stores.ts';

let database: TestDatabase;
let now = Date.parse('2026-01-02T12:00:00Z');
const clock = () => new Date(now);

beforeAll(async () => {
  database = await createTestDatabase();
  await insertTenant(database.db);
});
afterAll(() => database.close());

async function hold(name: string, holder: string): Promise<Lease> {
  const lease = await takeLease(database.db, name, holder);
  if (lease === null) throw new Error(`${name} is taken`);
  return lease;
}

test('stores count by cluster, those that are deleted not; one that was just put there does', async () => {
  const { db } = database;
  const states = createClusterStates(db, clock);
  await insertStore(db, { name: 'a', cluster: 'north' });
  await insertStore(db, { name: 'b', cluster: 'north' });
  const gone = await insertStore(db, { name: 'c', cluster: 'north' });
  await db
    .updateTable('stores')
    .set({ status: 'deleted' })
    .where('id', '=', gone.spec.id)
    .execute();
  const count = async (name: string) => (await states.read())(name).stores;
  expect(await count('north')).toBe(2);
  expect(await count('south')).toBe(0);
  states.note('north');
  expect(await count('north')).toBe(3);
  await insertStore(db, { name: 'd', cluster: 'north' });
  now += 3_000;
  // It is in the next count, and counts once.
  await expect.poll(() => count('north')).toBe(3);
});

test('what was just put there counts, too, when the count ends before what was heard is read', async () => {
  const { db } = database;
  let endCount = (): void => undefined;
  const told = db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: ({ result }) => {
      if ('count' in (result.rows[0] ?? {})) endCount();
      return Promise.resolve(result);
    },
  });
  const states = createClusterStates(told, clock);
  const count = async () => (await states.read())('north').stores;
  const before = await count();
  await insertStore(db, { name: 'e', cluster: 'north' });
  states.note('north');
  now += 3_000;
  const reading = await db.transaction().execute(async (tx) => {
    await sql`lock table clusters in access exclusive mode`.execute(tx);
    const counted = new Promise<void>((resolve) => (endCount = resolve));
    const late = count();
    await counted;
    await new Promise((resolve) => setImmediate(resolve));
    return { late };
  });
  expect(await reading.late).toBe(before + 1);
});

test('nobody but the first waits for a count', async () => {
  const { db } = database;
  const states = createClusterStates(db, clock);
  const known = (await states.read())('north');
  await db.transaction().execute(async (tx) => {
    await sql`lock table stores in access exclusive mode`.execute(tx);
    now += 3_000;
    // The count that this begins cannot end before the lock is let go.
    expect((await states.read())('north')).toEqual(known);
    states.note('north');
    expect((await states.read())('north').stores).toBe(known.stores + 1);
  });
});

test('what was heard is written by who holds the cluster’s lease, and kept while nothing new is', async () => {
  const { db } = database;
  const lease = await hold('observer north', 'one');
  const heardAt = new Date('2026-01-02T11:59:00Z');
  await recordHearing(db, lease, 'north', { heardAt, trouble: null });
  // Another observer begins and does not reach it.
  await recordHearing(db, lease, 'north', { heardAt: null, trouble: 'connect ECONNREFUSED' });
  expect((await listHearings(db)).get('north')).toEqual({
    heardAt,
    trouble: 'connect ECONNREFUSED',
  });
  const late = { ...lease, fence: lease.fence - 1 };
  await expect(recordHearing(db, late, 'north', { heardAt, trouble: null })).rejects.toMatchObject({
    code: 'lease_lost',
  });
  const states = createClusterStates(db, clock);
  expect(await states.hear('north')).toEqual({ heardAt, trouble: 'connect ECONNREFUSED' });
  expect(await states.hear('nowhere')).toMatchObject({ heardAt: null, trouble: null });
});
