/**
 * GitHub as the forge: github.com, a *.ghe.com one, or an Enterprise Server. Pull requests go through
 * its REST API, commits and branches by git over HTTPS as everywhere. What people do to a pull
 * request meanwhile is looked at before each step; GitHub's limits are kept by waiting for our turn.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../domain/ids.ts';
import { PlatformError } from '../errors.ts';
import { parseCommitSha } from '../git/objects.ts';
import { parseRemoteUrl } from '../git/remote-address.ts';
import type { CommitSha, RemoteSettings } from '../git/types.ts';
import { createBudget, PUSHES, type Time } from './github-budget.ts';
import { createGithubClient, type GithubClient } from './github-client.ts';
import type { GithubCredential } from './github-credential.ts';
import {
  REVIEW_BRANCHES,
  type Forge,
  type MergeResult,
  type PullRequest,
  type PullRequestDraft,
} from './types.ts';

type GithubForgeOptions = {
  /** `https://github.com/<owner>/<name>.git`. */
  readonly repositoryUrl: string;
  /** The one Argo CD follows. */
  readonly branch: string;
  /** Where the API is, when that does not follow from the repository's address. */
  readonly apiUrl: string | null;
  readonly credential: GithubCredential;
  readonly clock: Clock;
  /** Waits; tests bring their own. */
  readonly sleep?: Time['sleep'];
};

/** The user that git over HTTPS names beside any kind of token. */
const GIT_USER = 'x-access-token';
/** GitHub says later whether a pull request can be merged: how often it is asked, and how far apart. */
const LOOKS = 8;
const LOOK_MS = 1_000;
/** GitHub's limits of texts, in characters. */
const MAX_TITLE = 256;
const MAX_BODY = 65_536;
const MAX_LABEL = 50;

type GithubRepository = {
  readonly owner: string;
  readonly repo: string;
  /** Its page, for people. */
  readonly webUrl: string;
  readonly apiUrl: string;
};

/** Reads owner and name from the address. Throws PlatformError `remote_invalid`. */
export function describeGithubRepository(
  repositoryUrl: string,
  apiUrl: string | null,
): GithubRepository {
  const url = parseRemoteUrl(repositoryUrl);
  const [, owner = '', name = '', ...rest] = url.pathname.split('/');
  const repo = name.replace(/\.git$/, '');
  if (owner === '' || repo === '' || rest.length > 0)
    throw new PlatformError('remote_invalid', 'the address names no repository of GitHub', {
      field: 'SHOPYARD_REPOSITORY_URL',
      hint: 'Give it as https://github.com/<owner>/<name>.git.',
    });
  return {
    owner,
    repo,
    webUrl: `${url.origin}/${owner}/${repo}`,
    apiUrl: apiUrl === null ? locateApi(url) : parseRemoteUrl(apiUrl).href.replace(/\/$/, ''),
  };
}

function locateApi(url: URL): string {
  if (url.host === 'github.com' || url.host.endsWith('.ghe.com'))
    return `${url.protocol}//api.${url.host}`;
  return `${url.origin}/api/v3`;
}

export type GithubForge = Forge & {
  readonly kind: 'github';
  /** For what else is to be asked of this repository, within the same limits. */
  readonly client: GithubClient;
  readonly repository: GithubRepository;
};

