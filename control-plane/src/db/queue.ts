/** The writer's side of the database: what waits to be published, and what a push has settled. */
import { sql } from 'kysely';
import { appendAudit } from './audit.ts';
import { clearDriftAt } from './drifts.ts';
import { lockStoresNoted, noteDrift, type NotedCommit } from './note-drift.ts';
import { checkLease, type Lease } from './leases.ts';
import type { Db, Tx } from './open.ts';
import { lockStoresOf, writeStatus, type StatusChange } from './status.ts';
import { endUncommitted, type EndRules } from './uncommitted.ts';
import {
  completeSpec,
  type Action,
  type OperationKind,
  type RecordedSpec,
  type StoreProblem,
  type StoreSpec,
} from '../domain/store.ts';
import type { PathChange } from '../git/types.ts';

export type QueuedOperation = {
  readonly id: string;
  readonly storeId: string;
  readonly kind: OperationKind;
  readonly action: Action;
  readonly spec: StoreSpec;
  readonly requestedBy: string;
  readonly createdAt: Date;
  /** Its first commit goes to a branch of its own, and a pull request. */
  readonly needsReview: boolean;
  /** The commit that this one undoes, and the one whose state it restores. */
  readonly reverts: string | null;
  readonly restores: string | null;
  /** The person's commit that became the spec. */
  readonly adopts: string | null;
  /** A person changed the store's files, and whoever asked for this did not know of it. */
  readonly isDrifted: boolean;
  /** Something of the store was on the branch at some time, whatever is there now. */
  readonly isCommitted: boolean;
};

export type QueuedTenant = {
  readonly tenantId: string;
  readonly tenant: string;
  readonly cluster: string;
};

/** A commit on the branch, in branch order, ours or a person's. */
export type IndexedCommit = {
  readonly sha: string;
  readonly subject: string;
  readonly author: string;
  readonly at: Date;
  readonly operationId: string | null;
  readonly action: string | null;
  readonly storeId: string | null;
  /** Of a person's commit: what it changed. */
  readonly changes?: readonly PathChange[] | undefined;
};

/** What the branch now has, to be written in one transaction. */
export type Settlement = {
  readonly repository: string;
  /** New commits, oldest first; they get the next positions. */
  readonly commits: readonly IndexedCommit[];
  /** Operations whose action left the tree as it was. */
  readonly unchanged: readonly QueuedOperation[];
  readonly tenants: readonly QueuedTenant[];
  readonly at: Date;
};

const BATCH = 50;

/**
 * The oldest operations whose tenant's project has been seen in its cluster, but for those that are
 * reviewed first (reviews.ts), and those of clusters that are not connected: they wait until theirs is.
 * The delete of what never was on the branch waits until the pull requests of its store are closed,
 * and their branches gone: one of them may be merged meanwhile. Its protection waits for the first of
 * them: until that is merged it has no file to be written in.
 *
 * However long the queue is, this reads a batch of it. It goes from one operation to the next, each
 * found by one look into the index: as one ordered list the planner would rather sort the whole
 * queue whenever it does not know how long that is, as after a crash of Postgres.
 */
export async function listQueuedOperations(
  db: Db,
  repository: string,
  clusters: readonly string[],
): Promise<QueuedOperation[]> {
  const { rows } = await sql<Omit<QueuedOperation, 'spec'> & { readonly spec: RecordedSpec }>`
    with recursive walk as (
      select 0 as place, 0::bigint as seq, null::text as id
      union all
      select w.place + 1, next.seq, next.id
      from walk w cross join lateral (
        select o.seq, o.id from operations o
        where o.state = 'queued' and not o.needs_review and o.seq > w.seq
          and (select tc.seen_at from tenant_clusters tc
            where tc.tenant_id = o.tenant_id and tc.cluster = o.cluster
              and tc.cluster = any(${clusters})) is not null
          and (o.action <> 'protect'
            or (select s.commit_sha from stores s where s.id = o.store_id) is not null
            or not exists (select from operations c
              where c.store_id = o.store_id and c.needs_review and c.state in ('queued', 'review')))
          and (o.action <> 'release'
            or (select s.commit_sha from stores s where s.id = o.store_id) is not null
            or not exists (select from pull_requests p
              where p.store_id = o.store_id and p.repository = ${repository}
                and not p.branch_gone))
        order by o.seq limit 1
      ) next
      where w.place < ${BATCH}
    )
    select o.id, o.store_id, o.kind, o.action, o.spec, o.requested_by, o.created_at, o.needs_review,
      o.reverts, o.restores, o.adopts, o.is_committed, o.is_drifted
    from walk w cross join lateral (
      select q.*, s.commit_sha is not null as is_committed,
        s.drift_sha is not null and s.drift_sha is distinct from q.drift_sha
          and q.action not in ('remove', 'purge') as is_drifted
      from operations q join stores s on s.id = q.store_id
      where q.id = w.id limit 1
    ) o
    order by w.place
  `.execute(db);
  return rows.map((row) => ({ ...row, spec: completeSpec(row.spec) }));
}

