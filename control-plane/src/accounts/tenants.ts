/** Tenants as operators see them: listed, made, limited. */
import { sql } from 'kysely';
import type { Db, Tx } from '../db/open.ts';
import type { Tenant } from '../contract.ts';
import { nameMembership } from './people.ts';

type TenantColumns = {
  id: string;
  slug: string;
  name: string;
  storeLimit: number;
  createsPerMinute: number;
  stores: number;
  members: number;
  createdAt: Date;
};

/** Newest first; the counts are of the page's tenants alone. */
export async function listTenants(
  db: Db,
  query: {
    readonly limit: number;
    readonly cursor?: string | undefined;
    readonly q?: string | undefined;
  },
): Promise<{ readonly tenants: Tenant[]; readonly next: string | null } | 'bad-cursor'> {
  const from = await readCursor(db, query.cursor);
  if (from === 'bad-cursor') return from;
  const q = query.q === undefined || query.q === '' ? null : `%${escapePattern(query.q)}%`;
  const { rows } = await sql<TenantColumns>`
    ${SELECT}
    where (${q}::text is null or t.slug ilike ${q} or t.name ilike ${q})
      and (${from === null} or (t.created_at, t.id) < (${from?.createdAt ?? null}, ${from?.id ?? null}))
    order by t.created_at desc, t.id desc
    limit ${query.limit + 1}
  `.execute(db);
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  return {
    tenants: page.map(viewTenant),
    next:
      rows.length > page.length && last !== undefined
        ? Buffer.from(last.id).toString('base64url')
        : null,
  };
}

const SELECT = sql`
  select t.id, t.slug, t.name, t.store_limit, t.creates_per_minute, t.created_at,
    (select count(*) from stores s where s.tenant_id = t.id and s.status <> 'deleted') as stores,
    (select count(*) from members m where m.tenant_id = t.id) as members
  from tenants t
`;

async function readCursor(
  db: Db,
  cursor: string | undefined,
): Promise<{ readonly id: string; readonly createdAt: Date } | null | 'bad-cursor'> {
  if (cursor === undefined) return null;
  const id = Buffer.from(cursor, 'base64url').toString();
  const row = /^[a-z0-9]{6}$/.test(id)
    ? await db
        .selectFrom('tenants')
        .select(['id', 'createdAt'])
        .where('id', '=', id)
        .executeTakeFirst()
    : undefined;
  return row ?? 'bad-cursor';
}

/** What is typed is looked for as it is. */
function escapePattern(text: string): string {
  return text.replace(/[\\%_]/g, (character) => `\\${character}`);
}

export async function findTenantById(db: Db | Tx, id: string): Promise<Tenant | null> {
  const { rows } = await sql<TenantColumns>`${SELECT} where t.id = ${id}`.execute(db);
  const row = rows[0];
  return row === undefined ? null : viewTenant(row);
}

function viewTenant({ createdAt, ...row }: TenantColumns): Tenant {
  return { ...nameMembership(row), createdAt: createdAt.toISOString() };
}

/** Makes a tenant; null when the slug is taken. */
export async function createTenant(
  tx: Tx,
  tenant: {
    readonly id: string;
    readonly slug: string;
    readonly name: string;
    readonly storeLimit: number;
    readonly createsPerMinute: number;
  },
): Promise<Tenant | null> {
  const made = await tx
    .insertInto('tenants')
    .values(tenant)
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .returning('id')
    .executeTakeFirst();
  return made === undefined ? null : findTenantById(tx, made.id);
}

/** Changes a tenant; null when there is none of that id. What it was is told too, for the record. */
export async function changeTenant(
  tx: Tx,
  id: string,
  change: {
    readonly name?: string | undefined;
    readonly storeLimit?: number | undefined;
    readonly createsPerMinute?: number | undefined;
  },
): Promise<{ readonly before: Tenant; readonly after: Tenant } | null> {
  await tx.selectFrom('tenants').select('id').where('id', '=', id).forNoKeyUpdate().execute();
  const before = await findTenantById(tx, id);
  if (before === null) return null;
  const wanted = Object.fromEntries(
    Object.entries(change).filter(([, value]) => value !== undefined),
  );
  await tx.updateTable('tenants').set(wanted).where('id', '=', id).execute();
  const after = await findTenantById(tx, id);
  return after === null ? null : { before, after };
}
