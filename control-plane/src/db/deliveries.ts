/**
 * Webhooks that were taken, so that none is taken twice, whichever process it reaches. Only what was
 * signed rightly is here, for three days, which is as long as GitHub delivers again: it stays small.
 */
import { sql } from 'kysely';
import type { Db } from './open.ts';

const KEPT_MS = 3 * 24 * 60 * 60 * 1_000;

type Delivery = {
  /** SHA-256 of the body, hex. */
  readonly hash: string;
  readonly event: string;
  readonly at: Date;
};

/** False: this very body was taken before. */
export async function rememberDelivery(db: Db, delivery: Delivery): Promise<boolean> {
  const old = new Date(delivery.at.getTime() - KEPT_MS);
  await sql`
    delete from deliveries where body_hash in
      (select body_hash from deliveries where at < ${old} limit 100 for update skip locked)
  `.execute(db);
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('deliveries')
    .values({ bodyHash: delivery.hash, event: delivery.event, at: delivery.at })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow();
  return numInsertedOrUpdatedRows === 1n;
}

/** What tells one newest delivery from another; null: there is none. */
export async function readNewestDelivery(db: Db): Promise<string | null> {
  const newest = await db
    .selectFrom('deliveries')
    .select('bodyHash')
    .orderBy('at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return newest?.bodyHash ?? null;
}
