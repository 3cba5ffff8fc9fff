/**
 * Removals that wait for a second operator. What begins a removal asks here first, in its own
 * transaction; the removals of one cluster are counted one after another. What is over the limit
 * shares one hold, which somebody approves or rejects as a whole.
 */
import { sql } from 'kysely';
import { WAITING_FOR_COMMIT } from './accept-outcome.ts';
import type { Db, Tx } from './open.ts';
import { lockStoresOf, writeStatus } from './status.ts';
import type { RemovalGuard } from '../domain/cluster.ts';
import { admitRemovals, type Asker, type HoldState } from '../domain/guard.ts';
import type { OperationState, Stage, StoreStatus } from '../domain/store.ts';

export type Removals = {
  readonly cluster: string;
  readonly guard: RemovalGuard;
  /** Operations, in their order. */
  readonly operationIds: readonly string[];
  readonly at: Date;
};

/**
 * Counts removals that are about to begin (their operations are queued) and holds those over the
 * limit. Returns the operations that have to wait; the others count from now.
 */
export async function holdRemovals(
  tx: Tx,
  { cluster, guard, operationIds, at }: Removals,
): Promise<ReadonlySet<string>> {
  if (operationIds.length === 0) return new Set();
  await sql`select pg_advisory_xact_lock(hashtext(${`removals ${cluster}`}))`.execute(tx);
  const since = new Date(at.getTime() - guard.minutes * 60_000);
  const { rows } = await sql<{ living: number; recent: number }>`
    select
      (select count(*) from stores
       where cluster = ${cluster} and status not in ('deleted', 'rejected')) as living,
      (select count(*) from operations
       where cluster = ${cluster} and removal_at > ${since}) as recent
  `.execute(tx);
  const { living = 0, recent = 0 } = rows[0] ?? {};
  const admitted = admitRemovals(guard, { living, recent, wanted: operationIds.length });
  const over = operationIds.slice(admitted);
  await tx
    .updateTable('operations')
    .set({ removalAt: at })
    .where('id', '=', sql<string>`any(${operationIds.slice(0, admitted)})`)
    .execute();
  if (over.length === 0) return new Set();
  await tx
    .updateTable('operations')
    .set({ state: 'held', holdId: await openHold(tx, cluster, at) })
    .where('id', '=', sql<string>`any(${over})`)
    .execute();
  return new Set(over);
}

/**
 * The open hold of the cluster; made when there is none. The caller has the cluster's lock. Its row
 * is held until the transaction ends: nobody decides about it before what joins it now is seen.
 */
async function openHold(tx: Tx, cluster: string, at: Date): Promise<string> {
  const open = await tx
    .selectFrom('holds')
    .select('id')
    .where('cluster', '=', cluster)
    .where('state', '=', 'open')
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (open !== undefined) return open.id;
  const { rows } = await sql<{ id: string }>`
    insert into holds (id, cluster, opened_at)
    values ('hold_' || substr(md5(random()::text || clock_timestamp()::text), 1, 16), ${cluster}, ${at})
    returning id
  `.execute(tx);
  const [made] = rows;
  if (made === undefined) throw new Error('No hold was made.');
  return made.id;
}

export type HoldRow = {
  readonly id: string;
  readonly cluster: string;
  readonly state: HoldState;
  readonly openedAt: Date;
  readonly decidedAt: Date | null;
  readonly decidedByName: string | null;
};

/** An operation that a hold gathers. */
export type HeldRow = {
  readonly holdId: string;
  readonly operationId: string;
  readonly state: OperationState;
  readonly storeId: string;
  readonly store: string;
  readonly tenant: string;
  readonly requestedBy: string;
  /** The person behind a token. */
  readonly requestedFor: string | null;
  /** The person's or the token's name; null: it is gone. */
  readonly requestedByName: string | null;
  readonly createdAt: Date;
  /** How many there are of the hold, this one among them. */
  readonly total: number;
};

/** Open ones first, then the newest; the last hundred. */
export async function listHolds(db: Db): Promise<HoldRow[]> {
  return db
    .selectFrom('holds')
    .select(['id', 'cluster', 'state', 'openedAt', 'decidedAt', 'decidedByName'])
    .orderBy(sql`state = 'open'`, 'desc')
    .orderBy('openedAt', 'desc')
    .orderBy('id')
    .limit(100)
    .execute();
}

/** What is shown of an open hold at most: those that were asked for first. */
export const HELD_SHOWN = 1_000;
/** Of one that is decided. */
const DECIDED_SHOWN = 100;

