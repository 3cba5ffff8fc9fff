/**
 * The port to whatever keeps the cluster repository: the embedded git server, Gitea or Forgejo,
 * GitHub. A forge knows addresses and credentials, and keeps pull requests; commits and branches are
 * read and written by git/, with the remote that it describes.
 *
 * A pull request goes from a branch of ours (`store/<application>/<operation id>`) to the branch that
 * Argo CD follows. Whoever calls has pushed the branch before it opens one. One caller at a time works
 * on a pull request (the writer, under its lease); what people do to it meanwhile is an outcome, not
 * an error. All adapters are held to test/forge/contract.ts.
 *
 * Whatever talks to the forge throws PlatformError, never with a credential in it:
 * - `forge_denied`: it refused our credential, or the credential lacks a permission;
 * - `forge_missing`: there is no such repository, or the credential does not let us see it;
 * - `forge_refused`: it understood and will not; the message has its reason;
 * - `forge_unreachable`, `forge_failed`, `forge_limited` (all retryable): no answer in time; an answer
 *   that is no answer; we asked too often.
 * The first three say in `hint` what to do; asking again does not help before somebody has done it.
 */
import type { CommitSha, RemoteSettings } from '../git/types.ts';

/** A branch has a new tip, whoever pushed it. */
export type PushNotice = { readonly branch: string; readonly after: CommitSha };

export const FORGE_KINDS = ['embedded', 'gitea', 'github'] as const;
export type ForgeKind = (typeof FORGE_KINDS)[number];

/** Where the branches of our pull requests are; the writer's account needs to push no others. */
export const REVIEW_BRANCHES = 'store/';

export type PullRequest = {
  /** Of this repository; never used again. */
  readonly number: number;
  /** Short name, without `refs/heads/`. */
  readonly branch: string;
  /** What the branch was last seen at: somebody may have pushed to it. */
  readonly headSha: CommitSha;
  readonly state: 'open' | 'merged' | 'closed';
  /** The commit by which it came to the main branch: a merge, a squash or its own. */
  readonly mergedSha: CommitSha | null;
  /** For people; null where the portal shows it. */
  readonly url: string | null;
  readonly title: string;
};

export type PullRequestDraft = {
  /** Pushed already. */
  readonly branch: string;
  /** The commit that the branch was pushed at. */
  readonly headSha: CommitSha;
  readonly title: string;
  /** Markdown. */
  readonly body: string;
  /** Made on the forge when missing. */
  readonly labels: readonly string[];
};

export type MergeResult =
  /** On the main branch as this commit; its branch is gone. Also when it was merged before. */
  | { readonly kind: 'merged'; readonly sha: CommitSha }
  /** The main branch has other content where this one changes something: rebuild the branch. */
  | { readonly kind: 'conflict' }
  /** The branch is at another commit than the named one. */
  | { readonly kind: 'moved' }
  /** Not now: the forge still looks at it, or a rule of the repository is not met. Ask again. */
  | { readonly kind: 'not-ready'; readonly reason: string }
  /** Somebody closed it unmerged. */
  | { readonly kind: 'closed' };

export interface Forge {
  readonly kind: ForgeKind;

  /** How git reaches the repository. Ask before each use: a credential may have been replaced. */
  remote(access: 'read' | 'write'): Promise<RemoteSettings>;

  /** Throws with what to do unless repository and credential can be used. */
  check(signal?: AbortSignal): Promise<void>;

  /**
   * Opens a pull request of a pushed branch, or adopts the open one of that branch and gives it this
   * title, body and these labels (labels of other people's stay). One that was closed or merged is
   * left as it is; a new one is opened. Throws the retryable `branch_missing` while the forge does not
   * know the branch: it may take a push in after it has answered it.
   */
  openPullRequest(draft: PullRequestDraft): Promise<PullRequest>;

  /** null: there is none of that number. */
  findPullRequest(number: number): Promise<PullRequest | null>;

  /** The open ones whose branch is below `store/`, by number. */
  listPullRequests(): Promise<readonly PullRequest[]>;

  /**
   * Merges if the branch is still at `headSha`: by a merge commit with this message (trailers count),
   * never by a squash. Throws `pull_request_missing`.
   */
  mergePullRequest(
    number: number,
    merge: { readonly headSha: CommitSha; readonly message: string },
  ): Promise<MergeResult>;

  /**
   * Closes it with a comment (none when empty) and removes its branch. One that is merged or closed
   * keeps its state and only loses the branch, if it still has it. Throws `pull_request_missing`.
   */
  closePullRequest(number: number, comment: string): Promise<void>;

  /** Where people look at a commit; null where the portal shows it. */
  commitUrl(sha: CommitSha): string | null;
  pullRequestUrl(number: number): string | null;
}
