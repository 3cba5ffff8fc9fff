/** A control plane as a process of its own, the way people run it, and its API. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { Operation, Store } from '../../control-plane/src/contract.ts';
import type { FaultPoint } from '../../control-plane/src/reconcile/publish.ts';

const TOP = join(import.meta.dirname, '../..');

export type ControlPlaneProcess = {
  readonly url: string;
  readonly pid: number;
  /** Ends with SIGTERM and waits; returns the exit code. */
  stop(): Promise<number | null>;
  /** Ends with SIGKILL and waits. */
  kill(): Promise<void>;
  /** Resolves when the process has ended, however. */
  readonly ended: Promise<number | null>;
};

/** Starts the control plane and waits until it is ready. Its output goes to the log file. */
export async function startControlPlaneProcess(options: {
  readonly env: Readonly<Record<string, string>>;
  readonly port: number;
  readonly log: string;
  /** On the command line; default none: everything in one process. */
  readonly args?: readonly string[];
  /** The checkout that it runs from; default: this one. */
  readonly top?: string;
  /** Sends itself a signal there (control-plane-with-fault.ts): SIGKILL, unless said otherwise. */
  readonly fault?: FaultPoint;
  readonly faultSignal?: 'SIGKILL' | 'SIGSTOP';
  /** From when on: `now`, unless it is to wait for a SIGUSR2. */
  readonly faultFrom?: 'now' | 'SIGUSR2';
}): Promise<ControlPlaneProcess> {
  const { fault, faultSignal = 'SIGKILL', faultFrom = 'now', args = [] } = options;
  const script =
    fault === undefined
      ? ['control-plane/src/main.ts', ...args]
      : ['test/support/control-plane-with-fault.ts', fault, faultSignal, faultFrom, ...args];
  const child = spawn(...endWithParent(process.execPath, script), {
    cwd: options.top ?? TOP,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      // A start costs a third less: the tests make hundreds.
      NODE_COMPILE_CACHE: join(TOP, 'node_modules/.cache/compiled'),
      ...options.env,
      PORT: String(options.port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(options.log, { flags: 'a' });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = `http://127.0.0.1:${options.port}`;
  try {
    await vi.waitFor(
      async () => {
        if (hasEnded(child)) return;
        const response = await fetch(`${url}/readyz`);
        expect(response.status, await response.text()).toBe(200);
      },
      { timeout: 60_000, interval: 100 },
    );
  } catch (error) {
    child.kill('SIGTERM'); // not ready in time: nobody else would end it
    await ended;
    throw error;
  }
  if (hasEnded(child))
    throw new Error(`the control plane ended at once: ${await readFile(options.log, 'utf8')}`);
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    return ended;
  };
  return {
    url,
    pid: child.pid ?? 0,
    ended,
    stop: () => end('SIGTERM'),
    kill: async () => {
      await end('SIGKILL');
    },
  };
}

/** What is printed once a process is ready comes into its log a moment later; returns all there is. */
export function readLog(path: string, expected: RegExp): Promise<string> {
  return vi.waitFor(
    async () => {
      const said = await readFile(path, 'utf8');
      expect(said).toMatch(expected);
      return said;
    },
    { timeout: 30_000, interval: 50 },
  );
}

/**
 * A test run that is killed must not leave a control plane on the ports that the next one needs.
 * Where the system can, it tells the child of its parent's end.
 */
function endWithParent(program: string, args: readonly string[]): [string, string[]] {
  const setpriv = '/usr/bin/setpriv';
  if (!existsSync(setpriv)) return [program, [...args]];
  return [setpriv, ['--pdeathsig', 'TERM', program, ...args]];
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** The API as one token sees it. */
export class ApiClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async call(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  }

  async #accept(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ store: Store; operation: Operation }> {
    const answer = await this.call(method, path, body);
    if (answer.status !== 202) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.body as { store: Store; operation: Operation };
  }

  create(store: object): Promise<{ store: Store; operation: Operation }> {
    return this.#accept('POST', '/api/stores', store);
  }

  change(id: string, change: object): Promise<{ store: Store; operation: Operation }> {
    return this.#accept('PATCH', `/api/stores/${id}`, change);
  }

  retry(id: string): Promise<{ store: Store; operation: Operation }> {
    return this.#accept('POST', `/api/stores/${id}/retry`);
  }

  delete(id: string): Promise<{ store: Store; operation: Operation }> {
    return this.#accept('DELETE', `/api/stores/${id}`);
  }

  /** suspend, resume, repair, upgrade, rollback. */
  ask(id: string, what: string, body?: object): Promise<{ store: Store; operation: Operation }> {
    return this.#accept('POST', `/api/stores/${id}/${what}`, body);
  }

  async read(id: string): Promise<Store> {
    const answer = await this.call('GET', `/api/stores/${id}`);
    if (answer.status !== 200) throw new Error(`GET ${id}: ${JSON.stringify(answer)}`);
    return (answer.body as { store: Store }).store;
  }

  async readStages(id: string): Promise<{ stage: string; startedAt: string }[]> {
    const answer = await this.call('GET', `/api/stores/${id}/health`);
    return (answer.body as { stages: { stage: string; startedAt: string }[] }).stages;
  }

  /** Waits until the store is as wanted; a `failed` that was not wanted ends the wait. */
  async waitFor(
    id: string,
    wanted: string,
    isThere: (store: Store) => boolean,
    options: { timeout?: number; mayFail?: boolean } = {},
  ): Promise<Store> {
    const deadline = Date.now() + (options.timeout ?? 300_000);
    for (;;) {
      const store = await this.read(id);
      if (isThere(store)) return store;
      const { name, status, stage, detail, error } = store;
      const now = JSON.stringify({ name, status, stage, detail, error });
      if (status === 'failed' && options.mayFail !== true) throw new Error(`not ${wanted}: ${now}`);
      if (Date.now() > deadline) throw new Error(`not ${wanted} in time: ${now}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  /** Collects events until the signal ends. */
  follow(signal: AbortSignal, onStore: (store: Store) => void): void {
    const read = async (): Promise<void> => {
      const response = await fetch(`${this.#url}/api/events`, {
        headers: { authorization: `Bearer ${this.#token}` },
        signal,
      });
      const decoder = new TextDecoder();
      let text = '';
      const body: AsyncIterable<Uint8Array> | null = response.body;
      if (body === null) return;
      for await (const chunk of body) {
        text += decoder.decode(chunk, { stream: true });
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const data = /^data: (.*)$/m.exec(block)?.[1];
          const store =
            data === undefined ? undefined : (JSON.parse(data) as { store?: Store }).store;
          if (store !== undefined) onStore(store);
        }
      }
    };
    read().catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}