/**
 * Tenants whose AppProject has not been committed on a cluster that they have operations for: the
 * database notes those when the first is recorded.
 */
export async function listQueuedTenants(db: Db): Promise<QueuedTenant[]> {
  const { rows } = await sql<QueuedTenant>`
    select tc.tenant_id, t.slug as tenant, tc.cluster
    from tenant_clusters tc join tenants t on t.id = tc.tenant_id
    where tc.committed_at is null
    limit ${BATCH}
  `.execute(db);
  return rows;
}

/** The last commit whose consequences are in the database; null before the first. */
export async function readAcknowledged(db: Db, repository: string): Promise<string | null> {
  const row = await db
    .selectFrom('repositories')
    .select('acknowledgedSha')
    .where('repository', '=', repository)
    .executeTakeFirst();
  return row?.acknowledgedSha ?? null;
}

/**
 * Records what is on the branch: positions, operations, status, tenants. The proof is the commit:
 * it does not matter whether its push was answered or found again after a crash.
 * @returns how many operations were settled
 */
export async function settle(db: Db, lease: Lease, settlement: Settlement): Promise<number> {
  return db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    const settled = await settleIn(tx, settlement);
    await noteDrift(tx, await tellApart(tx, settlement), settlement.at);
    return settled;
  });
}

/** The same, in a transaction of the caller's, who knows of drift himself. */
export async function settleIn(tx: Tx, settlement: Settlement): Promise<number> {
  const first = await indexCommits(tx, settlement);
  await recordTenants(tx, settlement);
  const { commits, unchanged } = settlement;
  await lockStoresNoted(
    tx,
    [...commits.flatMap((one) => one.operationId ?? []), ...unchanged.map(({ id }) => id)],
    commits,
  );
  return recordOperations(tx, settlement, first);
}

/**
 * The commits, with those no longer ours that only say so. Trailers are words, and somebody who picks
 * or reverts to a commit of ours repeats them: what was read from the branch is ours when it settled
 * its operation, or is the first commit of a step that was taken over meanwhile.
 */
async function tellApart(tx: Tx, { repository, commits }: Settlement): Promise<NotedCommit[]> {
  // What has no `changes` was pushed by this writer a moment ago.
  const claimed = commits.flatMap(({ sha, operationId, action, changes }) =>
    operationId === null || changes === undefined
      ? []
      : [{ sha, operation_id: operationId, action }],
  );
  if (claimed.length === 0) return [...commits];
  const { rows } = await sql<{
    sha: string;
    isOwn: boolean;
    reviewed: NonNullable<NotedCommit['reviewed']> | null;
  }>`
    select c.sha,
      (o.state not in ('rejected', 'failed') and coalesce(o.commit_sha = c.sha, false))
        or (o.state = 'superseded' and not exists (
          select from commits e
          where e.repository = ${repository} and e.store_id = o.store_id
            and e.operation_id = o.id and e.action = c.action and e.sha <> c.sha)) as is_own,
      case when o.review_commit ->> 'action' = c.action then o.review_commit -> 'left' end
        as reviewed
    from jsonb_to_recordset(${JSON.stringify(claimed)}::jsonb)
      as c(sha text, operation_id text, action text)
    join operations o on o.id = c.operation_id
  `.execute(tx);
  const known = new Map(rows.map((row) => [row.sha, row]));
  const foreign = rows.filter(({ isOwn }) => !isOwn).map(({ sha }) => sha);
  // Nobody goes back to it as to a state of ours.
  if (foreign.length > 0)
    await sql`
      update commits set operation_id = null, action = null, store_id = null, tenant_id = null
      where repository = ${repository} and sha = any(${foreign})
    `.execute(tx);
  return commits.map((commit): NotedCommit => {
    if (commit.operationId === null || commit.changes === undefined) return commit;
    const found = known.get(commit.sha);
    return found?.isOwn === true
      ? { ...commit, reviewed: found.reviewed }
      : { ...commit, operationId: null };
  });
}

