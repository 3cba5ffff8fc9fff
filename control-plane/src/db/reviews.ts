/**
 * Reviews in the database: the operations that wait for one, their pull requests, and how each ends.
 * A review is over when its operation no longer is `review`: merged (queue.ts settles it by its
 * commit), rejected, or taken over by a newer change.
 */
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import { appendAudit } from './audit.ts';
import { checkLease, type Lease } from './leases.ts';
import type { Db } from './open.ts';
import type { QueuedOperation } from './queue.ts';
import type { ReviewCommit } from './schema.ts';
import { lockStoresOf, writeStatus } from './status.ts';
import { endUncommitted, type UncommittedEnd } from './uncommitted.ts';
import {
  completeSpec,
  type OperationState,
  type RecordedSpec,
  type Stage,
  type StoreProblem,
  type StoreSpec,
  type StoreStatus,
} from '../domain/store.ts';
import type { CommitSha } from '../git/types.ts';

type RecordedOperation = Omit<ReviewedOperation, 'spec' | 'before'> & {
  readonly spec: RecordedSpec;
  readonly before: RecordedSpec | null;
};

/** An operation that is to be reviewed, or is. */
export type ReviewedOperation = QueuedOperation & {
  readonly tenantId: string;
  readonly cluster: string;
  readonly requesterName: string | null;
  /** The store as it was last committed; null: never. */
  readonly before: StoreSpec | null;
  readonly reviewCommit: ReviewCommit | null;
};

export type OpenReview = {
  readonly operation: ReviewedOperation;
  readonly number: number;
  readonly branch: string;
  readonly headSha: CommitSha;
  readonly decision: 'approved' | 'rejected' | null;
  readonly decidedBy: string | null;
  /** The head that was looked at. */
  readonly decidedHead: string | null;
  readonly reason: string | null;
};

/** A pull request that nothing waits for any more, and that is open or has a branch. */
export type StaleReview = {
  readonly number: number;
  readonly branch: string;
  readonly storeId: string;
  readonly operationState: OperationState;
};

const AT_ONCE = 50;

const IS_DRIFTED = sql`
  (select d.drift_sha is not null and d.drift_sha is distinct from o.drift_sha
    from stores d where d.id = o.store_id)`;
const OPERATION = sql`
  o.id, o.store_id, o.tenant_id, o.cluster, o.kind, o.action, o.spec, o.needs_review, o.reverts,
  o.restores, o.adopts,
  (select c.commit_sha is not null from stores c where c.id = o.store_id) as is_committed,
  ${IS_DRIFTED} as is_drifted, o.requested_by, o.created_at,
  o.review_commit, coalesce(u.name, k.name) as requester_name,
  (select l.spec from operations l where l.store_id = o.store_id and l.committed_at is not null
    and l.kind <> 'protect' and l.seq < o.seq order by l.seq desc limit 1) as before`;
const REQUESTER = sql`
  left join users u on u.id = o.requested_by
  left join tokens k on k.id = o.requested_by`;

/** The oldest operations that need a pull request and whose tenant's project has been seen. */
export async function listReviewsToOpen(
  db: Db,
  clusters: readonly string[],
): Promise<ReviewedOperation[]> {
  const { rows } = await sql<RecordedOperation>`
    select ${OPERATION} from operations o
    join tenant_clusters tc on tc.tenant_id = o.tenant_id and tc.cluster = o.cluster
    ${REQUESTER}
    where o.state = 'queued' and o.needs_review and tc.seen_at is not null
      and tc.cluster = any(${clusters})
    order by o.seq limit ${AT_ONCE}
  `.execute(db);
  return rows.map(complete);
}

/** Specs on record may be from before a field was. */
function complete<Row extends RecordedOperation>(row: Row): Row & ReviewedOperation {
  const before = row.before === null ? null : completeSpec(row.before);
  return { ...row, spec: completeSpec(row.spec), before };
}

type OpenRow = RecordedOperation & Omit<OpenReview, 'operation'>;

/**
 * Every review that is under way, oldest first, whatever its pull request says of itself; with
 * `isDecided` those that somebody has decided in the portal.
 */
export async function listOpenReviews(
  db: Db,
  repository: string,
  { isDecided = false }: { readonly isDecided?: boolean } = {},
): Promise<OpenReview[]> {
  const { rows } = await sql<OpenRow>`
    select ${OPERATION}, p.number, p.branch, p.head_sha, p.decision, p.decided_by, p.decided_head,
      p.reason
    from operations o
    join pull_requests p on p.repository = ${repository} and p.number = o.review_number
    ${REQUESTER}
    where o.state = 'review' and (p.decision is not null or not ${isDecided}::boolean)
    order by o.seq
  `.execute(db);
  return rows.map(
    ({ number, branch, headSha, decision, decidedBy, decidedHead, reason, ...operation }) => ({
      operation: complete(operation),
      number,
      branch,
      headSha,
      decision,
      decidedBy,
      decidedHead,
      reason,
    }),
  );
}

