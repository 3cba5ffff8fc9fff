/**
 * The embedded forge's server: one bare repository over smart HTTP by `git http-backend`, with a
 * user who may read and one who may write.
 *
 * The repository is the source of truth, so pushes are checked (`fsckObjects`), name no branch but
 * the one that Argo CD follows and those under review, never rewind or delete the first, and are on
 * disk before they are acknowledged. Requests are streamed both ways,
 * bounded in size, number and time. git runs without a shell and without anybody's configuration.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join, resolve } from 'node:path';
import { Transform } from 'node:stream';
import type { Readable } from 'node:stream';
import { prepareClosing, type Closing } from '../closing.ts';
import { describeError, PlatformError } from '../errors.ts';
import { isOid } from '../git/objects.ts';
import type { CommitSha, RemoteSettings } from '../git/types.ts';
import { runGit } from './git-command.ts';
import { GitProcesses } from './git-processes.ts';
import { serveByBackend } from './http-backend.ts';
import { RepositoryMaintenance } from './maintenance.ts';
import {
  findOwnUpdate,
  hasHooks,
  isOpenRef,
  NO_HEAD,
  readPushHead,
  receivePush,
  refuseRefs,
} from './receive.ts';
import { removeStaleLocks } from './stale-locks.ts';
import type { PushNotice } from './types.ts';

export const READER = 'reader';
export const WRITER = 'writer';
const REPOSITORY = 'shopyard.git';

export type ForgeServerOptions = {
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

/** The bare repository on disk. */
export function locateRepository(dir: string): string {
  return join(resolve(dir), REPOSITORY);
}

