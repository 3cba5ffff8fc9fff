/**
 * The embedded forge: one bare repository served over smart HTTP by `git http-backend`, with a user
 * who may read and one who may write.
 *
 * The repository is the source of truth, so pushes are checked (`fsckObjects`), never rewind or
 * delete a branch, and are on disk before they are acknowledged. Requests are streamed both ways,
 * bounded in size, number and time. git runs without a shell and without anybody's configuration.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { hash, timingSafeEqual } from 'node:crypto';
import { access, mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { describeError, PlatformError } from '../errors.ts';
import { isOid } from '../git/objects.ts';
import type { CommitSha, RemoteSettings } from '../git/types.ts';
import { createGitEnvironment, runGit } from './git-command.ts';
import { RepositoryMaintenance } from './maintenance.ts';
import { removeStaleLocks } from './stale-locks.ts';
import type { Forge, PushNotice } from './types.ts';

export const READER = 'reader';
export const WRITER = 'writer';
const REPOSITORY = 'shopyard.git';

export type EmbeddedForgeOptions = {
  /** Holds the repository and git's home; made when missing. */
  readonly dir: string;
  readonly host: string;
  /** 0 takes a free one, known after `start`. */
  readonly port: number;
  readonly branch: string;
  readonly readPassword: string;
  readonly writePassword: string;
  /** Called after a push has moved the branch. */
  readonly onPush?: (notice: PushNotice) => void;
  readonly log?: ForgeLog;
  readonly limits?: Partial<ForgeLimits>;
};

export type ForgeLog = {
  info(message: string): void;
  warn(message: string): void;
};

export type ForgeLimits = {
  readonly maxRequestBytes: number;
  readonly maxRequests: number;
  /** From the first byte of a request to the last of its answer. */
  readonly requestTimeoutMs: number;
  /** How long `stop` waits for running requests before it ends them. */
  readonly stopTimeoutMs: number;
};

const DEFAULT_LIMITS: ForgeLimits = {
  maxRequestBytes: 256 * 1024 * 1024,
  maxRequests: 32,
  requestTimeoutMs: 120_000,
  stopTimeoutMs: 10_000,
};

/** Settings of the repository, written at each start so that an upgrade reaches old ones. */
const REPOSITORY_SETTINGS: readonly (readonly [string, string])[] = [
  ['http.receivepack', 'true'],
  ['http.uploadpack', 'true'],
  ['receive.denyNonFastForwards', 'true'],
  ['receive.denyDeletes', 'true'],
  ['transfer.fsckObjects', 'true'],
  // One pack a push, as it came: faster than unpacking, and on disk before the answer.
  ['transfer.unpackLimit', '1'],
  ['core.fsync', 'committed,loose-object,reference'],
  ['core.logAllRefUpdates', 'false'],
  // Argo CD fetches by commit id; isomorphic-git deepens by it.
  ['uploadpack.allowReachableSHA1InWant', 'true'],
  ['uploadpack.allowFilter', 'true'],
  // Garbage is collected by RepositoryMaintenance, never in the middle of a push.
  ['gc.auto', '0'],
  ['receive.autogc', 'false'],
  ['pack.threads', '1'],
  ['pack.windowMemory', '64m'],
];

export class EmbeddedForge implements Forge {
  readonly kind = 'embedded';
  readonly #options: EmbeddedForgeOptions;
  readonly #limits: ForgeLimits;
  readonly #log: ForgeLog;
  readonly #home: string;
  readonly #repository: string;
  readonly #running = new Set<Promise<void>>();
  readonly #children = new Set<ChildProcessByStdio<Writable, Readable, Readable>>();
  readonly #maintenance: RepositoryMaintenance;
  #server: Server | null = null;
  #port: number;
  #lastTip: CommitSha | null = null;
  #isStopping = false;

  constructor(options: EmbeddedForgeOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#log = options.log ?? { info: () => undefined, warn: () => undefined };
    const dir = resolve(options.dir);
    this.#home = join(dir, 'home');
    this.#repository = join(dir, REPOSITORY);
    this.#port = options.port;
    this.#maintenance = new RepositoryMaintenance(this.#repository, this.#home, this.#log);
  }

  /** The bare repository on disk, for tools that look at it directly. */
  get repositoryDir(): string {
    return this.#repository;
  }

  get remote(): RemoteSettings {
    return this.#describeRemote(WRITER, this.#options.writePassword);
  }

  get readRemote(): RemoteSettings {
    return this.#describeRemote(READER, this.#options.readPassword);
  }

