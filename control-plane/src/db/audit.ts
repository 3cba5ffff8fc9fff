/**
 * The audit log: rows are added in the transaction of what they tell of, and read back by pages.
 * The database's role for the control plane may do nothing else with them.
 *
 * `appendAudit` is the last thing a transaction does: from there to the commit it holds the chain's
 * head, and every other transaction that is on record waits for it.
 */
import { sql } from 'kysely';
import type { Db, Tx } from './open.ts';
import {
  chainEntries,
  EMPTY_CHAIN,
  type AuditDetail,
  type AuditEntry,
  type AuditHead,
  type AuditKind,
  type AuditOutcome,
  type AuditRow,
} from '../domain/audit.ts';

/** Puts acts on record, in their order: two statements, however many there are. */
export async function appendAudit(tx: Tx, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const { rows } = await sql<AuditHead>`select seq, hash from hold_audit_head()`.execute(tx);
  const added = chainEntries(rows[0] ?? EMPTY_CHAIN, entries).map((row) => ({
    seq: row.seq,
    at: row.at,
    by_id: row.by.id,
    by_name: row.by.name,
    by_kind: row.by.kind,
    tenant_id: row.tenantId,
    store_id: row.storeId,
    action: row.action,
    outcome: row.outcome,
    request_id: row.requestId,
    address: row.address,
    detail: row.detail,
    previous_hash: row.previousHash,
    hash: row.hash,
  }));
  await sql`
    insert into audit (seq, at, by_id, by_name, by_kind, tenant_id, store_id, action, outcome,
      request_id, address, detail, previous_hash, hash)
    select * from jsonb_to_recordset(${JSON.stringify(added)}::jsonb) as r(
      seq bigint, at timestamptz, by_id text, by_name text, by_kind text, tenant_id text,
      store_id text, action text, outcome text, request_id text, address text, detail jsonb,
      previous_hash text, hash text)
  `.execute(tx);
}

/** The newest row's place; what a commit anchors. */
export async function readAuditHead(db: Db): Promise<AuditHead> {
  const { rows } = await sql<AuditHead>`
    select seq, hash from audit order by seq desc limit 1
  `.execute(db);
  return rows[0] ?? EMPTY_CHAIN;
}

type Columns = {
  readonly seq: number;
  readonly at: Date;
  readonly byId: string | null;
  readonly byName: string | null;
  readonly byKind: AuditKind;
  readonly tenantId: string | null;
  readonly storeId: string | null;
  readonly action: string;
  readonly outcome: AuditOutcome;
  readonly requestId: string | null;
  readonly address: string | null;
  readonly detail: AuditDetail;
  readonly previousHash: string;
  readonly hash: string;
};

/** A row as it is read: with the names that its ids have now. */
export type AuditRecord = AuditRow & {
  readonly tenant: string | null;
  readonly storeName: string | null;
};

export type AuditFilter = {
  /** A tenant's id; null for all. */
  readonly tenantId: string | null;
  readonly action?: string | undefined;
  readonly storeId?: string | undefined;
  /** A user's or token's id. */
  readonly by?: string | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
};

/** The rows after `after`, oldest first. */
export async function readAuditAfter(
  db: Db,
  after: number,
  filter: AuditFilter,
  limit: number,
): Promise<AuditRecord[]> {
  return select(db, filter, sql`a.seq > ${after}`, sql`asc`, limit);
}

/** The rows before `before` (null: from the end), newest first. */
export async function readAuditBefore(
  db: Db,
  before: number | null,
  filter: AuditFilter,
  limit: number,
): Promise<AuditRecord[]> {
  const place = before === null ? sql`true` : sql`a.seq < ${before}`;
  return select(db, filter, place, sql`desc`, limit);
}

type Fragment = ReturnType<typeof sql>;

async function select(
  db: Db,
  filter: AuditFilter,
  place: Fragment,
  order: Fragment,
  limit: number,
): Promise<AuditRecord[]> {
  const { tenantId, action, storeId, by, from, to } = filter;
  const conditions = [
    place,
    ...(tenantId === null ? [] : [sql`a.tenant_id = ${tenantId}`]),
    ...(action === undefined ? [] : [sql`a.action = ${action}`]),
    ...(storeId === undefined ? [] : [sql`a.store_id = ${storeId}`]),
    ...(by === undefined ? [] : [sql`a.by_id = ${by}`]),
    ...(from === undefined ? [] : [sql`a.at >= ${from}`]),
    ...(to === undefined ? [] : [sql`a.at < ${to}`]),
  ];
  const { rows } = await sql<Columns & { tenant: string | null; storeName: string | null }>`
    select a.*, t.slug as tenant, s.name as store_name
    from audit a
    left join tenants t on t.id = a.tenant_id
    left join stores s on s.id = a.store_id
    where ${sql.join(conditions, sql` and `)}
    order by a.seq ${order}
    limit ${limit}
  `.execute(db);
  return rows.map(({ byId, byName, byKind, ...rest }) => ({
    ...rest,
    by: { id: byId, name: byName, kind: byKind },
  }));
}
