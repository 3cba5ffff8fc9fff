/**
 * The command `npm run audit:verify`: checks the audit log against itself and against the heads that
 * the commits name. Prints one sentence. Ends with 0 when the log is whole, 1 when it is not (the
 * first bad row is named), 2 when that could not be found out.
 *
 * Works beside a running control plane and without one. Reads DATABASE_URL, SHOPYARD_DATA_DIR and
 * SHOPYARD_BRANCH as the control plane does.
 */
import { join } from 'node:path';
import { locateDataDir } from '../data-dir.ts';
import { openLocalDatabase } from '../db/local.ts';
import { describeError, PlatformError } from '../errors.ts';
import { locateRepository } from '../forge/server.ts';
import { readAuditAnchors } from './anchors.ts';
import { checkAuditTable } from './check-table.ts';

async function run(): Promise<number> {
  await using cleanup = new AsyncDisposableStack();
  const { env } = process;
  const dataDir = locateDataDir(env);
  // An anchor's row is there before its commit is: commits are read first.
  const anchors = await readAuditAnchors(
    locateRepository(join(dataDir, 'forge')),
    env.SHOPYARD_BRANCH ?? 'main',
  );
  const db = await openLocalDatabase(env, cleanup);
  const verdict = await checkAuditTable(db, anchors);
  if (verdict.kind === 'broken') {
    console.error(`The audit log is broken at row ${verdict.fault.seq} (${verdict.fault.kind}).`);
    console.error(verdict.fault.message);
    return 1;
  }
  const { seq } = verdict.head;
  const anchored = anchors.reduce((most, anchor) => Math.max(most, anchor.seq), 0);
  console.log(
    seq === 0
      ? 'The audit log is empty.'
      : `The audit log is whole: ${seq} rows; ${anchors.length} commits vouch for it up to row ${anchored}.`,
  );
  return 0;
}

if (import.meta.main)
  try {
    process.exitCode = await run();
  } catch (error) {
    const hint = error instanceof PlatformError ? error.hint : undefined;
    console.error(`The audit log could not be checked: ${describeError(error)} ${hint ?? ''}`);
    process.exitCode = 2;
  }
