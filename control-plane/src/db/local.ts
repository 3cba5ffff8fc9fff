/**
 * The database of this installation, for commands that a person runs beside a control plane or
 * without one: that of DATABASE_URL, else the data folder's own.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { locateDataDir, takeDataDir } from '../data-dir.ts';
import { PlatformError } from '../errors.ts';
import { startEmbeddedPostgres } from './embedded.ts';
import { openDatabase, type Db } from './open.ts';

/** Closed with the stack. Throws PlatformError `database_missing` where none was ever made. */
export async function openLocalDatabase(
  env: NodeJS.ProcessEnv,
  cleanup: AsyncDisposableStack,
): Promise<Db> {
  const url = env.DATABASE_URL ?? (await openEmbedded(locateDataDir(env), cleanup));
  const db = openDatabase(url);
  cleanup.defer(() => db.destroy());
  return db;
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
