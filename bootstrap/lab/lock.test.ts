import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layOut, type LabLayout } from './layout.ts';
import { withLock } from './lock.ts';
import { recordProcess } from './processes.ts';

let folder: string;
let layout: LabLayout;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lab-lock-'));
  layout = layOut({ cache: '', bin: '', images: '', lab: join(folder, 'lab') });
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const onLinux = process.platform === 'linux';

test.runIf(onLinux)('turns a second command away while the first is at work', async () => {
  await withLock(layout, async () => {
    await expect(withLock(layout, () => Promise.resolve())).rejects.toThrow(
      'Another lab command is at work',
    );
  });
  await withLock(layout, () => Promise.resolve());
  expect(await readdir(folder)).toEqual([]);
});

test.runIf(onLinux)('a lock whose holder is gone counts for nothing', async () => {
  const holder = { ...recordProcess(process.pid), startTicks: '1' };
  await writeFile(`${layout.root}.lock`, JSON.stringify(holder));
  await writeFile(`${layout.root}.lock.4999999`, JSON.stringify(holder)); // beyond any process id
  let ran = false;
  await withLock(layout, () => {
    ran = true;
    return Promise.resolve();
  });
  expect(ran).toBe(true);
  expect(await readdir(folder)).toEqual([]);
});
