/**
 * Reads a cluster repository that is kept elsewhere: by a bare mirror on this disk of its branch and
 * of those under review, brought up to date before it is read. The mirror is a cache that may be
 * deleted at any time; one process per folder.
 */
import { mkdir } from 'node:fs/promises';
import { runGit } from '../forge/git-command.ts';
import { removeStaleLocks } from '../forge/stale-locks.ts';
import { REVIEW_BRANCHES } from '../forge/types.ts';
import { parseRemoteUrl, refuseLinkLocal } from '../git/remote-address.ts';
import type { RemoteSettings } from '../git/types.ts';
import { describeError, PlatformError } from '../errors.ts';
import { openBareRepository } from './bare.ts';
import type { RepositoryReader } from './types.ts';

/** Reads this close together share one look at the remote, in milliseconds. */
const FRESH_MS = 1_000;
/** Of a page's patience; the first fetch of a large repository goes on behind it. */
const FETCH_MS = 120_000;

export type Mirror = RepositoryReader & {
  /** Fetches now, however fresh it is. Throws `repository_unavailable`. */
  fetch(): Promise<void>;
  close(): Promise<void>;
};

/** Throws `git_missing` or `repository_busy`; that the remote does not answer is for a read to say. */
export async function openMirror(options: {
  readonly remote: RemoteSettings;
  readonly dir: string;
  readonly log: { info(message: string): void };
}): Promise<Mirror> {
  const { remote, dir, log } = options;
  const { branch } = remote;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await removeStaleLocks(dir, log);
  await runGit(['init', '--quiet', '--bare', `--initial-branch=${branch}`, dir], { home: dir });
  const closing = new AbortController();
  const repository = openBareRepository({ repository: dir, branch });
  let fetchedAt = -Infinity;
  let fetching: Promise<void> | null = null;

  const fetch = async (): Promise<void> => {
    const startedAt = performance.now();
    await fetchBranch(remote, dir, closing.signal);
    fetchedAt = startedAt;
  };
  /** What was pushed before the call is here after it, give or take `FRESH_MS`. */
  const refresh = async (): Promise<void> => {
    if (performance.now() - fetchedAt < FRESH_MS) return;
    fetching ??= fetch().finally(() => {
      fetching = null;
    });
    await fetching;
  };
  // The first fetch brings everything: it is under way before anybody waits for it.
  refresh().catch(() => undefined);

  return {
    async fetch() {
      // One that is under way may have looked before now.
      await fetching?.catch(() => undefined);
      fetchedAt = -Infinity;
      await refresh();
    },
    async readTip() {
      await refresh();
      return repository.readTip();
    },
    async readChange(sha, since) {
      const known = await repository.readChange(sha, since);
      if (known !== null) return known;
      await refresh();
      return repository.readChange(sha, since);
    },
    async close() {
      closing.abort();
      await fetching?.catch(() => undefined);
      repository.close();
    },
  };
}

/** Brings a bare copy of the branch up to date, or makes it. */
export async function fetchMirror(remote: RemoteSettings, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await runGit(['init', '--quiet', '--bare', `--initial-branch=${remote.branch}`, dir], {
    home: dir,
  });
  await fetchBranch(remote, dir, new AbortController().signal);
}

async function fetchBranch(
  remote: RemoteSettings,
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  const { url, username, branch } = remote;
  try {
    await refuseLinkLocal(parseRemoteUrl(url));
    const password = (await remote.renew?.()) ?? remote.password;
    const credential = Buffer.from(`${username}:${password}`).toString('base64');
    await runGit(
      [
        ...['--git-dir', dir, 'fetch', '--quiet', '--prune', '--no-tags', '--no-write-fetch-head'],
        ...[url, ...[branch, `${REVIEW_BRANCHES}*`].map(mirrorHeads)],
      ],
      {
        home: dir,
        timeoutMs: FETCH_MS,
        signal,
        settings: [
          ['http.extraHeader', `Authorization: Basic ${credential}`],
          // The credential is the remote's, and nobody else's.
          ['http.followRedirects', 'false'],
          ['protocol.allow', 'never'],
          ['protocol.http.allow', 'always'],
          ['protocol.https.allow', 'always'],
          ['maintenance.autoDetach', 'false'],
          ['gc.autoDetach', 'false'],
        ],
      },
    );
  } catch (error) {
    // Nothing has been pushed yet.
    if (error instanceof PlatformError && /couldn't find remote ref/.test(error.message)) return;
    throw new PlatformError(
      'repository_unavailable',
      `The cluster repository cannot be fetched: ${describeError(error)}`,
      { retryable: true, cause: error },
    );
  }
}

function mirrorHeads(pattern: string): string {
  return `+refs/heads/${pattern}:refs/heads/${pattern}`;
}
