/** The repository as pages read it: the embedded forge's own folder, beside its writer. */
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Branch, CommitSha, FileChange } from '../../control-plane/src/git/types.ts';
import { openBareRepository } from '../../control-plane/src/repository/bare.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';

let repository: TestRepository;
let branch: Branch;

beforeAll(async () => {
  repository = await createTestRepository();
  branch = await repository.open();
});
afterAll(() => repository.close());

const open = (options: { largest?: number; timeoutMs?: number; idleMs?: number } = {}) =>
  openBareRepository({ repository: repository.forge.repositoryDir, branch: 'main', ...options });

async function push(message: string, ...changes: FileChange[]): Promise<CommitSha> {
  const batch = branch.begin();
  await batch.commit(changes, {
    message,
    author: { name: 'Test', email: 'test@example.com' },
    at: new Date('2026-11-21T12:00:00Z'),
  });
  await batch.push();
  if (branch.tip === null) throw new Error('nothing was pushed');
  return branch.tip;
}

const read = async (tree: { read(path: string): Promise<Uint8Array | null> }, path: string) => {
  const content = await tree.read(path);
  return content === null ? null : Buffer.from(content).toString();
};

test('reads an empty repository, then each push, by one process', async () => {
  const reader = open();
  expect(await (await reader.readTip()).exists('a.yaml')).toBe(false);
  const first = await push('One', { path: 'a.yaml', content: 'a: 1\n' });
  expect(await read(await reader.readTip(), 'a.yaml')).toBe('a: 1\n');
  const second = await push(
    'Two\n\nBody.\n',
    { path: 'a.yaml', content: 'a: 2\n' },
    { path: 'b/c/d.yaml', content: '{}\n' },
  );
  const change = await reader.readChange(second);
  expect(change).toMatchObject({ sha: second, paths: ['a.yaml', 'b/c/d.yaml'] });
  expect(change?.message).toBe('Two\n\nBody.\n');
  if (change === null) return;
  expect(await read(change.before, 'a.yaml')).toBe('a: 1\n');
  expect(await read(change.after, 'a.yaml')).toBe('a: 2\n');
  expect(await read(change.before, 'b/c/d.yaml')).toBeNull();
  expect((await reader.readChange(first))?.paths).toEqual(['a.yaml']);
  await repository.git('gc', '-q', '--prune=now');
  expect(await read(await reader.readTip(), 'b/c/d.yaml')).toBe('{}\n');
  reader.close();
});

test('what is not there, or is no commit, is no change', async () => {
  const reader = open();
  expect(await reader.readChange('0123456789'.repeat(4) as CommitSha)).toBeNull();
  const tree = (await repository.git('rev-parse', 'main^{tree}')).trim();
  expect(await reader.readChange(tree as CommitSha)).toBeNull();
  for (const name of ['HEAD\nmain', '--all', 'main:a.yaml', ''])
    expect(await reader.readChange(name as CommitSha), name).toBeNull();
  reader.close();
});

test('many reads at once each get their own answer', async () => {
  const names = Array.from({ length: 60 }, (_, n) => `many/${n}.yaml`);
  await push('Many', ...names.map((path) => ({ path, content: `${path}\n`.repeat(200) })));
  const reader = open();
  const tip = await reader.readTip();
  const texts = await Promise.all(names.map((path) => read(tip, path)));
  expect(texts).toEqual(names.map((path) => `${path}\n`.repeat(200)));
  reader.close();
});

test('an object that is too large is said to be, and those after it are read', async () => {
  await push('Large', { path: 'large.txt', content: 'x'.repeat(50_000) });
  const reader = open({ largest: 10_000 });
  const tip = await reader.readTip();
  await expect(tip.read('large.txt')).rejects.toMatchObject({ code: 'object_too_large' });
  expect(await read(tip, 'a.yaml')).toBe('a: 2\n');
  reader.close();
});

test('the process ends when nobody reads, and starts again', async () => {
  const reader = open({ idleMs: 1 });
  for (let round = 0; round < 3; round += 1) {
    expect(await read(await reader.readTip(), 'a.yaml')).toBe('a: 2\n');
    await new Promise((resolve) => setImmediate(resolve));
  }
  reader.close();
});

test('one that is closed starts no other process', async () => {
  await push('Closed', { path: 'closed.yaml', content: 'a: 1\n' });
  const reader = open();
  const tip = await reader.readTip();
  const unavailable = { code: 'repository_unavailable', retryable: true };
  const cut = expect(tip.read('closed.yaml')).rejects.toMatchObject(unavailable);
  reader.close();
  await cut;
  await expect(tip.read('closed.yaml')).rejects.toMatchObject(unavailable);
  await expect(reader.readTip()).rejects.toMatchObject(unavailable);
});

test('a git that does not answer is given up, in time; the next read starts another', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-git-'));
  const path = process.env.PATH;
  // Long enough for a git that answers.
  const reader = open({ timeoutMs: 2_000 });
  try {
    await writeFile(join(folder, 'git'), '#!/bin/sh\nexec sleep 60\n');
    await chmod(join(folder, 'git'), 0o755);
    process.env.PATH = `${folder}:${path ?? ''}`;
    await expect(reader.readTip()).rejects.toMatchObject({
      code: 'repository_unavailable',
      retryable: true,
    });
    process.env.PATH = path;
    await expect.poll(async () => read(await reader.readTip(), 'a.yaml')).toBe('a: 2\n');
    process.env.PATH = folder;
    await rm(join(folder, 'git'));
    await expect(open().readTip()).rejects.toMatchObject({ code: 'repository_unavailable' });
  } finally {
    process.env.PATH = path;
    reader.close();
    await rm(folder, { recursive: true });
  }
});

test('a symbolic link is no file', async () => {
  await repository.commitAsPerson('Link', (work) => symlink('/etc/passwd', join(work, 'link')));
  const reader = open();
  expect(await read(await reader.readTip(), 'link')).toBeNull();
  reader.close();
});
