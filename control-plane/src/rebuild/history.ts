/**
 * The whole history of a branch, by one run of git: every commit that was once its tip, with what it
 * changed, in the order of places. A merge has with it what it brought, because that is when the
 * branch had it. Reads a bare repository; writes nothing.
 */
import { spawn } from 'node:child_process';
import { createGitEnvironment } from '../forge/git-command.ts';
import { PlatformError } from '../errors.ts';

export type LoggedCommit = {
  readonly sha: string;
  readonly parents: readonly string[];
  readonly author: string;
  readonly at: Date;
  readonly message: string;
  /** Against its first parent: the blob that is at the path after it; null: the path is gone. */
  readonly changes: readonly { readonly path: string; readonly blob: string | null }[];
};

export type HistoryCommit = LoggedCommit & {
  /** What the branch had not before this merge, each after its parents. */
  readonly brought: readonly LoggedCommit[];
};

/** The commits, oldest first; none while there is no branch. `tip` is the newest. */
export async function readHistory(repository: string, branch: string): Promise<HistoryCommit[]> {
  const read = await readLog(repository, branch);
  return placeCommits(read);
}

/** Newest first, as git tells them. */
async function readLog(repository: string, branch: string): Promise<LoggedCommit[]> {
  const ref = `refs/heads/${branch}`;
  const git = spawn(
    'git',
    [
      ...['--git-dir', repository, 'log', '-z', '--format=%x01%H %P%n%at %an%n%B'],
      ...['--raw', '--no-abbrev', '--no-renames', '--diff-merges=first-parent', ref, '--'],
    ],
    { env: createGitEnvironment(repository), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let complaint = '';
  git.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString().slice(0, 500)));
  const ended = new Promise<number | null>((resolve, reject) => {
    git.once('error', reject);
    git.once('close', resolve);
  });
  // Without the program there is no close: the error tells.
  ended.catch(() => undefined);
  const reader = new LogReader();
  for await (const chunk of git.stdout) reader.take(chunk as Buffer);
  if ((await ended) === 0) return reader.end();
  if (/unknown revision|bad revision|does not have any commits/.test(complaint)) return [];
  throw new PlatformError(
    'git_failed',
    `The commits in ${repository} cannot be read: ${complaint.trim()}`,
  );
}

/** Takes git's output apart: a commit's head and message, then what it changed, each ended by NUL. */
class LogReader {
  readonly #commits: (LoggedCommit & { changes: { path: string; blob: string | null }[] })[] = [];
  #rest: Buffer = Buffer.alloc(0);
  /** The blob of the path that comes next; undefined: no path comes next. */
  #blob: string | null | undefined;

  take(chunk: Buffer): void {
    let text = Buffer.concat([this.#rest, chunk]);
    for (let end = text.indexOf(0); end >= 0; end = text.indexOf(0)) {
      this.#takePart(text.toString('utf8', 0, end));
      text = text.subarray(end + 1);
    }
    this.#rest = text;
  }

  end(): LoggedCommit[] {
    return this.#commits;
  }

  #takePart(part: string): void {
    const commit = this.#commits.at(-1);
    if (this.#blob !== undefined && commit !== undefined) {
      commit.changes.push({ path: part, blob: this.#blob });
      this.#blob = undefined;
      return;
    }
    const change = /^\n?:\d{6} \d{6} [0-9a-f]{40} ([0-9a-f]{40}) ([A-Z])$/.exec(part);
    if (change !== null) this.#blob = change[2] === 'D' ? null : (change[1] ?? null);
    else if (part.startsWith('\u0001')) this.#commits.push(readHead(part.slice(1)));
  }
}

function readHead(
  part: string,
): LoggedCommit & { changes: { path: string; blob: string | null }[] } {
  const [ids = '', by = '', ...message] = part.split('\n');
  const [sha = '', ...parents] = ids.trimEnd().split(' ');
  const space = by.indexOf(' ');
  return {
    sha,
    parents,
    author: by.slice(space + 1),
    at: new Date(Number(by.slice(0, space)) * 1_000),
    message: message.join('\n'),
    changes: [],
  };
}

/**
 * Orders commits (newest first) by when the branch had them: along first parents, each merge with
 * everything that it brought in.
 */
export function placeCommits(logged: readonly LoggedCommit[]): HistoryCommit[] {
  const known = new Map(logged.map((commit) => [commit.sha, commit]));
  const tips: LoggedCommit[] = [];
  for (let commit = logged[0]; commit !== undefined; commit = known.get(commit.parents[0] ?? ''))
    tips.push(commit);
  const placed = new Set<string>();
  return tips.reverse().map((tip) => {
    const brought: LoggedCommit[] = [];
    // Depth first, without recursion: a branch may be long.
    const open = tip.parents.slice(1).toReversed();
    for (let sha = open.at(-1); sha !== undefined; sha = open.at(-1)) {
      const commit = known.get(sha);
      const missing = commit?.parents.filter((one) => known.has(one) && !placed.has(one)) ?? [];
      if (commit === undefined || placed.has(sha)) open.pop();
      else if (missing.length > 0) open.push(...missing.toReversed());
      else {
        placed.add(sha);
        brought.push(commit);
        open.pop();
      }
    }
    placed.add(tip.sha);
    return { ...tip, brought };
  });
}
