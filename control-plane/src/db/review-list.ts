/** Reviews as pages show them, newest first, and what operators decide of them in the portal. */
import { sql } from 'kysely';
import { describeAct, type Actor } from './acts.ts';
import { appendAudit } from './audit.ts';
import type { Db } from './open.ts';
import type { Scope } from './stores.ts';
import type { Review } from '../contract.ts';
import type { OperationKind, OperationState } from '../domain/store.ts';

export type ReviewRow = {
  readonly number: number;
  readonly branch: string;
  readonly headSha: string;
  /** What our commit goes from; null: unknown. */
  readonly baseSha: string | null;
  /** Our commit: another head has commits of somebody else's. */
  readonly ourSha: string | null;
  readonly title: string;
  readonly body: string;
  readonly labels: readonly string[];
  readonly url: string | null;
  readonly state: 'open' | 'merged' | 'closed';
  readonly openedAt: Date;
  readonly closedAt: Date | null;
  readonly mergedSha: string | null;
  readonly cluster: string;
  readonly decision: 'approved' | 'rejected' | null;
  readonly decidedBy: string | null;
  readonly decidedName: string | null;
  readonly decidedAt: Date | null;
  readonly decidedHead: string | null;
  readonly reason: string | null;
  /** What was decided is being carried out. */
  readonly isTaken: boolean;
  readonly storeId: string;
  readonly storeName: string;
  readonly tenantId: string;
  readonly tenant: string;
  readonly operationId: string;
  readonly operationState: OperationState;
  readonly kind: OperationKind;
  readonly requestedBy: string;
  readonly requesterName: string | null;
};

const ROWS = sql`
  select p.number, p.branch, p.head_sha, p.base_sha, o.review_commit ->> 'sha' as our_sha, p.title, p.body, p.labels, p.url, p.state, p.opened_at,
    p.closed_at, p.merged_sha, p.cluster, p.decision, p.decided_by, p.decided_name, p.decided_at,
    p.decided_head, p.reason, coalesce(p.taken_until > now(), false) as is_taken,
    p.store_id, s.name as store_name, p.tenant_id, t.slug as tenant,
    o.id as operation_id, o.state as operation_state, o.kind, o.requested_by,
    coalesce(u.name, k.name) as requester_name
  from pull_requests p
  join operations o on o.id = p.operation_id
  join stores s on s.id = p.store_id
  join tenants t on t.id = p.tenant_id
  left join users u on u.id = o.requested_by
  left join tokens k on k.id = o.requested_by`;

export async function listReviews(
  db: Db,
  filter: {
    readonly repository: string;
    readonly scope: Scope;
    readonly state: ReviewRow['state'] | undefined;
  },
  /** `before`: the last one of the page before; null: from the newest. */
  page: { readonly before: number | null; readonly limit: number },
): Promise<ReviewRow[]> {
  const conditions = [
    sql`p.repository = ${filter.repository}`,
    ...(filter.scope === null ? [] : [sql`p.tenant_id = ${filter.scope}`]),
    ...(filter.state === undefined ? [] : [sql`p.state = ${filter.state}`]),
    ...(page.before === null ? [] : [sql`p.number < ${page.before}`]),
  ];
  const { rows } = await sql<ReviewRow>`
    ${ROWS} where ${sql.join(conditions, sql` and `)} order by p.number desc limit ${page.limit}
  `.execute(db);
  return rows;
}

export async function findReview(
  db: Db,
  repository: string,
  scope: Scope,
  number: number,
): Promise<ReviewRow | null> {
  const { rows } = await sql<ReviewRow>`
    ${ROWS} where p.repository = ${repository} and p.number = ${number}
      and (${scope}::text is null or p.tenant_id = ${scope})
  `.execute(db);
  return rows[0] ?? null;
}

export type ReviewDecision =
  | { readonly kind: 'approved'; readonly headSha: string }
  | { readonly kind: 'rejected'; readonly reason: string | null };

export type DecisionOutcome =
  | { readonly kind: 'decided'; readonly review: ReviewRow }
  | { readonly kind: 'not-found' }
  /** Merged, closed, or taken over by a newer change. */
  | { readonly kind: 'over' }
  /** What was decided before is being carried out. */
  | { readonly kind: 'taken' }
  /** Its branch has something else to look at. */
  | { readonly kind: 'moved'; readonly headSha: string }
  /** Its branch has commits of somebody else's: what they do is not what was asked for. */
  | { readonly kind: 'foreign' };

/** Records what an operator decided; the writer carries it out. The last word before that counts. */
export async function decideReview(
  db: Db,
  actor: Actor & { readonly principal: NonNullable<Actor['principal']> },
  review: { readonly repository: string; readonly number: number },
  decision: ReviewDecision,
  at: Date,
): Promise<DecisionOutcome> {
  const { repository, number } = review;
  const { id, name } = actor.principal;
  return db.transaction().execute(async (tx) => {
    const { rows } = await sql<ReviewRow>`
      ${ROWS} where p.repository = ${repository} and p.number = ${number}
      for no key update of p
    `.execute(tx);
    const [row] = rows;
    if (row === undefined) return { kind: 'not-found' };
    if (row.state !== 'open' || row.operationState !== 'review') return { kind: 'over' };
    if (row.isTaken) return { kind: 'taken' };
    if (decision.kind === 'approved' && decision.headSha !== row.headSha)
      return { kind: 'moved', headSha: row.headSha };
    if (decision.kind === 'approved' && row.headSha !== row.ourSha) return { kind: 'foreign' };
    const decided = {
      decision: decision.kind,
      decidedBy: id,
      decidedName: name,
      decidedAt: at,
      decidedHead: row.headSha,
      reason: decision.kind === 'rejected' ? decision.reason : null,
    };
    await tx
      .updateTable('pullRequests')
      .set(decided)
      .where('repository', '=', repository)
      .where('number', '=', number)
      .execute();
    const act = {
      tenantId: row.tenantId,
      storeId: row.storeId,
      action: decision.kind === 'approved' ? 'review.approve' : 'review.reject',
      detail: {
        number,
        operation: row.operationId,
        kind: row.kind,
        head: row.headSha,
        ...(decided.reason === null ? {} : { reason: decided.reason }),
      },
    };
    await appendAudit(tx, [describeAct(actor, act, at)]);
    return { kind: 'decided', review: { ...row, ...decided } };
  });
}

export function viewReview(row: ReviewRow): Review {
  const { decision, decidedAt } = row;
  return {
    number: row.number,
    title: row.title,
    labels: [...row.labels],
    state: row.state,
    url: row.url,
    branch: row.branch,
    head: row.headSha,
    store: { id: row.storeId, name: row.storeName },
    tenant: row.tenant,
    cluster: row.cluster,
    operation: row.operationId,
    kind: row.kind,
    requestedBy: { id: row.requestedBy, name: row.requesterName },
    openedAt: row.openedAt.toISOString(),
    closedAt: row.closedAt?.toISOString() ?? null,
    merged: row.mergedSha,
    // What was decided about another head counts no more.
    decision:
      decision === null || decidedAt === null || row.decidedHead !== row.headSha
        ? null
        : {
            kind: decision,
            by: row.decidedName ?? row.decidedBy ?? '',
            at: decidedAt.toISOString(),
            reason: row.reason,
          },
  };
}
