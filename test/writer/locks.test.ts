/** Who waits for whom in the database: requests and the writer take a store's rows in one order. */
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  checkLease,
  LEASE_SECONDS,
  renewLease,
  takeLease,
  type Lease,
} from '../../control-plane/src/db/leases.ts';
import { stepOperations } from '../../control-plane/src/db/observations.ts';
import { openDatabase } from '../../control-plane/src/db/open.ts';
import { isDatabaseUnavailable } from '../../control-plane/src/db/outage.ts';
import { failOperation, listQueuedOperations, settle } from '../../control-plane/src/db/queue.ts';
import { writeStatus } from '../../control-plane/src/db/status.ts';
import { countWaiting, createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertStore, insertTenant } from '../support/stores.ts';

let database: TestDatabase;
let lease: Lease;
beforeEach(async () => {
  database = await createTestDatabase();
  const taken = await takeLease(database.db, 'writer test', 'one');
  if (taken === null) throw new Error('the lease is taken');
  lease = taken;
  await insertTenant(database.db);
});
afterEach(async () => {
  await database.close();
});

/** Resolves when some connection waits for a lock. */
async function waitForWaiter(): Promise<void> {
  await vi.waitFor(
    async () => {
      expect(await countWaiting(database.db)).toBe(1);
    },
    { timeout: 10_000 },
  );
}

/** Holds the store as a change does, lets the other begin, then supersedes the operation. */
async function supersedeDuring(
  { spec, operationId }: Awaited<ReturnType<typeof insertStore>>,
  begin: () => Promise<unknown>,
): Promise<unknown> {
  const { db } = database;
  const { promise: other, change } = await db.transaction().execute(async (tx) => {
    await sql`select 1 from stores where id = ${spec.id} for no key update`.execute(tx);
    const promise = begin();
    promise.catch(() => undefined);
    await waitForWaiter();
    const { numUpdatedRows } = await tx
      .updateTable('operations')
      .set({ state: 'superseded' })
      .where('id', '=', operationId)
      .where('state', 'in', ['queued', 'waiting'])
      .executeTakeFirstOrThrow();
    return { promise, change: numUpdatedRows };
  });
  expect(change).toBe(1n);
  return await other;
}

test('a change that comes while its store’s commit is settled', async () => {
  const store = await insertStore(database.db);
  const commit = {
    sha: 'a'.repeat(40),
    subject: 'Create store shop',
    author: 'Shopyard',
    at: new Date(),
    operationId: store.operationId,
    action: 'create',
    storeId: store.spec.id,
  };
  const settled = await supersedeDuring(store, () =>
    settle(database.db, lease, {
      repository: 'test',
      commits: [commit],
      unchanged: [],
      tenants: [],
      at: new Date(),
    }),
  );
  expect(settled).toBe(0);
});

test('a change that comes while its store’s operation fails', async () => {
  const store = await insertStore(database.db);
  const [operation] = await listQueuedOperations(database.db, 'test', ['lab']);
  if (operation === undefined) throw new Error('nothing is queued');
  await supersedeDuring(store, () =>
    failOperation(
      database.db,
      lease,
      operation,
      { code: 'unsafe_path', message: 'No.', hint: null },
      { domainOf: () => null, deadlineMs: 600_000, at: new Date() },
    ),
  );
  const row = await database.db.selectFrom('operations').select('state').executeTakeFirst();
  expect(row?.state).toBe('superseded');
});

test('a change that comes while its store is judged', async () => {
  const store = await insertStore(database.db);
  const { operationId, spec } = store;
  await database.db.updateTable('operations').set({ state: 'waiting' }).execute();
  const stepped = await supersedeDuring(store, () =>
    database.db.transaction().execute(async (tx) => {
      const moved = await stepOperations(tx, [
        {
          operationId,
          from: { state: 'waiting', action: 'create' },
          to: { state: 'done', action: 'create' },
          finishedAt: new Date(),
          error: null,
        },
      ]);
      await writeStatus(tx, [
        {
          storeId: spec.id,
          operationId,
          status: 'ready',
          stage: 'ready',
          detail: null,
          problem: null,
          at: new Date(),
        },
      ]);
      return moved;
    }),
  );
  expect(stepped).toEqual(new Set());
});

test('a holder that is stopped in the middle of a transaction is replaced all the same (reliability 4)', async () => {
  const stopped = openDatabase(database.url);
  const { promise: isAwake, resolve: wake } = Promise.withResolvers<undefined>();
  const { promise: holds, resolve: hold } = Promise.withResolvers<undefined>();
  const work = stopped.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    hold(undefined);
    await isAwake;
    await sql`select 1`.execute(tx);
  });
  const failure = work.catch((error: unknown) => error);
  await holds;
  const stoppedAt = performance.now();
  await vi.waitFor(
    async () => expect(await takeLease(database.db, lease.name, 'two')).not.toBeNull(),
    { timeout: 25_000, interval: 500 },
  );
  // The lease, and what a loaded machine adds; without the mend it is the statement's minute.
  expect(performance.now() - stoppedAt).toBeLessThan(4 * LEASE_SECONDS * 1_000);
  wake(undefined);
  expect(isDatabaseUnavailable(await failure)).toBe(true);
  expect(await renewLease(stopped, lease)).toBe(false);
  await stopped.destroy();
});
