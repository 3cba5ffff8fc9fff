/**
 * Leases with fences: one holder per name, replaced when it stops renewing. Whatever the holder
 * writes to the database goes with `checkLease` in the same transaction, so a holder that was
 * stopped past its lease and then wakes up writes nothing.
 */
import { sql } from 'kysely';
import { PlatformError } from '../errors.ts';
import type { Db, Tx } from './open.ts';

export type Lease = { readonly name: string; readonly holder: string; readonly fence: number };

/** Seconds until a lease that is no longer renewed is free; a killed holder is replaced after it. */
export const LEASE_SECONDS = 6;

/** Takes the lease when it is free or ours, else null. The fence rises with every new holder. */
export async function takeLease(db: Db, name: string, holder: string): Promise<Lease | null> {
  const { rows } = await sql<{ fence: number }>`
    insert into leases (name, holder, fence, expires_at)
    values (${name}, ${holder}, 1, now() + make_interval(secs => ${LEASE_SECONDS}))
    on conflict (name) do update set
      holder = excluded.holder,
      fence = leases.fence + case when leases.holder = excluded.holder then 0 else 1 end,
      expires_at = excluded.expires_at
    where leases.expires_at < now() or leases.holder = excluded.holder
    returning fence
  `.execute(db);
  const fence = rows[0]?.fence;
  return fence === undefined ? null : { name, holder, fence };
}

/** Extends the lease; false when somebody else has it. */
export async function renewLease(db: Db, lease: Lease): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update leases set expires_at = now() + make_interval(secs => ${LEASE_SECONDS})
    where name = ${lease.name} and holder = ${lease.holder} and fence = ${lease.fence}
  `.execute(db);
  return numAffectedRows === 1n;
}

/** Lets the lease go at once, so that another process need not wait. */
export async function dropLease(db: Db, lease: Lease): Promise<void> {
  await sql`
    update leases set expires_at = now() - interval '1 second'
    where name = ${lease.name} and holder = ${lease.holder} and fence = ${lease.fence}
  `.execute(db);
}

/** Whether the lease is still ours; if so it stays ours until the transaction ends. */
export async function holdsLease(tx: Tx, lease: Lease): Promise<boolean> {
  const { rows } = await sql`
    select 1 from leases
    where name = ${lease.name} and holder = ${lease.holder} and fence = ${lease.fence}
    for share
  `.execute(tx);
  return rows.length > 0;
}

/** Throws `lease_lost` unless the lease is still ours. */
export async function checkLease(tx: Tx, lease: Lease): Promise<void> {
  if (!(await holdsLease(tx, lease)))
    throw new PlatformError('lease_lost', `Another process holds the lease ${lease.name}.`, {
      retryable: true,
    });
}
