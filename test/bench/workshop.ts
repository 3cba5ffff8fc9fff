/** The folder of one run: repositories, a Postgres server, the product as a process of its own. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../control-plane/src/db/embedded.ts';
import { migrate, openDatabase } from '../../control-plane/src/db/open.ts';
import { ensureBootstrapToken } from '../../control-plane/src/db/tokens.ts';
import { createIds } from '../../control-plane/src/domain/ids.ts';
import {
  BRANCH,
  CLUSTER,
  formatImport,
  importCommits,
  prepareFleet,
  REPOSITORY_URL,
  TENANT,
  type Fleet,
} from './fleet.ts';

const TOP = join(import.meta.dirname, '../..');
const TOKEN = 'bench-operator-token-0123456789';

const run = promisify(execFile);

export type Workshop = AsyncDisposable & {
  readonly fleet: Fleet;
  /** A folder in the run's own folder. */
  resolve(name: string): string;
  /** A bare repository with so many stores. */
  makeRepository(path: string, stores: number): Promise<void>;
  /** The product over a repository and a database with so many stores. */
  startProduct(name: string, stores: number): Promise<Product>;
  /** The whole of it, portal and practice cluster included, with nothing in it yet. */
  startWhole(name: string): Promise<Whole>;
};

export type Whole = {
  readonly url: string;
  /** Calls the API as an operator. */
  call(method: string, path: string, body?: object): Promise<unknown>;
  /** The first sign-in. */
  readonly email: string;
  readonly password: string;
};

/** The way measured: HTTP POST in, commits on the remote out. */
export type Product = {
  /** Posts stores from so many clients at once; resolves when each has its commit on the remote. */
  create(names: readonly string[], clients: number): Promise<CreateTimes>;
};

export type CreateTimes = {
  /** From the first POST to the last 202. */
  readonly acceptedMs: number;
  /** From the first POST to the last commit on the remote. */
  readonly committedMs: number;
};

