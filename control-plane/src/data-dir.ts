/**
 * The folder of this installation's state, held by one process at a time: two control planes on one
 * embedded Postgres would stop it under each other. (To scale out, share a DATABASE_URL instead.)
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { describeError, PlatformError } from './errors.ts';
import { findClosedFolder } from './passage.ts';

export type DataDir = {
  readonly path: string;
  /** Made on the first start that needs them. */
  readonly secrets: {
    /** Passwords of the embedded forge. */
    readonly forgeRead: string;
    readonly forgeWrite: string;
    /** Signs the cookies of sessions. */
    readonly auth: string;
  };
  release(): void;
};

const made = () => randomBytes(24).toString('hex');
const Secrets = z.object({
  forgeRead: z.string().min(16).default(made),
  forgeWrite: z.string().min(16).default(made),
  auth: z.string().min(32).default(made),
});

/** Where state is kept when nothing is set and `.shopyard` cannot be it. */
const ROOTS_OWN = '/var/lib/shopyard';

/** The folder that the settings come to. */
export function locateDataDir(settings: {
  readonly SHOPYARD_DATA_DIR?: string | undefined;
  readonly DATABASE_URL?: string | undefined;
}): string {
  const { SHOPYARD_DATA_DIR: named, DATABASE_URL: database } = settings;
  // Only the embedded Postgres runs as somebody else.
  const isForOthers = database === undefined && process.getuid?.() === 0;
  return named === undefined ? chooseDataDir(process.cwd(), isForOthers) : resolve(named);
}

/**
 * `.shopyard` in the folder where we run. Root's home is closed to others, and root's Postgres runs
 * as another user: there it is a folder of the machine.
 */
export function chooseDataDir(folder: string, isRoot: boolean): string {
  const usual = join(folder, '.shopyard');
  return isRoot && findClosedFolder(usual, null) !== null ? ROOTS_OWN : usual;
}

/** Takes the folder; throws PlatformError naming SHOPYARD_DATA_DIR when it cannot be had. */
export function takeDataDir(path: string): DataDir {
  const lock = join(path, 'control-plane.pid');
  try {
    // Postgres runs as another user when we are root: it must be able to pass, not to read.
    mkdirSync(path, { recursive: true, mode: 0o711 });
    const other = readFileIfThere(lock);
    if (other !== null && isRunning(other))
      throw new PlatformError(
        'data_dir_taken',
        `Another control plane (process ${other.split(' ')[0] ?? ''}) uses ${path}.`,
        { field: 'SHOPYARD_DATA_DIR', hint: 'Stop it, or give this one a folder of its own.' },
      );
    writeFileSync(lock, `${process.pid} ${readStartTime(process.pid) ?? ''}`);
    return {
      path,
      secrets: ensureSecrets(join(path, 'secrets.json')),
      release: () => rmSync(lock),
    };
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    throw new PlatformError(
      'data_dir_unusable',
      `The folder ${path} cannot be used: ${describeError(error)}`,
      { field: 'SHOPYARD_DATA_DIR', hint: 'Set it to a folder this user may write.', cause: error },
    );
  }
}

/** What is there stays; what is missing, after an upgrade too, is made. */
function ensureSecrets(file: string): DataDir['secrets'] {
  // Empty: killed before it was written, so nobody knows them yet.
  const text = readFileIfThere(file) ?? '';
  const standing: unknown = text === '' ? {} : JSON.parse(text);
  const secrets = Secrets.parse(standing);
  if (JSON.stringify(secrets) === JSON.stringify(standing)) return secrets;
  writeFileSync(`${file}.new`, JSON.stringify(secrets), { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
  return secrets;
}

function readFileIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Process ids are used again: the start time tells whether it is still the same process. */
function isRunning(record: string): boolean {
  const [pid, startTime] = record.split(' ');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = readStartTime(Number(pid));
  return now === null || startTime === undefined || startTime === '' || now === startTime;
}

/** Field 22 of /proc/<pid>/stat; null where there is no /proc. */
function readStartTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
