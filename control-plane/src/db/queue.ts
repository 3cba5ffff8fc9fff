/** The writer's side of the database: what waits to be published, and what a push has settled. */
import { sql } from 'kysely';
import { checkLease, type Lease } from './leases.ts';
import type { Db, Tx } from './open.ts';
import { lockStoresOf, writeStatus, type StatusChange } from './status.ts';
import type { Action, OperationKind, StoreSpec } from '../domain/store.ts';

export type QueuedOperation = {
  readonly id: string;
  readonly storeId: string;
  readonly kind: OperationKind;
  readonly action: Action;
  readonly spec: StoreSpec;
  readonly requestedBy: string;
  readonly createdAt: Date;
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

/** The oldest operations whose tenant's project has been seen in its cluster. */
export async function listQueuedOperations(db: Db): Promise<QueuedOperation[]> {
  return db
    .selectFrom('operations as o')
    .innerJoin('tenantClusters as tc', (join) =>
      join.onRef('tc.tenantId', '=', 'o.tenantId').onRef('tc.cluster', '=', 'o.cluster'),
    )
    .select(['o.id', 'o.storeId', 'o.kind', 'o.action', 'o.spec', 'o.requestedBy', 'o.createdAt'])
    .where('o.state', '=', 'queued')
    .where('tc.seenAt', 'is not', null)
    .orderBy('o.seq')
    .limit(BATCH)
    .execute();
}

/** Tenants with waiting operations whose AppProject has not been committed on that cluster. */
export async function listQueuedTenants(db: Db): Promise<QueuedTenant[]> {
  const { rows } = await sql<QueuedTenant>`
    select distinct o.tenant_id, t.slug as tenant, o.cluster
    from operations o
    join tenants t on t.id = o.tenant_id
    left join tenant_clusters tc on tc.tenant_id = o.tenant_id and tc.cluster = o.cluster
    where o.state = 'queued' and tc.committed_at is null
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
    const first = await indexCommits(tx, settlement);
    await recordTenants(tx, settlement);
    const settled = await recordOperations(tx, settlement, first);
    return settled;
  });
}

/** Marks an operation that can never be published as failed, with the reason. */
export async function failOperation(
  db: Db,
  lease: Lease,
  operation: QueuedOperation,
  problem: { readonly code: string; readonly message: string; readonly hint: string | null },
  at: Date,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    await lockStoresOf(tx, [operation.id]);
    await tx
      .updateTable('operations')
      .set({
        state: 'failed',
        finishedAt: at,
        errorCode: problem.code,
        errorMessage: problem.message,
      })
      .where('id', '=', operation.id)
      .where('state', '=', 'queued')
      .execute();
    await writeStatus(tx, [
      {
        storeId: operation.storeId,
        operationId: operation.id,
        status: operation.kind === 'delete' ? 'deleting' : 'failed',
        stage: 'requested',
        detail: null,
        problem,
        at,
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

type SettledRow = {
  readonly id: string;
  readonly storeId: string;
  readonly action: Action;
  readonly sha: string | null;
  readonly position: number | null;
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
  const rows = [...published, ...unchanged];
  if (rows.length === 0) return 0;
  await lockStoresOf(
    tx,
    rows.map((row) => row.id),
  );
  // An operation that was superseded while its commit was under way keeps its state.
  const settled = await sql<SettledRow>`
    update operations o set
      state = case when c.action = 'purge' then 'done' else 'waiting' end,
      commit_sha = coalesce(c.sha, o.commit_sha),
      committed_at = ${settlement.at},
      finished_at = case when c.action = 'purge' then ${settlement.at}::timestamptz end
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as c(id text, action text, sha text, position bigint)
    where o.id = c.id and o.action = c.action and o.state = 'queued'
    returning o.id, o.store_id, o.action, c.sha, c.position
  `.execute(tx);
  await writeStatus(
    tx,
    settled.rows.map((row) => describeSettled(row, settlement.at)),
  );
  return settled.rows.length;
}

function describeSettled(row: SettledRow, at: Date): StatusChange {
  const shared = {
    storeId: row.storeId,
    operationId: row.id,
    problem: null,
    at,
    ...(row.sha === null || row.position === null
      ? {}
      : { commit: { sha: row.sha, position: row.position } }),
  };
  switch (row.action) {
    case 'create':
    case 'update':
    case 'retry':
      return {
        ...shared,
        status: 'provisioning',
        stage: 'committed',
        detail: 'waiting for Argo CD to see the commit',
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
