import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { META, startTestForge, type TestForge } from '../forge/testing.ts';
import type { CommitSha, TreeReader } from '../git/types.ts';
import { openMirror } from './mirror.ts';

let server: TestForge;
beforeEach(async () => {
  server = await startTestForge();
});
afterEach(() => server[Symbol.asyncDispose]());

const open = () =>
  openMirror({
    remote: server.forge.readRemote,
    dir: join(server.dir, 'mirror'),
    log: { info: () => undefined },
  });

async function push(path: string, content: string): Promise<CommitSha> {
  const branch = await server.open();
  const batch = branch.begin();
  await batch.commit([{ path, content }], META);
  await batch.push();
  if (branch.tip === null) throw new Error('nothing was pushed');
  return branch.tip;
}

async function read(tree: TreeReader, path: string): Promise<string | null> {
  const content = await tree.read(path);
  return content === null ? null : Buffer.from(content).toString();
}

test('shows what is on the remote: nothing, then each push, then each change', async () => {
  const mirror = await open();
  expect(await read(await mirror.readTip(), 'a')).toBeNull();
  await push('a', '1');
  await expect.poll(async () => read(await mirror.readTip(), 'a')).toBe('1');
  const second = await push('a', '2');
  await expect.poll(async () => (await mirror.readChange(second))?.paths).toEqual(['a']);
  expect(await mirror.readChange('1'.repeat(40) as CommitSha)).toBeNull();
  await mirror.close();
});

test('without its remote it shows the changes that it knows, and says that it cannot see the tip', async () => {
  const known = await push('a', '1');
  const mirror = await open();
  expect(await read(await mirror.readTip(), 'a')).toBe('1');
  await server.forge.stop();
  expect((await mirror.readChange(known))?.paths).toEqual(['a']);
  await expect
    .poll(() => mirror.readTip().catch((error: unknown) => error))
    .toMatchObject({ code: 'repository_unavailable', retryable: true });
  await mirror.close();
});

test('it is a cache: what is left of another one is used, or made anew (reliability 2)', async () => {
  await push('a', '1');
  const first = await open();
  await first.readTip();
  await first.close();
  const lock = join(server.dir, 'mirror', 'refs', 'heads', 'main.lock');
  await writeFile(lock, '');
  const second = await open();
  expect(existsSync(lock), 'of one that was killed').toBe(false);
  await second.close();
  await rm(join(server.dir, 'mirror'), { recursive: true });
  const third = await open();
  expect(await read(await third.readTip(), 'a')).toBe('1');
  await third.close();
});

test('a credential that is refused is said, and not shown', async () => {
  await push('a', '1');
  const mirror = await openMirror({
    remote: { ...server.forge.readRemote, password: 'not-the-password' },
    dir: join(server.dir, 'mirror'),
    log: { info: () => undefined },
  });
  const error = await mirror.readTip().catch((refusal: unknown) => refusal);
  expect(error).toMatchObject({ code: 'repository_unavailable' });
  expect(String(error)).not.toContain('not-the-password');
  await mirror.close();
});