export type Standing = {
  /** It still waits, and for the same as when it was listed. */
  readonly isCurrent: boolean;
  /** Everything up to a commit has been read into the database. */
  readonly isRead: boolean;
  /** It would write over what a person changed until then. */
  readonly isDrifted: boolean;
};

/** How an operation that was listed a while ago stands now. */
export async function readStanding(
  db: Db,
  repository: string,
  { id, spec }: ReviewedOperation,
  tip: CommitSha,
): Promise<Standing> {
  const { rows } = await sql<
    Omit<Standing, 'isCurrent'> & { state: OperationState; spec: RecordedSpec }
  >`
    select exists (select from commits c where c.repository = ${repository} and c.sha = ${tip})
      as is_read, ${IS_DRIFTED} as is_drifted, o.state, o.spec
    from operations o where o.id = ${id}
  `.execute(db);
  const [row] = rows;
  if (row === undefined) return { isCurrent: false, isRead: false, isDrifted: false };
  const isCurrent =
    (row.state === 'queued' || row.state === 'review') &&
    isDeepStrictEqual(completeSpec(row.spec), spec);
  return { isCurrent, isRead: row.isRead, isDrifted: row.isDrifted };
}

/** Until a writer that was killed in between no longer keeps a review. */
const TAKEN_SECONDS = 60;

/**
 * Takes a review to carry out what was decided: nobody decides anything else until it is released.
 * False: that was taken back, or the change no longer waits. Who starts over takes it again.
 */
export async function takeReview(
  db: Db,
  lease: Lease,
  repository: string,
  { number, decision, decidedHead }: OpenReview,
): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    const { numAffectedRows } = await sql`
      update pull_requests p set taken_until = now() + make_interval(secs => ${TAKEN_SECONDS})
      where p.repository = ${repository} and p.number = ${number}
        and p.decision = ${decision} and p.decided_head = ${decidedHead}
        and exists (select from operations o
          where o.id = p.operation_id and o.state = 'review' and o.review_number = p.number)
    `.execute(tx);
    return numAffectedRows === 1n;
  });
}

export async function releaseReview(
  db: Db,
  lease: Lease,
  repository: string,
  number: number,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    await tx
      .updateTable('pullRequests')
      .set({ takenUntil: null })
      .where('repository', '=', repository)
      .where('number', '=', number)
      .execute();
  });
}

/**
 * Has reviews opened anew whose pull requests are in another repository: the platform has moved.
 * Returns how many.
 */
export async function requeueElsewhere(db: Db, lease: Lease, repository: string): Promise<number> {
  return db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    const isElsewhere = sql<boolean>`o.state = 'review' and not exists (
      select from pull_requests p where p.repository = ${repository} and p.number = o.review_number)`;
    const { rows } = await sql<{ id: string }>`
      select o.id from operations o where ${isElsewhere}
    `.execute(tx);
    if (rows.length === 0) return 0;
    const ids = rows.map(({ id }) => id);
    await lockStoresOf(tx, ids);
    const { numAffectedRows } = await sql`
      update operations o set state = 'queued', review_number = null, review_commit = null
      where o.id = any(${ids}) and ${isElsewhere}
    `.execute(tx);
    return Number(numAffectedRows ?? 0n);
  });
}

/** Pull requests of changes that were taken over, or have ended some other way: to be tidied up. */
export async function listStaleReviews(db: Db, repository: string): Promise<StaleReview[]> {
  const { rows } = await sql<StaleReview>`
    select p.number, p.branch, o.store_id, o.state as operation_state
    from pull_requests p join operations o on o.id = p.operation_id
    where p.repository = ${repository} and not p.branch_gone
      and (o.state not in ('queued', 'held', 'review')
        or o.review_number is distinct from p.number)
    order by p.number limit ${AT_ONCE}
  `.execute(db);
  return rows;
}

/** Whether anything was ever reviewed here: then a first look at the forge is worth its while. */
export async function hasReviews(db: Db, repository: string): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`
    select exists (select 1 from pull_requests where repository = ${repository})
      or exists (select 1 from operations where review_commit is not null) as has
  `.execute(db);
  return rows[0]?.has === true;
}

/** Whether an operation waits for its pull request. */
export async function isReviewToOpen(db: Db, operationId: string): Promise<boolean> {
  const found = await db
    .selectFrom('operations')
    .select('id')
    .where('id', '=', operationId)
    .where('state', '=', 'queued')
    .where('needsReview', '=', true)
    .executeTakeFirst();
  return found !== undefined;
}

/** Writes down which commit is about to be pushed, so that it is known again after a crash. */
export async function noteReviewCommit(
  db: Db,
  lease: Lease,
  operationId: string,
  commit: ReviewCommit,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    await tx
      .updateTable('operations')
      .set({ reviewCommit: JSON.stringify(commit) })
      .where('id', '=', operationId)
      .execute();
  });
}

/** A pull request as it was opened, adopted, or rebuilt. */
export type OpenedReview = {
  readonly repository: string;
  readonly operation: ReviewedOperation;
  readonly number: number;
  readonly url: string | null;
  readonly branch: string;
  readonly commit: ReviewCommit;
  readonly title: string;
  readonly body: string;
  readonly labels: readonly string[];
  readonly at: Date;
};

