/**
 * API tokens: only the SHA-256 of one is kept. A token carries 256 bits of randomness, so a plain
 * hash is enough: there is nothing to guess.
 */
import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { PLATFORM_TENANT, ensureTenant } from './tenants.ts';
import type { Db, Tx } from './open.ts';
import type { Role } from '../contract.ts';
import type { Ids } from '../domain/ids.ts';

/** Who is calling. `id` is opaque: it is what commits and operations name. */
export type Principal = {
  readonly id: string;
  readonly tenantId: string;
  readonly tenant: string;
  readonly role: Role;
};

/** Any number that no other advisory lock of ours uses. */
const BOOTSTRAP_LOCK = 7_423_001;

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** The principal that a token stands for; null when it is unknown or has expired. */
export async function findPrincipal(
  db: Db,
  tokenHash: string,
  now: Date,
): Promise<Principal | null> {
  const row = await db
    .selectFrom('tokens as k')
    .innerJoin('tenants as t', 't.id', 'k.tenantId')
    .select(['k.id', 'k.tenantId', 't.slug as tenant', 'k.role'])
    .where('k.hash', '=', tokenHash)
    .where((is) => is.or([is('k.expiresAt', 'is', null), is('k.expiresAt', '>', now)]))
    .executeTakeFirst();
  return row ?? null;
}

/** Which of these tokens still stand, by id. */
export async function listStandingTokens(
  db: Db,
  ids: readonly string[],
  now: Date,
): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('tokens')
    .select('id')
    .where('id', '=', sql<string>`any(${ids})`)
    .where((is) => is.or([is('expiresAt', 'is', null), is('expiresAt', '>', now)]))
    .execute();
  return new Set(rows.map((row) => row.id));
}

export type NewToken = {
  readonly tenantId: string;
  readonly role: Role;
  readonly name: string;
  readonly expiresAt: Date | null;
};

/** Makes a token; its text is in the answer and nowhere else. */
export async function createToken(
  db: Db | Tx,
  ids: Ids,
  token: NewToken,
): Promise<{ readonly id: string; readonly token: string }> {
  const text = `shop_${randomBytes(32).toString('base64url')}`;
  const id = ids.token();
  await db
    .insertInto('tokens')
    .values({ id, hash: hashToken(text), ...token })
    .execute();
  return { id, token: text };
}

/** Revokes a token; false when there is none of that id. */
export async function deleteToken(db: Db, id: string): Promise<boolean> {
  const { numDeletedRows } = await db.deleteFrom('tokens').where('id', '=', id).executeTakeFirst();
  return numDeletedRows > 0n;
}

/**
 * created: this start made the first operator token. present: it is that token already.
 * ignored: operators have tokens and this is not one of them; nothing was added.
 */
export type BootstrapOutcome = 'created' | 'present' | 'ignored';

/**
 * Makes the first operator token, of the tenant `platform`, from a secret the operator chose. Once
 * an operator token exists nothing is added: whoever can set the environment later gains nothing.
 * @param token at least 16 characters; config.ts checks
 */
export async function ensureBootstrapToken(
  db: Db,
  token: string,
  ids: Ids,
): Promise<BootstrapOutcome> {
  return db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(${BOOTSTRAP_LOCK})`.execute(tx);
    const tenant = await ensureTenant(tx, PLATFORM_TENANT, { makeId: ids.tenant });
    const hash = hashToken(token);
    const operators = await tx
      .selectFrom('tokens')
      .select('hash')
      .where('role', '=', 'operator')
      .execute();
    if (operators.some((one) => one.hash === hash)) return 'present';
    if (operators.length > 0) return 'ignored';
    await tx
      .insertInto('tokens')
      .values({
        id: ids.token(),
        tenantId: tenant.id,
        hash,
        role: 'operator',
        name: 'bootstrap',
        expiresAt: null,
      })
      .execute();
    return 'created';
  });
}
