/**
 * What is known of clusters themselves: when their API servers last said anything, and what is in the
 * way of hearing them. Each cluster's observer writes it; every process reads it.
 */
import { sql } from 'kysely';
import type { IdempotencyKey } from './idempotency.ts';
import { checkLease, type Lease } from './leases.ts';
import type { Db } from './open.ts';
import type { Hearing } from '../domain/placement.ts';

/** Writes what the holder of a cluster's lease has heard. Throws `lease_lost` when it is another's. */
export async function recordHearing(
  db: Db,
  lease: Lease,
  cluster: string,
  { heardAt, trouble }: Hearing,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    // An observer that has not heard it yet does not undo what an earlier one has.
    await sql`
      insert into clusters (name, heard_at, trouble) values (${cluster}, ${heardAt}, ${trouble})
      on conflict (name) do update set
        heard_at = coalesce(excluded.heard_at, clusters.heard_at), trouble = excluded.trouble
    `.execute(tx);
  });
}

/** By cluster; those that no observer has looked at are not there. */
export async function listHearings(db: Db): Promise<ReadonlyMap<string, Hearing>> {
  const rows = await db.selectFrom('clusters').select(['name', 'heardAt', 'trouble']).execute();
  return new Map(rows.map(({ name, ...hearing }) => [name, hearing]));
}

/** How many stores each cluster has that are not deleted. */
export async function countByCluster(db: Db): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom('stores')
    .select(['cluster', (is) => is.fn.countAll<number>().as('count')])
    .where('status', '<>', 'deleted')
    .groupBy('cluster')
    .execute();
  return new Map(rows.map(({ cluster, count }) => [cluster, count]));
}

/** The cluster of a tenant's living store of that name, or of what was made under a key; else null. */
export async function findHome(
  db: Db,
  wanted: {
    readonly tenantId: string;
    readonly name: string;
    readonly key: Pick<IdempotencyKey, 'tenantId' | 'key'> | null;
  },
): Promise<string | null> {
  const { tenantId, name, key } = wanted;
  const { rows } = await sql<{ cluster: string }>`
    (select i.body -> 'store' ->> 'cluster' as cluster from idempotency i
      where i.tenant_id = ${key?.tenantId ?? null} and i.key = ${key?.key ?? null})
    union all
    (select s.cluster from stores s
      where s.tenant_id = ${tenantId} and s.name = ${name} and s.status <> 'deleted')
    limit 1
  `.execute(db);
  return rows[0]?.cluster ?? null;
}