/**
 * Marks an operation that can never be published as failed, with the reason. A change that is not on
 * the branch at all leaves its store as its last commit made it; a delete that has begun stays where
 * it came to, and what is kept can still be resumed.
 */
export async function failOperation(
  db: Db,
  lease: Lease,
  operation: QueuedOperation,
  problem: StoreProblem,
  rules: EndRules & { readonly at: Date },
): Promise<void> {
  const { id: operationId, storeId, action, spec } = operation;
  const { at } = rules;
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    await lockStoresOf(tx, [operationId]);
    const { rows } = await sql<{ isBegun: boolean; isReleased: boolean }>`
      select o.committed_at is not null as is_begun, exists (
        select 1 from commits c
        where c.store_id = o.store_id and c.operation_id = o.id and c.action = 'release'
      ) as is_released
      from operations o where o.id = ${operationId} and o.state = 'queued'
    `.execute(tx);
    const [row] = rows;
    if (row === undefined) return;
    if (!row.isBegun) {
      await endUncommitted(tx, { ...rules, operationId, state: 'failed', problem });
      return;
    }
    await tx
      .updateTable('operations')
      .set({
        state: 'failed',
        finishedAt: at,
        errorCode: problem.code,
        errorMessage: problem.message,
      })
      .where('id', '=', operationId)
      .execute();
    const isKept = action === 'release' && spec.purgeAt !== null && !row.isReleased;
    await writeStatus(tx, [
      {
        ...{ storeId, operationId, problem, at },
        ...(isKept
          ? { status: 'suspended', stage: 'kept', detail: 'resume it, or delete it again' }
          : { status: 'deleting', stage: 'requested', detail: null }),
      },
    ]);
  });
}

/** Gives the new commits their places; returns the place of the first. */
async function indexCommits(tx: Tx, settlement: Settlement): Promise<number> {
  const { repository, commits } = settlement;
  const tip = commits.at(-1)?.sha ?? null;
  const { rows } = await sql<{ position: number }>`
    insert into repositories (repository, acknowledged_sha, acknowledged_position, updated_at)
    values (${repository}, ${tip}, ${commits.length}, ${settlement.at})
    on conflict (repository) do update set
      acknowledged_sha = coalesce(excluded.acknowledged_sha, repositories.acknowledged_sha),
      acknowledged_position = repositories.acknowledged_position + ${commits.length}::int,
      updated_at = excluded.updated_at
    returning acknowledged_position as position
  `.execute(tx);
  const first = (rows[0]?.position ?? 0) - commits.length + 1;
  if (commits.length === 0) return first;
  const added = commits.map((commit, index) => ({
    position: first + index,
    sha: commit.sha,
    operation_id: commit.operationId,
    action: commit.action,
    store_id: commit.storeId,
    subject: commit.subject,
    author: commit.author,
    committed_at: commit.at,
  }));
  await sql`
    insert into commits (repository, position, sha, operation_id, action, store_id, tenant_id,
      subject, author, committed_at)
    select ${repository}, r.position, r.sha, r.operation_id, r.action, r.store_id,
      (select s.tenant_id from stores s where s.id = r.store_id), r.subject, r.author,
      r.committed_at
    from jsonb_to_recordset(${JSON.stringify(added)}::jsonb) as r(
      position bigint, sha text, operation_id text, action text, store_id text, subject text,
      author text, committed_at timestamptz)
    on conflict do nothing
  `.execute(tx);
  return first;
}

