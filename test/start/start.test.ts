/** What a person sees when something is in the way of a start: one sentence, and an exit code. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import {
  ApiClient,
  startControlPlaneProcess,
  type ControlPlaneProcess,
} from '../support/control-plane-process.ts';
import { findFreePort } from '../support/free-port.ts';
import { writeKubeconfig } from '../support/kubeconfig.ts';

const TOP = join(import.meta.dirname, '../..');
const TOKEN = 'start-test-operator-token';

let folder: string;
let kubeconfig: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-start-'));
  await chmod(folder, 0o755);
  kubeconfig = join(folder, 'kubeconfig');
  // Nothing listens there: the control plane starts all the same and says that it cannot see the cluster.
  writeKubeconfig(kubeconfig, 'http://127.0.0.1:9');
});

// A start takes seconds, and many of them on a busy machine: some tests start three.
vi.setConfig({ testTimeout: 240_000 });

/** What a test started and a failed expectation would leave. */
const running: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
  await endPostgres();
  await rm(folder, { recursive: true, force: true });
});

async function start(
  env: Readonly<Record<string, string>>,
  port: string,
): Promise<ControlPlaneProcess> {
  const started = await startControlPlaneProcess({
    env,
    port: Number(port),
    log: join(folder, 'log'),
  });
  running.push(started);
  return started;
}

/** The folder's Postgres outlives a control plane that was killed. */
async function endPostgres(): Promise<void> {
  const pidFile = join(folder, 'data/postgres/data/postmaster.pid');
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0]);
  if (!(pid > 0)) return;
  process.kill(pid, 'SIGINT');
  await expect.poll(() => existsSync(pidFile), { timeout: 30_000 }).toBe(false);
}

async function describeSettings(): Promise<Record<string, string>> {
  return {
    SHOPYARD_CLUSTER: kubeconfig,
    SHOPYARD_DATA_DIR: join(folder, 'data'),
    SHOPYARD_LAB_DIR: join(folder, 'no-lab'),
    SHOPYARD_LOG_LEVEL: 'error',
    DATABASE_URL: inject('postgresUrl'),
    PORT: String(await findFreePort()),
    SHOPYARD_FORGE_PORT: String(await findFreePort()),
  };
}

type Ending = { readonly code: number; readonly said: string };

function runMain(env: Record<string, string>): Promise<Ending> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['control-plane/src/main.ts'],
      { cwd: TOP, env: { PATH: process.env.PATH ?? '', HOME: folder, ...env }, timeout: 60_000 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), said: `${stdout}${stderr}` }),
    );
  });
}

function expectSentence({ code, said }: Ending, wanted: RegExp, exitCode = 1): void {
  expect(said).toMatch(wanted);
  expect(said).not.toMatch(/^\s+at /m); // a stack trace is no sentence
  expect(code).toBe(exitCode);
}

test('wrong settings are listed all at once, with exit code 2', async () => {
  const ending = await runMain({ ...(await describeSettings()), PORT: 'x', SHOPYARD_BRANCH: '-f' });
  expectSentence(ending, /PORT: [\s\S]*SHOPYARD_BRANCH: /, 2);
});

test('the lab is named and is not up', async () => {
  const settings = { ...(await describeSettings()), SHOPYARD_CLUSTER: 'lab' };
  expectSentence(await runMain(settings), /SHOPYARD_CLUSTER: the lab is not up.*lab:up/, 2);
});

test('the kubeconfig cannot be read', async () => {
  const settings = { ...(await describeSettings()), SHOPYARD_CLUSTER: join(folder, 'absent') };
  expectSentence(await runMain(settings), /SHOPYARD_CLUSTER: The kubeconfig .*ENOENT/, 2);
});

test.each([
  ['PORT', {}],
  ['SHOPYARD_FORGE_PORT', {}],
  ['SHOPYARD_STORE_PORT', { SHOPYARD_CLUSTER: 'practice' }],
])('%s is taken', async (name, more) => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const port = String((server.address() as AddressInfo).port);
  try {
    const ending = await runMain({ ...(await describeSettings()), ...more, [name]: port });
    expectSentence(
      ending,
      new RegExp(
        `cannot start\\. Port ${port} on 127\\.0\\.0\\.1 is taken\\. .*[Ss]et ${name} to .*\\.\nThe setting is ${name}`,
      ),
    );
  } finally {
    server.close();
  }
});

