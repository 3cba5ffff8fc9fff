/**
 * Takes note of what commits did to stores' files: a person's make a store drift, our own and a
 * person's who puts things back end it. Reads the changed paths and nothing else, whatever the number
 * of stores; for commits of ours alone it is one statement.
 */
import { sql } from 'kysely';
import { appendAudit } from './audit.ts';
import { clearDrifts, findStoresAt, listDrifts, namePlace, replaceDrifts } from './drifts.ts';
import type { Tx } from './open.ts';
import { lockStoresOf, writeStoreEvents } from './status.ts';
import type { StoreWithTenant } from './stores.ts';
import type { AuditEntry } from '../domain/audit.ts';
import { findHeads, foldDrift, type Drift, type DriftStep } from '../domain/drift.ts';
import type { PathChange } from '../git/types.ts';
import { readStorePath, type StorePath } from '../render/paths.ts';

/** A commit of the branch, in its order. Those of an operation are ours: whoever asks has made sure. */
export type NotedCommit = {
  readonly sha: string;
  readonly author: string;
  readonly at: Date;
  readonly operationId: string | null;
  readonly storeId: string | null;
  readonly changes?: readonly PathChange[] | undefined;
  /**
   * Of a change that was reviewed: what we wrote, path → object. Only that is ours, whatever else
   * was on its branch when somebody merged it.
   */
  readonly reviewed?: Readonly<Record<string, string | null>> | null;
};

/**
 * Locks the stores of these operations and those whose files the commits change: at once, in one
 * order, so that it cannot meet somebody who holds one of them and waits for another.
 */
export async function lockStoresNoted(
  tx: Tx,
  operationIds: readonly string[],
  commits: readonly NotedCommit[],
): Promise<void> {
  const places = commits.flatMap(({ changes = [] }) =>
    changes.flatMap(({ path }) => readStorePath(path) ?? []),
  );
  if (places.length === 0) return lockStoresOf(tx, operationIds);
  await sql`
    select 1 from stores s
    where s.id = any(array(
      select o.store_id from operations o where o.id = any(${operationIds})
      union
      select t.id
      from jsonb_to_recordset(${JSON.stringify(places)}::jsonb) as p(cluster text, application text)
      join stores t on t.cluster = p.cluster and t.application = p.application
        and t.status <> 'deleted'))
    order by s.id for no key update of s
  `.execute(tx);
}

export async function noteDrift(tx: Tx, commits: readonly NotedCommit[], at: Date): Promise<void> {
  const touches = commits.flatMap(listTouches);
  const owned = commits.flatMap(({ operationId, storeId, reviewed }) =>
    operationId === null || isPartly(reviewed) ? [] : (storeId ?? []),
  );
  const isWhole = !commits.some(({ reviewed }) => isPartly(reviewed));
  if (touches.length === 0 && isWhole) {
    if (owned.length > 0) await tellStores(tx, await clearDrifts(tx, [...new Set(owned)], at));
    return;
  }
  const stores = await findStoresAt(
    tx,
    touches.map(({ place }) => place),
  );
  const steps = commits.flatMap((commit): DriftStep[] => [
    ...listOwn(commit),
    ...listTouches(commit).flatMap(({ place, change }): DriftStep[] => {
      const storeId = stores.get(namePlace(place));
      const { sha, author, at: committedAt } = commit;
      return storeId === undefined
        ? []
        : [{ kind: 'touch', storeId, ...change, sha, author, at: committedAt }];
    }),
  ]);
  const ids = [...new Set(steps.map(({ storeId }) => storeId))].sort();
  await sql`
    select 1 from stores where id = any(${ids}) order by id for no key update
  `.execute(tx);
  const standing = await listDrifts(tx, ids);
  if (standing.length === 0 && touches.length === 0) return;
  const drifts = foldDrift(standing, steps);
  await replaceDrifts(tx, ids, drifts, findHeads(drifts, steps), at);
  const touched = new Set(steps.flatMap((step) => (step.kind === 'touch' ? step.storeId : [])));
  const rows = await tellStores(tx, ids);
  await appendAudit(
    tx,
    rows.filter(({ id }) => touched.has(id)).map((row) => describeDrift(row, drifts, steps, at)),
  );
}

function isPartly(reviewed: NotedCommit['reviewed']): boolean {
  return reviewed !== undefined && reviewed !== null;
}

/** What the commit makes ours again. */
function listOwn({ operationId, storeId, reviewed, changes = [] }: NotedCommit): DriftStep[] {
  if (operationId === null || storeId === null) return [];
  if (reviewed === undefined || reviewed === null) return [{ kind: 'own', storeId }];
  const paths = new Set(changes.map(({ path }) => path).filter((path) => path in reviewed));
  return [{ kind: 'own', storeId, paths }];
}

type Touch = { readonly place: StorePath; readonly change: PathChange };

/** What a person changed by it: all of it, or what is not as it was reviewed. */
function listTouches({ operationId, reviewed, changes = [] }: NotedCommit): Touch[] {
  if (operationId !== null && !isPartly(reviewed)) return [];
  return changes.flatMap((change) => {
    const { path, after } = change;
    const place = readStorePath(path);
    const ours = operationId === null ? undefined : reviewed?.[path];
    if (place === null || ours === after) return [];
    return [{ place, change: ours === undefined ? change : { ...change, before: ours } }];
  });
}

async function tellStores(tx: Tx, ids: readonly string[]): Promise<StoreWithTenant[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<StoreWithTenant>`
    select s.*, t.slug as tenant_slug from stores s join tenants t on t.id = s.tenant_id
    where s.id = any(${ids}) order by s.id
  `.execute(tx);
  await writeStoreEvents(tx, rows);
  return rows;
}

/** Paths that one row of the record names. */
const NAMED_PATHS = 10;

function describeDrift(
  store: StoreWithTenant,
  drifts: readonly Drift[],
  steps: readonly DriftStep[],
  at: Date,
): AuditEntry {
  const own = drifts.filter(({ storeId }) => storeId === store.id);
  const last = steps.findLast((step) => step.kind === 'touch' && step.storeId === store.id);
  return {
    at,
    by: { id: null, name: last?.kind === 'touch' ? last.author : null, kind: 'anonymous' },
    tenantId: store.tenantId,
    storeId: store.id,
    action: own.length === 0 ? 'store.drift-undone' : 'store.drift',
    outcome: 'done',
    requestId: null,
    address: null,
    detail: {
      name: store.name,
      commit: last?.kind === 'touch' ? last.sha : null,
      paths: own.slice(0, NAMED_PATHS).map(({ kind, path }) => `${kind} ${path}`),
    },
  };
}
