import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { putInPlace } from './build.ts';
import { lastLines, runCommand, tryCommand } from './command.ts';

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
