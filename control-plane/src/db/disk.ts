/**
 * Whether the database's disk takes more. A full one answers every question and refuses most
 * writes: readiness says so from the first refusal until something could be written again.
 */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { PlatformError } from '../errors.ts';
import type { Db } from './open.ts';

const DISK_FULL = '53100';
/** More than tables keep free for themselves. */
const TRIED_BYTES = 256 * 1024;

const full = new WeakSet<Db>();

/** For every error of a statement. */
export function noticeDiskFull(db: Db, error: unknown): void {
  if (error instanceof Error && 'code' in error && error.code === DISK_FULL) full.add(db);
}

/** Throws `disk_full` when the disk refused a write and still does. */
export async function checkDisk(db: Db): Promise<void> {
  if (!full.has(db)) return;
  try {
    await tryToWrite(db);
  } catch (error) {
    throw new PlatformError('disk_full', 'The database’s disk is full.', {
      retryable: true,
      hint: 'Nothing that was acknowledged is lost. Make room; it goes on by itself.',
      cause: error,
    });
  }
  full.delete(db);
}

/** Something large that is never committed. */
async function tryToWrite(db: Db): Promise<void> {
  const tx = await db.startTransaction().execute();
  try {
    const body = JSON.stringify({ tried: randomBytes(TRIED_BYTES / 2).toString('hex') });
    await sql`insert into events (tenant_id, type, body) values ('', 'tried', ${body})`.execute(tx);
  } finally {
    await tx.rollback().execute();
  }
}
