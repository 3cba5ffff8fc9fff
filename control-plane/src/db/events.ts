/**
 * The tail of the events table: one reader per process.
 *
 * Rows are ordered by (xid, id), and only those of transactions older than every one that still
 * runs are read: a sequence alone would skip the rows of a transaction that commits late. A cursor
 * `xid-id` therefore says "everything up to here, and nothing will be added before it".
 */
import { sql } from 'kysely';
import type { Db } from './open.ts';

/** How long events are kept, in milliseconds; a client that was away longer starts over. */
export const EVENTS_KEPT_MS = 24 * 60 * 60 * 1000;

const PAGE = 1000;

export type Cursor = { readonly xid: bigint; readonly id: bigint };

export const START: Cursor = { xid: 0n, id: 0n };

export type TailedEvent = {
  readonly cursor: Cursor;
  readonly tenantId: string;
  readonly storeId: string | null;
  readonly type: string;
  /** JSON text, as it goes out. */
  readonly body: string;
  readonly at: Date;
};

export function formatCursor(cursor: Cursor): string {
  return `${cursor.xid}-${cursor.id}`;
}

/** Reads what formatCursor wrote; null for anything else. */
export function parseCursor(text: string): Cursor | null {
  const match = /^(\d{1,18})-(\d{1,18})$/.exec(text);
  return match === null ? null : { xid: BigInt(match[1] ?? ''), id: BigInt(match[2] ?? '') };
}

/** Negative, 0 or positive, as for sort. */
export function compareCursors(a: Cursor, b: Cursor): number {
  if (a.xid !== b.xid) return a.xid < b.xid ? -1 : 1;
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return 0;
}

type Row = {
  readonly xid: string;
  readonly id: number;
  readonly tenantId: string;
  readonly storeId: string | null;
  readonly type: string;
  readonly body: string;
  readonly at: Date;
};

/**
 * The next events after a cursor, oldest first, at most a thousand.
 * @param upTo the last one wanted; none given, as far as is settled
 * @param tenantId one tenant's events; null for all
 */
export async function readEvents(
  db: Db,
  after: Cursor,
  options: { readonly upTo?: Cursor; readonly tenantId?: string | null } = {},
): Promise<TailedEvent[]> {
  const { upTo, tenantId = null } = options;
  const { rows } = await sql<Row>`
    select xid::text as xid, id, tenant_id, store_id, type, body::text as body, at
    from events
    where (xid, id) > (${String(after.xid)}::xid8, ${String(after.id)}::bigint)
      and xid < pg_snapshot_xmin(pg_current_snapshot())
      ${
        upTo === undefined
          ? sql``
          : sql`and (xid, id) <= (${String(upTo.xid)}::xid8, ${String(upTo.id)}::bigint)`
      }
      ${tenantId === null ? sql`` : sql`and tenant_id = ${tenantId}`}
    order by events.xid, events.id
    limit ${PAGE}
  `.execute(db);
  return rows.map(({ xid, id, ...rest }) => ({
    ...rest,
    cursor: { xid: BigInt(xid), id: BigInt(id) },
  }));
}

/** The last settled event; START when there is none. */
export async function findTail(db: Db): Promise<Cursor> {
  const { rows } = await sql<{ xid: string; id: number }>`
    select xid::text as xid, id from events
    where xid < pg_snapshot_xmin(pg_current_snapshot())
    order by events.xid desc, events.id desc limit 1
  `.execute(db);
  const row = rows[0];
  return row === undefined ? START : { xid: BigInt(row.xid), id: BigInt(row.id) };
}

/**
 * Whether everything after the cursor is still there: something at or before it is, or nothing was
 * ever removed. The first event of all need not be the oldest: a transaction that began later may have
 * told earlier.
 */
export async function isWithinReach(db: Db, cursor: Cursor): Promise<boolean> {
  const { rows } = await sql<{ reach: boolean }>`
    select coalesce(
      (select (xid, id) <= (${String(cursor.xid)}::xid8, ${String(cursor.id)}::bigint)
         or exists (select from events where id = 1)
       from events order by events.xid, events.id limit 1),
      true) as reach
  `.execute(db);
  return rows[0]?.reach === true;
}

/** Forgets old events, oldest first; the newest one stays, so that its cursor stays within reach. */
export async function pruneEvents(db: Db, now: Date): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from events
    where at < ${new Date(now.getTime() - EVENTS_KEPT_MS)}
      and (xid, id) < (select xid, id from events order by xid desc, id desc limit 1)
  `.execute(db);
  return Number(numAffectedRows ?? 0n);
}