/**
 * Records an open pull request: its operation waits for it now. A rebuilt one has another head, so
 * what was decided about the one before counts no more. An operation that was taken over meanwhile
 * keeps its state, and the pull request is closed as stale.
 */
export async function recordReview(db: Db, lease: Lease, opened: OpenedReview): Promise<void> {
  const { repository, operation, number, url, branch, commit, title, body, labels, at } = opened;
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    await lockStoresOf(tx, [operation.id]);
    await sql`
      insert into pull_requests as p (repository, number, branch, head_sha, base_sha, title, body,
        labels, url, opened_at, operation_id, store_id, tenant_id, cluster)
      values (${repository}, ${number}, ${branch}, ${commit.sha}, ${commit.base}, ${title}, ${body},
        ${labels}, ${url}, ${at}, ${operation.id}, ${operation.storeId}, ${operation.tenantId},
        ${operation.cluster})
      on conflict (repository, number) do update set
        branch = excluded.branch, head_sha = excluded.head_sha, base_sha = excluded.base_sha,
        title = excluded.title, body = excluded.body, labels = excluded.labels, url = excluded.url,
        operation_id = excluded.operation_id, store_id = excluded.store_id,
        tenant_id = excluded.tenant_id, cluster = excluded.cluster,
        decision = case when p.decided_head = excluded.head_sha then p.decision end,
        taken_until = null
    `.execute(tx);
    const { rows } = await sql<{ status: StoreStatus }>`
      update operations o set state = 'review', review_number = ${number}
      from stores s
      where o.id = ${operation.id} and s.id = o.store_id and o.state in ('queued', 'review')
        and o.needs_review
      returning s.status
    `.execute(tx);
    const [store] = rows;
    if (store === undefined) return;
    await writeStatus(tx, [
      {
        storeId: operation.storeId,
        operationId: operation.id,
        status: store.status,
        stage: 'review',
        detail: `waiting for a review: pull request #${number}`,
        problem: null,
        review: { number, url },
        at,
      },
    ]);
  });
}

/** Somebody pushed to the branch of a review: what was decided was about something else. */
export async function noteReviewHead(
  db: Db,
  lease: Lease,
  repository: string,
  number: number,
  headSha: string,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    await tx
      .updateTable('pullRequests')
      .set({ headSha })
      .where('repository', '=', repository)
      .where('number', '=', number)
      .execute();
  });
}

/** Says of a review that cannot go on why; the same words again change nothing. */
export async function noteReviewTrouble(
  db: Db,
  lease: Lease,
  operation: ReviewedOperation,
  problem: StoreProblem,
  at: Date,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    const { rows } = await sql<{ status: StoreStatus; stage: Stage; detail: string | null }>`
      select s.status, s.stage, s.detail from stores s
      where s.id = ${operation.storeId} and s.operation_id = ${operation.id}
        and s.error_message is distinct from ${problem.message}
      for no key update
    `.execute(tx);
    const [store] = rows;
    if (store === undefined) return;
    await writeStatus(tx, [
      { ...store, storeId: operation.storeId, operationId: operation.id, problem, at },
    ]);
  });
}

/** Marks a pull request over, and its branch gone; one that was merged stays that. */
export async function recordClosed(
  db: Db,
  lease: Lease,
  repository: string,
  closed: { readonly number: number; readonly comment: string; readonly at: Date },
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    await sql`
      update pull_requests set branch_gone = true,
        comment = case when state = 'open' then ${closed.comment} else comment end,
        closed_at = coalesce(closed_at, ${closed.at}),
        state = case when state = 'open' then 'closed' else state end
      where repository = ${repository} and number = ${closed.number}
    `.execute(tx);
  });
}

/** Ends a reviewed change that did not come to the branch: see `endUncommitted`. */
export async function endReview(
  db: Db,
  lease: Lease,
  repository: string,
  ended: Omit<UncommittedEnd, 'operationId'> & { readonly operation: ReviewedOperation },
): Promise<void> {
  const { operation, state, problem, at } = ended;
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    // The store first, as everybody takes them.
    await lockStoresOf(tx, [operation.id]);
    // One that failed is still open on the forge: it is closed there as stale.
    if (state === 'rejected')
      await tx
        .updateTable('pullRequests')
        .set({ state: 'closed', closedAt: at })
        .where('repository', '=', repository)
        .where('operationId', '=', operation.id)
        .where('state', '=', 'open')
        .execute();
    if (!(await endUncommitted(tx, { ...ended, operationId: operation.id }))) return;
    await appendAudit(tx, [
      {
        at,
        by: { id: null, name: 'Shopyard', kind: 'system' },
        tenantId: operation.tenantId,
        storeId: operation.storeId,
        action: `review.${state}`,
        outcome: 'done',
        requestId: null,
        address: null,
        detail: { operation: operation.id, kind: operation.kind, reason: problem.message },
      },
    ]);
  });
}
