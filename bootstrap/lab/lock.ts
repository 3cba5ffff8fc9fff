/**
 * One `up` or `down` at a time: a file beside the lab folder that names the process at work. One
 * whose process is gone counts for nothing.
 */
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LabLayout } from './layout.ts';
import { isAlive, recordProcess, type ProcessRecord } from './processes.ts';

/** Runs `work` while no other process does the like for the same lab. */
export async function withLock(layout: LabLayout, work: () => Promise<void>): Promise<void> {
  const path = `${layout.root}.lock`;
  const own = `${path}.${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
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

async function readHolder(path: string): Promise<ProcessRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProcessRecord;
  } catch {
    return undefined;
  }
}
