/**
 * API tokens: only the SHA-256 of one is kept. A token carries 256 bits of randomness, so a plain
 * hash is enough: there is nothing to guess. A revoked token stays as a row: what it did before
 * counts against its owner's limits, and the record names it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { PLATFORM_TENANT, ensureTenant } from './tenants.ts';
import type { Db, Tx } from './open.ts';
import type { Role, Scope } from '../contract.ts';
import type { Ids } from '../domain/ids.ts';

/** Any number that no other advisory lock of ours uses. */
const BOOTSTRAP_LOCK = 7_423_001;

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export type NewToken = {
  readonly tenantId: string;
  readonly role: Role;
  readonly name: string;
  readonly expiresAt: Date | null;
  /** Whose it is; null: the tenant's. */
  readonly userId?: string | null;
  readonly scopes?: readonly Scope[];
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

/** Whose tokens somebody may see and revoke. */
export type TokenScope =
  | { readonly kind: 'all'; readonly tenant: string | null }
  | { readonly kind: 'own'; readonly tenantId: string; readonly userId: string }
  | { readonly kind: 'itself'; readonly id: string };

/** Standing tokens, newest first. */
export async function listTokens(db: Db, scope: TokenScope, now: Date) {
  return scopedTokens(db, scope)
    .innerJoin('tenants as t', 't.id', 'k.tenantId')
    .leftJoin('users as u', 'u.id', 'k.userId')
    .select([
      'k.id',
      'k.name',
      'k.role',
      'k.scopes',
      't.slug as tenant',
      'u.name as owner',
      'k.createdAt',
      'k.expiresAt',
    ])
    .where((is) => is.or([is('k.expiresAt', 'is', null), is('k.expiresAt', '>', now)]))
    .orderBy('k.createdAt', 'desc')
    .orderBy('k.id', 'desc')
    .limit(1000)
    .execute();
}

/** Revokes a token; null when there is none of that id in reach. */
export async function revokeToken(
  tx: Tx,
  scope: TokenScope,
  id: string,
  now: Date,
): Promise<{ readonly id: string; readonly name: string; readonly tenantId: string } | null> {
  const row = await scopedTokens(tx, scope)
    .select(['k.id', 'k.name', 'k.tenantId'])
    .where('k.id', '=', id)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) return null;
  await tx.updateTable('tokens').set({ revokedAt: now }).where('id', '=', id).execute();
  return row;
}

function scopedTokens(db: Db | Tx, scope: TokenScope) {
  const standing = db.selectFrom('tokens as k').where('k.revokedAt', 'is', null);
  switch (scope.kind) {
    case 'all':
      return scope.tenant === null
        ? standing
        : standing.where('k.tenantId', '=', (is) =>
            is
              .selectFrom('tenants')
              .select('id')
              .where('slug', '=', scope.tenant ?? ''),
          );
    case 'own':
      return standing.where('k.tenantId', '=', scope.tenantId).where('k.userId', '=', scope.userId);
    case 'itself':
      return standing.where('k.id', '=', scope.id);
  }
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
      .where('userId', 'is', null)
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
