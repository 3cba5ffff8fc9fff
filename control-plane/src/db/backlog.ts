/**
 * What waits, for metrics: changes that are not on the branch yet, and stores that came to a halt.
 * Read from partial indexes of what is open: it costs what waits, however many stores there are.
 */
import { sql } from 'kysely';
import type { Db } from './open.ts';

/**
 * queued: the writer's next; blocked: waits for its tenant's project to be seen, or for a branch to be
 * gone; review: for a pull request; held: for a second operator.
 */
export const BACKLOG_STATES = ['queued', 'blocked', 'review', 'held'] as const;
export type BacklogState = (typeof BACKLOG_STATES)[number];

/** How a store comes to a halt: past its deadline and not judged, or a delete without a step. */
export const STUCK_STATUSES = ['provisioning', 'deleting'] as const;
export type StuckStatus = (typeof STUCK_STATUSES)[number];

export type Backlog = {
  /** Since when the oldest waits: since it was asked for, or since its last step was done. */
  readonly waiting: ReadonlyMap<BacklogState, { readonly count: number; readonly since: Date }>;
  readonly stuck: ReadonlyMap<StuckStatus, number>;
};

/** @param times.late deadlines before it should have been acted on; @param times.still steps too */
export async function readBacklog(
  db: Db,
  times: { readonly late: Date; readonly still: Date },
): Promise<Backlog> {
  const [waiting, stuck] = await Promise.all([
    sql<{ state: BacklogState; count: number; since: Date }>`
      select state, count(*) as count, min(since) as since from (
        select greatest(o.created_at, s.updated_at) as since, case
          when tc.seen_at is null then 'blocked'
          when o.action = 'release' and s.commit_sha is null and exists (
            select 1 from pull_requests p where p.store_id = o.store_id and not p.branch_gone)
            then 'blocked'
          else 'queued' end as state
        from operations o join stores s on s.id = o.store_id
        left join tenant_clusters tc on tc.tenant_id = o.tenant_id and tc.cluster = o.cluster
        where o.state = 'queued' and not o.needs_review
        union all
        select greatest(o.created_at, s.updated_at), 'review'
        from operations o join stores s on s.id = o.store_id
        where o.state = 'queued' and o.needs_review
        union all
        select created_at, 'review' from operations where state = 'review'
        union all
        select created_at, 'held' from operations where state = 'held' and hold_id is not null
      ) w group by state
    `.execute(db),
    sql<{ status: StuckStatus; count: number }>`
      select 'provisioning' as status, count(*) as count from stores
      where status = 'provisioning' and deadline_at <= ${times.late}
      union all
      select 'deleting', count(*) from stores s join operations o on o.id = s.operation_id
      where s.status = 'deleting' and s.updated_at <= ${times.still}
        and o.state in ('queued', 'waiting')
    `.execute(db),
  ]);
  return {
    waiting: new Map(waiting.rows.map(({ state, ...rest }) => [state, rest])),
    stuck: new Map(stuck.rows.map(({ status, count }) => [status, count])),
  };
}
