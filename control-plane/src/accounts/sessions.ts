/** Sessions of a person: seen, ended, confirmed, turned to another tenant. */
import type { Db, Tx } from '../db/open.ts';

export async function listSessions(db: Db, userId: string, now: Date) {
  return db
    .selectFrom('sessions')
    .select(['id', 'ipAddress', 'userAgent', 'createdAt', 'expiresAt'])
    .where('userId', '=', userId)
    .where('expiresAt', '>', now)
    .orderBy('createdAt', 'desc')
    .orderBy('id')
    .limit(200)
    .execute();
}

/** Ends a session; false when this person has none of that id. */
export async function endSession(tx: Tx, userId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('sessions')
    .where('userId', '=', userId)
    .where('id', '=', id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Ends all of a person's sessions; how many there were. */
export async function endSessions(tx: Tx, userId: string): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('sessions')
    .where('userId', '=', userId)
    .executeTakeFirst();
  return Number(numDeletedRows);
}

export async function confirmSession(tx: Tx, id: string, now: Date): Promise<void> {
  await tx.updateTable('sessions').set({ confirmedAt: now }).where('id', '=', id).execute();
}

/** Lets the session act in another of the person's tenants; false when they are not in it. */
export async function turnSession(
  tx: Tx,
  session: { readonly id: string; readonly userId: string },
  tenantId: string,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('sessions')
    .set({ activeTenantId: tenantId })
    .where('id', '=', session.id)
    .where('userId', '=', session.userId)
    .where((is) =>
      is.exists(
        is
          .selectFrom('members')
          .select('id')
          .where('userId', '=', session.userId)
          .where('tenantId', '=', tenantId),
      ),
    )
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Lets the session of an operator act in the platform again. */
export async function turnSessionHome(tx: Tx, id: string): Promise<void> {
  await tx.updateTable('sessions').set({ activeTenantId: null }).where('id', '=', id).execute();
}
