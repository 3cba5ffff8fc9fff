/**
 * Gitea, and Forgejo, whose API is the same: pull requests by its REST API, git by its smart HTTP,
 * both with one access token.
 *
 * It looks at a pull request's mergeability in the background after each push: until it has, it
 * neither merges nor says that it conflicts, which is `not-ready` here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { PlatformError } from '../errors.ts';
import { ZERO_OID } from '../git/objects.ts';
import type { CommitSha, RemoteSettings } from '../git/types.ts';
import type { RepositoryAddress } from './address.ts';
import type { ReadToken } from './credential.ts';
import {
  GiteaBranch,
  GiteaComparison,
  GiteaContent,
  GiteaFiles,
  GiteaLabels,
  GiteaPullRequest,
  GiteaPullRequests,
  GiteaRepository,
} from './gitea-schemas.ts';
import { createForgeHttp, describeAnswer, parseAnswer, readValue } from './http.ts';
import type { ForgeAnswer, ForgeHttp, ForgeRequest } from './http.ts';
import { REVIEW_BRANCHES } from './types.ts';
import type { Forge, MergeResult, PullRequest, PullRequestDraft } from './types.ts';

export type GiteaForgeOptions = {
  /** As git reaches it. */
  readonly repositoryUrl: string;
  readonly address: RepositoryAddress;
  readonly branch: string;
  /** null: below the forge's own address. */
  readonly apiUrl: string | null;
  readonly readToken: ReadToken;
};

/** What a token is allowed by; Gitea makes one with exactly these. */
const SCOPES = 'write:repository and write:issue';
const PAGE = 50;
/** For as long as Gitea takes a first push in. */
const LIST_TRIES = 10;
const LIST_WAIT_MS = 300;
/** Of labels that we make: quiet. */
const LABEL_COLOUR = '#6b7280';

export function createGiteaForge(options: GiteaForgeOptions): Forge {
  return new GiteaForge(options);
}

class GiteaForge implements Forge {
  readonly kind = 'gitea';
  readonly #options: GiteaForgeOptions;
  readonly #http: ForgeHttp;