export function createGithubForge(options: GithubForgeOptions): GithubForge {
  const { repositoryUrl, branch: base, clock } = options;
  const repository = describeGithubRepository(repositoryUrl, options.apiUrl);
  const { owner, repo, webUrl, apiUrl } = repository;
  const names = { owner, repo };
  const time: Time = {
    now: () => clock().getTime(),
    sleep: options.sleep ?? ((ms, signal) => wait(ms, undefined, signal && { signal })),
  };
  const client = createGithubClient({
    apiUrl,
    repository: `${owner}/${repo}`,
    credential: options.credential,
    time,
  });
  const pushes = createBudget('pushes', PUSHES, time);

  const find = async (number: number) => {
    const answer = await client.ask(
      ({ rest }) => rest.pulls.get({ ...names, pull_number: number }),
      [404],
    );
    if (answer.kind === 'ok') return answer.data;
    // There is no such pull request, or no such repository.
    await client.demand(({ rest }) => rest.repos.get({ ...names }));
    return null;
  };
  const get = async (number: number) => {
    const found = await find(number);
    if (found !== null) return found;
    throw new PlatformError('pull_request_missing', `GitHub has no pull request ${String(number)}`);
  };
  const findOpen = async (branch: string) => {
    const found = await client.demand(({ rest }) =>
      rest.pulls.list({ ...names, state: 'open', base, head: `${owner}:${branch}`, per_page: 100 }),
    );
    // A fork within our own organisation has the same owner.
    return found.find(isFromHere) ?? null;
  };

  const open = async (draft: PullRequestDraft) => {
    const text = { title: cut(draft.title, MAX_TITLE), body: cut(draft.body, MAX_BODY) };
    for (let attempt = 0; ; attempt++) {
      const standing = await findOpen(draft.branch);
      if (standing !== null)
        return standing.title === text.title && standing.body === text.body
          ? standing
          : await client.demand(({ rest }) =>
              rest.pulls.update({ ...names, pull_number: standing.number, ...text }),
            );
      const made = await client.ask(
        ({ rest }) => rest.pulls.create({ ...names, base, head: draft.branch, ...text }),
        [422],
      );
      if (made.kind === 'ok') return made.data;
      // Somebody was quicker, or the answer to our own request was lost: that one is adopted.
      if (/already exists/i.test(made.reason) && attempt === 0) continue;
      throw describeUnopened(made.reason, draft.branch);
    }
  };

  const removeBranch = async (pull: Sides): Promise<void> => {
    const branch = pull.head.ref;
    // Whatever else a pull request was opened from is not ours to remove; a fork's branch may have
    // the name of one that is.
    if (!branch.startsWith(REVIEW_BRANCHES) || !isFromHere(pull)) return;
    // Gone already: GitHub can be told to remove branches that were merged.
    await client.ask(
      ({ rest }) => rest.git.deleteRef({ ...names, ref: `heads/${branch}` }),
      [404, 422],
    );
  };

  return {
    kind: 'github',
    client,
    repository,

    async remote(): Promise<RemoteSettings> {
      return {
        url: repositoryUrl,
        branch: base,
        username: GIT_USER,
        // An App's has to be asked for at GitHub, which may be away while we start: `renew` asks.
        password: options.credential.kind === 'app' ? '' : await client.tokens.get(),
        renew: () => client.tokens.get(),
        admitPush: (signal) => pushes.take(signal),
      };
    },

    async check(signal) {
      const request = signal === undefined ? {} : { request: { signal } };
      const known = await client.demand(({ rest }) => rest.repos.get({ ...names, ...request }));
      if (known.archived)
        throw new PlatformError('forge_refused', `${owner}/${repo} is archived: it cannot change`, {
          hint: 'Unarchive it on GitHub, or name another repository.',
        });
      const lacking = listLacking(await client.tokens.permissions(), known.permissions);
      if (lacking.length > 0) {
        // An App's token says what it was made with: what is given now, the next one has.
        client.tokens.replace();
        throw new PlatformError(
          'forge_denied',
          `our credential lacks the permission ${lacking.join(', ')} on ${owner}/${repo}`,
          { hint: 'Give it Contents: write and Pull requests: write for this repository.' },
        );
      }
      await client.demand(({ rest }) =>
        rest.pulls.list({ ...names, state: 'open', base, per_page: 1, ...request }),
      );
    },

    async openPullRequest(draft) {
      const pull = await open(draft);
      const labels = draft.labels.map((label) => cut(label, MAX_LABEL));
      const missing = labels.filter((label) => !pull.labels.some((one) => one.name === label));
      if (missing.length > 0)
        await client.demand(({ rest }) =>
          rest.issues.addLabels({ ...names, issue_number: pull.number, labels: missing }),
        );
      return readPull({ ...pull, merged: false });
    },

    async findPullRequest(number) {
      const pull = await find(number);
      return pull === null ? null : readPull(pull);
    },

    async listPullRequests() {
      const pulls = await client.demand(async ({ paginate, rest }) => ({
        data: await paginate(rest.pulls.list, { ...names, state: 'open', base, per_page: 100 }),
      }));
      return pulls
        .filter((pull) => pull.head.ref.startsWith(REVIEW_BRANCHES) && isFromHere(pull))
        .map((pull) => readPull({ ...pull, merged: false }))
        .toSorted((a, b) => a.number - b.number);
    },

    async mergePullRequest(number, { headSha, message }): Promise<MergeResult> {
      const [title = '', ...rest] = message.split('\n');
      let reason = 'GitHub has not said yet whether it can be merged';
      for (let look = 0; look < LOOKS; look++) {
        if (look > 0) await time.sleep(LOOK_MS);
        const pull = await get(number);
        const { state, mergedSha, headSha: standing } = readPull(pull);
        if (mergedSha !== null) {
          await removeBranch(pull);
          return { kind: 'merged', sha: mergedSha };
        }
        if (state === 'closed') return { kind: 'closed' };
        if (standing !== headSha) return { kind: 'moved' };
        // It is being worked out, since the branch or its base has changed.
        if (pull.mergeable === null) continue;
        if (!pull.mergeable && pull.mergeable_state === 'dirty') return { kind: 'conflict' };
        const answer = await client.ask(
          (octokit) =>
            octokit.rest.pulls.merge({
              ...names,
              pull_number: number,
              sha: headSha,
              merge_method: 'merge',
              commit_title: title,
              commit_message: rest.join('\n').trim(),
            }),
          [405, 409],
        );
        if (answer.kind === 'ok') {
          await removeBranch(pull);
          return { kind: 'merged', sha: parseCommitSha(answer.data.sha) };
        }
        if (answer.status === 409) return { kind: 'moved' };
        ({ reason } = answer);
        if (/merge commits are not allowed/i.test(reason))
          throw new PlatformError('forge_refused', `GitHub will not: ${reason}`, {
            hint: `Allow merge commits in the settings of ${owner}/${repo}.`,
          });
        // The base moved under it, or the last word on it was out of date: look again.
        if (!/base branch was modified|not mergeable/i.test(reason)) break;
      }
      return { kind: 'not-ready', reason };
    },

    async closePullRequest(number, comment) {
      const pull = await get(number);
      if (pull.state === 'open') {
        const body = cut(comment, MAX_BODY);
        if (body !== '')
          await client.demand(({ rest }) =>
            rest.issues.createComment({ ...names, issue_number: number, body }),
          );
        await client.demand(({ rest }) =>
          rest.pulls.update({ ...names, pull_number: number, state: 'closed' }),
        );
      }
      // The branch may be another's by now.
      const standing = await findOpen(pull.head.ref);
      if (standing === null || standing.number === number) await removeBranch(pull);
    },

    commitUrl: (sha: CommitSha) => `${webUrl}/commit/${sha}`,
    pullRequestUrl: (number: number) => `${webUrl}/pull/${String(number)}`,
  };
}

