/** Reading stores. A tenant id is in every query; null is an operator's: every tenant. */
import { sql, type Selectable } from 'kysely';
import type { Db } from './open.ts';
import type { StageTable } from './schema.ts';
import type { StoreRow } from './status.ts';
import { findUpgrade } from '../domain/change.ts';
import type { Offer } from '../domain/request.ts';
import type { StoreStatus } from '../domain/store.ts';

/** A tenant's id, or null for all tenants. */
export type Scope = string | null;

export type StoreWithTenant = StoreRow & { readonly tenantSlug: string };

export async function findStore(db: Db, scope: Scope, id: string): Promise<StoreWithTenant | null> {
  const row = await selectStores(db, scope).where('s.id', '=', id).executeTakeFirst();
  return row ?? null;
}

function selectStores(db: Db, scope: Scope) {
  const all = db
    .selectFrom('stores as s')
    .innerJoin('tenants as t', 't.id', 's.tenantId')
    .selectAll('s')
    .select('t.slug as tenantSlug');
  return scope === null ? all : all.where('s.tenantId', '=', scope);
}

export type StorePageQuery = {
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** Of connected clusters; `disconnected` are those of the others, `deleted` of any. */
  readonly status?: StoreStatus | 'disconnected' | undefined;
  readonly type?: string | undefined;
  /** Part of the name or the host. */
  readonly q?: string | undefined;
  /** A tenant's slug: operators look at one tenant. */
  readonly tenant?: string | undefined;
};

export type StorePage =
  | { readonly kind: 'page'; readonly rows: StoreWithTenant[]; readonly next: string | null }
  | { readonly kind: 'bad-cursor' };

/**
 * One page, newest first. The cursor names the last store of the page before; rows are never
 * removed, so it always has a place. Deleted stores are shown only when asked for. `connected`
 * are the names of the connected clusters, one at least.
 */
export async function listStores(
  db: Db,
  scope: Scope,
  query: StorePageQuery,
  connected: readonly string[],
): Promise<StorePage> {
  let select = selectStores(db, scope)
    .orderBy('s.createdAt', 'desc')
    .orderBy('s.id', 'desc')
    .limit(query.limit + 1);
  const { status } = query;
  select =
    status === undefined || status === 'disconnected'
      ? select.where('s.status', '<>', 'deleted')
      : select.where('s.status', '=', status);
  if (status === 'disconnected') select = select.where('s.cluster', 'not in', connected);
  else if (status !== undefined && status !== 'deleted')
    select = select.where('s.cluster', 'in', connected);
  if (query.type !== undefined) select = select.where('s.type', '=', query.type);
  if (query.tenant !== undefined) select = select.where('t.slug', '=', query.tenant);
  if (query.q !== undefined && query.q !== '') {
    const pattern = `%${query.q.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`;
    select = select.where((is) =>
      is.or([is('s.name', 'like', pattern), is('s.host', 'like', pattern)]),
    );
  }
  if (query.cursor !== undefined) {
    const last = await findStore(db, scope, readCursor(query.cursor));
    if (last === null) return { kind: 'bad-cursor' };
    // The database's own value: a Date would cut its microseconds.
    select = select.where(
      sql<boolean>`(s.created_at, s.id) < (select c.created_at, c.id from stores c where c.id = ${last.id})`,
    );
  }
  const rows = await select.execute();
  const more = rows.length > query.limit;
  if (more) rows.pop();
  const last = rows.at(-1);
  return { kind: 'page', rows, next: more && last !== undefined ? writeCursor(last.id) : null };
}

function writeCursor(id: string): string {
  return Buffer.from(id).toString('base64url');
}

/** Whatever a client sends becomes some id: one that is not there is a bad cursor. */
function readCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString();
  return /^st_[a-z0-9]+$/.test(id) ? id : '';
}

/** The stages of one operation, in order. */
export async function listStages(db: Db, operationId: string): Promise<Selectable<StageTable>[]> {
  return db
    .selectFrom('stages')
    .selectAll()
    .where('operationId', '=', operationId)
    .orderBy('ordinal')
    .execute();
}

/** Stores in trouble, and those that have been going since before `since`: the newest 50. */
export async function listTroubled(db: Db, since: Date): Promise<StoreWithTenant[]> {
  return selectStores(db, null)
    .where('s.status', 'in', ['degraded', 'failed', 'rejected', 'deleting'])
    .where((is) => is.or([is('s.status', '<>', 'deleting'), is('s.updatedAt', '<', since)]))
    .orderBy('s.updatedAt', 'desc')
    .limit(50)
    .execute();
}

/** How many stores there are, by status and type; deleted ones are not counted. */
export async function countStores(
  db: Db,
): Promise<{ readonly status: StoreStatus; readonly type: string; readonly count: number }[]> {
  return db
    .selectFrom('stores')
    .select(['status', 'type', (is) => is.fn.countAll<number>().as('count')])
    .where('status', '<>', 'deleted')
    .groupBy(['status', 'type'])
    .execute();
}

/**
 * Notes for every store whether its engine has a newer version of its chart now: what is on offer
 * changes with a release of the platform, and with nothing else.
 */
export async function noteUpgrades(db: Db, offer: Pick<Offer, 'engines'>): Promise<void> {
  const found = await db
    .selectFrom('stores')
    .select(['type', 'chartVersion'])
    .distinct()
    .where('status', '<>', 'deleted')
    .execute();
  for (const { type, chartVersion } of found) {
    const upgradeTo = findUpgrade(offer, { type, chartVersion });
    await db
      .updateTable('stores')
      .set({ upgradeTo })
      .where('type', '=', type)
      .where('chartVersion', '=', chartVersion)
      .where('status', '<>', 'deleted')
      .where(sql<boolean>`upgrade_to is distinct from ${upgradeTo}::text`)
      .execute();
  }
}