/** What waits in open holds, and what the others gathered; in the order of asking. */
export async function listHeld(db: Db | Tx, holdIds: readonly string[]): Promise<HeldRow[]> {
  if (holdIds.length === 0) return [];
  const { rows } = await sql<HeldRow>`
    select o.hold_id, o.id as operation_id, o.state, s.id as store_id, s.name as store,
      t.slug as tenant, o.requested_by, k.user_id as requested_for,
      coalesce(u.name, k.name) as requested_by_name, o.created_at, o.total
    from holds h
    cross join lateral (
      select g.*, count(*) over () as total, row_number() over (order by g.seq) as place
      from operations g
      where g.hold_id = h.id and (h.state <> 'open' or g.state = 'held')
    ) o
    join stores s on s.id = o.store_id
    join tenants t on t.id = o.tenant_id
    left join users u on u.id = o.requested_by
    left join tokens k on k.id = o.requested_by
    where h.id = any(${holdIds})
      and o.place <= case when h.state = 'open' then ${HELD_SHOWN}::int
        else ${DECIDED_SHOWN}::int end
    order by o.seq
  `.execute(db);
  return rows;
}

/**
 * Takes the stores that wait in a hold. Whoever holds something back has its stores before the hold:
 * a decision takes them in the same order.
 */
export async function lockHeldStores(tx: Tx, holdId: string): Promise<void> {
  const held = await tx
    .selectFrom('operations')
    .select('id')
    .where('holdId', '=', holdId)
    .where('state', '=', 'held')
    .execute();
  await lockStoresOf(
    tx,
    held.map(({ id }) => id),
  );
}

/** Holds the row of a hold until the transaction ends; null: there is none of that id. */
export async function lockHold(tx: Tx, id: string): Promise<HoldRow | null> {
  const row = await tx
    .selectFrom('holds')
    .select(['id', 'cluster', 'state', 'openedAt', 'decidedAt', 'decidedByName'])
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row ?? null;
}

/** Who asked for what still waits in the hold, tokens with the person whose they are. */
export async function findAskers(tx: Tx, holdId: string): Promise<Asker[]> {
  const { rows } = await sql<Asker>`
    select distinct o.requested_by as id, k.user_id as user_id
    from operations o left join tokens k on k.id = o.requested_by
    where o.hold_id = ${holdId} and o.state = 'held'
  `.execute(tx);
  return rows;
}

export async function decideHold(
  tx: Tx,
  hold: {
    readonly id: string;
    readonly state: Exclude<HoldState, 'open'>;
    readonly by: { readonly id: string; readonly name: string };
    readonly at: Date;
  },
): Promise<void> {
  await tx
    .updateTable('holds')
    .set({
      state: hold.state,
      decidedAt: hold.at,
      decidedBy: hold.by.id,
      decidedByName: hold.by.name,
    })
    .where('id', '=', hold.id)
    .execute();
}

/** An operation that still waits in a hold, with its store, which is locked. */
export type WaitingRow = {
  readonly id: string;
  readonly storeId: string;
  readonly tenantId: string;
  readonly store: string;
  readonly stage: Stage;
  readonly status: StoreStatus;
  /** Somebody agrees to it besides, before its first commit. */
  readonly needsReview: boolean;
  /** Something of it is on the branch already: its store is kept, and its time is over. */
  readonly isKept: boolean;
};

/** What waits in the hold, oldest first; the stores' rows are held until the transaction ends. */
export async function lockWaiting(tx: Tx, holdId: string): Promise<WaitingRow[]> {
  // Stores before operations, as everybody takes them; what was taken over meanwhile waits no more.
  await lockHeldStores(tx, holdId);
  const { rows } = await sql<WaitingRow>`
    select o.id, o.store_id, o.tenant_id, s.name as store, s.stage, s.status, o.needs_review,
      o.committed_at is not null as is_kept
    from operations o join stores s on s.id = o.store_id
    where o.hold_id = ${holdId} and o.state = 'held' order by o.seq
  `.execute(tx);
  return rows;
}

/** Lets these go on to the writer; they count as removals from now. */
export async function queueHeld(tx: Tx, waiting: readonly WaitingRow[], at: Date): Promise<void> {
  await tx
    .updateTable('operations')
    .set({ state: 'queued', removalAt: at })
    .where('id', '=', sql<string>`any(${waiting.map(({ id }) => id)})`)
    .execute();
  await writeStatus(
    tx,
    waiting.map(({ id, storeId, stage, status, needsReview }) => ({
      // Until its review is over, nothing is under way.
      ...{ storeId, operationId: id, status: needsReview ? status : 'deleting', stage },
      ...{ detail: WAITING_FOR_COMMIT, problem: null, at },
    })),
  );
}

/** Nobody wants it removed after all: it stays kept, and may be resumed or purged. */
export async function keepHeld(
  tx: Tx,
  { id, storeId }: Pick<WaitingRow, 'id' | 'storeId'>,
  at: Date,
  why = 'its removal was refused',
): Promise<void> {
  await tx
    .updateTable('operations')
    .set({ state: 'rejected', finishedAt: at })
    .where('id', '=', id)
    .execute();
  await writeStatus(tx, [
    {
      ...{ storeId, operationId: id, status: 'suspended', stage: 'kept' },
      detail: `${why}: resume it, or delete it at once`,
      ...{ problem: null, at },
    },
  ]);
}
