/**
 * Which files of stores a person changed. Written by the writer alone, in the transaction that takes
 * note of the person's commits; a store's `drift_sha` is the newest of them, null when its files are
 * as ours.
 */
import { sql } from 'kysely';
import type { Db, Tx } from './open.ts';
import type { Drift } from '../domain/drift.ts';

/** Where a store's files are. */
export type StorePlace = { readonly cluster: string; readonly application: string };

/** The living stores at these places, by `cluster application`. */
export async function findStoresAt(
  db: Db | Tx,
  places: readonly StorePlace[],
): Promise<ReadonlyMap<string, string>> {
  if (places.length === 0) return new Map();
  const { rows } = await sql<StorePlace & { id: string }>`
    select s.id, s.cluster, s.application
    from jsonb_to_recordset(${JSON.stringify(places)}::jsonb) as p(cluster text, application text)
    join stores s on s.cluster = p.cluster and s.application = p.application
      and s.status <> 'deleted'
  `.execute(db);
  return new Map(rows.map((row) => [namePlace(row), row.id]));
}

export function namePlace({ cluster, application }: StorePlace): string {
  return `${cluster} ${application}`;
}

/** What differs of these stores, by path. */
export async function listDrifts(db: Db | Tx, storeIds: readonly string[]): Promise<Drift[]> {
  if (storeIds.length === 0) return [];
  return db
    .selectFrom('drifts')
    .selectAll()
    .where('storeId', '=', sql<string>`any(${storeIds})`)
    .orderBy('storeId')
    .orderBy('path')
    .execute();
}

/** Makes the drift of these stores exactly that. `heads`: the newest commit of each that has any. */
export async function replaceDrifts(
  tx: Tx,
  storeIds: readonly string[],
  drifts: readonly Drift[],
  heads: ReadonlyMap<string, string>,
  at: Date,
): Promise<void> {
  if (storeIds.length === 0) return;
  await tx
    .deleteFrom('drifts')
    .where('storeId', '=', sql<string>`any(${storeIds})`)
    .execute();
  const rows = drifts.map((drift) => ({
    store_id: drift.storeId,
    path: drift.path,
    kind: drift.kind,
    ours: drift.ours,
    first_sha: drift.firstSha,
    sha: drift.sha,
    author: drift.author,
    at: drift.at,
  }));
  await sql`
    insert into drifts
    select r.* from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r(
      store_id text, path text, kind text, ours text, first_sha text, sha text, author text,
      at timestamptz)
  `.execute(tx);
  const states = storeIds.map((id) => ({ id, sha: heads.get(id) ?? null }));
  await sql`
    update stores s set drift_sha = r.sha, updated_at = ${at}
    from jsonb_to_recordset(${JSON.stringify(states)}::jsonb) as r(id text, sha text)
    where s.id = r.id
  `.execute(tx);
}

/** Our own commits made these stores' files ours again; most had no drift. Returns those that had. */
export async function clearDrifts(
  tx: Tx,
  storeIds: readonly string[],
  at: Date,
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    update stores set drift_sha = null, updated_at = ${at}
    where id = any(${storeIds}) and drift_sha is not null
    returning id
  `.execute(tx);
  const cleared = rows.map(({ id }) => id);
  if (cleared.length > 0)
    await tx
      .deleteFrom('drifts')
      .where('storeId', '=', sql<string>`any(${cleared})`)
      .execute();
  return cleared;
}

/** These files of a store are as ours again; it drifts no more when they were all that differed. */
export async function clearDriftAt(
  tx: Tx,
  storeId: string,
  paths: readonly string[],
  at: Date,
): Promise<void> {
  const { numDeletedRows } = await tx
    .deleteFrom('drifts')
    .where('storeId', '=', storeId)
    .where('path', '=', sql<string>`any(${paths})`)
    .executeTakeFirst();
  if (numDeletedRows === 0n) return;
  await sql`
    update stores set updated_at = ${at},
      drift_sha = (select d.sha from drifts d where d.store_id = ${storeId}
        order by d.at desc limit 1)
    where id = ${storeId}
  `.execute(tx);
}