  constructor(options: GiteaForgeOptions) {
    this.#options = options;
    const { owner, name, forge } = options.address;
    const repository = `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`;
    this.#http = createForgeHttp({
      apiUrl: `${options.apiUrl ?? `${forge}/api/v1`}${repository}`,
      name: 'Gitea',
      readToken: options.readToken,
      authorize: (token) => `token ${token}`,
      deniedHint:
        `Make an access token with the scopes ${SCOPES} for an account that may push to the ` +
        'repository, and set SHOPYARD_FORGE_TOKEN to it.',
    });
  }

  async remote(): Promise<RemoteSettings> {
    const { repositoryUrl: url, branch, readToken } = this.#options;
    // Gitea knows the account by its token.
    const username = 'shopyard';
    return { url, branch, username, password: await readToken(), renew: readToken };
  }

  async check(signal?: AbortSignal): Promise<void> {
    const repository = await this.#readRepository(signal);
    const { page } = this.#options.address;
    const refuse = (code: string, message: string, hint: string): PlatformError =>
      new PlatformError(code, message, { hint });
    if (!repository.permissions.push)
      throw refuse(
        'forge_denied',
        `our account may not push to ${page}`,
        'Give it the right to write there, or use the token of one that has it.',
      );
    if (repository.archived)
      throw refuse('forge_refused', `${page} is archived`, 'Take it out of the archive.');
    if (!repository.has_pull_requests)
      throw refuse('forge_refused', `${page} has no pull requests`, 'Switch them on there.');
    if (!repository.allow_merge_commits)
      throw refuse(
        'forge_refused',
        `${page} allows no merge commits`,
        'Allow them in the repository’s settings: who approved is read from them.',
      );
    // The scope of issues is one of its own, and labels need it.
    await this.#http({ method: 'GET', path: '/labels?limit=1', signal });
  }

  async openPullRequest(draft: PullRequestDraft): Promise<PullRequest> {
    const { title, body } = draft;
    const labels = await this.#ensureLabels(draft.labels);
    const opened = await this.#http({
      method: 'POST',
      path: '/pulls',
      body: { head: draft.branch, base: this.#options.branch, title, body, labels },
      also: [404, 409],
    });
    if (opened.status === 201) return this.#describe(this.#parsePullRequest(opened));
    const open = await this.#listOpen();
    const standing = open.find((one) => one.head.label === draft.branch);
    if (standing === undefined) {
      if ((await this.#readBranch(draft.branch)) === null)
        throw new PlatformError('branch_missing', `there is no branch ${draft.branch} to review`, {
          retryable: true,
        });
      throw new PlatformError(
        'forge_failed',
        `Gitea did not open a pull request (${opened.status}): ${describeAnswer(opened)}`,
        { retryable: true },
      );
    }
    const kept = standing.labels.map(({ id }) => id);
    const adopted = await this.#http({
      method: 'PATCH',
      path: `/pulls/${standing.number}`,
      body: { title, body, labels: [...new Set([...kept, ...labels])] },
    });
    return this.#describe(this.#parsePullRequest(adopted));
  }

  async findPullRequest(number: number): Promise<PullRequest | null> {
    const found = await this.#read(number);
    return found === null ? null : this.#describe(found);
  }

  async listPullRequests(): Promise<readonly PullRequest[]> {
    const open = await this.#listOpen();
    return open.map((one) => this.#describe(one)).toSorted((a, b) => a.number - b.number);
  }

  async mergePullRequest(
    number: number,
    { headSha, message }: { readonly headSha: CommitSha; readonly message: string },
  ): Promise<MergeResult> {
    const [subject = '', ...rest] = message.trim().split('\n');
    const answer = await this.#http({
      method: 'POST',
      path: `/pulls/${number}/merge`,
      body: {
        Do: 'merge',
        MergeTitleField: subject,
        MergeMessageField: rest.join('\n').trim(),
        head_commit_id: headSha,
        delete_branch_after_merge: true,
      },
      also: [404, 405, 409],
    });
    const now = await this.#require(number);
    if (now.merged) return { kind: 'merged', sha: this.#requireMergeCommit(now) };
    if (now.state === 'closed') return { kind: 'closed' };
    if (now.head.sha !== headSha) return { kind: 'moved' };
    const said = describeAnswer(answer);
    if (answer.status === 409) {
      // A conflict is answered by what git said, not by a message. “Head out of date” is said of a
      // head that was pushed a moment ago, too; one that is another is seen above.
      if (said === '') return { kind: 'conflict' };
      return { kind: 'not-ready', reason: said };
    }
    if (!now.mergeable && (await this.#conflicts(now))) return { kind: 'conflict' };
    return { kind: 'not-ready', reason: said === '' ? 'Gitea has not merged it yet.' : said };
  }

  async closePullRequest(number: number, comment: string): Promise<void> {
    const found = await this.#require(number);
    if (found.state === 'open') {
      await this.#http({ method: 'PATCH', path: `/pulls/${number}`, body: { state: 'closed' } });
      if (comment !== '')
        await this.#http({
          method: 'POST',
          path: `/issues/${number}/comments`,
          body: { body: comment },
        });
    }
    // Whatever else a pull request was opened from is not ours to remove; a fork's branch may have
    // the name of one that is.
    if (!isReview(found)) return;
    const open = await this.#listOpen();
    // Of another one by now.
    if (open.some(({ number: other, head }) => other !== number && head.label === found.head.label))
      return;
    // 403: a rule of the repository protects it. It stays, and holds up nothing.
    await this.#http({
      method: 'DELETE',
      path: `/branches/${encodePath(found.head.label)}`,
      also: [403, 404],
    });
  }

  commitUrl(sha: CommitSha): string {
    return `${this.#options.address.page}/commit/${sha}`;
  }

  pullRequestUrl(number: number): string {
    return `${this.#options.address.page}/pulls/${number}`;
  }

  async #ask<T>(schema: z.ZodType<T>, what: string, request: ForgeRequest): Promise<T> {
    return parseAnswer(schema, await this.#http(request), what);
  }

  #parsePullRequest(answer: ForgeAnswer): GiteaPullRequest {
    return parseAnswer(GiteaPullRequest, answer, 'pull request');
  }

  async #read(number: number): Promise<GiteaPullRequest | null> {
    const answer = await this.#http({ method: 'GET', path: `/pulls/${number}`, also: [404] });
    if (answer.status !== 404) return this.#parsePullRequest(answer);
    // There is no such pull request, or no such repository.
    await this.#readRepository();
    return null;
  }

  async #require(number: number): Promise<GiteaPullRequest> {
    const found = await this.#read(number);
    if (found === null)
      throw new PlatformError('pull_request_missing', `there is no pull request ${number}`);
    return found;
  }

  async #readBranch(name: string): Promise<CommitSha | null> {
    const path = `/branches/${encodePath(name)}`;
    const answer = await this.#http({ method: 'GET', path, also: [404] });
    if (answer.status === 404) return null;
    return parseAnswer(GiteaBranch, answer, 'branch').commit.id as CommitSha;
  }

  /**
   * Whether the main branch has another version of a file that this changes. Gitea says of a conflict
   * what it says while it still looks: that it is not mergeable, try again later. Where the two parted
   * is asked of git: a pull request's own `merge_base` is of the last look, before a push.
   */
  async #conflicts({ number, base: target, head }: GiteaPullRequest): Promise<boolean> {
    if (target.sha === '') return false;
    const bases = await this.#readBases(target.sha, head.sha);
    const files = await this.#readPages(GiteaFiles, 'list of files', `/pulls/${number}/files`);
    const paths = files.flatMap(({ filename, previous_filename: before }) =>
      before === undefined || before === '' ? [filename] : [filename, before],
    );
    for (const path of paths) {
      const ours = await this.#readBlob(path, target.sha);
      const before = await Promise.all(bases.map((base) => this.#readBlob(path, base)));
      if (!before.includes(ours)) return true;
    }
    return false;
  }

  /** The commits of `target` on which those of `head` stand: one, and one more per merge of `target`. */
  async #readBases(target: string, head: string): Promise<readonly string[]> {
    const { commits } = await this.#ask(GiteaComparison, 'comparison', {
      method: 'GET',
      path: `/compare/${target}...${head}?files=false&verification=false`,
    });
    const own = new Set(commits.map(({ sha }) => sha));
    const parents = new Set(commits.flatMap((commit) => commit.parents.map(({ sha }) => sha)));
    return [...parents].filter((parent) => !own.has(parent));
  }

  /** Id of a file's content at a commit; null: it is not there. */
  async #readBlob(path: string, commit: string): Promise<string | null> {
    const at = `/contents/${encodePath(path)}?ref=${commit}`;
    const answer = await this.#http({ method: 'GET', path: at, also: [404] });
    return answer.status === 404 ? null : parseAnswer(GiteaContent, answer, 'file').sha;
  }

  /** All open ones to our branch, from the review branches of this repository. */
  async #listOpen(): Promise<GiteaPullRequest[]> {
    const found = await this.#readOpen();
    return (
      found
        .filter((one) => isReview(one) && one.base.ref === this.#options.branch)
        // One without a head has nothing that could be reviewed.
        .filter(({ head }) => head.sha !== '')
        .map((one) => readValue(GiteaPullRequest, one, 'pull request'))
    );
  }

  /**
   * A repository that is empty has no such list; it counts as empty until its first push has been taken
   * in, and for a moment after that the list is not there either.
   */
  async #readOpen(): Promise<z.infer<typeof GiteaPullRequests>> {
    const base = encodeURIComponent(this.#options.branch);
    const path = `/pulls?state=open&base_branch=${base}`;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#readPages(GiteaPullRequests, 'list of pull requests', path);
      } catch (error) {
        if (!(error instanceof PlatformError) || error.code !== 'forge_missing') throw error;
        if ((await this.#readRepository()).empty) return [];
        if (attempt === LIST_TRIES) throw error;
        await sleep(LIST_WAIT_MS);
      }
    }
  }

  #readRepository(signal?: AbortSignal): Promise<GiteaRepository> {
    return this.#ask(GiteaRepository, 'repository', { method: 'GET', path: '', signal });
  }

  async #readPages<T>(schema: z.ZodType<T[]>, what: string, path: string): Promise<T[]> {
    const all: T[] = [];
    const join = path.includes('?') ? '&' : '?';
    for (let page = 1; ; page += 1) {
      const paged = `${path}${join}limit=${PAGE}&page=${page}`;
      const answer = await this.#http({ method: 'GET', path: paged });
      all.push(...parseAnswer(schema, answer, what));
      if (!(answer.headers.get('link') ?? '').includes('rel="next"')) return all;
    }
  }

  /** Ids of the labels of these names, made where they are missing. */
  async #ensureLabels(names: readonly string[]): Promise<number[]> {
    if (names.length === 0) return [];
    const standing = await this.#readPages(GiteaLabels, 'list of labels', '/labels');
    const ids: number[] = [];
    for (const name of names) {
      const found = standing.find((label) => label.name === name);
      if (found !== undefined) {
        ids.push(found.id);
        continue;
      }
      const body = { name, color: LABEL_COLOUR };
      const made = await this.#http({ method: 'POST', path: '/labels', body });
      ids.push(parseAnswer(GiteaLabels.element, made, 'label').id);
    }
    return ids;
  }

  #requireMergeCommit({ number, merge_commit_sha: sha }: GiteaPullRequest): CommitSha {
    if (sha === null || sha === ZERO_OID)
      throw new PlatformError('forge_failed', `Gitea does not say how it merged ${number}`, {
        retryable: true,
      });
    return sha as CommitSha;
  }

  #describe(found: GiteaPullRequest): PullRequest {
    return {
      number: found.number,
      branch: found.head.label,
      headSha: found.head.sha as CommitSha,
      state: found.merged ? 'merged' : found.state,
      mergedSha: found.merged ? this.#requireMergeCommit(found) : null,
      url: this.pullRequestUrl(found.number),
      title: found.title,
    };
  }
}

type Sides = Readonly<
  Record<'head' | 'base', { readonly label: string; readonly repo_id: number }>
>;

/** Whether it is from a review branch of our repository: a fork may have one of the same name. */
function isReview({ head, base }: Sides): boolean {
  return head.repo_id === base.repo_id && head.label.startsWith(REVIEW_BRANCHES);
}

/** A name with slashes as part of a path. */
function encodePath(name: string): string {
  return name.split('/').map(encodeURIComponent).join('/');
}
