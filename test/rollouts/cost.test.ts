/** What one look at a rollout costs: the same whatever the number of stores. A database of its own. */
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Tx } from '../../control-plane/src/db/open.ts';
import {
  beginWave,
  insertRollout,
  listNext,
  listTurned,
  listUnhealthy,
  listUpgrading,
} from '../../control-plane/src/db/rollouts.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertStore, insertTenant } from '../support/stores.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

test('a look at a rollout reads no table from end to end', async () => {
  const { db } = database;
  await insertTenant(db);
  await insertStore(db, { chartVersion: '1.1.0' });
  await sql`
    insert into stores (id, tenant_id, name, type, chart, chart_version, plan, storage_plan, cluster,
      application, namespace, host, url, operation_id, status)
    select 'st_many' || n, tenant_id, 'many-' || n, type, chart, chart_version, plan, storage_plan,
      cluster, 'many-' || n, namespace, 'many-' || n, url, operation_id, 'ready'
    from stores, generate_series(1, 5000) n
  `.execute(db);
  const now = new Date();
  const rollout = {
    ...{ id: 'ro_many', type: 'woocommerce', toVersion: '1.2.0', waveSize: 5, allowedUnhealthy: 0 },
    selection: { kind: 'all' },
  } as const;
  const by = { id: 'usr_operator', name: 'Olga', kind: 'user', tenantId: 'abc123' } as const;
  await db.transaction().execute(async (tx) => {
    expect(await insertRollout(tx, rollout, by, now)).toBe('made');
    await beginWave(tx, rollout.id, ['st_many1', 'st_many2'], now);
  });
  await db.transaction().execute(async (tx) => {
    const before = await countReads(tx);
    expect((await listUpgrading(tx, rollout.id)).unasked).toHaveLength(2);
    expect(await listUnhealthy(tx, rollout.id)).toEqual([]);
    expect(await listTurned(tx, rollout.id, [])).toEqual([]);
    expect(await listNext(tx, rollout.id, 10, [])).toHaveLength(10);
    for (const [table, read] of await countReads(tx)) {
      const here = read - (before.get(table) ?? 0);
      expect([table, here < 200]).toEqual([table, true]);
    }
  });
});

/** Rows read by this connection, also in transactions before that are not told of yet. */
async function countReads(tx: Tx): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ relname: string; read: number }>`
    select relname, seq_tup_read + coalesce(idx_tup_fetch, 0) as read
    from pg_stat_xact_user_tables where relname in ('stores', 'rollout_stores')
  `.execute(tx);
  expect(rows).toHaveLength(2);
  return new Map(rows.map(({ relname, read }) => [relname, read]));
}
