/**
 * The cluster repository as Argo CD reads it: fetched when told of a push and by polling, with the
 * read credential. One thing at a time, so that whoever reads sees one commit throughout.
 */
import { openBranch } from '../../control-plane/src/git/branch.ts';
import type {
  Branch,
  CommitSha,
  RemoteSettings,
  TreeReader,
} from '../../control-plane/src/git/types.ts';
import { describeError } from '../../control-plane/src/errors.ts';

export type Snapshot = { readonly tree: TreeReader; readonly tip: CommitSha };

export class ClusterRepository {
  readonly #remote: RemoteSettings;
  readonly #dir: string;
  #branch: Branch | null = null;
  #problem: string | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  /** @param dir where to keep a clone; it may be deleted at any time */
  constructor(remote: RemoteSettings, dir: string) {
    this.#remote = remote;
    this.#dir = dir;
  }

  /** Why the repository could not be read the last time; null: it could. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Fetches what is new. Never throws: see `problem`. Returns whether anything is different now. */
  refresh(): Promise<boolean> {
    return this.#enqueue(async () => {
      const before = { tip: this.#branch?.tip, problem: this.#problem };
      try {
        if (this.#branch === null)
          this.#branch = await openBranch({ remote: this.#remote, dir: this.#dir });
        else await this.#branch.refresh(null);
        this.#problem = null;
      } catch (error) {
        this.#problem = describeError(error);
      }
      return this.#branch?.tip !== before.tip || this.#problem !== before.problem;
    });
  }

  /** Reads the newest commit that was fetched; null while there is none. */
  read<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T | null> {
    return this.#enqueue(async () => {
      const tip = this.#branch?.tip ?? null;
      return this.#branch === null || tip === null ? null : work({ tree: this.#branch.tree, tip });
    });
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(work);
    this.#queue = run.catch(() => undefined);
    return run;
  }
}
