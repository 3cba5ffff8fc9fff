/**
 * The port for pages that show what is, or will be, in the cluster repository. Reads only, with
 * time-outs, never on the way of a create; it shares nothing with the writer.
 */
import type { CommitAuthor, CommitSha, TreeReader } from '../git/types.ts';

/** One commit against its first parent, or another commit before it. */
export type RepositoryChange = {
  readonly sha: CommitSha;
  readonly message: string;
  readonly author: CommitAuthor;
  /** Every path that differs, sorted. */
  readonly paths: readonly string[];
  /** The trees around the commit; the first commit's `before` is empty. */
  readonly before: TreeReader;
  readonly after: TreeReader;
};

/**
 * All throw the retryable PlatformError `repository_unavailable` when the repository cannot be read.
 * Trees throw `object_too_large` for a file that is larger than anything of ours.
 */
export interface RepositoryReader {
  /** The tree at the branch's tip; empty while there is no branch. */
  readTip(): Promise<TreeReader>;
  /** Against its first parent, or against `since`. null: there is no such commit. */
  readChange(sha: CommitSha, since?: CommitSha): Promise<RepositoryChange | null>;
}
