/**
 * The command `npm run audit:verify`: checks the audit log against itself and against the heads that
 * the commits name. Prints one sentence. Ends with 0 when the log is whole, 1 when it is not (the
 * first bad row is named), 2 when that could not be found out.
 *
 * Works beside a running control plane and without one. Reads DATABASE_URL, SHOPYARD_DATA_DIR and
 * SHOPYARD_BRANCH as the control plane does.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { locateDataDir, takeDataDir } from '../data-dir.ts';
import { startEmbeddedPostgres } from '../db/embedded.ts';
import { openDatabase } from '../db/open.ts';
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
  const db = openDatabase(env.DATABASE_URL ?? (await openEmbedded(dataDir, cleanup)));
  cleanup.defer(() => db.destroy());
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

/** The server of the data folder: the running control plane's, or started for this. */
async function openEmbedded(dataDir: string, cleanup: AsyncDisposableStack): Promise<string> {
  const folder = join(dataDir, 'postgres');
  if (!existsSync(join(folder, 'data', 'PG_VERSION')))
    throw new PlatformError('database_missing', `There is no database in ${dataDir}.`, {
      hint: 'Set SHOPYARD_DATA_DIR or DATABASE_URL as for the control plane.',
    });
  try {
    const held = takeDataDir(dataDir);
    cleanup.defer(() => held.release());
  } catch (error) {
    // A control plane is running: its server is used, and left running.
    if (!(error instanceof PlatformError) || error.code !== 'data_dir_taken') throw error;
  }
  const server = await startEmbeddedPostgres(folder);
  if (!server.adopted) cleanup.defer(() => server.stop());
  return server.url;
}

if (import.meta.main)
  try {
    process.exitCode = await run();
  } catch (error) {
    const hint = error instanceof PlatformError ? error.hint : undefined;
    console.error(`The audit log could not be checked: ${describeError(error)} ${hint ?? ''}`);
    process.exitCode = 2;
  }
