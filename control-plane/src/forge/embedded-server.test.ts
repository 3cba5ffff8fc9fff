/** The forge as the control plane runs it: a process of its own. What it serves: server.test.ts. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Branch } from '../git/types.ts';
import { EmbeddedServer } from './embedded-server.ts';
import { chooseSeed, createRandom, META, startTestForge } from './testing.ts';
import type { TestForge } from './testing.ts';

let server: TestForge;
let forge: EmbeddedServer;
beforeEach(async () => {
  server = await startTestForge({}, (options) => (forge = new EmbeddedServer(options)));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

async function push(branch: Branch, path: string): Promise<string> {
  const batch = branch.begin();
  await batch.commit([{ path, content: path }], META);
  const result = await batch.push();
  if (result.kind !== 'pushed') throw new Error(`the push was ${result.kind}`);
  return result.after;
}

function isRunning(pid: number | null): boolean {
  try {
    return pid !== null && process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('pushes go through and are told of', async () => {
  const after = await push(await server.open(), 'a');
  await expect.poll(() => server.pushes).toEqual([{ branch: 'main', after }]);
});

test('stop ends the process, and a second start has the same address', async () => {
  const { pid } = forge;
  const { url } = forge.remote;
  expect(isRunning(pid)).toBe(true);
  await forge.stop();
  expect(isRunning(pid)).toBe(false);
  await forge.start();
  expect(forge.remote.url).toBe(url);
  await push(await server.open(), 'a');
});

test('a process that fails is started again at the same address', async () => {
  const branch = await server.open();
  await push(branch, 'a');
  const { pid } = forge;
  process.kill(pid ?? 0, 'SIGKILL');
  await expect
    .poll(() => forge.pid !== pid && isRunning(forge.pid), { timeout: 60_000 })
    .toBe(true);
  await expect
    .poll(() => push(branch, 'b').catch(() => 'not yet'), { timeout: 60_000 })
    .toHaveLength(40);
  expect(server.warnings.join()).toContain('ended by itself (SIGKILL)');
}, 180_000);

test('a taken port is told with the setting to change', async () => {
  const { port } = new URL(forge.remote.url);
  const other = new EmbeddedServer({
    dir: `${server.dir}/other`,
    host: '127.0.0.1',
    port: Number(port),
    branch: 'main',
    readPassword: 'r',
    writePassword: 'w',
  });
  await expect(other.start()).rejects.toMatchObject({
    name: 'PlatformError',
    code: 'port_taken',
    field: 'SHOPYARD_FORGE_PORT',
    hint: expect.stringContaining('free port') as string,
  });
  await other.stop();
});

test('kill -9 in the middle of pushes loses nothing acknowledged (reliability 1)', async () => {
  const seed = chooseSeed();
  const random = createRandom(seed);
  await forge.stop();
  const acknowledged: string[] = [];
  const forges: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    const child = fork(new URL('testing-pusher.ts', import.meta.url), {
      env: { ...process.env, PUSHER_DIR: server.dir, PUSHER_ROUND: String(round) },
    });
    child.on('message', (message: { sha: string } | { forge: number }) => {
      if ('sha' in message) acknowledged.push(message.sha);
      else forges.push(message.forge);
    });
    const deadline = 2 + random(6);
    const seen = acknowledged.length;
    await expect
      .poll(() => acknowledged.length - seen, { timeout: 60_000, interval: 1 })
      .toBeGreaterThanOrEqual(deadline);
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  expect(forges).toHaveLength(6);
  await expect.poll(() => forges.filter(isRunning), { timeout: 60_000 }).toEqual([]);
  await forge.start();
  const branch = await server.open();
  await push(branch, 'after');
  const chain = server.git(['rev-list', '--first-parent', 'main']).trim().split('\n');
  expect(chain, `seed ${String(seed)}`).toEqual(expect.arrayContaining(acknowledged));
  expect(server.git(['fsck', '--strict', '--full', '--no-dangling'])).toBe('');
}, 300_000);

test('the forge names its addresses', () => {
  const named = new EmbeddedServer({
    dir: server.dir,
    host: '::1',
    port: 8081,
    branch: 'main',
    readPassword: 'r',
    writePassword: 'w',
  });
  expect(named.remote).toEqual({
    url: 'http://[::1]:8081/shopyard.git',
    username: 'writer',
    password: 'w',
    branch: 'main',
  });
  expect(named.readRemote).toMatchObject({ username: 'reader', password: 'r' });
});
