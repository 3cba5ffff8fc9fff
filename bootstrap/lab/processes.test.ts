import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layOut, type LabLayout } from './layout.ts';
import {
  fingerprintSpec,
  isAlive,
  listRecorded,
  parseProcessStat,
  readRecord,
  recordProcess,
  startProcess,
  stopPart,
  stopRecorded,
} from './processes.ts';

const onLinux = process.platform === 'linux';

test('reads start time and state, whatever a process calls itself', () => {
  const fields = ['S', '1', ...Array.from({ length: 17 }, () => '0'), '4711', '0'].join(' ');
  expect(parseProcessStat(`12 (a) b) R (c) ${fields}`)).toEqual({ state: 'S', startTicks: '4711' });
  expect(parseProcessStat('12 (short) S 1')).toBeUndefined();
});

test('a fingerprint follows program, arguments, environment and configuration', () => {
  const spec = { name: 'part', program: '/bin/part', args: ['--a'], env: { A: '1' } };
  const prints = [
    spec,
    { ...spec, program: '/bin/other' },
    { ...spec, args: ['--b'] },
    { ...spec, env: { A: '2' } },
    { ...spec, configuration: 'x' },
  ].map(fingerprintSpec);
  expect(new Set(prints).size).toBe(prints.length);
  expect(fingerprintSpec({ ...spec })).toBe(prints[0]);
});

test.runIf(onLinux)('a process with the recorded id but another start is not ours', async () => {
  const child = spawn('sleep', ['60']);
  try {
    const record = recordProcess(child.pid ?? 0);
    if (record === undefined) throw new Error('the process was not found');
    expect(isAlive(record)).toBe(true);
    const reused = { ...record, startTicks: '1' };
    expect(isAlive(reused)).toBe(false);
    expect(isAlive({ ...record, bootId: 'another' })).toBe(false);
    await stopRecorded(reused, 0);
    expect(isAlive(record)).toBe(true); // it was not signalled
    const ended = once(child, 'exit');
    await stopRecorded(record, 5000);
    await ended;
    expect(isAlive(record)).toBe(false);
  } finally {
    child.kill('SIGKILL');
  }
});

let root: string;
let layout: LabLayout;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lab-processes-'));
  layout = layOut({ cache: '', bin: '', images: '', lab: root });
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

test.runIf(onLinux)(
  'starts a part, records it, and ends one that ignores being asked',
  async () => {
    const spec = {
      name: 'deaf',
      program: '/bin/sh',
      args: ['-c', 'trap "" TERM; sleep 60 & wait'],
    };
    const record = await startProcess(layout, spec);
    expect(await readRecord(layout, 'deaf')).toEqual(record);
    expect(listRecorded(layout)).toEqual(['deaf']);
    await stopPart(layout, 'deaf', 100);
    expect(isAlive(record)).toBe(false);
    expect(listRecorded(layout)).toEqual([]);
    await stopPart(layout, 'deaf'); // harmless
  },
);

test.runIf(onLinux)('a program that is not there is an error, not a record', async () => {
  const spec = { name: 'none', program: '/no/such/program', args: [] };
  await expect(startProcess(layout, spec)).rejects.toThrow('ENOENT');
  expect(listRecorded(layout)).toEqual([]);
});
