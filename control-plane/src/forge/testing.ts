/** What tests of git and of the forge share: a real forge in a folder that goes away, and proxies. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as sendRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openBranch } from '../git/branch.ts';
import type { Branch, CommitMeta, RemoteSettings } from '../git/types.ts';
import { createGitEnvironment } from './git-command.ts';
import { describeRemote, ForgeServer, locateRepository, READER, WRITER } from './server.ts';
import type { ForgeServerOptions } from './server.ts';
import type { PushNotice } from './types.ts';

export const META: CommitMeta = {
  message: 'Create store shop\n\nStore-Id: st_0000000000000000',
  author: { name: 'Shopyard', email: 'shopyard@example.com' },
  at: new Date('2026-01-02T03:04:05Z'),
};

export type ServedForge = {
  readonly remote: RemoteSettings;
  readonly readRemote: RemoteSettings;
  readonly repositoryDir: string;
  start(): Promise<void>;
  stop(): Promise<void>;
};

/** The forge's server in this process: quicker to start than the forge itself. */
function serveHere(options: ForgeServerOptions): ServedForge {
  const server = new ForgeServer(options);
  return {
    get remote() {
      return describeRemote(options, server.port, WRITER);
    },
    get readRemote() {
      return describeRemote(options, server.port, READER);
    },
    repositoryDir: locateRepository(options.dir),
    start: () => server.start(),
    stop: () => server.stop(),
  };
}

export type TestForge = AsyncDisposable & {
  readonly forge: ServedForge;
  readonly dir: string;
  readonly pushes: PushNotice[];
  readonly warnings: string[];
  /** Runs native git in the forge's own repository. */
  git(args: readonly string[], input?: string | Buffer): string;
  /** Opens the branch with a clone of its own, or the named one. */
  open(clone?: string, remote?: RemoteSettings): Promise<Branch>;
};

export async function startTestForge(
  options: Partial<ForgeServerOptions> = {},
  serve: (options: ForgeServerOptions) => ServedForge = serveHere,
): Promise<TestForge> {
  const dir = mkdtempSync(join(tmpdir(), 'shopyard-forge-'));
  const pushes: PushNotice[] = [];
  const warnings: string[] = [];
  const forge = serve({
    dir: join(dir, 'forge'),
    host: '127.0.0.1',
    port: 0,
    branch: 'main',
    readPassword: 'read-password',
    writePassword: 'write-password',
    onPush: (notice) => pushes.push(notice),
    log: { info: () => undefined, warn: (message) => warnings.push(message) },
    ...options,
  });
  const clear = () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  try {
    await forge.start();
  } catch (error) {
    clear();
    throw error;
  }
  let clones = 0;
  return {
    forge,
    dir,
    pushes,
    warnings,
    git: (args, input) => runNativeGit(['--git-dir', forge.repositoryDir, ...args], input),
    open: async (clone, remote = forge.remote) =>
      await openBranch({ remote, dir: join(dir, clone ?? `clone-${String((clones += 1))}`) }),
    async [Symbol.asyncDispose]() {
      await forge.stop();
      clear();
    },
  };
}

export function runNativeGit(args: readonly string[], input?: string | Buffer): string {
  return execFileSync('git', args, {
    encoding: 'utf8',
    env: { ...createGitEnvironment(tmpdir()), ...NATIVE_IDENTITY },
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
    timeout: 60_000,
    ...(input === undefined ? {} : { input }),
  });
}

/** For what talks to a forge in this very process, which a call that blocks would starve. */
export async function callNativeGit(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('git', args, {
    env: { ...createGitEnvironment(tmpdir()), ...NATIVE_IDENTITY },
    timeout: 20_000,
  });
  return stdout;
}

const NATIVE_IDENTITY = {
  GIT_AUTHOR_NAME: 'A person',
  GIT_AUTHOR_EMAIL: 'person@example.com',
  GIT_COMMITTER_NAME: 'A person',
  GIT_COMMITTER_EMAIL: 'person@example.com',
};

/** Commits as a person with native git would, straight into the forge's repository. */
export function commitNatively(
  test: Pick<TestForge, 'git'>,
  files: Readonly<Record<string, string | null>>,
  options: { parents?: readonly string[]; message?: string; move?: boolean } = {},
): string {
  const [first] = options.parents ?? [test.git(['rev-parse', 'refs/heads/main']).trim()];
  const lines = [
    'commit refs/heads/person',
    'committer A person <person@example.com> 1767225600 +0000',
    data(options.message ?? 'Edit by hand'),
    `from ${first ?? ''}`,
    ...(options.parents ?? []).slice(1).map((parent) => `merge ${parent}`),
    ...Object.entries(files).map(([path, content]) =>
      content === null ? `D ${path}` : `M 100644 inline ${path}\n${data(content)}`,
    ),
    '',
  ];
  test.git(['fast-import', '--quiet', '--force'], `${lines.join('\n')}\n`);
  const sha = test.git(['rev-parse', 'refs/heads/person']).trim();
  if (options.move !== false) test.git(['update-ref', 'refs/heads/main', sha]);
  return sha;
}

function data(content: string): string {
  return `data ${String(Buffer.byteLength(content))}\n${content}`;
}

export type Proxy = AsyncDisposable & { readonly remote: RemoteSettings };

/**
 * Stands between a branch and its forge. `answer` takes a request over by returning true; `lose`
 * passes it on and drops the answer.
 */
export async function startProxy(
  remote: RemoteSettings,
  behave: (
    request: IncomingMessage,
    response: ServerResponse,
  ) => 'pass' | 'answered' | 'lose-answer',
): Promise<Proxy> {
  const target = new URL(remote.url);
  const server = createServer((request, response) => {
    const behaviour = behave(request, response);
    if (behaviour === 'answered') {
      request.resume();
      return;
    }
    const onward = sendRequest(
      {
        host: target.hostname,
        port: target.port,
        path: request.url,
        method: request.method,
        headers: request.headers,
      },
      (answer) => {
        if (behaviour === 'lose-answer') {
          answer.resume();
          answer.once('end', () => request.socket.destroy());
          return;
        }
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    onward.once('error', () => request.socket.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    remote: { ...remote, url: `http://127.0.0.1:${String(address.port)}${target.pathname}` },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

/** A seeded source of randomness (mulberry32), so that a failure can be run again. */
export function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** The seed of this run: given by SHOPYARD_FAULT_SEED, or new. */
export function chooseSeed(): number {
  const given = process.env['SHOPYARD_FAULT_SEED'];
  return given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
}
