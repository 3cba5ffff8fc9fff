/**
 * The lab's processes: started detached, recorded, found again, ended.
 *
 * A record holds process id, start time and boot id. A process is ours only when all three still
 * match, so an id that the system has given to someone else is never signalled. Whether it ought to
 * be restarted follows from `fingerprint`: a hash of all that it was started with.
 */
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabLayout } from './layout.ts';

export interface ProcessRecord {
  readonly pid: number;
  /** Clock ticks after boot, field 22 of /proc/<pid>/stat. */
  readonly startTicks: string;
  readonly bootId: string;
  readonly fingerprint: string;
}

/** What a part's process is started with. */
export interface ProcessSpec {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Content of files it reads at start: when that changes, the process is restarted. */
  readonly configuration?: string;
}

/** Hash of what a process is started with. */
export function fingerprintSpec(spec: ProcessSpec): string {
  const text = JSON.stringify([spec.program, spec.args, spec.env ?? {}, spec.configuration ?? '']);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Start time and state from the text of /proc/<pid>/stat; the name in it may hold anything. */
export function parseProcessStat(
  stat: string,
): { readonly state: string; readonly startTicks: string } | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const startTicks = fields[19];
  return state === undefined || startTicks === undefined ? undefined : { state, startTicks };
}

/** Changes with every start of the machine. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function readProcess(pid: number): ReturnType<typeof parseProcessStat> {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Whether the recorded process is still the same one and runs (a zombie does not). */
export function isAlive(record: ProcessRecord): boolean {
  if (record.bootId !== readBootId()) return false;
  const found = readProcess(record.pid);
  return found?.startTicks === record.startTicks && !['Z', 'X'].includes(found.state);
}

/** The record of a running process, to recognise it by later. */
export function recordProcess(pid: number, fingerprint = ''): ProcessRecord | undefined {
  const found = readProcess(pid);
  if (found === undefined) return undefined;
  return { pid, startTicks: found.startTicks, bootId: readBootId(), fingerprint };
}

function recordPath(layout: LabLayout, name: string): string {
  return join(layout.processes, `${name}.json`);
}

/** The record of a part, if it was ever started. */
export async function readRecord(
  layout: LabLayout,
  name: string,
): Promise<ProcessRecord | undefined> {
  try {
    return JSON.parse(await readFile(recordPath(layout, name), 'utf8')) as ProcessRecord;
  } catch {
    return undefined;
  }
}

/** Names of all parts that have a record. */
export function listRecorded(layout: LabLayout): string[] {
  try {
    return readdirSync(layout.processes)
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.slice(0, -'.json'.length));
  } catch {
    return [];
  }
}

/** Log file of a part. */
export function logPath(layout: LabLayout, name: string): string {
  return join(layout.logs, `${name}.log`);
}

/** Starts a part in a session of its own, its output appended to its log, and records it. */
export async function startProcess(layout: LabLayout, spec: ProcessSpec): Promise<ProcessRecord> {
  await mkdir(layout.processes, { recursive: true });
  await mkdir(layout.logs, { recursive: true });
  const log = openSync(logPath(layout, spec.name), 'a', 0o600);
  try {
    const child = spawn(spec.program, spec.args, {
      cwd: layout.root,
      env: { PATH: process.env.PATH, HOME: layout.root, ...spec.env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid ?? 0;
    const record = recordProcess(pid, fingerprintSpec(spec));
    if (record === undefined) throw new Error(`${spec.name} ended as soon as it was started`);
    const path = recordPath(layout, spec.name);
    await writeFile(`${path}.new`, JSON.stringify(record));
    await rename(`${path}.new`, path);
    return record;
  } finally {
    closeSync(log);
  }
}

/** Ends a recorded process: asks first, insists after `patience` milliseconds. */
export async function stopRecorded(record: ProcessRecord, patience: number): Promise<void> {
  if (!isAlive(record)) return;
  process.kill(record.pid, 'SIGTERM');
  if (await waitForEnd(record, patience)) return;
  process.kill(record.pid, 'SIGKILL');
  if (!(await waitForEnd(record, 10_000))) {
    throw new Error(`process ${record.pid} does not end, not even by SIGKILL`);
  }
}

/** Ends a part by its record and forgets it. */
export async function stopPart(layout: LabLayout, name: string, patience = 10_000): Promise<void> {
  const record = await readRecord(layout, name);
  if (record !== undefined) await stopRecorded(record, patience);
  await rm(recordPath(layout, name), { force: true });
}

async function waitForEnd(record: ProcessRecord, patience: number): Promise<boolean> {
  const deadline = performance.now() + patience;
  while (isAlive(record)) {
    if (performance.now() > deadline) return false;
    await delay(50);
  }
  return true;
}

/** Resident memory of a process in bytes; 0 when it is gone. */
export function readResidentMemory(pid: number): number {
  try {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(match?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
