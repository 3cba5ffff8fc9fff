/**
 * How many stores there are, by status. One tenant's are found by its index; the fleet's are counted
 * once for everybody who asks within a moment, so that the table is read every few seconds at most,
 * whoever is looking.
 */
import { sql } from 'kysely';
import type { StoreCounts } from '../contract.ts';
import type { Db } from './open.ts';
import type { Scope } from './stores.ts';
import type { Clock } from '../domain/ids.ts';
import type { StoreStatus } from '../domain/store.ts';

/** How long a count is good for, in milliseconds. */
const KEPT_MS = 2000;
const KEPT_MOST = 1000;

export type StoreCounter = {
  /** By cluster. */
  count(scope: Scope): Promise<ReadonlyMap<string, StoreCounts>>;
};

type Kept = { readonly counts: Promise<ReadonlyMap<string, StoreCounts>>; readonly until: number };

export function createStoreCounter(db: Db, clock: Clock): StoreCounter {
  const kept = new Map<Scope, Kept>();
  return {
    count(scope) {
      const now = clock().getTime();
      const known = kept.get(scope);
      if (known !== undefined && known.until > now) return known.counts;
      if (kept.size >= KEPT_MOST) kept.clear();
      const counts = countStores(db, scope);
      kept.set(scope, { counts, until: now + KEPT_MS });
      // A count that failed is good for nobody.
      counts.catch(() => kept.delete(scope));
      return counts;
    },
  };
}

/** All of them at nought. */
export function startCounts(): Required<StoreCounts> {
  return {
    provisioning: 0,
    ready: 0,
    degraded: 0,
    failed: 0,
    rejected: 0,
    suspended: 0,
    deleting: 0,
  };
}

async function countStores(db: Db, scope: Scope): Promise<ReadonlyMap<string, StoreCounts>> {
  const { rows } = await sql<{ cluster: string; status: StoreStatus; count: number }>`
    select cluster, status, count(*) as count from stores
    where status <> 'deleted' ${scope === null ? sql`` : sql`and tenant_id = ${scope}`}
    group by cluster, status
  `.execute(db);
  const byCluster = new Map<string, Required<StoreCounts>>();
  for (const { cluster, status, count } of rows) {
    if (status === 'deleted') continue;
    const counts = byCluster.get(cluster) ?? startCounts();
    counts[status] = count;
    byCluster.set(cluster, counts);
  }
  return byCluster;
}
