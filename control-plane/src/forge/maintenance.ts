/**
 * Keeps the embedded repository fast: every push leaves a pack, so after some of them the small
 * packs are joined, and now and then all is repacked. One at a time, at the lowest priority, beside
 * pushes and never in their way; what fails is tried again after the next pushes.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { createGitEnvironment } from './git-command.ts';

const PUSHES_PER_REPACK = 64;
const REPACKS_PER_COLLECTION = 32;
const LOWEST_PRIORITY = 19;

export class RepositoryMaintenance {
  readonly #repository: string;
  readonly #home: string;
  readonly #log: { warn(message: string): void };
  #pushes = 0;
  #repacks = 0;
  #child: ChildProcess | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(repository: string, home: string, log: { warn(message: string): void }) {
    this.#repository = repository;
    this.#home = home;
    this.#log = log;
  }

  /** Packs that earlier runs left count too: one that never lasts 64 pushes joins them all the same. */
  async start(): Promise<void> {
    const names = await readdir(join(this.#repository, 'objects', 'pack'));
    this.#pushes = names.filter((name) => name.endsWith('.pack')).length;
  }

  notePush(): void {
    this.#pushes += 1;
    if (this.#pushes < PUSHES_PER_REPACK || this.#child !== null) return;
    this.#pushes = 0;
    this.#repacks += 1;
    this.#running =
      this.#repacks % REPACKS_PER_COLLECTION === 0
        ? this.#run(['gc', '--quiet', '--prune=2.days.ago'])
        : this.#run(['repack', '-d', '-q', '--geometric=2']);
  }

  async stop(): Promise<void> {
    if (this.#child?.pid !== undefined) {
      try {
        process.kill(-this.#child.pid, 'SIGTERM');
      } catch {
        // It has ended already.
      }
    }
    await this.#running;
  }

  async #run(args: readonly string[]): Promise<void> {
    const child = spawn('git', ['--git-dir', this.#repository, ...args], {
      env: createGitEnvironment(this.#home),
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    this.#child = child;
    if (child.pid !== undefined) setPriority(child.pid, LOWEST_PRIORITY);
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      if (complaint.length < 1_000) complaint += chunk.toString('utf8');
    });
    const code = await new Promise<number | null>((done) => {
      child.once('close', done);
      child.once('error', () => done(null));
    });
    this.#child = null;
    if (code !== 0 && code !== null)
      this.#log.warn(`git ${args[0] ?? ''} failed: ${complaint.trim()}`);
  }
}