export async function openWorkshop(folder: string): Promise<Workshop> {
  await using failed = new AsyncDisposableStack();
  // Postgres runs as another user when we are root: it must be able to pass.
  await mkdir(folder, { recursive: true, mode: 0o755 });
  failed.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const fleet = await prepareFleet();
  const resolve = (name: string): string => join(folder, name);
  const makeRepository = async (path: string, stores: number): Promise<void> => {
    await run('git', ['init', '--quiet', '--bare', `--initial-branch=${BRANCH}`, path]);
    const changes = fleet.renderRepository(stores);
    await importCommits(path, formatImport({ changes, message: 'Lay out the fleet\n' }, null));
  };
  const stack = failed.move();
  let postgres: Promise<string> | null = null;
  const startPostgres = async (): Promise<string> => {
    const server = await startEmbeddedPostgres(join(folder, 'postgres'));
    stack.defer(() => server.stop());
    return server.url;
  };
  return {
    fleet,
    resolve,
    makeRepository,
    async startProduct(name, stores) {
      postgres ??= startPostgres();
      const url = await makeDatabase(await postgres, name, fleet, stores);
      const dataDir = resolve(name);
      const repository = join(dataDir, 'forge', 'shopyard.git');
      await mkdir(join(dataDir, 'forge'), { recursive: true });
      await makeRepository(repository, stores);
      const kubeconfig = resolve('kubeconfig');
      await writeFile(kubeconfig, KUBECONFIG);
      const process = await startProcess(resolve(`${name}.log`), {
        DATABASE_URL: url,
        SHOPYARD_DATA_DIR: dataDir,
        SHOPYARD_CLUSTER: kubeconfig,
        SHOPYARD_CLUSTER_NAME: CLUSTER,
        SHOPYARD_REPOSITORY_URL: REPOSITORY_URL,
        SHOPYARD_STORE_SCHEME: 'http',
        SHOPYARD_FORGE_PORT: String(await findFreePort()),
        SHOPYARD_LOG_LEVEL: 'error',
      });
      stack.defer(() => process.stop());
      return { create: (names, clients) => createStores(process.url, repository, names, clients) };
    },
    async startWhole(name) {
      postgres ??= startPostgres();
      const log = resolve(`${name}.log`);
      const process = await startProcess(log, {
        DATABASE_URL: await createDatabase(await postgres, name),
        SHOPYARD_DATA_DIR: resolve(name),
        SHOPYARD_CLUSTER: 'practice',
        SHOPYARD_BOOTSTRAP_TOKEN: TOKEN,
        SHOPYARD_FORGE_PORT: String(await findFreePort()),
        SHOPYARD_STORE_PORT: String(await findFreePort()),
        SHOPYARD_LOG_LEVEL: 'error',
      });
      stack.defer(() => process.stop());
      return {
        url: process.url,
        ...(await readFirstSignIn(log)),
        async call(method, path, body) {
          const response = await fetch(`${process.url}${path}`, {
            method,
            headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          });
          return response.json();
        },
      };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** No cluster answers there: what is measured ends at the commit. */
const KUBECONFIG = `apiVersion: v1
kind: Config
current-context: none
contexts: [{name: none, context: {cluster: none, user: none}}]
clusters: [{name: none, cluster: {server: 'http://127.0.0.1:9'}}]
users: [{name: none, user: {token: none}}]
`;

/** It is printed a moment after the first answer. */
async function readFirstSignIn(log: string): Promise<{ email: string; password: string }> {
  for (let tries = 0; tries < 100; tries += 1) {
    const said = await readFile(log, 'utf8');
    const [, email, password] = /^Sign in as (\S+) with the password (\S+)/m.exec(said) ?? [];
    if (email !== undefined && password !== undefined) return { email, password };
    await wait(100);
  }
  throw new Error(`${log} says nothing of a first sign-in`);
}

async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  await admin.query(`create database ${pg.escapeIdentifier(name)}`);
  await admin.end();
  return serverUrl.replace(/[^/]+$/, name);
}

async function makeDatabase(
  serverUrl: string,
  name: string,
  fleet: Fleet,
  stores: number,
): Promise<string> {
  const url = await createDatabase(serverUrl, name);
  await migrate(url);
  const db = openDatabase(url);
  try {
    await ensureBootstrapToken(db, TOKEN, { ...createIds(), tenant: () => TENANT.tenantId });
    const now = new Date();
    await db
      .insertInto('tenantClusters')
      .values({ tenantId: TENANT.tenantId, cluster: CLUSTER, committedAt: now, seenAt: now })
      .execute();
    await fleet.insertStores(db, stores);
  } finally {
    await db.destroy();
  }
  return url;
}

async function startProcess(
  log: string,
  env: Readonly<Record<string, string>>,
): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await findFreePort();
  const child = spawn(process.execPath, ['control-plane/src/main.ts'], {
    cwd: TOP,
    env: { PATH: process.env['PATH'] ?? '', ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = createWriteStream(log);
  child.stdout.pipe(output, { end: false });
  child.stderr.pipe(output, { end: false });
  const ended = once(child, 'exit');
  const url = `http://127.0.0.1:${String(port)}`;
  const deadline = Date.now() + 120_000;
  for (;;) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`the control plane did not start: ${await readFile(log, 'utf8')}`);
    }
    const answer = await fetch(`${url}/healthz`).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.ok === true) break;
    await wait(100);
  }
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function createStores(
  url: string,
  repository: string,
  names: readonly string[],
  clients: number,
): Promise<CreateTimes> {
  const ref = join(repository, 'refs', 'heads', BRANCH);
  const readTip = async (): Promise<string> => {
    const loose = await readFile(ref, 'utf8').catch(() => '');
    if (loose !== '') return loose.trim();
    return (await run('git', ['--git-dir', repository, 'rev-parse', BRANCH])).stdout.trim();
  };
  const before = await readTip();
  const waiting = [...names];
  const startedAt = performance.now();
  const post = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const response = await fetch(`${url}/api/stores`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name, type: 'woocommerce' }),
      });
      const text = await response.text();
      if (response.status !== 202) throw new Error(`creating ${name}: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(clients, names.length) }, post));
  const acceptedMs = performance.now() - startedAt;
  const deadline = Date.now() + 120_000;
  let seen = before;
  for (;;) {
    const tip = await readTip();
    if (tip !== seen) {
      seen = tip;
      const committedMs = performance.now() - startedAt;
      const range = `${before}..${tip}`;
      const args = ['--git-dir', repository, 'rev-list', '--count', range];
      if (Number((await run('git', args)).stdout) >= names.length)
        return { acceptedMs, committedMs };
    }
    if (Date.now() > deadline) throw new Error('the commits did not appear in two minutes');
    await wait(2);
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