async function recordTenants(tx: Tx, settlement: Settlement): Promise<void> {
  if (settlement.tenants.length === 0) return;
  await tx
    .insertInto('tenantClusters')
    .values(
      settlement.tenants.map(({ tenantId, cluster }) => ({
        tenantId,
        cluster,
        committedAt: settlement.at,
      })),
    )
    .onConflict((conflict) =>
      conflict
        .columns(['tenantId', 'cluster'])
        .doUpdateSet((row) => ({ committedAt: row.ref('excluded.committedAt') })),
    )
    .execute();
}

/** An action that is on the branch, or changed nothing there. */
type Published = {
  readonly id: string;
  readonly action: string;
  readonly sha: string | null;
  readonly position: number | null;
};

type SettledRow = {
  readonly id: string;
  readonly storeId: string;
  readonly action: Action;
  readonly sha: string | null;
  readonly position: number | null;
  readonly isReviewed: boolean;
  /** When it came to the branch, where that is known already: of what a rebuild has read. */
  readonly knownAt: Date | null;
  /** A delete of what never was on the branch: there is nothing to wait for. */
  readonly isGone: boolean;
};

async function recordOperations(tx: Tx, settlement: Settlement, first: number): Promise<number> {
  const published = settlement.commits.flatMap((commit, index) =>
    commit.operationId === null || commit.action === null
      ? []
      : [
          {
            id: commit.operationId,
            action: commit.action,
            sha: commit.sha,
            position: first + index,
          },
        ],
  );
  const unchanged = settlement.unchanged.map(({ id, action }) => ({
    id,
    action,
    sha: null,
    position: null,
  }));
  return recordPublished(tx, settlement, [...published, ...unchanged]);
}

async function recordPublished(
  tx: Tx,
  { repository, at }: Pick<Settlement, 'repository' | 'at'>,
  rows: readonly Published[],
): Promise<number> {
  if (rows.length === 0) return 0;
  await lockStoresOf(
    tx,
    rows.map((row) => row.id),
  );
  const published = JSON.stringify(rows);
  const settled = await sql<SettledRow>`
    update operations o set
      state = case when c.is_gone or c.action in ('purge', 'protect') then 'done' else 'waiting' end,
      commit_sha = coalesce(c.sha, o.commit_sha),
      committed_at = ${at},
      needs_review = false,
      finished_at = case when c.is_gone or c.action in ('purge', 'protect')
        then ${at}::timestamptz end
    from (
      select r.*, b.needs_review as is_reviewed, b.committed_at as known_at,
        r.sha is null and r.action = 'release' and s.commit_sha is null as is_gone
      from jsonb_to_recordset(${published}::jsonb)
        as r(id text, action text, sha text, position bigint)
      join operations b on b.id = r.id
      join stores s on s.id = b.store_id
    ) c
    where o.id = c.id and o.action = c.action and o.state in ('queued', 'review')
    returning o.id, o.store_id, o.action, c.sha, c.position, c.is_reviewed, c.known_at, c.is_gone
  `.execute(tx);
  await keepInFull(
    tx,
    settled.rows.flatMap(({ id, action, sha, knownAt }) =>
      action === 'retire' && sha !== null ? [{ id, at: knownAt ?? at }] : [],
    ),
  );
  await writeStatus(
    tx,
    settled.rows.flatMap((row) => describeSettled(row, at) ?? []),
  );
  const isAll = settled.rows.length === rows.length;
  if (!isAll) {
    await noteComeback(tx, published, at);
    await recordUnwanted(tx, published);
  }
  const late = isAll ? 0 : await recordLate(tx, published, at);
  if (late > 0 || settled.rows.some((row) => row.isReviewed))
    await sql`
      update pull_requests p set state = 'merged', merged_sha = c.sha, closed_at = ${at}
      from jsonb_to_recordset(${published}::jsonb) as c(id text, sha text)
      where p.repository = ${repository} and p.operation_id = c.id and p.state = 'open'
        and c.sha is not null
    `.execute(tx);
  return settled.rows.length;
}

/**
 * What a deleted store is kept for begins with its commit: a delete that waited, for a review say, has
 * its end moved by as long as it did, if that is more than a minute. The files have the earlier date,
 * which nobody acts upon.
 * @param retired operations, and when they came to the branch
 */
