/**
 * What GitHub lets one client do in a while, kept on our side: whoever asks waits for its turn, so
 * that the limits are met by design and not by being refused.
 *
 * Each limit is a bucket of tokens that come back a whole window after they were taken: a bucket
 * that drips would let twice as many through in the first minute. Per process: the writer's lease
 * sees to it that one works at a time; what another one used up before, GitHub tells (`forge_limited`).
 */
import { PlatformError } from '../errors.ts';

export type Limit = { readonly most: number; readonly perMs: number };

/** Time as the adapter knows it; tests bring their own. */
export type Time = {
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
};

type Budget = {
  /** Waits for a turn. Throws `forge_limited` at once when it would be longer than our patience. */
  take(signal?: AbortSignal): Promise<void>;
};

/** Longer waits are the caller's: it has other work, and a lease to keep. */
export const PATIENCE_MS = 60_000;

/** GitHub's “Repository limits”: six pushes a minute to one repository. */
export const PUSHES: readonly Limit[] = [{ most: 6, perMs: 60_000 }];

/** GitHub's “Rate limits for the REST API”, secondary: requests that make content. */
export const CONTENT_REQUESTS: readonly Limit[] = [
  { most: 80, perMs: 60_000 },
  { most: 500, perMs: 3_600_000 },
];

export function createBudget(what: string, limits: readonly Limit[], time: Time): Budget {
  const remembered = Math.max(...limits.map(({ most }) => most));
  /** When turns were or will be taken, oldest first. */
  const turns: number[] = [];
  return {
    async take(signal) {
      const now = time.now();
      const at = Math.max(
        now,
        ...limits.map(({ most, perMs }) => (turns.at(-most) ?? -Infinity) + perMs),
      );
      if (at - now > PATIENCE_MS) throw describeLimited(what, at - now);
      turns.push(at);
      if (turns.length > remembered) turns.shift();
      if (at > now) await time.sleep(at - now, signal);
    },
  };
}

/** @param waitMs until the forge takes more */
export function describeLimited(what: string, waitMs: number): PlatformError {
  const seconds = Math.ceil(waitMs / 1_000);
  return new PlatformError(
    'forge_limited',
    `GitHub takes no more ${what} from us for ${String(seconds)} s`,
    { retryable: true, hint: 'Nothing needs doing: it goes on by itself when GitHub takes more.' },
  );
}
