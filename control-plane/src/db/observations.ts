/** The observer's questions to the database, each one statement whatever the number of stores. */
import { sql } from 'kysely';
import type { Db, Tx } from './open.ts';
import { lockStoresOf } from './status.ts';
import type { StoreFacts } from '../domain/lifecycle.ts';
import type { Action, OperationState } from '../domain/store.ts';

export type ObservedStore = StoreFacts & {
  readonly tenantId: string;
  readonly namespace: string;
  readonly type: string;
  readonly createdAt: Date;
  /** True when the observer is to put the deadline into the row: it has none of this operation. */
  readonly isDeadlineNew: boolean;
};

/**
 * The living stores of these Applications, each with its current operation.
 * @param deadlineSeconds from a change's request on; for rows whose deadline is not set
 */
export async function loadObservedStores(
  db: Db,
  cluster: string,
  applications: readonly string[],
  deadlineSeconds: number,
): Promise<ObservedStore[]> {
  if (applications.length === 0) return [];
  const rows = await db
    .selectFrom('stores as s')
    .innerJoin('operations as o', 'o.id', 's.operationId')
    .select([
      's.id',
      's.tenantId',
      's.cluster',
      's.application',
      's.namespace',
      's.chart',
      's.chartVersion',
      's.generation',
      's.suspended',
      's.purgeAt',
      sql<boolean>`s.drift_sha is not null and s.drift_sha is distinct from o.drift_sha`.as(
        'drifted',
      ),
      's.status',
      's.stage',
      's.detail',
      's.errorCode',
      's.errorMessage',
      's.errorHint',
      's.commitPosition',
      's.deadlineAt',
      's.updatedAt',
      's.type',
      's.createdAt',
      // Looked up for those few alone, however the planner joins.
      sql<Date | null>`case when s.status = 'deleting' then (select g.started_at from stages g
        where g.operation_id = o.id and g.stage = 'removing') end`.as('removingSince'),
      'o.createdAt as requestedAt',
      'o.id as operationId',
      'o.kind',
      'o.action',
      'o.state',
      'o.committedAt',
      'o.needsReview',
      'o.reviewNumber',
      'o.holdId',
    ])
    .where('s.cluster', '=', cluster)
    .where('s.status', '<>', 'deleted')
    .where(sql<boolean>`s.application = any(${applications})`)
    .execute();
  return rows.map(
    ({
      errorCode,
      errorMessage,
      errorHint,
      operationId,
      kind,
      action,
      state,
      reviewNumber,
      holdId,
      ...row
    }) => {
      // A deadline from before the operation is the one of an earlier change.
      const isCurrent = row.deadlineAt !== null && row.deadlineAt > row.requestedAt;
      // People take the time they take: what they agreed to begins with its commit.
      const isWithPeople = row.needsReview || state === 'held' || state === 'review';
      const wasWithPeople = reviewNumber !== null || holdId !== null;
      const begunAt = isWithPeople ? null : wasWithPeople ? row.committedAt : row.requestedAt;
      return {
        ...row,
        deadlineAt: isCurrent
          ? row.deadlineAt
          : begunAt && new Date(begunAt.getTime() + deadlineSeconds * 1000),
        isDeadlineNew: !isCurrent && row.status === 'provisioning' && state === 'waiting',
        problem:
          errorCode === null
            ? null
            : { code: errorCode, message: errorMessage ?? '', hint: errorHint },
        operation: { id: operationId, kind, action, state, committedAt: row.committedAt },
      };
    },
  );
}

/**
 * Applications of the stores that time alone may change: past their deadline, silent for a while,
 * on their way out, or kept for as long as was promised.
 */
export async function findStoresDue(
  db: Db,
  cluster: string,
  times: { readonly now: Date; readonly silentSince: Date; readonly lateSince: Date },
): Promise<string[]> {
  const result = await sql<{ application: string }>`
    (select s.application from stores s join operations o on o.id = s.operation_id
     where s.cluster = ${cluster} and s.status = 'provisioning'
       and (s.deadline_at <= ${times.now}
         or (s.deadline_at is null and (o.state = 'waiting'
           or (o.created_at <= ${times.lateSince} and not o.needs_review)))
         or (o.state = 'waiting' and s.updated_at <= ${times.silentSince}))
     order by s.deadline_at limit 2000)
    union all
    (select s.application from stores s join operations o on o.id = s.operation_id
     where s.cluster = ${cluster} and s.status = 'deleting' and o.state = 'waiting' limit 2000)
    union all
    (select s.application from stores s join operations o on o.id = s.operation_id
     where s.cluster = ${cluster} and s.status = 'suspended' and s.purge_at <= ${times.now}
       and o.state = 'waiting'
     order by s.purge_at limit 2000)
  `.execute(db);
  return result.rows.map((row) => row.application);
}

