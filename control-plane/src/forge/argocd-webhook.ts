/**
 * Tells Argo CD of a push, in the form GitHub would, so that it syncs at once instead of at its next
 * poll. A lost call costs that wait and nothing else: the outcome is returned, never thrown.
 *
 * Argo CD refreshes the Applications whose paths changed and, for all others, carries the manifests
 * it has of `before` over to `after`. A payload must therefore name every path changed between the
 * two. A large push is cut between commits; a commit too large for one payload is told of without
 * `before` and `after`, for which Argo CD carries nothing over.
 */
import { createHmac } from 'node:crypto';
import { describeError } from '../errors.ts';
import type { CommitRecord, CommitSha } from '../git/types.ts';

export type WebhookSettings = {
  /** argocd-server's `/api/webhook`. */
  readonly url: string;
  /** `webhook.github.secret` of the Secret argocd-secret. */
  readonly secret: string;
  /** The repository as Applications name it. */
  readonly repositoryUrl: string;
  readonly branch: string;
  readonly timeoutMs?: number;
  /** Gives a call up when it ends. */
  readonly signal?: AbortSignal;
  /** Argo CD's own limit is 50 MB unless set lower. */
  readonly maxPayloadBytes?: number;
};

export type PushedCommits = {
  readonly before: CommitSha | null;
  readonly after: CommitSha;
  /** Oldest first, each with its changed paths. */
  readonly commits: readonly CommitRecord[];
};

export type RelayResult =
  | { readonly kind: 'delivered'; readonly payloads: number }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

const TIMEOUT_MS = 5_000;
const MAX_PAYLOAD_BYTES = 4 * 1024 * 1024;
/** What a commit takes in a payload besides its paths. */
const COMMIT_BYTES = 600;
const ZERO_SHA = '0'.repeat(40);

/** Sends one push as one signed payload, or several in order. */
export async function relayPush(
  settings: WebhookSettings,
  push: PushedCommits,
): Promise<RelayResult> {
  try {
    const payloads = describePush(settings, push);
    for (const payload of payloads) {
      const refusal = await sendPayload(settings, payload);
      if (refusal !== null) return refusal;
    }
    return { kind: 'delivered', payloads: payloads.length };
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return {
      kind: 'unreachable',
      reason: isLate ? 'it did not answer in time' : describeError(cause),
    };
  }
}

async function sendPayload(
  settings: WebhookSettings,
  payload: GithubPush,
): Promise<Extract<RelayResult, { kind: 'refused' }> | null> {
  const body = JSON.stringify(payload);
  const signature = createHmac('sha256', settings.secret).update(body).digest('hex');
  const response = await fetch(settings.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'shopyard',
      'x-github-event': 'push',
      'x-hub-signature-256': `sha256=${signature}`,
    },
    body,
    redirect: 'error',
    signal: AbortSignal.any([
      AbortSignal.timeout(settings.timeoutMs ?? TIMEOUT_MS),
      ...(settings.signal === undefined ? [] : [settings.signal]),
    ]),
  });
  if (response.ok) {
    await response.body?.cancel();
    return null;
  }
  return { kind: 'refused', status: response.status, reason: await readStart(response, 300) };
}

/** How a text begins; the rest is not waited for. */
async function readStart({ body }: Response, most: number): Promise<string> {
  if (body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length >= most) break;
  }
  return text.trim().slice(0, most);
}

/** The fields of GitHub's push event that Argo CD reads. */
type GithubPush = {
  readonly ref: string;
  readonly before: string;
  readonly after: string;
  readonly repository: { readonly html_url: string; readonly default_branch: string };
  readonly commits: readonly {
    readonly id: string;
    readonly message: string;
    readonly timestamp: string;
    readonly author: { readonly name: string; readonly email: string };
    readonly added: readonly string[];
    readonly modified: readonly string[];
    readonly removed: readonly string[];
  }[];
};

function describePush(settings: WebhookSettings, push: PushedCommits): GithubPush[] {
  const limit = settings.maxPayloadBytes ?? MAX_PAYLOAD_BYTES;
  const describe = (
    before: string,
    after: string,
    commits: readonly CommitRecord[],
  ): GithubPush => ({
    ref: `refs/heads/${settings.branch}`,
    before,
    after,
    repository: {
      html_url: settings.repositoryUrl.replace(/\/+$/, '').replace(/\.git$/, ''),
      default_branch: settings.branch,
    },
    commits: commits.map((commit) => ({
      id: commit.sha,
      message: (commit.message.split('\n', 1)[0] ?? '').slice(0, 100),
      timestamp: commit.author.at.toISOString(),
      author: { name: commit.author.name, email: commit.author.email },
      added: [],
      // Argo CD makes no difference between the three lists.
      modified: commit.changedPaths ?? [],
      removed: [],
    })),
  });

  const payloads: GithubPush[] = [];
  let before: string = push.before ?? ZERO_SHA;
  let pending: CommitRecord[] = [];
  let size = 0;
  const flush = (): void => {
    const last = pending.at(-1);
    if (last === undefined) return;
    payloads.push(describe(before, last.sha, pending));
    before = last.sha;
    pending = [];
    size = 0;
  };
  const commits = push.commits.every((commit) => commit.changedPaths !== undefined)
    ? push.commits
    : [];
  for (const commit of commits) {
    const bytes = measureCommit(commit);
    if (size + bytes > limit) flush();
    if (bytes > limit) {
      for (const part of splitPaths(commit, limit)) payloads.push(describe('', '', [part]));
      before = commit.sha;
      continue;
    }
    pending.push(commit);
    size += bytes;
  }
  flush();
  // Without commits Argo CD takes it that anything may have changed.
  if (payloads.length === 0) payloads.push(describe('', push.after, []));
  return payloads;
}

function measureCommit(commit: CommitRecord): number {
  let bytes = COMMIT_BYTES;
  for (const path of commit.changedPaths ?? []) bytes += measurePath(path);
  return bytes;
}

function measurePath(path: string): number {
  return Buffer.byteLength(JSON.stringify(path)) + 1;
}

function splitPaths(commit: CommitRecord, limit: number): CommitRecord[] {
  const parts: CommitRecord[] = [];
  let paths: string[] = [];
  let size = COMMIT_BYTES;
  for (const path of commit.changedPaths ?? []) {
    if (size + measurePath(path) > limit && paths.length > 0) {
      parts.push({ ...commit, changedPaths: paths });
      paths = [];
      size = COMMIT_BYTES;
    }
    paths.push(path);
    size += measurePath(path);
  }
  if (paths.length > 0) parts.push({ ...commit, changedPaths: paths });
  return parts;
}
