/**
 * Tells each cluster's Argo CD of pushes, beside the next batch: one call at a time to each, none
 * waiting for another's. What comes while a call is under way goes out together in the next: an Argo
 * CD that does not answer holds up nothing, and what waits for it does not grow.
 *
 * Every push goes to every cluster, whatever it changed: Argo CD carries the manifests of `before`
 * over to `after` only when it has heard of both.
 */
import type { CommitRecord, CommitSha } from '../git/types.ts';

export type Push = {
  readonly before: CommitSha | null;
  readonly after: CommitSha;
  readonly commits: readonly CommitRecord[];
};

/** Tells one Argo CD; must not throw. */
export type SendPush = (push: Push) => Promise<void>;

export type Relay = {
  /** Does nothing once the signal has ended. */
  add(push: Push): void;
  /** Waits for the calls that are under way when the signal ends; Argo CD finds the rest by itself. */
  end(): Promise<void>;
};

/** Commits told of in one call, at most. */
const RELAYED_COMMITS = 5_000;

export function createRelay(sends: readonly SendPush[], signal: AbortSignal): Relay {
  const lines = sends.map((send) => createLine(send, signal));
  return {
    add(push) {
      for (const line of lines) line.add(push);
    },
    async end() {
      await Promise.all(lines.map((line) => line.end()));
    },
  };
}

function createLine(send: SendPush, signal: AbortSignal): Relay {
  let waiting: Push | null = null;
  let sending: Promise<void> | null = null;
  const sendAll = async (): Promise<void> => {
    while (waiting !== null && !signal.aborted) {
      const push: Push = waiting;
      waiting = null;
      await send(push);
    }
    sending = null;
  };
  return {
    add(push) {
      if (signal.aborted) return;
      waiting = waiting === null ? push : joinPushes(waiting, push);
      sending ??= sendAll();
    },
    async end() {
      await sending;
    },
  };
}

/** Without commits it says that anything may have changed: of a gap, or of too much. */
function joinPushes(earlier: Push, later: Push): Push {
  const commits = [...earlier.commits, ...later.commits];
  const isWhole =
    earlier.after === later.before &&
    earlier.commits.length > 0 &&
    later.commits.length > 0 &&
    commits.length <= RELAYED_COMMITS;
  return { before: earlier.before, after: later.after, commits: isWhole ? commits : [] };
}
