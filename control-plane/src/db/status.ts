/**
 * The one function that writes a store's status (and its stages and events, in the same
 * transaction). The API calls it when a request is accepted, the writer when a commit is published,
 * the observer when a cluster changed. Many changes are a handful of statements, whatever their
 * number. A change made for an operation that is no longer the store's current one is dropped.
 */
import { sql } from 'kysely';
import { viewStore } from './view.ts';
import type { Tx } from './open.ts';
import type { StoreTable } from './schema.ts';
import {
  listStagesOf,
  OPTIONAL_STAGES,
  type Stage,
  type StoreProblem,
  type StoreStatus,
} from '../domain/store.ts';
import type { Selectable } from 'kysely';

export type StoreRow = Selectable<StoreTable>;

export type StatusChange = {
  readonly storeId: string;
  /** The operation the change is about. */
  readonly operationId: string;
  readonly status: StoreStatus;
  readonly stage: Stage;
  /** What is being waited for, in words. */
  readonly detail: string | null;
  readonly problem: StoreProblem | null;
  /** undefined leaves the column as it is. */
  readonly readyAt?: Date | null;
  readonly deadlineAt?: Date | null;
  readonly deletedAt?: Date | null;
  readonly commit?: { readonly sha: string; readonly position: number };
  /** The pull request of the store's current change. */
  readonly review?: { readonly number: number; readonly url: string | null };
  readonly at: Date;
};

/**
 * Locks the stores of these operations. Who is about to change operations and then their stores
 * calls it first: a request holds the store before it supersedes its operations, and two who take
 * them the other way round would wait for each other.
 */
export async function lockStoresOf(tx: Tx, operationIds: readonly string[]): Promise<void> {
  await sql`
    select 1 from stores s
    where s.id = any(array(select o.store_id from operations o where o.id = any(${operationIds})))
    order by s.id for no key update of s
  `.execute(tx);
}

/** Writes the changes; returns the rows as they are now (those whose operation was still current). */
export async function writeStatus(tx: Tx, changes: readonly StatusChange[]): Promise<StoreRow[]> {
  if (changes.length === 0) return [];
  const rows = changes.map((change) => ({
    id: change.storeId,
    operation_id: change.operationId,
    status: change.status,
    stage: change.stage,
    detail: change.detail,
    error_code: change.problem?.code ?? null,
    error_message: change.problem?.message ?? null,
    error_hint: change.problem?.hint ?? null,
    set_ready: change.readyAt !== undefined,
    ready_at: change.readyAt ?? null,
    set_deadline: change.deadlineAt !== undefined,
    deadline_at: change.deadlineAt ?? null,
    deleted_at: change.deletedAt ?? null,
    commit_sha: change.commit?.sha ?? null,
    commit_position: change.commit?.position ?? null,
    review_number: change.review?.number ?? null,
    review_url: change.review?.url ?? null,
    at: change.at,
  }));
  // Two writers that change overlapping stores lock them in the same order.
  rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  // The ids once more, as a plain list: the planner knows its length, a record set's it does not.
  const ids = rows.map((row) => row.id);
  const updated = await sql<StoreRow & { tenantSlug: string }>`
    with change as materialized (
      select c.* from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c(
        id text, operation_id text, status text, stage text, detail text, error_code text,
        error_message text, error_hint text, set_ready boolean, ready_at timestamptz,
        set_deadline boolean, deadline_at timestamptz, deleted_at timestamptz, commit_sha text,
        commit_position bigint, review_number int, review_url text, at timestamptz)
    ), locked as materialized (
      select s.id from stores s join change c on s.id = c.id and s.operation_id = c.operation_id
      where s.id = any(${ids}) order by s.id for no key update of s
    )
    update stores s set
      status = c.status, stage = c.stage, detail = c.detail,
      error_code = c.error_code, error_message = c.error_message, error_hint = c.error_hint,
      ready_at = case when c.set_ready then c.ready_at else s.ready_at end,
      deadline_at = case when c.set_deadline then c.deadline_at else s.deadline_at end,
      deleted_at = coalesce(c.deleted_at, s.deleted_at),
      commit_sha = coalesce(c.commit_sha, s.commit_sha),
      commit_position = coalesce(c.commit_position, s.commit_position),
      -- What it moved away from is free once that is on the branch.
      held_host = case when c.commit_sha is null then s.held_host end,
      review_number = coalesce(c.review_number, s.review_number),
      review_url = case when c.review_number is null then s.review_url else c.review_url end,
      updated_at = c.at
    from change c join locked l on l.id = c.id, tenants t
    where s.id = c.id and s.id = any(${ids}) and t.id = s.tenant_id
    returning s.*, t.slug as tenant_slug
  `.execute(tx);
  const current = new Map(updated.rows.map((row) => [row.id, row]));
  const applied = changes.filter((change) => current.has(change.storeId));
  if (applied.length === 0) return [];
  await writeStages(tx, applied, current);
  await writeStoreEvents(tx, updated.rows);
  return updated.rows;
}

/** Tells whoever follows these stores what they are now. */
export async function writeStoreEvents(
  tx: Tx,
  rows: readonly (StoreRow & { readonly tenantSlug: string })[],
): Promise<void> {
  // As one parameter: a statement may have 65,535 of them, and there may be more stores.
  const events = rows.map((row) => ({
    tenant_id: row.tenantId,
    store_id: row.id,
    body: { store: viewStore(row, row.tenantSlug) },
  }));
  await sql`
    insert into events (tenant_id, store_id, type, body)
    select r.tenant_id, r.store_id, 'store', r.body
    from jsonb_to_recordset(${JSON.stringify(events)}::jsonb) as r(
      tenant_id text, store_id text, body jsonb)
  `.execute(tx);
}

/**
 * Enters the stage of each change: closes the ones before it, fills in those it skipped, but for
 * those that not every change has.
 */
async function writeStages(
  tx: Tx,
  changes: readonly StatusChange[],
  stores: ReadonlyMap<string, StoreRow>,
): Promise<void> {
  const rows = changes.flatMap((change) => {
    const store = stores.get(change.storeId);
    const order = store === undefined ? [] : listStagesOf(store);
    const reached = order.indexOf(change.stage);
    return order.slice(0, reached + 1).map((stage, ordinal) => ({
      store_id: change.storeId,
      operation_id: change.operationId,
      stage,
      ordinal,
      started_at: change.at,
      // The last stage is an arrival: it has no length.
      finished_at: ordinal < reached || ordinal === order.length - 1 ? change.at : null,
      deadline_at: change.deadlineAt ?? null,
      commit_sha: change.commit?.sha ?? null,
      // Not gone through, but left behind if it was.
      skippable: ordinal < reached && OPTIONAL_STAGES.has(stage),
    }));
  });
  await sql`
    insert into stages (store_id, operation_id, stage, ordinal, started_at, finished_at, deadline_at, commit_sha)
    select store_id, operation_id, stage, ordinal, started_at, finished_at, deadline_at, commit_sha
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r(
      store_id text, operation_id text, stage text, ordinal int, started_at timestamptz,
      finished_at timestamptz, deadline_at timestamptz, commit_sha text, skippable boolean)
    where not r.skippable or exists (
      select 1 from stages s where s.operation_id = r.operation_id and s.stage = r.stage)
    on conflict (operation_id, stage) do update set finished_at = excluded.finished_at
      where stages.finished_at is null and excluded.finished_at is not null
  `.execute(tx);
}
