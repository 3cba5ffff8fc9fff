/**
 * One `up` or `down` at a time: a file beside the lab folder that names the process at work. One
 * whose process is gone counts for nothing.
 */
import { existsSync } from 'node:fs';
import { link, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { LabLayout } from './layout.ts';
import { isAlive, recordProcess, type ProcessRecord } from './processes.ts';

/** Runs `work` while no other process does the like for the same lab. */
export async function withLock(layout: LabLayout, work: () => Promise<void>): Promise<void> {
  const path = `${layout.root}.lock`;
  const own = `${path}.${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
  await removeAbandoned(path);
  await writeFile(own, JSON.stringify(recordProcess(process.pid)));
  try {
    while (!(await tryLink(own, path))) {
      const holder = await readHolder(path);
      if (holder !== undefined && isAlive(holder)) {
        throw new Error(
          `Another lab command is at work (process ${holder.pid}); wait for it to end.`,
        );
      }
      await rm(path, { force: true });
    }
    try {
      await work();
    } finally {
      await rm(path, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** A link appears whole or not at all, and never replaces one that is there. */
async function tryLink(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes what commands that were killed left beside the lock. */
async function removeAbandoned(path: string): Promise<void> {
  const folder = dirname(path);
  for (const name of await readdir(folder)) {
    const pid = name.startsWith(`${basename(path)}.`) ? name.slice(basename(path).length + 1) : '';
    if (!/^\d+$/.test(pid) || existsSync(`/proc/${pid}`)) continue;
    await rm(join(folder, name), { force: true });
  }
}

async function readHolder(path: string): Promise<ProcessRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProcessRecord;
  } catch {
    return undefined;
  }
}
