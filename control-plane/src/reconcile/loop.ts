/**
 * Keeps one piece of background work running: takes its lease, runs it while the lease is renewed,
 * starts over with back-off when it throws, and stops when told. The writer and each cluster's
 * observer run in one of these.
 */
import { dropLease, LEASE_SECONDS, renewLease, takeLease, type Lease } from '../db/leases.ts';
import type { Db } from '../db/open.ts';
import { describeError, PlatformError } from '../errors.ts';
import type { Logger } from '../logger.ts';

export type Work = {
  readonly lease: string;
  /** Runs until the signal ends it. Throwing means: drop everything, wait, run again. */
  run(lease: Lease, signal: AbortSignal): Promise<void>;
};

export type LoopMeasure = {
  /** @param code of the PlatformError, else `unexpected` */
  failed(code: string): void;
  /** Whether this process does the work, rather than stand by. */
  active(isActive: boolean): void;
};

export type RunningLoop = {
  /** null while it runs well, else why it does not, in one sentence. */
  trouble(): string | null;
  /** Ends the work, drops the lease, and waits for both. */
  stop(): Promise<void>;
};

const FIRST_PAUSE_MS = 250;
/** Whoever comes back is to be worked with again within ten seconds: this, its jitter, and one try. */
const LONGEST_PAUSE_MS = 4_000;
/** After what only a person can mend. */
const HOPELESS_PAUSE_MS = 10_000;
/** How often one that stands by asks for the lease. */
const STAND_BY_MS = 500;
/** A run this long was a good one: the next failure starts with a short pause again. */
const GOOD_RUN_MS = 10_000;

export function startLoop(
  db: Db,
  holder: string,
  logger: Logger,
  work: Work,
  measure?: LoopMeasure,
): RunningLoop {
  const stopping = new AbortController();
  const isStopping = (): boolean => stopping.signal.aborted;
  let trouble: string | null = 'starting';
  let pause = FIRST_PAUSE_MS;

  const round = async (): Promise<void> => {
    const lease = await takeLease(db, work.lease, holder);
    if (lease === null) {
      trouble = null; // another process does the work
      await sleep(STAND_BY_MS, stopping.signal);
      return;
    }
    const round = new AbortController();
    const signal = AbortSignal.any([round.signal, stopping.signal]);
    let renewals = Promise.resolve();
    const renewing = setInterval(() => {
      const renewal = renewLease(db, lease).then(
        (held) => {
          if (!held) round.abort();
        },
        (error: unknown) => logger.warn({ lease: work.lease, err: error }, 'lease not renewed'),
      );
      renewals = Promise.all([renewals, renewal]).then(() => undefined);
    }, LEASE_SECONDS * 300);
    const startedAt = performance.now();
    try {
      trouble = null;
      measure?.active(true);
      await work.run(lease, signal);
    } finally {
      measure?.active(false);
      clearInterval(renewing);
      round.abort();
      if (performance.now() - startedAt > GOOD_RUN_MS) pause = FIRST_PAUSE_MS;
      // One under way, on a connection of its own, would take again what is let go here.
      await renewals;
      await dropLease(db, lease).catch(() => undefined);
    }
  };

  const loop = (async () => {
    while (!isStopping()) {
      try {
        await round();
      } catch (error) {
        if (isStopping()) return;
        trouble = describeError(error);
        measure?.failed(error instanceof PlatformError ? error.code : 'unexpected');
        logger.error({ lease: work.lease, err: error }, 'work stopped, will run again');
        const isHopeless = error instanceof PlatformError && !error.retryable;
        const wait = isHopeless ? HOPELESS_PAUSE_MS : pause;
        await sleep(wait * (0.75 + Math.random() / 2), stopping.signal);
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
  })();

  return {
    trouble: () => trouble,
    stop: async () => {
      stopping.abort();
      await loop;
    },
  };
}

/** Waits, or returns early when the signal ends. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}

/** A bell that many may ring and one waits for: a ring while nobody waits is kept. */
export type Bell = { ring(): void; wait(milliseconds: number, signal: AbortSignal): Promise<void> };

export function createBell(): Bell {
  let rung = false;
  let wake: (() => void) | null = null;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait(milliseconds, signal) {
      if (!rung) {
        const early = new AbortController();
        wake = () => early.abort();
        await sleep(milliseconds, AbortSignal.any([signal, early.signal]));
        wake = null;
      }
      rung = false;
    },
  };
}
