/**
 * Who somebody is at this moment, from what they showed: a session or a token. One place says what
 * a person's membership, a token's own role and its owner's come to.
 */
import { sql } from 'kysely';
import type { Db } from './open.ts';
import { PLATFORM_TENANT } from './tenants.ts';
import type { Role, Scope } from '../contract.ts';

/**
 * Who is calling. `id` is opaque: it is what commits and operations name. A person with several
 * tenants acts in one at a time; operators who chose none act in the tenant `platform`.
 */
export type Principal = {
  /** Of the person, or of the token. */
  readonly id: string;
  readonly name: string;
  readonly kind: 'user' | 'token';
  /** Empty for a guest. */
  readonly tenantId: string;
  readonly tenant: string;
  /** guest: signed in, but in no tenant. */
  readonly role: Role | 'guest';
  /** The person, also behind a token of theirs; null for a token of the tenant's. */
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly scopes: readonly Scope[];
  /** When the password was last asked for again; null for never, and for tokens. */
  readonly confirmedAt: Date | null;
};

/** What somebody showed. */
export type Credentials = {
  readonly sessions?: readonly string[];
  readonly tokens?: readonly string[];
  /** SHA-256 of tokens, hex. */
  readonly tokenHashes?: readonly string[];
};

/** The credential's own id: what a stream or a cache remembers it by. */
export function credentialOf(principal: Principal): string {
  return principal.sessionId ?? principal.id;
}

/** The principals that these stand for, those that stand. */
export async function findPrincipals(
  db: Db,
  shown: Credentials,
  now: Date,
): Promise<readonly Principal[]> {
  const { sessions = [], tokens = [], tokenHashes = [] } = shown;
  return [
    ...(sessions.length === 0 ? [] : await findPeople(db, sessions, now)),
    ...(tokens.length + tokenHashes.length === 0
      ? []
      : await findTokens(db, { tokens, tokenHashes }, now)),
  ];
}

async function findPeople(db: Db, sessions: readonly string[], now: Date): Promise<Principal[]> {
  const { rows } = await sql<{
    sessionId: string;
    userId: string;
    name: string;
    operator: boolean;
    confirmedAt: Date | null;
    tenantId: string | null;
    tenant: string | null;
    role: Role | null;
  }>`
    select s.id as session_id, u.id as user_id, u.name, u.operator, s.confirmed_at,
      t.id as tenant_id, t.slug as tenant, m.role
    from sessions s
    join users u on u.id = s.user_id
    left join lateral (
      select m.tenant_id, m.role from members m
      where m.user_id = u.id and (not u.operator or m.tenant_id = s.active_tenant_id)
      order by m.tenant_id = s.active_tenant_id desc nulls last, m.created_at, m.id
      limit 1
    ) m on true
    left join tenants t on t.id = m.tenant_id or (u.operator and m.tenant_id is null and t.slug = ${PLATFORM_TENANT})
    where s.id = any(${sessions}) and s.expires_at > ${now}
  `.execute(db);
  return rows.map((row) => ({
    id: row.userId,
    name: row.name,
    kind: 'user',
    tenantId: row.tenantId ?? '',
    tenant: row.tenant ?? '',
    role: row.operator ? 'operator' : (row.role ?? 'guest'),
    userId: row.userId,
    sessionId: row.sessionId,
    scopes: ['read', 'write'],
    confirmedAt: row.confirmedAt,
  }));
}

async function findTokens(
  db: Db,
  shown: { readonly tokens: readonly string[]; readonly tokenHashes: readonly string[] },
  now: Date,
): Promise<Principal[]> {
  const rows = await db
    .selectFrom('tokens as k')
    .innerJoin('tenants as t', 't.id', 'k.tenantId')
    .leftJoin('users as u', 'u.id', 'k.userId')
    .leftJoin('members as m', (join) =>
      join.onRef('m.userId', '=', 'k.userId').onRef('m.tenantId', '=', 'k.tenantId'),
    )
    .select([
      'k.id',
      'k.name',
      'k.tenantId',
      't.slug as tenant',
      'k.role',
      'k.scopes',
      'k.userId',
      'u.operator',
      'm.role as memberRole',
    ])
    .where((is) =>
      is.or([
        is('k.id', '=', sql<string>`any(${shown.tokens})`),
        is('k.hash', '=', sql<string>`any(${shown.tokenHashes})`),
      ]),
    )
    .where('k.revokedAt', 'is', null)
    .where((is) => is.or([is('k.expiresAt', 'is', null), is('k.expiresAt', '>', now)]))
    .execute();
  return rows.flatMap(({ operator, memberRole, ...row }) => {
    const role =
      row.userId === null || operator === true ? row.role : lesserRole(row.role, memberRole);
    if (role === null) return [];
    return [{ ...row, kind: 'token' as const, role, sessionId: null, confirmedAt: null }];
  });
}

const RANK: Readonly<Record<Role, number>> = { viewer: 0, member: 1, owner: 2, operator: 3 };

/** The smaller of two roles, null being none: a token does no more than the person whose it is. */
function lesserRole(role: Role, other: Role | null): Role | null {
  return other !== null && RANK[role] <= RANK[other] ? role : other;
}
