import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { putInPlace, removeAbandonedBuilds } from './build.ts';
import { lastLines, runCommand, tryCommand } from './command.ts';
import { isAlive, recordProcess } from './processes.ts';

const onLinux = process.platform === 'linux';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lab-build-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function makeBuild(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  await writeFile(join(path, 'program'), content);
  return path;
}

test('a finished build appears whole; a second one of the same key leaves the first', async () => {
  const place = join(folder, 'tool-1.0.0-12345678');
  await putInPlace(await makeBuild('one', 'first'), place);
  await putInPlace(await makeBuild('two', 'second'), place);
  expect(await readFile(join(place, 'program'), 'utf8')).toBe('first');
});

test('a build that cannot be put in place is an error', async () => {
  await expect(putInPlace(join(folder, 'none'), join(folder, 'place'))).rejects.toThrow('ENOENT');
  expect(existsSync(join(folder, 'place'))).toBe(false);
});

test.runIf(onLinux)(
  'what a killed build left is removed, what a living one makes is not',
  async () => {
    const living = await makeBuild(`.building-tool-1.0.0-12345678-${process.pid}`, '');
    await makeBuild('.building-tool-0.9.0-87654321-4194999', ''); // ids end at 4194304
    await makeBuild('tool-1.0.0-12345678', '');
    await removeAbandonedBuilds(folder);
    expect((await readdir(folder)).sort()).toEqual([basename(living), 'tool-1.0.0-12345678']);
  },
);

test.runIf(onLinux)('ends with a lab command: what it runs, and what that runs', async () => {
  const note = join(folder, 'pid');
  const script = `
    import { endCommandsWithProcess, tryCommand } from ${JSON.stringify(join(import.meta.dirname, 'command.ts'))};
    endCommandsWithProcess();
    await tryCommand('sh', ['-c', 'sleep 300 & echo $! > "$0.new" && mv "$0.new" "$0"; wait', ${JSON.stringify(note)}]);`;
  const command = spawn(process.execPath, ['--input-type=module', '--eval', script]);
  const sleeper = await vi.waitFor(() => readFile(note, 'utf8'), { timeout: 60_000 });
  const record = recordProcess(Number(sleeper));
  if (record === undefined) throw new Error('what the command runs has ended by itself');
  command.kill('SIGTERM');
  await vi.waitFor(() => expect(isAlive(record)).toBe(false), 20_000);
});

test('a command that fails says its last lines', async () => {
  const failing = runCommand('sh', ['-c', 'echo out; echo "what went wrong" >&2; exit 3']);
  await expect(failing).rejects.toThrow('what went wrong');
  const result = await tryCommand('sh', ['-c', 'cat; exit 3'], { input: 'given' });
  expect(result).toMatchObject({ status: 3, stdout: 'given' });
  await expect(tryCommand('/no/such/program', [])).rejects.toThrow('ENOENT');
});

test('hands over lines as they come', async () => {
  const lines: string[] = [];
  const print = 'printf "one\\ntw" >&2; printf "o\\n" >&2';
  await runCommand('sh', ['-c', print], { onErrorLine: (line) => lines.push(line) });
  expect(lines).toEqual(['one', 'two']);
});

test('the last lines leave out empty ones', () => {
  expect(lastLines('a\n\nb\n \nc\n', 2)).toBe('b\nc');
});