  #describeRemote(username: string, password: string): RemoteSettings {
    const host = this.#options.host.includes(':') ? `[${this.#options.host}]` : this.#options.host;
    return {
      url: `http://${host}:${String(this.#port)}/${REPOSITORY}`,
      username,
      password,
      branch: this.#options.branch,
    };
  }

  /** Throws PlatformError `git_missing`, `port_taken` or `forge_damaged`. */
  async start(): Promise<void> {
    await mkdir(this.#home, { recursive: true, mode: 0o700 });
    await this.#prepareRepository();
    this.#lastTip = await this.#readTip();
    const server = createServer((request, response) => this.#accept(request, response));
    server.requestTimeout = this.#limits.requestTimeoutMs;
    server.headersTimeout = 30_000;
    server.keepAliveTimeout = 30_000;
    await listen(server, this.#options.host, this.#port);
    this.#server = server;
    const address = server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
    this.#isStopping = false;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const server = this.#server;
    this.#server = null;
    const closed = new Promise<void>((done) => {
      if (server === null) done();
      else server.close(() => done());
    });
    server?.closeIdleConnections();
    const deadline = setTimeout(() => {
      this.#log.warn('git requests did not end in time and are cut off');
      for (const child of this.#children) endProcessGroup(child.pid);
      server?.closeAllConnections();
    }, this.#limits.stopTimeoutMs);
    await Promise.all(this.#running);
    server?.closeIdleConnections();
    await closed;
    clearTimeout(deadline);
    await this.#maintenance.stop();
  }

  async #prepareRepository(): Promise<void> {
    const git = (...args: string[]): Promise<string> => runGit(args, { home: this.#home });
    await git('--version');
    const exists = await access(join(this.#repository, 'HEAD')).then(
      () => true,
      () => false,
    );
    if (exists) await removeStaleLocks(this.#repository, this.#log);
    // Also makes whole what an interrupted first start left: init keeps what is there.
    await git(
      'init',
      '--quiet',
      '--bare',
      `--initial-branch=${this.#options.branch}`,
      this.#repository,
    );
    for (const [key, value] of REPOSITORY_SETTINGS) {
      await git('--git-dir', this.#repository, 'config', key, value);
    }
    await git(
      '--git-dir',
      this.#repository,
      'symbolic-ref',
      'HEAD',
      `refs/heads/${this.#options.branch}`,
    );
  }

  async #readTip(): Promise<CommitSha | null> {
    const ref = `refs/heads/${this.#options.branch}`;
    const loose = await readFile(join(this.#repository, ref), 'utf8').catch(() => '');
    if (isOid(loose.trim())) return loose.trim() as CommitSha;
    const packed = await readFile(join(this.#repository, 'packed-refs'), 'utf8').catch(() => '');
    const line = packed.split('\n').find((candidate) => candidate.endsWith(` ${ref}`));
    const oid = line?.slice(0, 40) ?? '';
    return isOid(oid) ? (oid as CommitSha) : null;
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    const work = this.#serve(request, response)
      .catch((error: unknown) => {
        this.#log.warn(`git request failed: ${describeError(error)}`);
        if (!response.headersSent) refuse(response, 500, 'The repository could not be served.');
        else response.destroy();
      })
      .finally(() => {
        this.#running.delete(work);
      });
    this.#running.add(work);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const service = routeRequest(request);
    if (service === null) {
      refuse(response, 404, 'There is nothing at this address.');
      return;
    }
    const user = this.#authenticate(request);
    if (user === null) {
      response.setHeader('www-authenticate', 'Basic realm="shopyard", charset="UTF-8"');
      refuse(response, 401, 'Give a user and password.');
      return;
    }
    if (service.name === 'git-receive-pack' && user !== WRITER) {
      refuse(response, 403, 'This user may only read.');
      return;
    }
    const length = Number(request.headers['content-length'] ?? 0);
    if (length > this.#limits.maxRequestBytes) {
      refuse(response, 413, 'The request is too large.');
      return;
    }
    if (this.#isStopping || this.#children.size >= this.#limits.maxRequests) {
      response.setHeader('retry-after', '1');
      refuse(response, 503, 'The repository is busy.');
      return;
    }
    await this.#runBackend(request, response, service, user);
    if (service.name === 'git-receive-pack' && request.method === 'POST') {
      await this.#notePush();
    }
  }

  #authenticate(request: IncomingMessage): typeof READER | typeof WRITER | null {
    const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (encoded === undefined) return null;
    const decoded = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    const name = decoded.slice(0, Math.max(colon, 0));
    const password = decoded.slice(colon + 1);
    const isReader = isSame(password, this.#options.readPassword) && name === READER;
    const isWriter = isSame(password, this.#options.writePassword) && name === WRITER;
    if (isWriter) return WRITER;
    return isReader ? READER : null;
  }

  async #runBackend(
    request: IncomingMessage,
    response: ServerResponse,
    service: Service,
    user: string,
  ): Promise<void> {
    const child = spawn('git', ['http-backend'], {
      // A group of its own, so that git's own children can be ended with it.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        ...createGitEnvironment(this.#home),
        GIT_PROJECT_ROOT: resolve(this.#repository, '..'),
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: service.path,
        QUERY_STRING: service.query,
        REQUEST_METHOD: request.method ?? 'GET',
        REMOTE_USER: user,
        REMOTE_ADDR: request.socket.remoteAddress ?? '',
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        ...(request.headers['content-length'] === undefined
          ? {}
          : { CONTENT_LENGTH: request.headers['content-length'] }),
        ...(request.headers['content-encoding'] === undefined
          ? {}
          : { HTTP_CONTENT_ENCODING: request.headers['content-encoding'] }),
        ...(isProtocolHeader(request.headers['git-protocol'])
          ? { GIT_PROTOCOL: request.headers['git-protocol'] }
          : {}),
      },
    });
    this.#children.add(child);
    const ended = new Promise<void>((done) => {
      child.once('close', done);
      child.once('error', done);
    }).finally(() => this.#children.delete(child));
    const cutOff = (status: number, message: string): void => {
      endProcessGroup(child.pid);
      if (response.headersSent) response.destroy();
      else refuse(response, status, message);
    };
    const timer = setTimeout(
      () => cutOff(408, 'The request took too long.'),
      this.#limits.requestTimeoutMs,
    );
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received > this.#limits.maxRequestBytes) cutOff(413, 'The request is too large.');
    });
    request.once('close', () => {
      if (!request.complete) endProcessGroup(child.pid);
    });
    // Nobody waits for the answer any more. A push that has arrived whole still ends by itself.
    response.once('close', () => {
      if (!response.writableFinished && service.name === 'git-upload-pack') {
        endProcessGroup(child.pid);
      }
    });
    // git may stop reading early; its answer says why.
    child.stdin.on('error', () => request.resume());
    request.pipe(child.stdin);
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      if (complaint.length < 2_000) complaint += chunk.toString('utf8');
    });
    try {
      const isHeadSent = await sendAnswer(child.stdout, response);
      await ended;
      if (response.writableEnded) return;
      if (child.signalCode !== null) response.destroy();
      else if (isHeadSent) response.end();
      else throw new Error('git http-backend ended without an answer');
    } finally {
      child.stdout.resume();
      await ended;
      clearTimeout(timer);
      request.unpipe(child.stdin);
      request.resume();
      if (complaint !== '') this.#log.warn(`git: ${complaint.trim()}`);
    }
  }

  async #notePush(): Promise<void> {
    const after = await this.#readTip();
    if (after === null || after === this.#lastTip) return;
    this.#lastTip = after;
    this.#maintenance.notePush();
    this.#options.onPush?.({ branch: this.#options.branch, after });
  }
}

type ServiceName = 'git-upload-pack' | 'git-receive-pack';
type Service = { readonly name: ServiceName; readonly path: string; readonly query: string };

/** The four requests of smart HTTP, and nothing else of what http-backend would serve. */
function routeRequest(request: IncomingMessage): Service | null {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const root = `/${REPOSITORY}`;
  for (const name of ['git-upload-pack', 'git-receive-pack'] as const) {
    if (request.method === 'GET' && path === `${root}/info/refs` && query === `service=${name}`) {
      return { name, path, query };
    }
    if (request.method === 'POST' && path === `${root}/${name}` && query === '') {
      return { name, path, query };
    }
  }
  return null;
}

function isProtocolHeader(value: string | string[] | undefined): value is string {
  return typeof value === 'string' && /^[a-z0-9=:.,_-]{1,64}$/.test(value);
}

/** Compares without telling by its time where the difference is, or how long the secret is. */
function isSame(given: string, expected: string): boolean {
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', expected, 'buffer'));
}

/** Answers before the body has been read, so the connection cannot be used again. */
function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`${message}\n`);
}

/**
 * Passes a CGI answer on: header lines, an empty line, the body as it comes. The answer is ended by
 * the caller, who knows whether it is whole. False when there was no answer.
 */
async function sendAnswer(output: Readable, response: ServerResponse): Promise<boolean> {
  let head = Buffer.alloc(0);
  let isHeadSent = false;
  for await (const chunk of output as AsyncIterable<Buffer>) {
    let body = chunk;
    if (!isHeadSent) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) {
        if (head.length > 16_384) throw new Error('git http-backend sent no header');
        continue;
      }
      if (response.destroyed || response.writableEnded) return true;
      sendHead(head.toString('latin1', 0, end), response);
      isHeadSent = true;
      body = head.subarray(end + 4);
    }
    if (response.destroyed || response.writableEnded) return true;
    if (body.length > 0 && !response.write(body)) await waitForDrain(response);
  }
  return isHeadSent;
}

function sendHead(head: string, response: ServerResponse): void {
  let status = 200;
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'status') status = Number.parseInt(value, 10);
    else response.setHeader(name, value);
  }
  response.writeHead(status);
}

async function waitForDrain(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((done) => {
    const finish = (): void => {
      response.off('drain', finish);
      response.off('close', finish);
      done();
    };
    response.once('drain', finish);
    response.once('close', finish);
  });
}

function endProcessGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen(port, host, () => {
        server.off('error', fail);
        done();
      });
    });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE') {
      throw new PlatformError('port_taken', `port ${String(port)} on ${host} is taken`, {
        field: 'SHOPYARD_FORGE_PORT',
        hint: 'Set SHOPYARD_FORGE_PORT to a free port, or stop what listens there.',
        cause: error,
      });
    }
    throw new PlatformError(
      'forge_failed',
      `the embedded forge cannot listen on ${host}:${String(port)}`,
      {
        field: 'SHOPYARD_FORGE_PORT',
        cause: error,
      },
    );
  }
}
