/**
 * Objects of a bare repository by a `git cat-file --batch` that stays: one process serves many
 * reads, sees new objects as they come, and costs the same however large the repository is. It is
 * started by the first read and ends after a while without any.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { PlatformError, describeError } from '../errors.ts';
import { createGitEnvironment } from '../forge/git-command.ts';

/** What git says to one line of input. Content past the limit is not kept. */
export type FoundObject = {
  readonly oid: string;
  readonly type: string;
  readonly size: number;
  readonly content: Buffer | null;
};

export type ObjectProcessOptions = {
  readonly repository: string;
  /** For one object; default 5 s. */
  readonly timeoutMs?: number;
  /** Bytes of the largest object that is kept; default 8 MiB. */
  readonly largest?: number;
  /** Without a read for so long the process ends; default 60 s. */
  readonly idleMs?: number;
};

type Waiting = {
  readonly resolve: (found: FoundObject | null) => void;
  readonly reject: (error: PlatformError) => void;
};

type Git = ChildProcessByStdio<Writable, Readable, null>;

export class ObjectProcess {
  readonly #options: Required<ObjectProcessOptions>;
  #running: Conversation | null = null;
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ObjectProcessOptions) {
    this.#options = { timeoutMs: 5000, largest: 8 * 1024 * 1024, idleMs: 60_000, ...options };
  }

  /** @param name an object id, or a full name of a ref; null: there is none */
  async find(name: string): Promise<FoundObject | null> {
    if (!/^[\w/.^{}-]{1,300}$/.test(name)) return null;
    if (this.#isClosed) throw createUnavailable('the reader was closed');
    clearTimeout(this.#idle);
    if (this.#running?.hasEnded !== false) this.#running = new Conversation(this.#options);
    const conversation = this.#running;
    try {
      return await conversation.ask(name);
    } finally {
      clearTimeout(this.#idle);
      this.#idle = setTimeout(() => conversation.end(), this.#options.idleMs).unref();
    }
  }

  /** For good: nobody would end another process. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    this.#running?.end();
    this.#running = null;
  }
}

/** One process from start to end; answers come in the order of the questions. */
class Conversation {
  hasEnded = false;
  readonly #git: Git;
  readonly #limits: Required<ObjectProcessOptions>;
  readonly #waiting: Waiting[] = [];
  /** What of the current answer is here: its header's bytes, or its content's. */
  #chunks: Buffer[] = [];
  #head: Omit<FoundObject, 'content'> | null = null;
  #left = 0;

  constructor(options: Required<ObjectProcessOptions>) {
    this.#limits = options;
    const { repository } = options;
    this.#git = spawn('git', ['--git-dir', repository, 'cat-file', '--batch'], {
      env: createGitEnvironment(repository),
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#git.once('error', (error) => this.#fail(describeError(error)));
    this.#git.once('close', () => this.#fail('git ended'));
    this.#git.stdin.on('error', () => undefined);
    this.#git.stdout.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  ask(name: string): Promise<FoundObject | null> {
    const { promise, resolve, reject } = Promise.withResolvers<FoundObject | null>();
    const { timeoutMs } = this.#limits;
    const timer = setTimeout(() => {
      this.#fail(`no answer in ${timeoutMs} ms`);
      this.#git.kill('SIGKILL');
    }, timeoutMs);
    this.#waiting.push({
      resolve: (found) => {
        clearTimeout(timer);
        resolve(found);
      },
      reject: (error) => {
        clearTimeout(timer);
        reject(error);
      },
    });
    this.#git.stdin.write(`${name}\n`);
    return promise;
  }

  end(): void {
    this.#git.stdin.end();
    this.#fail('the reader was closed');
  }

  #fail(why: string): void {
    this.hasEnded = true;
    const error = createUnavailable(why);
    for (const one of this.#waiting.splice(0)) one.reject(error);
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0)
      rest = this.#head === null ? this.#readHead(rest) : this.#readBody(rest);
  }

  /** `<oid> <type> <size>`, or `<name> missing`. */
  #readHead(chunk: Buffer): Buffer {
    const end = chunk.indexOf(0x0a);
    this.#chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
    if (end < 0) return chunk.subarray(chunk.length);
    const line = Buffer.concat(this.#chunks).toString('latin1');
    this.#chunks = [];
    const [, oid, type, size] = /^([0-9a-f]{40}) (\w+) (\d+)$/.exec(line) ?? [];
    if (oid === undefined || type === undefined) this.#waiting.shift()?.resolve(null);
    else {
      this.#head = { oid, type, size: Number(size) };
      // And the line feed after it.
      this.#left = Number(size) + 1;
    }
    return chunk.subarray(end + 1);
  }

  #readBody(chunk: Buffer): Buffer {
    const head = this.#head;
    if (head === null) return chunk;
    const part = chunk.subarray(0, this.#left);
    this.#left -= part.length;
    const isKept = head.size <= this.#limits.largest;
    if (isKept) this.#chunks.push(part);
    if (this.#left === 0) {
      const content = isKept ? Buffer.concat(this.#chunks).subarray(0, head.size) : null;
      this.#chunks = [];
      this.#head = null;
      this.#waiting.shift()?.resolve({ ...head, content });
    }
    return chunk.subarray(part.length);
  }
}

function createUnavailable(why: string): PlatformError {
  return new PlatformError(
    'repository_unavailable',
    `The cluster repository cannot be read: ${why}.`,
    { retryable: true },
  );
}
