/**
 * The words of the git port: what the writer says to a branch of the cluster repository.
 *
 * One writer per branch, calls one after another. A batch is built on the branch's tip in memory
 * and published by compare-and-swap: nothing is ever forced, nobody's commit is ever overwritten.
 */

/** The 40 lower-case hexadecimal digits that name a commit. */
export type CommitSha = string & { readonly __brand: 'CommitSha' };

/**
 * One path of a commit: its new content, or null when the path is removed. A path ending in `/`
 * with null removes the folder and all beneath it.
 */
export type FileChange = { readonly path: string; readonly content: string | Uint8Array | null };

export type CommitAuthor = { readonly name: string; readonly email: string; readonly at: Date };

/** One path that differs between two trees, by the objects there; null: nothing is there. */
export type PathChange = {
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
};

export type CommitRecord = {
  readonly sha: CommitSha;
  /** The first parent; null for the first commit of a repository. */
  readonly parent: CommitSha | null;
  /** Of a merge: what it brought to the branch. */
  readonly otherParents?: readonly CommitSha[];
  readonly message: string;
  readonly author: CommitAuthor;
  /** Every path that differs from the first parent, sorted. */
  readonly changedPaths?: readonly string[];
  /** The same with what is there: of commits that were read from the remote. */
  readonly changes?: readonly PathChange[];
};

export type RemoteSettings = {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** Short name, without `refs/heads/`. */
  readonly branch: string;
  /** The password of now, where passwords expire; asked before each request. */
  readonly renew?: () => Promise<string>;
  /** Waits until the forge takes another push; for one that counts them. */
  readonly admitPush?: (signal?: AbortSignal) => Promise<void>;
};

export type TreeEntryKind = 'file' | 'folder' | 'other';

/**
 * Reads one tree. Paths are relative to the repository's root; `''` is the root itself. Symbolic
 * links and submodules are `other` and are never followed.
 */
export interface TreeReader {
  /** The folder's entries in git's order; null when there is no such folder. */
  list(path: string): Promise<readonly { name: string; kind: TreeEntryKind }[] | null>;
  /** The file's content; null when there is no such file. */
  read(path: string): Promise<Uint8Array | null>;
  exists(path: string): Promise<boolean>;
  /** The object id of the file or folder; null when there is none. */
  oid(path: string): Promise<string | null>;
}

export type RefreshResult =
  | { readonly kind: 'ok'; readonly commits: readonly CommitRecord[] }
  | {
      readonly kind: 'rewritten';
      readonly tip: CommitSha;
      /** Against the tree of `since`; null: that one is not at hand any more. */
      readonly changes: readonly PathChange[] | null;
    };

/** The branch as the writer sees it: a cached tree at the tip. Single-threaded use. */
export interface Branch {
  /** Null while the branch does not exist on the remote. */
  readonly tip: CommitSha | null;
  /** The tree at the tip. */
  readonly tree: TreeReader;
  /**
   * Asks the remote for the branch's tip, fetches what is new, and returns the commits added after
   * `since` (oldest first, along first parents, each with `changedPaths`), or `rewritten` when
   * `since` is no longer an ancestor of the tip. With `since` null: no commits, only the tip.
   */
  refresh(since: CommitSha | null): Promise<RefreshResult>;
  /** Where another branch of the remote is now; null when there is none of that name. */
  readHead(name: string): Promise<CommitSha | null>;
  /** Starts a batch on the current tip; its commits live in memory until pushed. */
  begin(): Batch;
}

export type CommitMeta = {
  readonly message: string;
  readonly author: { readonly name: string; readonly email: string };
  readonly at: Date;
};

export type CommitResult =
  | {
      readonly kind: 'committed';
      readonly sha: CommitSha;
      readonly parent: CommitSha | null;
      readonly changedPaths: readonly string[];
    }
  | { readonly kind: 'unchanged' };

export type PushResult =
  | { readonly kind: 'pushed'; readonly before: CommitSha | null; readonly after: CommitSha }
  | { readonly kind: 'moved' }
  | { readonly kind: 'nothing' };

export interface Batch {
  /** Sees the batch's own commits. */
  readonly tree: TreeReader;
  /**
   * Adds one commit; `unchanged` when the resulting tree equals its parent's. Paths are confined:
   * an absolute path, `..`, `.git` in any disguise, control characters, or a way through a symbolic
   * link or submodule throw PlatformError `unsafe_path` and leave the batch as it was.
   */
  commit(changes: readonly FileChange[], meta: CommitMeta): Promise<CommitResult>;
  /**
   * One pack, one push naming the old id. `moved`: someone else's commit is there; refresh and plan
   * again, also when there is `nothing` to push. After `pushed` the branch's tip and tree are the batch's. A lost reply throws the
   * retryable `push_unknown`: refresh, and look for your Operation-Id. Other failures throw a
   * PlatformError that says whether a retry can help. `permit` is asked right before it is sent, the
   * forge's turn having been waited for: a writer that lost its lease meanwhile throws in it.
   */
  push(permit?: () => Promise<void>): Promise<PushResult>;
  /**
   * Pushes the batch's commits as another branch instead, which goes from `before` (null: it is not
   * there) to them, whatever it held: `moved` when it is elsewhere. The branch's own tip and tree
   * stay. Throws as `push` does.
   */
  pushTo(name: string, before: CommitSha | null): Promise<PushResult>;
}
