/**
 * A real Gitea in a folder of its own: built by the lab (bootstrap/lab/programs.ts), started by whoever
 * wants one, on a free port of this machine, with SQLite, and gone with what started it.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { programFolder } from '../../bootstrap/lab/build.ts';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { findProgram } from '../../bootstrap/lab/programs.ts';
import { findFreePort } from './free-port.ts';

const run = promisify(execFile);
const ADMIN = 'shopyard-admin';
const START_MS = 120_000;
/** How long it waits for its own database: half a second by default, and a busy disk takes longer. */
const LOCKED_MS = 30_000;

export type Gitea = {
  readonly url: string;
  readonly adminToken: string;
  /** The REST API as the administrator; throws unless the answer is 2xx. Returns its JSON. */
  call(method: string, path: string, body?: object): Promise<unknown>;
  /** An account, with a token of these scopes. */
  createAccount(name: string, scopes?: readonly string[]): Promise<{ token: string }>;
  /** An empty private repository of the administrator's, which these accounts may write. */
  createRepository(
    name: string,
    writers?: readonly string[],
  ): Promise<{
    /** As git reaches it. */
    readonly url: string;
    /** Of the REST API. */
    readonly path: string;
  }>;
  stop(): Promise<void>;
};

function locate(): string {
  return programFolder(resolveLabPaths(process.env), findProgram('gitea'));
}

/** Why there is no Gitea to start here; null: there is. */
export function explainMissingGitea(): string | null {
  return existsSync(locate()) ? null : 'Gitea is not built here: npm run lab:up builds it';
}

/** @param host its address; pods of the lab do not reach loopback */
export async function startGitea(host = '127.0.0.1'): Promise<Gitea> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-gitea-'));
  const port = await findFreePort();
  const url = `http://${host}:${port}`;
  const config = join(folder, 'app.ini');
  const log = join(folder, 'gitea.log');
  await mkdir(join(folder, 'home'));
  await writeFile(config, renderConfig(folder, host, port), { mode: 0o600 });
  const program = join(locate(), 'gitea');
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: join(folder, 'home'),
    GITEA_WORK_DIR: folder,
    USER: userInfo().username,
  };
  const gitea = async (...args: string[]): Promise<string> => {
    const { stdout } = await run(program, [...args, '--config', config], { env, cwd: folder });
    return stdout;
  };

  await gitea('migrate');
  const output = await open(log, 'a');
  const child = spawn(program, ['web', '--config', config], {
    env,
    cwd: folder,
    stdio: ['ignore', output.fd, output.fd],
  });
  const stop = async (): Promise<void> => {
    await end(child);
    await output.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await waitUntilUp(url, child);
    const account = ['--username', ADMIN, '--email', `${ADMIN}@example.com`];
    const password = randomBytes(12).toString('hex');
    await gitea(
      ...['admin', 'user', 'create', '--admin', '--must-change-password=false'],
      ...[...account, '--password', password],
    );
    const generate = ['admin', 'user', 'generate-access-token', '--raw', '--token-name', 'tests'];
    const adminToken = findToken(await gitea(...generate, '--username', ADMIN, '--scopes', 'all'));
    return { ...createClient(url, adminToken, gitea), stop };
  } catch (error) {
    const said = (await readFile(log, 'utf8')).slice(-2_000);
    await stop();
    throw new Error(`Gitea does not come up. It said:\n${said}`, { cause: error });
  }
}

function createClient(
  url: string,
  adminToken: string,
  gitea: (...args: string[]) => Promise<string>,
): Omit<Gitea, 'stop'> {
  const call: Gitea['call'] = async (method, path, body) => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { authorization: `token ${adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : (JSON.parse(text) as unknown);
  };
  return {
    url,
    adminToken,
    call,
    async createAccount(name, scopes = ['write:repository', 'write:issue']) {
      const password = randomBytes(12).toString('hex');
      const email = `${name}@example.com`;
      await call('POST', '/admin/users', {
        ...{ username: name, email, password, must_change_password: false },
      });
      const generate = ['admin', 'user', 'generate-access-token', '--raw', '--token-name', 'one'];
      const said = await gitea(...generate, '--username', name, '--scopes', scopes.join(','));
      return { token: findToken(said) };
    },
    async createRepository(name, writers = []) {
      await call('POST', '/user/repos', { name, private: true, default_branch: 'main' });
      const path = `/repos/${ADMIN}/${name}`;
      for (const writer of writers)
        await call('PUT', `${path}/collaborators/${writer}`, { permission: 'write' });
      return { url: `${url}/${ADMIN}/${name}.git`, path };
    },
  };
}

/** As root, Gitea warns of that in its log: on the same output, before the token or after it. */
function findToken(said: string): string {
  const [token] = /^[0-9a-f]{40}$/m.exec(said) ?? [];
  if (token === undefined) throw new Error(`Gitea made no token. It said:\n${said}`);
  return token;
}

async function waitUntilUp(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    const response = await fetch(`${url}/api/v1/version`).catch(() => null);
    if (response?.ok === true) return;
    if (Date.now() > deadline) throw new Error(`it does not answer at ${url}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await ended;
  clearTimeout(timer);
}

function renderConfig(folder: string, host: string, port: number): string {
  const secret = (): string => randomBytes(32).toString('hex');
  return `
APP_NAME = Gitea
RUN_USER = ${userInfo().username}
RUN_MODE = prod
WORK_PATH = ${folder}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true

[server]
HTTP_ADDR = ${host}
HTTP_PORT = ${port}
ROOT_URL = http://${host}:${port}/
STATIC_ROOT_PATH = ${locate()}
APP_DATA_PATH = ${folder}/data
DISABLE_SSH = true
LFS_START_SERVER = false
OFFLINE_MODE = true

[database]
DB_TYPE = sqlite3
PATH = ${folder}/gitea.db
SQLITE_TIMEOUT = ${LOCKED_MS}

[repository]
ROOT = ${folder}/repositories
DEFAULT_BRANCH = main

[security]
INSTALL_LOCK = true
SECRET_KEY = ${secret()}
INTERNAL_TOKEN = ${secret()}

[queue]
MAX_WORKERS = 1

[oauth2]
ENABLED = false

[webhook]
ALLOWED_HOST_LIST = loopback

[service]
DISABLE_REGISTRATION = true

[indexer]
ISSUE_INDEXER_TYPE = db

[actions]
ENABLED = false

[packages]
ENABLED = false

[cron]
ENABLED = false

[log]
MODE = console
LEVEL = Warn
`;
}