/** Places of commits on the branch; a commit that is not known is left out. */
export async function findPositions(
  db: Db,
  repository: string,
  shas: readonly string[],
): Promise<Map<string, number>> {
  if (shas.length === 0) return new Map();
  const rows = await db
    .selectFrom('commits')
    .select(['sha', 'position'])
    .where('repository', '=', repository)
    .where(sql<boolean>`sha = any(${shas})`)
    .execute();
  return new Map(rows.map((row) => [row.sha, row.position]));
}

/** Tenants whose AppProject was committed for the cluster and not seen there yet. */
export async function findUnseenTenants(db: Db, cluster: string): Promise<string[]> {
  const rows = await db
    .selectFrom('tenantClusters')
    .select('tenantId')
    .where('cluster', '=', cluster)
    .where('committedAt', 'is not', null)
    .where('seenAt', 'is', null)
    .execute();
  return rows.map((row) => row.tenantId);
}

/** New stores that have waited since then for their tenant's project; the oldest 100. */
export async function findStoresAwaitingTenants(
  db: Db,
  cluster: string,
  waiting: { readonly tenantIds: readonly string[]; readonly since: Date },
): Promise<
  { id: string; operationId: string; detail: string | null; errorMessage: string | null }[]
> {
  return db
    .selectFrom('stores as s')
    .innerJoin('operations as o', 'o.id', 's.operationId')
    .select(['s.id', 's.operationId', 's.detail', 's.errorMessage'])
    .where('o.state', '=', 'queued')
    .where('o.cluster', '=', cluster)
    .where('s.status', '=', 'provisioning')
    .where('o.createdAt', '<', waiting.since)
    .where(sql<boolean>`s.tenant_id = any(${waiting.tenantIds})`)
    .orderBy('o.seq')
    .limit(100)
    .execute();
}

export async function markTenantsSeen(
  tx: Tx,
  cluster: string,
  tenantIds: readonly string[],
  at: Date,
): Promise<void> {
  await tx
    .updateTable('tenantClusters')
    .set({ seenAt: at })
    .where('cluster', '=', cluster)
    .where('seenAt', 'is', null)
    .where(sql<boolean>`tenant_id = any(${tenantIds})`)
    .execute();
}

/**
 * Those of the operations that nobody has moved on since they were loaded. Whoever holds their stores
 * knows that nobody does until the transaction ends.
 */
export async function findUnmoved(
  tx: Tx,
  operations: readonly StoreFacts['operation'][],
): Promise<ReadonlySet<string>> {
  const loaded = operations.map(({ id, state, action }) => ({ id, state, action }));
  const { rows } = await sql<{ id: string }>`
    select o.id from operations o
    join jsonb_to_recordset(${JSON.stringify(loaded)}::jsonb) as c(id text, state text, action text)
      on o.id = c.id and o.state = c.state and o.action = c.action
  `.execute(tx);
  return new Set(rows.map((row) => row.id));
}

export type OperationStep = {
  readonly operationId: string;
  /** What the operation was when it was judged: another step meanwhile, and this one is dropped. */
  readonly from: { readonly state: OperationState; readonly action: Action };
  readonly to: { readonly state: OperationState; readonly action: Action };
  readonly finishedAt: Date | null;
  readonly error: { readonly code: string; readonly message: string } | null;
};

/** Moves operations on. Returns the ids of those that still were what the step came from. */
export async function stepOperations(
  tx: Tx,
  steps: readonly OperationStep[],
): Promise<Set<string>> {
  if (steps.length === 0) return new Set();
  await lockStoresOf(
    tx,
    steps.map((step) => step.operationId),
  );
  const rows = steps.map((step) => ({
    id: step.operationId,
    from_state: step.from.state,
    from_action: step.from.action,
    to_state: step.to.state,
    to_action: step.to.action,
    finished_at: step.finishedAt,
    error_code: step.error?.code ?? null,
    error_message: step.error?.message ?? null,
  }));
  const result = await sql<{ id: string }>`
    update operations o set
      state = c.to_state, action = c.to_action, finished_at = c.finished_at,
      error_code = c.error_code, error_message = c.error_message
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c(
      id text, from_state text, from_action text, to_state text, to_action text,
      finished_at timestamptz, error_code text, error_message text)
    where o.id = c.id and o.state = c.from_state and o.action = c.from_action
    returning o.id
  `.execute(tx);
  return new Set(result.rows.map((row) => row.id));
}
