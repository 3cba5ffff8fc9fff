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
export const LEASE_SECONDS = 5;

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

/**
 * Whether the lease is still ours; if so it stays ours until the transaction ends. A process that is
 * stopped in the middle of one must not keep others from its lease: Postgres ends a transaction that
 * waits for us longer than the lease is good for.
 */
export async function holdsLease(tx: Tx, lease: Lease): Promise<boolean> {
  const { rows } = await sql`
    select set_config('idle_in_transaction_session_timeout', ${`${LEASE_SECONDS}s`}, true) from leases
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

/**
 * Takes the writer's lease of a repository for the rest of the transaction. Throws unless all who
 * write are gone: one that was killed holds its lease for a few seconds more.
 */
export async function takeOver(tx: Tx, repository: string, holder: string): Promise<void> {
  const busy = await tx
    .selectFrom('leases')
    .select(['name', 'holder'])
    .where((is) =>
      is.or([is('name', '=', `writer ${repository}`), is('name', 'like', 'observer %')]),
    )
    .where('holder', '<>', holder)
    .where('expiresAt', '>', sql<Date>`now()`)
    .executeTakeFirst();
  const lease = busy === undefined ? await takeLease(tx, `writer ${repository}`, holder) : null;
  if (lease === null)
    throw new PlatformError(
      'control_plane_running',
      `A control plane works on this database (${busy?.name ?? 'writer'}).`,
      { hint: `Stop it. One that was killed counts as running for ${LEASE_SECONDS} seconds more.` },
    );
  // Whoever comes next waits for the end of the transaction, and then need not wait for us.
  await dropLease(tx, lease);
}
