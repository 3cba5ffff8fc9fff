/**
 * The embedded forge's git server: a bare repository served from a process of its own.
 *
 * Of its own because starting git from a large process is slow: the kernel copies its page tables
 * first, 30 ms for 500 MB, a few times a push, with the event loop standing still. The process ends
 * with the control plane, however that ends, once running pushes are done; when it fails by itself
 * it is started again.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { describeError, PlatformError } from '../errors.ts';
import type { RemoteSettings } from '../git/types.ts';
import type { ForgeSettings, FromForge, ToForge } from './server-messages.ts';
import { describeRemote, locateRepository, READER, WRITER } from './server.ts';
import type { ForgeLog, ForgeServerOptions } from './server.ts';
import type { PushNotice } from './types.ts';

const SERVER = new URL('./server-process.ts', import.meta.url);
const MAX_PAUSE_MS = 2_000;
/** A process that lived this long had started well: after its end the next is not kept waiting. */
const GOOD_RUN_MS = 10_000;
/** Beyond the time the process itself gives running requests. */
const STOP_PATIENCE_MS = 5_000;

export class EmbeddedServer {
  readonly #settings: ForgeSettings;
  readonly #log: ForgeLog;
  readonly #onPush: (notice: PushNotice) => void;
  #port: number;
  #child: ChildProcess | null = null;
  #isStopping = false;
  /** Goes on until the forge is stopped: starts the process again when it has failed. */
  #watch: Promise<void> = Promise.resolve();
  #wake = new AbortController();

  constructor(options: ForgeServerOptions) {
    const { onPush, log, ...settings } = options;
    this.#settings = settings;
    this.#onPush = onPush ?? (() => undefined);
    this.#log = log ?? { info: () => undefined, warn: () => undefined };
    this.#port = options.port;
  }

  /** The bare repository on disk, for tools that look at it directly. */
  get repositoryDir(): string {
    return locateRepository(this.#settings.dir);
  }

  /** The process that serves; null while there is none. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** The writer's way in. */
  get remote(): RemoteSettings {
    return describeRemote(this.#settings, this.#port, WRITER);
  }

  /** Argo CD's way in, and the pages'. */
  get readRemote(): RemoteSettings {
    return describeRemote(this.#settings, this.#port, READER);
  }

  /** Throws PlatformError `git_missing`, `port_taken`, `repository_busy` or `forge_failed`. */
  async start(): Promise<void> {
    this.#isStopping = false;
    this.#wake = new AbortController();
    const child = await this.#launch();
    this.#watch = this.#keepRunning(child);
  }

  /** Waits for running requests and leaves no process behind. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake.abort();
    const child = this.#child;
    if (child !== null) {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MS);
      tell(child, { kind: 'stop' });
      await this.#watch;
      clearTimeout(timer);
    }
    await this.#watch;
  }

  async #launch(): Promise<ChildProcess> {
    const child = fork(SERVER, { execArgv: [], serialization: 'advanced' });
    this.#child = child;
    const started = new Promise<void>((done, fail) => {
      child.on('message', (message: FromForge) => {
        if (message.kind === 'started') {
          this.#port = message.port;
          done();
        } else if (message.kind === 'failed') {
          const { code, message: text, retryable, hint, field } = message;
          const options = { retryable, ...(hint && { hint }), ...(field && { field }) };
          fail(new PlatformError(code, text, options));
        } else if (message.kind === 'pushed') this.#onPush(message.notice);
        else this.#log[message.level](message.message);
      });
      child.once('error', fail);
      child.once('exit', (code, signal) => {
        fail(
          new PlatformError('forge_failed', `the forge ended at once (${String(signal ?? code)})`),
        );
      });
    });
    tell(child, { kind: 'start', settings: { ...this.#settings, port: this.#port } });
    try {
      await started;
    } catch (error) {
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      this.#child = null;
      throw error;
    }
    return child;
  }

  async #keepRunning(first: ChildProcess): Promise<void> {
    let child: ChildProcess | null = first;
    let failures = 0;
    while (child !== null) {
      const startedAt = Date.now();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      this.#child = null;
      if (this.#isStopping) return;
      this.#log.warn(`the forge ended by itself (${String(child.signalCode ?? child.exitCode)})`);
      failures = Date.now() - startedAt > GOOD_RUN_MS ? 0 : failures + 1;
      child = await this.#launchAgain(failures);
    }
  }

  /** Null when the forge was stopped meanwhile. */
  async #launchAgain(failures: number): Promise<ChildProcess | null> {
    for (let attempt = failures; ; attempt += 1) {
      const pause = Math.min(100 * 2 ** attempt, MAX_PAUSE_MS);
      try {
        await wait(pause, undefined, { signal: this.#wake.signal });
        return await this.#launch();
      } catch (error) {
        if (this.#isStopping) return null;
        this.#log.warn(`the forge cannot be started again: ${describeError(error)}`);
      }
    }
  }
}

function tell(child: ChildProcess, message: ToForge): void {
  // A process that has gone already is dealt with by its exit.
  child.send(message, () => undefined);
}
