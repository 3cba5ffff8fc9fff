/**
 * Tells each cluster's Argo CD of pushes, beside the next batch: one call at a time to each, none
 * waiting for another's. What comes while a call is under way goes out together in the next: an Argo
 * CD that does not answer holds up nothing, and what waits for it does not grow.
 *
 * Every push goes to every cluster, whatever it changed: Argo CD carries the manifests of `before`
 * over to `after` only when it has heard of both.
 *
 * Argo CD notes what it hears as an annotation of the Application, and takes that off when it has
 * looked: a push told meanwhile is forgotten until the next poll. One that followed another closely
 * is told again, once.
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
/** Argo CD has looked at an Application by then, in milliseconds. */
const LOOKED_MS = 10_000;

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
  let again: Push | null = null;
  let sending: Promise<void> | null = null;
  let toldAt = -Infinity;
  const reminder = createReminder(signal, (push) => {
    again = again === null ? push : joinPushes(again, push);
    sending ??= sendAll();
  });
  const sendAll = async (): Promise<void> => {
    while (!signal.aborted) {
      const fresh = waiting;
      const push: Push | null = fresh ?? again;
      if (push === null) break;
      if (fresh === null) again = null;
      else waiting = null;
      await send(push);
      const now = performance.now();
      if (fresh !== null && now - toldAt < LOOKED_MS) reminder.add(fresh);
      toldAt = now;
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

/** Gives pushes back, joined, once Argo CD has looked at what it was told before them. */
function createReminder(
  signal: AbortSignal,
  remind: (push: Push) => void,
): { add(push: Push): void } {
  let next: Push | null = null;
  let later: Push | null = null;
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    timer = setTimeout(() => {
      const due = next;
      next = later;
      later = null;
      if (next !== null) wait();
      if (due !== null) remind(due);
    }, LOOKED_MS);
  };
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  return {
    add(push) {
      if (signal.aborted) return;
      if (next !== null) {
        later = later === null ? push : joinPushes(later, push);
        return;
      }
      next = push;
      wait();
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