/** The way in over HTTP, for the reader or the writer. */
export function describeRemote(
  options: Pick<ForgeServerOptions, 'host' | 'branch' | 'readPassword' | 'writePassword'>,
  port: number,
  user: typeof READER | typeof WRITER,
): RemoteSettings {
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${String(port)}/${REPOSITORY}`,
    username: user,
    password: user === WRITER ? options.writePassword : options.readPassword,
    branch: options.branch,
  };
}

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
  stopTimeoutMs: 1_500,
};

/** Settings of the repository, written at each start so that an upgrade reaches old ones. */
const REPOSITORY_SETTINGS: readonly (readonly [string, string])[] = [
  ['core.repositoryformatversion', '0'],
  ['core.filemode', 'true'],
  ['core.bare', 'true'],
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

export class ForgeServer {
  readonly #options: ForgeServerOptions;
  readonly #limits: ForgeLimits;
  readonly #log: ForgeLog;
  readonly #home: string;
  readonly #repository: string;
  readonly #running = new Set<Promise<void>>();
  readonly #processes: GitProcesses;
  readonly #maintenance: RepositoryMaintenance;
  #closing: Closing | null = null;
  #port: number;
  #lastTip: CommitSha | null = null;
  #isStopping = false;

  constructor(options: ForgeServerOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#log = options.log ?? { info: () => undefined, warn: () => undefined };
    const dir = resolve(options.dir);
    this.#home = join(dir, 'home');
    this.#repository = locateRepository(options.dir);
    this.#processes = new GitProcesses(this.#home, this.#repository);
    this.#port = options.port;
    this.#maintenance = new RepositoryMaintenance(this.#repository, this.#home, this.#log);
  }

  get port(): number {
    return this.#port;
  }

  /** Throws PlatformError `git_missing`, `port_taken` or `forge_damaged`. */
  async start(): Promise<void> {
    await mkdir(this.#home, { recursive: true, mode: 0o700 });
    await this.#prepareRepository();
    this.#lastTip = await this.#readTip();
    await this.#maintenance.start();
    const server = createServer((request, response) => this.#accept(request, response));
    server.requestTimeout = this.#limits.requestTimeoutMs;
    server.headersTimeout = 30_000;
    server.keepAliveTimeout = 30_000;
    const closing = prepareClosing(server);
    await listen(server, this.#options.host, this.#port);
    this.#closing = closing;
    const address = server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
    this.#isStopping = false;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const closing = this.#closing;
    this.#closing = null;
    const { stopTimeoutMs } = this.#limits;
    const deadline = setTimeout(() => {
      this.#log.warn('git requests did not end in time and are cut off');
      this.#processes.endAll();
    }, stopTimeoutMs);
    // A push that has arrived whole goes on when its client has left.
    await Promise.all([closing?.close(stopTimeoutMs), ...this.#running]);
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
    const branch = `--initial-branch=${this.#options.branch}`;
    await git('init', '--quiet', '--bare', branch, this.#repository);
    await replaceFile(join(this.#repository, 'config'), formatSettings(REPOSITORY_SETTINGS));
    await replaceFile(join(this.#repository, 'HEAD'), `ref: refs/heads/${this.#options.branch}\n`);
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
    if (this.#isStopping || this.#running.size >= this.#limits.maxRequests) {
      response.setHeader('retry-after', '1');
      refuse(response, 503, 'The repository is busy.');
      return;
    }
    await this.#handle(request, response, service, user);
  }

  /** Does the work within the limits of time and size. */
  async #handle(
    request: IncomingMessage,
    response: ServerResponse,
    service: Service,
    user: string,
  ): Promise<void> {
    const cut = new AbortController();
    const cutOff = (status: number, message: string): void => {
      cut.abort();
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // Node leaves an answered request as it is: whoever reads its body would wait for ever.
      response.once('finish', () => request.destroy());
      refuse(response, status, message);
    };
    const { requestTimeoutMs, maxRequestBytes } = this.#limits;
    const timer = setTimeout(() => cutOff(408, 'The request took too long.'), requestTimeoutMs);
    const limitBody = (read: number): Readable =>
      request.pipe(
        limitSize(maxRequestBytes - read, () => cutOff(413, 'The request is too large.')),
      );
    try {
      const isPush = service.name === 'git-receive-pack' && request.method === 'POST';
      const head = isPush ? await readPushHead(request) : NO_HEAD;
      const body = limitBody(head.bytes.length);
      // Whoever waits for the rest of the body is told that there is none.
      request.once('close', () => {
        if (!request.complete) body.destroy();
      });
      cut.signal.addEventListener('abort', () => body.destroy());
      const { branch } = this.#options;
      if (head.updates === null) {
        if (!response.headersSent) refuse(response, 400, 'This push cannot be read.');
        return;
      }
      if (!head.updates.every(({ ref }) => isOpenRef(ref, branch))) {
        body.resume();
        if (!body.closed) await once(body, 'close');
        sendReport(response, refuseRefs(head.updates));
        return;
      }
      const update = findOwnUpdate(head, branch, { hasHooks: await hasHooks(this.#repository) });
      if (update !== null) {
        const { signal } = cut;
        const job = { repository: this.#repository, update, head, body, signal };
        sendReport(response, await receivePush(this.#processes, job));
      } else {
        await serveByBackend(this.#processes, {
          request,
          response,
          body,
          head: head.bytes,
          path: service.path,
          query: service.query,
          user,
          root: resolve(this.#repository, '..'),
          signal: cut.signal,
          warn: (message) => this.#log.warn(message),
        });
      }
      if (isPush) await this.#notePush();
    } finally {
      clearTimeout(timer);
      request.resume();
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

  async #notePush(): Promise<void> {
    const after = await this.#readTip();
    if (after === null || after === this.#lastTip) return;
    this.#lastTip = after;
    this.#maintenance.notePush();
    this.#options.onPush?.({ branch: this.#options.branch, after });
  }
}

/** Git's configuration format, a section a line: later ones of the same name add to it. */
function formatSettings(settings: readonly (readonly [string, string])[]): string {
  return settings
    .map(([key, value]) => {
      const [section = '', name = ''] = key.split('.');
      return `[${section}]\n\t${name} = ${value}\n`;
    })
    .join('');
}

async function replaceFile(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content);
  await rename(`${path}.new`, path);
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

/** Compares without telling by its time where the difference is, or how long the secret is. */
function isSame(given: string, expected: string): boolean {
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', expected, 'buffer'));
}

/** Answers before the body has been read, so the connection cannot be used again. */
function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`${message}\n`);
}

/** Passes bytes on until there are too many. */
function limitSize(limit: number, onExceeded: () => void): Transform {
  let left = limit;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      if (left >= 0) done(null, chunk);
      else {
        done();
        onExceeded();
      }
    },
  });
}

function sendReport(response: ServerResponse, report: Buffer): void {
  if (response.writableEnded || response.destroyed) return;
  response.writeHead(200, {
    'content-type': 'application/x-git-receive-pack-result',
    'cache-control': 'no-cache',
  });
  response.end(report);
}

/** How long a port may still be held by a control plane that was killed a moment ago. */
const PORT_PATIENCE_MS = 3_000;

async function listen(server: Server, host: string, port: number): Promise<void> {
  const deadline = Date.now() + PORT_PATIENCE_MS;
  for (;;) {
    try {
      server.listen(port, host);
      await once(server, 'listening');
      return;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'EADDRINUSE') {
        throw new PlatformError(
          'forge_failed',
          `The embedded forge cannot listen on ${host}:${String(port)}: ${describeError(error)}`,
          { field: 'SHOPYARD_FORGE_PORT', cause: error },
        );
      }
      if (Date.now() > deadline) {
        throw new PlatformError('port_taken', `Port ${String(port)} on ${host} is taken.`, {
          field: 'SHOPYARD_FORGE_PORT',
          hint: 'Set SHOPYARD_FORGE_PORT to a free port, or stop what listens there.',
          cause: error,
        });
      }
      await wait(100);
    }
  }
}
