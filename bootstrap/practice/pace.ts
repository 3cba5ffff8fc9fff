/** Time in the practice cluster: seconds as the lab takes them, run faster. */
import { setTimeout as pause } from 'node:timers/promises';

export type Pace = {
  now(): Date;
  /** A clock that counts the lab's seconds. */
  seconds(): number;
  /** Waits that many of the lab's seconds; rejects when the signal ends it. */
  wait(seconds: number, signal: AbortSignal): Promise<void>;
};

/** @param speed how many of the lab's seconds pass in one */
export function createPace(speed: number): Pace {
  return {
    now: () => new Date(),
    seconds: () => (performance.now() / 1_000) * speed,
    wait: (seconds, signal) => pause((seconds * 1_000) / speed, undefined, { signal }),
  };
}
