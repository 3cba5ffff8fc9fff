/** GitHub's published limits, as the stand-in holds its clients to them. Time is the test's. */

type Refusal = {
  readonly status: 403 | 429;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
};

export type StandInLimits = {
  /** Counts a request to the API; null: it may go on. */
  request(changesSomething: boolean): Refusal | null;
  /** Counts a push; null: it may go on. */
  push(): Refusal | null;
  /** What every answer of the API tells of the primary limit. */
  headers(): Readonly<Record<string, string>>;
  /** Leaves so many requests of the hour's. */
  leave(requests: number): void;
};

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const PER_HOUR = 5_000;

/** @param now milliseconds */
export function createStandInLimits(now: () => number): StandInLimits {
  const pushes: number[] = [];
  const content: number[] = [];
  let used = 0;
  let resetAt = now() + HOUR;

  const within = (times: readonly number[], ms: number): number =>
    times.filter((time) => time > now() - ms).length;
  const secondary = (seconds: number): Refusal => ({
    status: 403,
    message:
      'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
    headers: { 'retry-after': String(seconds) },
  });
  const limits: StandInLimits = {
    request(changesSomething) {
      if (now() >= resetAt) {
        resetAt = now() + HOUR;
        used = 0;
      }
      if (used >= PER_HOUR)
        return { status: 403, message: 'API rate limit exceeded for this client.', headers: {} };
      used += 1;
      if (!changesSomething) return null;
      if (within(content, MINUTE) >= 80) return secondary(60);
      if (within(content, HOUR) >= 500) return secondary(3_600);
      content.push(now());
      return null;
    },
    push() {
      if (within(pushes, MINUTE) >= 6)
        return { status: 429, message: 'Too many pushes', headers: { 'retry-after': '60' } };
      pushes.push(now());
      return null;
    },
    headers: () => ({
      'x-ratelimit-limit': String(PER_HOUR),
      'x-ratelimit-remaining': String(PER_HOUR - used),
      'x-ratelimit-used': String(used),
      'x-ratelimit-reset': String(Math.ceil(resetAt / 1_000)),
      'x-ratelimit-resource': 'core',
    }),
    leave(requests) {
      used = PER_HOUR - requests;
    },
  };
  return limits;
}