test('there is no Postgres at DATABASE_URL', async () => {
  const url = `postgres://nobody:x@127.0.0.1:${await findFreePort()}/none`;
  const ending = await runMain({ ...(await describeSettings()), DATABASE_URL: url });
  expectSentence(ending, /database does not answer[\s\S]*The setting is DATABASE_URL/);
  expect(ending.said).not.toContain('nobody:x');
});

test('there is no git', async () => {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  expectSentence(await runMain({ ...(await describeSettings()), PATH: bin }), /git/);
});

test('the data folder cannot be made', async () => {
  const settings = { ...(await describeSettings()), SHOPYARD_DATA_DIR: join(kubeconfig, 'data') };
  expectSentence(await runMain(settings), /The setting is SHOPYARD_DATA_DIR/);
});

test('without a token the first start makes one up, prints it once, and it works', async () => {
  const { PORT = '', DATABASE_URL: _, ...env } = await describeSettings();
  const readPrinted = () => readFile(join(folder, 'log'), 'utf8');
  const first = await start(env, PORT);
  await expect.poll(readPrinted).toMatch(/shown once: \S+\n/);
  const printed = await readPrinted();
  expect(printed).toContain(`Its data is in ${join(folder, 'data')}`);
  const token = /shown once: (\S+)/.exec(printed)?.[1] ?? '';
  expect((await new ApiClient(first.url, token).call('GET', '/api/stores')).status).toBe(200);
  await expect
    .poll(async () => (await new ApiClient(first.url, token).call('GET', '/readyz')).body)
    .toMatchObject({
      ready: true,
      checks: expect.arrayContaining([
        {
          name: 'watch',
          ready: false,
          message: expect.stringMatching(/has not told of its Applications yet/) as string,
        },
      ]) as unknown,
    });
  expect(printed).toMatch(/^It builds on the cluster “\S+”: \w+:\/\/<store>\.\S+$/m);
  expect(await first.stop()).toBe(0);

  const second = await start(env, PORT);
  await expect
    .poll(async () => (await readPrinted()).slice(printed.length))
    .toMatch(/^Sign in as operator@shopyard\.local; the first start showed a password$/m);
  expect((await new ApiClient(second.url, token).call('GET', '/api/stores')).status).toBe(200);
  // Killed, it leaves Postgres behind; the next start adopts it and goes on with the same data.
  await second.kill();
  const third = await start({ ...env, SHOPYARD_BOOTSTRAP_TOKEN: TOKEN }, PORT);
  expect((await new ApiClient(third.url, token).call('GET', '/api/stores')).status).toBe(200);
  expect((await new ApiClient(third.url, TOKEN).call('GET', '/api/stores')).status).toBe(401);
  expect(await third.stop()).toBe(0);
  expect((await readPrinted()).split('shown once')).toHaveLength(2);
});

test('a second control plane on the same folder is refused, by name of the first', async () => {
  const { PORT = '', DATABASE_URL: _, ...env } = await describeSettings();
  const first = await start(env, PORT);
  const settings = { ...env, PORT: String(await findFreePort()) };
  expectSentence(await runMain(settings), new RegExp(`process ${first.pid}`));
  expect(await first.stop()).toBe(0);
});

test('Ctrl-C ends it in seconds, with open event streams, and leaves no process behind', async () => {
  const { PORT = '', DATABASE_URL: _, ...env } = await describeSettings();
  const told = { SHOPYARD_BOOTSTRAP_TOKEN: TOKEN, SHOPYARD_LOG_LEVEL: 'warn' };
  const settings = { ...env, ...told, PORT };
  const child = spawn(process.execPath, ['control-plane/src/main.ts'], {
    cwd: TOP,
    env: { PATH: process.env.PATH ?? '', HOME: folder, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  running.push({ stop: () => (child.kill('SIGTERM'), ended) });
  const said: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => said.push(text));
  await expect.poll(() => said.join(''), { timeout: 60_000 }).toContain('Shopyard is at');
  const stream = await fetch(`http://127.0.0.1:${PORT}/api/events`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  expect(stream.status).toBe(200);
  // Browsers and Argo CD keep connections at hand on which they ask nothing.
  for (const port of [PORT, env.SHOPYARD_FORGE_PORT]) {
    const silent = connect(Number(port), '127.0.0.1');
    silent.on('error', () => undefined);
    await once(silent, 'connect');
  }
  const asked = performance.now();
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  // It waited for nobody to leave by himself, and what it waits for at most is not what ended it.
  expect(performance.now() - asked).toBeLessThan(25_000);
  expect(said.join('')).not.toContain('cut off');
  await expect(readFile(join(folder, 'data/postgres/data/postmaster.pid'))).rejects.toThrow();
});