async function keepInFull(
  tx: Tx,
  retired: readonly { readonly id: string; readonly at: Date }[],
): Promise<void> {
  if (retired.length === 0) return;
  await sql`
    with moved as (
      update operations o set spec = jsonb_set(o.spec, '{purgeAt}', to_jsonb(to_char(
        ((o.spec ->> 'purgeAt')::timestamptz + (r.at - o.created_at)) at time zone 'UTC',
        'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
      from jsonb_to_recordset(${JSON.stringify(retired)}::jsonb) as r(id text, at timestamptz)
      where o.id = r.id and r.at - o.created_at > interval '1 minute'
        and o.spec ->> 'purgeAt' is not null
      returning o.id, o.spec ->> 'purgeAt' as purge_at
    )
    update stores s set purge_at = m.purge_at::timestamptz
    from moved m where s.operation_id = m.id
  `.execute(tx);
}

/**
 * An operation that was superseded while its commit was under way keeps its state; that it is on the
 * branch counts all the same: for whoever asks what the store was last, for the store's own place on
 * the branch, whichever operation is its current one, and for how long a delete keeps its data, should
 * what took it over fall through.
 */
async function recordLate(tx: Tx, published: string, at: Date): Promise<number> {
  const { rows } = await sql<{ id: string; action: string }>`
    with late as (
      update operations o set commit_sha = c.sha, committed_at = ${at}, needs_review = false
      from jsonb_to_recordset(${published}::jsonb)
        as c(id text, action text, sha text, position bigint)
      where o.id = c.id and o.action = c.action and o.state = 'superseded'
        and o.committed_at is null and c.sha is not null
      returning o.id, o.action, o.store_id, o.spec->>'host' as host, c.sha, c.position
    ), placed as (
      update stores s set commit_sha = l.sha, commit_position = l.position,
        held_host = case when l.host <> s.host then l.host end
      from (select distinct on (store_id) * from late order by store_id, position desc) l
      where s.id = l.store_id and coalesce(s.commit_position, 0) < l.position
    )
    select id, action from late
  `.execute(tx);
  await keepInFull(
    tx,
    rows.flatMap(({ id, action }) => (action === 'retire' ? [{ id, at }] : [])),
  );
  return rows.length;
}

/**
 * A change that was refused, or had failed, and is on the branch after all: nobody in Shopyard wants
 * it, so it is drift like anybody's edit. A store that had no commit has one now, and its delete goes
 * by that.
 */
async function recordUnwanted(tx: Tx, published: string): Promise<void> {
  await sql`
    update stores s set commit_sha = u.sha, commit_position = u.position
    from (
      select distinct on (o.store_id) o.store_id, c.sha, c.position
      from jsonb_to_recordset(${published}::jsonb)
        as c(id text, action text, sha text, position bigint)
      join operations o on o.id = c.id and o.action = c.action
      where o.state in ('rejected', 'failed') and o.committed_at is null and c.sha is not null
      order by o.store_id, c.position desc
    ) u
    where s.id = u.store_id and s.commit_sha is null
  `.execute(tx);
}

/** Says of a commit that brings back the files of a store that is gone; nothing is done about it. */
async function noteComeback(tx: Tx, published: string, at: Date): Promise<void> {
  const { rows } = await sql<{ tenantId: string; storeId: string; name: string; sha: string }>`
    select s.tenant_id, s.id as store_id, s.name, c.sha
    from jsonb_to_recordset(${published}::jsonb) as c(id text, action text, sha text)
    join operations o on o.id = c.id and o.action = c.action
    join stores s on s.id = o.store_id
    where s.status = 'deleted' and o.state in ('superseded', 'rejected', 'failed')
      and o.committed_at is null and c.sha is not null
      and c.action not in ('release', 'remove', 'purge')
  `.execute(tx);
  if (rows.length === 0) return;
  await appendAudit(
    tx,
    rows.map(({ tenantId, storeId, name, sha }) => ({
      at,
      by: { id: null, name: 'Shopyard', kind: 'system' },
      tenantId,
      storeId,
      action: 'store.came-back',
      outcome: 'done',
      requestId: null,
      address: null,
      detail: { name, commit: sha, hint: 'Its files are on the branch again: revert that commit.' },
    })),
  );
}

/**
 * Settles an operation whose pull request the forge has merged as a commit that does not say so by
 * trailers. False: that commit has not been read from the branch yet.
 */
