/**
 * A kill in the middle of a push leaves lock files that would refuse every later push. They are
 * removed at start, once no process works in the repository any more.
 */
import { glob, readdir, readlink, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { PlatformError } from '../errors.ts';

const LOCK_PATTERNS = ['*.lock', 'refs/**/*.lock', 'objects/info/**/*.lock'];
const LEFTOVER_PATTERNS = [
  'objects/**/tmp_*',
  'objects/tmp_objdir-*',
  'objects/incoming-*',
  // Of a killed repack: as large as the repository.
  'objects/pack/.tmp-*',
];
/** How long an orphaned git may still finish its push. */
const PATIENCE_MS = 15_000;
/** Where processes cannot be listed, a lock this old has no holder. */
const STALE_AFTER_MS = 120_000;

/** Throws the retryable PlatformError `repository_busy` while somebody still works in there. */
export async function removeStaleLocks(
  repository: string,
  log: { info(message: string): void },
): Promise<void> {
  const found = await findLeftovers(repository);
  if (found.length === 0) return;
  const isListed = await waitForProcesses(repository, log);
  for (const path of found) {
    if (!isListed && !(await isOld(path))) continue;
    await rm(path, { recursive: true, force: true });
    log.info(`removed ${path.slice(repository.length + 1)}, left by an interrupted push`);
  }
}

async function findLeftovers(repository: string): Promise<string[]> {
  const found: string[] = [];
  for await (const path of glob([...LOCK_PATTERNS, ...LEFTOVER_PATTERNS], { cwd: repository })) {
    found.push(join(repository, path));
  }
  return found;
}

async function isOld(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found !== null && Date.now() - found.mtimeMs > STALE_AFTER_MS;
}

/** False when this system does not tell which processes work where. */
async function waitForProcesses(
  repository: string,
  log: { info(message: string): void },
): Promise<boolean> {
  const deadline = Date.now() + PATIENCE_MS;
  let isTold = false;
  for (;;) {
    const isUsed = await isWorkedIn(repository);
    if (isUsed === null) return false;
    if (!isUsed) return true;
    if (!isTold) log.info('waiting for another process to leave the repository');
    isTold = true;
    if (Date.now() > deadline) {
      throw new PlatformError(
        'repository_busy',
        'another process works in the embedded repository',
        {
          retryable: true,
          hint: 'Stop the other control plane that uses this data folder.',
        },
      );
    }
    await wait(100);
  }
}

/** git works in the repository it serves, started there or changed into it. */
async function isWorkedIn(repository: string): Promise<boolean | null> {
  const target = await realpath(repository);
  const names = await readdir('/proc').catch(() => null);
  if (names === null) return null;
  for (const name of names) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const cwd = await readlink(`/proc/${name}/cwd`).catch(() => '');
    if (cwd === target || cwd.startsWith(`${target}/`)) return true;
  }
  return false;
}
