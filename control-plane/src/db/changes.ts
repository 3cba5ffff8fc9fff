/** The commits of the cluster repository as pages show them: newest first, with who asked. */
import { sql } from 'kysely';
import type { Change } from '../contract.ts';
import type { Db, Tx } from './open.ts';
import type { Scope } from './stores.ts';
import { describeChanged } from '../domain/differences.ts';
import type { EngineCard } from '../domain/engine.ts';
import type { Past } from '../domain/rollback.ts';
import { completeSpec, type Action, type RecordedSpec } from '../domain/store.ts';

export type ChangeRow = {
  readonly position: number;
  readonly sha: string;
  readonly subject: string;
  readonly author: string;
  readonly action: Action | null;
  readonly operationId: string | null;
  readonly storeId: string | null;
  readonly storeName: string | null;
  readonly tenantId: string | null;
  readonly tenant: string | null;
  readonly requestedBy: string | null;
  readonly requesterName: string | null;
  readonly generation: number | null;
  /** What the store was to be from it on; null: it is a person's, or nobody knows any more. */
  readonly spec: RecordedSpec | null;
  /** The same of the store's commit before it. */
  readonly specBefore: RecordedSpec | null;
  readonly committedAt: Date;
};

export type ChangeFilter = {
  /** A tenant sees the commits of its own stores. */
  readonly scope: Scope;
  readonly storeId?: string | undefined;
};

const COLUMNS = sql`
  c.position, c.sha, c.subject, c.author, c.action, c.operation_id, c.store_id, s.name as store_name,
  c.tenant_id, t.slug as tenant, o.requested_by, coalesce(u.name, k.name) as requester_name,
  o.generation, o.spec, c.committed_at, (
    select b.spec from commits p join operations b on b.id = p.operation_id
    where p.store_id = c.store_id and p.repository = c.repository and p.position < c.position
    order by p.position desc limit 1
  ) as spec_before
  from commits c
  left join stores s on s.id = c.store_id
  left join tenants t on t.id = c.tenant_id
  left join operations o on o.id = c.operation_id
  left join users u on u.id = o.requested_by
  left join tokens k on k.id = o.requested_by`;

/** @param before place of the last one of the page before; null: from the tip */
export async function listChanges(
  db: Db,
  repository: string,
  filter: ChangeFilter,
  page: { readonly before: number | null; readonly limit: number },
): Promise<ChangeRow[]> {
  const conditions = [
    sql`c.repository = ${repository}`,
    ...(filter.scope === null ? [] : [sql`c.tenant_id = ${filter.scope}`]),
    ...(filter.storeId === undefined ? [] : [sql`c.store_id = ${filter.storeId}`]),
    ...(page.before === null ? [] : [sql`c.position < ${page.before}`]),
  ];
  const { rows } = await sql<ChangeRow>`
    select ${COLUMNS} where ${sql.join(conditions, sql` and `)}
    order by c.position desc limit ${page.limit}
  `.execute(db);
  return rows;
}

export async function findChange(
  db: Db,
  repository: string,
  sha: string,
): Promise<ChangeRow | null> {
  const { rows } = await sql<ChangeRow>`
    select ${COLUMNS} where c.sha = ${sha} and c.repository = ${repository}
  `.execute(db);
  return rows[0] ?? null;
}

/**
 * A commit as a state that the store may go back to.
 * @returns null: it is not of this store, nor a person's
 */
export async function findPast(db: Db | Tx, storeId: string, sha: string): Promise<Past | null> {
  const { rows } = await sql<{
    action: Action | null;
    spec: RecordedSpec | null;
  }>`
    select c.action, o.spec
    from commits c left join operations o on o.id = c.operation_id
    where c.sha = ${sha}
      and (c.store_id = ${storeId} or (c.operation_id is null and c.action is null))
    limit 1
  `.execute(db);
  const [row] = rows;
  if (row === undefined) return null;
  return { action: row.action, spec: row.spec === null ? null : completeSpec(row.spec) };
}

/** @param engines those on offer, whose options have names for people */
export function viewChange(row: ChangeRow, engines: readonly EngineCard[]): Change {
  const { storeId, storeName, requestedBy } = row;
  return {
    sha: row.sha,
    subject: row.subject,
    action: row.action,
    by: {
      id: requestedBy,
      name: row.operationId === null ? row.author : row.requesterName,
    },
    at: row.committedAt.toISOString(),
    operation: row.operationId,
    generation: row.generation,
    changed: listChanged(row, engines),
    store: storeId === null || storeName === null ? null : { id: storeId, name: storeName },
    tenant: row.tenant,
  };
}

function listChanged(
  { action, spec, specBefore }: ChangeRow,
  engines: readonly EngineCard[],
): string[] {
  if (action === null || spec === null || specBefore === null) return [];
  const engine = engines.find(({ type }) => type === spec.type);
  return describeChanged(action, completeSpec(specBefore), completeSpec(spec), engine);
}
