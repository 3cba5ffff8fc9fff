/**
 * Invitations: an owner's (or operator's) word that somebody of an address may join. The link
 * carries a secret of 160 bits; only its hash is kept.
 */
import type { Db } from '../db/open.ts';

/** Whether somebody of that address is waited for. */
export async function hasInvitation(db: Db, email: string, now: Date): Promise<boolean> {
  const row = await db
    .selectFrom('invitations')
    .select('id')
    .where('email', '=', email.toLowerCase())
    .where('status', '=', 'pending')
    .where('expiresAt', '>', now)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