/** Where a pull request comes from, and where it goes. */
type Sides = {
  /** Without a repository once its fork is deleted. */
  readonly head: { readonly ref: string; readonly repo: { readonly id: number } | null };
  readonly base: { readonly repo: { readonly id: number } };
};

/** Whether its branch is one of our repository's: anybody who may fork chooses the name of theirs. */
function isFromHere({ head, base }: Sides): boolean {
  return head.repo?.id === base.repo.id;
}

/** What of GitHub's description of a pull request is ours. */
function readPull(pull: {
  readonly number: number;
  readonly state: string;
  readonly merged: boolean;
  readonly merge_commit_sha?: string | null;
  readonly title: string;
  readonly html_url: string;
  readonly head: { readonly ref: string; readonly sha: string };
}): PullRequest {
  return {
    number: pull.number,
    branch: pull.head.ref,
    headSha: parseCommitSha(pull.head.sha),
    state: pull.merged ? 'merged' : pull.state === 'open' ? 'open' : 'closed',
    // While it is open this names a commit that GitHub only tries.
    mergedSha:
      pull.merged && typeof pull.merge_commit_sha === 'string'
        ? parseCommitSha(pull.merge_commit_sha)
        : null,
    url: pull.html_url,
    title: pull.title,
  };
}

/** An App's permissions are exact; of a token only the role it acts in is known. */
function listLacking(
  app: Readonly<Record<string, string>> | null,
  role: { readonly push: boolean } | undefined,
): string[] {
  if (app === null) return role?.push === false ? ['contents: write'] : [];
  return ['contents', 'pull_requests']
    .filter((name) => app[name] !== 'write')
    .map((name) => `${name}: write`);
}

function describeUnopened(reason: string, branch: string): PlatformError {
  if (/"field":"head"/.test(reason))
    return new PlatformError('branch_missing', `GitHub does not have the branch ${branch}`, {
      retryable: true,
    });
  return new PlatformError('forge_refused', `GitHub opens no pull request: ${reason}`);
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