export async function settleMerged(
  db: Db,
  lease: Lease,
  merged: {
    readonly repository: string;
    readonly operationId: string;
    readonly storeId: string;
    readonly action: Action;
    readonly sha: string;
    /**
     * The files that are as we wrote them; null: the commit is somebody else's, and has what the
     * operation asks for.
     */
    readonly own: readonly string[] | null;
    readonly at: Date;
  },
): Promise<boolean> {
  const { repository, operationId, storeId, action, sha, own } = merged;
  const isOwn = own !== null;
  return db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    const { rows } = await sql<{ position: number }>`
      update commits c set
        operation_id = coalesce(c.operation_id, m.operation_id),
        action = coalesce(c.action, m.action),
        store_id = coalesce(c.store_id, m.store_id),
        tenant_id = coalesce(c.tenant_id, m.tenant_id)
      from (
        select case when ${isOwn}::boolean then ${operationId}::text end as operation_id,
          case when ${isOwn}::boolean then ${action}::text end as action,
          case when ${isOwn}::boolean then s.id end as store_id,
          case when ${isOwn}::boolean then s.tenant_id end as tenant_id
        from stores s where s.id = ${storeId}
      ) m
      where c.repository = ${repository} and c.sha = ${sha}
      returning c.position
    `.execute(tx);
    const [commit] = rows;
    if (commit === undefined) return false;
    // Without trailers it looked like somebody else's edit of the store's files.
    if (isOwn) {
      await lockStoresOf(tx, [operationId]);
      await clearDriftAt(tx, storeId, own, merged.at);
    }
    await recordPublished(tx, merged, [
      { id: operationId, action, sha, position: commit.position },
    ]);
    return true;
  });
}

/**
 * The operations whose pull requests have these heads: what a merge commit brought along. Who merges
 * may be faster than the writer is at recording what it opened.
 */
export async function findReviewedHeads(
  db: Db,
  repository: string,
  shas: readonly string[],
): Promise<ReadonlyMap<string, Pick<IndexedCommit, 'operationId' | 'action' | 'storeId'>>> {
  if (shas.length === 0) return new Map();
  const { rows } = await sql<{
    headSha: string;
    operationId: string;
    action: string;
    storeId: string;
  }>`
    select o.review_commit ->> 'sha' as head_sha, o.id as operation_id, o.action, o.store_id
    from operations o
    where o.state = 'queued' and o.needs_review and o.review_commit ->> 'sha' = any(${shas})
    union all
    select p.head_sha, o.id as operation_id, o.action, o.store_id
    from pull_requests p join operations o on o.id = p.operation_id
    where p.repository = ${repository} and p.head_sha = any(${shas})
  `.execute(db);
  return new Map(rows.map(({ headSha, ...operation }) => [headSha, operation]));
}

function describeSettled(row: SettledRow, at: Date): StatusChange | null {
  const action = row.isGone ? 'purge' : row.action;
  const shared = {
    storeId: row.storeId,
    operationId: row.id,
    problem: null,
    at,
    ...(row.sha === null || row.position === null
      ? {}
      : { commit: { sha: row.sha, position: row.position } }),
  };
  switch (action) {
    case 'create':
    case 'update':
    case 'retry':
    case 'upgrade':
    case 'rollback':
    case 'suspend':
    case 'resume':
    case 'repair':
      return {
        ...shared,
        status: 'provisioning',
        stage: 'committed',
        detail: 'waiting for Argo CD to see the commit',
      };
    // It went beside what its store is about: nothing in the cluster follows from it.
    case 'protect':
      return null;
    case 'retire':
      return {
        ...shared,
        status: 'suspended',
        stage: 'retiring',
        detail: 'waiting for Argo CD to stop what runs',
        deadlineAt: null,
      };
    case 'release':
      return {
        ...shared,
        status: 'deleting',
        stage: 'releasing',
        detail: 'waiting for Argo CD to take the protection off',
      };
    case 'remove':
      return {
        ...shared,
        status: 'deleting',
        stage: 'removing',
        detail: 'waiting for the namespace and everything in it to go',
      };
    case 'purge':
      return {
        ...shared,
        status: 'deleted',
        stage: 'gone',
        detail: null,
        deletedAt: at,
        deadlineAt: null,
      };
  }
}
