/**
 * What one batch of the writer reads, however many operations wait: a batch's worth of rows. Postgres
 * itself counts them, for the transaction that asks; that needs no clock, and no statistics, which
 * are lost when Postgres ends at once.
 */
import { sql } from 'kysely';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Tx } from '../../control-plane/src/db/open.ts';
import {
  listQueuedOperations,
  listQueuedTenants,
  settleIn,
} from '../../control-plane/src/db/queue.ts';
import { listReviewsToOpen } from '../../control-plane/src/db/reviews.ts';
import { exampleStore } from '../support/example-store.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertTenant } from '../support/stores.ts';

const REPOSITORY = 'test';
const CLUSTERS = ['lab'];
const TENANTS = 20;
const QUEUED = 6_000;
/** For a batch of 50, with room; whatever goes through the queue, or all stores, reads twice that. */
const READ_AT_MOST = QUEUED / 2;

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.close());

/** Queues so many creates, the tenants taking turns. */
async function fillQueue(count: number): Promise<void> {
  for (let index = 0; index < TENANTS; index += 1)
    await insertTenant(database.db, { id: nameTenant(index), slug: `tenant-${index}` });
  const { name, ...spec } = exampleStore();
  await sql`
    with place as (
      select n, 'st_' || md5(n::text) as id, 'op_' || md5(n::text) as operation_id,
        ${name}::text || '-' || n as name, 'tn' || lpad((n % ${TENANTS}::int)::text, 4, '0') as tenant_id
      from generate_series(1, ${count}::int) n
    ), made as (
      insert into stores (id, tenant_id, name, type, chart, chart_version, plan, storage_plan,
        cluster, application, namespace, host, url, operation_id)
      select p.id, p.tenant_id, p.name, ${spec.type}, ${spec.chart}, ${spec.chartVersion},
        ${spec.plan}, ${spec.storagePlan}, ${spec.cluster}, p.tenant_id || '-' || p.name,
        'store-' || p.tenant_id || '-' || p.name, p.name || '.test', 'http://' || p.name || '.test',
        p.operation_id
      from place p
    )
    insert into operations (id, store_id, tenant_id, cluster, kind, action, generation, spec,
      requested_by)
    select p.operation_id, p.id, p.tenant_id, ${spec.cluster}, 'create', 'create', 1,
      ${JSON.stringify(spec)}::jsonb || jsonb_build_object('id', p.id, 'name', p.name,
        'tenantId', p.tenant_id, 'host', p.name || '.test'), 'tok_test'
    from place p order by p.n
  `.execute(database.db);
}

const nameTenant = (index: number): string => `tn${String(index).padStart(4, '0')}`;

/** Rows of our tables that the work reads, in a transaction of its own. */
async function countRead(work: (tx: Tx) => Promise<unknown>): Promise<number> {
  return database.db.transaction().execute(async (tx) => {
    const before = await readCount(tx);
    await work(tx);
    return (await readCount(tx)) - before;
  });
}

async function readCount(tx: Tx): Promise<number> {
  const { rows } = await sql<{ read: number }>`
    select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint as read
    from pg_stat_xact_user_tables
  `.execute(tx);
  return rows[0]?.read ?? 0;
}

/** Publishes the next batch as far as the database is concerned. */
async function settleNext(tx: Tx): Promise<void> {
  const operations = await listQueuedOperations(tx, REPOSITORY, CLUSTERS);
  const at = new Date();
  const settled = await settleIn(tx, {
    repository: REPOSITORY,
    commits: operations.map(({ id, action, storeId }) => ({
      ...{ sha: `sha of ${id}`, subject: 'Create', author: 'Shopyard', at },
      ...{ operationId: id, action, storeId },
    })),
    unchanged: [],
    tenants: [],
    at,
  });
  expect(settled).toBe(50);
}

async function analyze(): Promise<void> {
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  await owner.query('analyze');
  await owner.end();
}

test.each([
  ['that nobody has counted', { isAnalyzed: false }],
  ['that was counted while it was empty', { isAnalyzed: true }],
])('a batch reads a batch’s worth of a long queue %s', async (_, { isAnalyzed }) => {
  if (isAnalyzed) await analyze();
  await fillQueue(QUEUED);

  const read = {
    operations: await countRead((tx) => listQueuedOperations(tx, REPOSITORY, CLUSTERS)),
    tenants: await countRead(listQueuedTenants),
    reviews: await countRead((tx) => listReviewsToOpen(tx, CLUSTERS)),
    settled: await countRead(settleNext),
    next: await countRead((tx) => listQueuedOperations(tx, REPOSITORY, CLUSTERS)),
  };
  for (const [what, rows] of Object.entries(read)) expect(rows, what).toBeLessThan(READ_AT_MOST);
  // It is a queue: the batch is the oldest of it, in its order.
  const batch = await listQueuedOperations(database.db, REPOSITORY, CLUSTERS);
  expect(batch.map(({ spec }) => spec.name)).toEqual(
    Array.from({ length: 50 }, (_, index) => `shop-${index + 51}`),
  );
});
