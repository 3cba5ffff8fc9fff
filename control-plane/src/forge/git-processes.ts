/**
 * The git processes a server has running. Each leads a group of its own, so that what git starts
 * itself ends with it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { createGitEnvironment } from './git-command.ts';

export type GitProcess = ChildProcessByStdio<Writable, Readable, Readable>;

export type GitOutcome = {
  /** Null when it was ended by a signal. */
  readonly code: number | null;
  readonly output: string;
  readonly complaint: string;
};

const MAX_KEPT = 64 * 1024;

export class GitProcesses {
  readonly #home: string;
  readonly #repository: string;
  readonly #running = new Set<GitProcess>();

  constructor(home: string, repository: string) {
    this.#home = home;
    this.#repository = repository;
  }

  spawn(args: readonly string[], env: Readonly<Record<string, string>> = {}): GitProcess {
    const child = spawn('git', args, {
      detached: true,
      // Where the next start looks for who still works there (stale-locks.ts).
      cwd: this.#repository,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...createGitEnvironment(this.#home), ...env },
    });
    this.#running.add(child);
    const forget = (): void => void this.#running.delete(child);
    child.once('close', forget);
    child.once('error', forget);
    return child;
  }

  /** Runs git to its end. Whatever `feed` does with its input, it must end it. */
  async run(
    args: readonly string[],
    options: {
      env?: Readonly<Record<string, string>>;
      feed?: (input: Writable) => void;
    } = {},
  ): Promise<GitOutcome> {
    const child = this.spawn(args, options.env);
    // git may stop reading early; its exit code says why.
    child.stdin.on('error', () => undefined);
    const outcome = { output: '', complaint: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      if (outcome.output.length < MAX_KEPT) outcome.output += chunk.toString('utf8');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (outcome.complaint.length < MAX_KEPT) outcome.complaint += chunk.toString('utf8');
    });
    if (options.feed === undefined) child.stdin.end();
    else options.feed(child.stdin);
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, ...outcome };
  }

  endAll(): void {
    for (const child of this.#running) endGroup(child);
  }
}

export function endGroup(child: GitProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
