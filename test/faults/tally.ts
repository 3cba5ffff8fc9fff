/**
 * How often the faults are tried, and from which seed: short in `npm test`, in full in
 * `npm run test:faults`. A test that counts tells the summary (summary.ts) what it did.
 */
import type { TestContext } from 'vitest';
import { chooseSeed } from '../../control-plane/src/forge/testing.ts';

declare module 'vitest' {
  interface TaskMeta {
    fault?: Tally;
  }
}

/** What a test did, in a few words each: `200 kills`; and what it measured. */
export type Tally = { readonly done: string; readonly seed?: number };

const IS_FULL = process.env.SHOPYARD_FAULT_ROUNDS === 'full';

/** How often to try, by the one setting SHOPYARD_FAULT_ROUNDS. */
export function chooseRounds(rounds: { readonly short: number; readonly full: number }): number {
  return IS_FULL ? rounds.full : rounds.short;
}

/**
 * How long something may take, in milliseconds: what is promised, where the machine is ours alone;
 * in `npm test` others are at work, and it is only looked that it comes at all.
 */
export function choosePatience(promised: number): number {
  return IS_FULL ? promised : promised * 6;
}

/** The seed of a random test, printed so that a failure can be run again. */
export function announceSeed(what: string): number {
  const seed = chooseSeed();
  console.log(`${what}: SHOPYARD_FAULT_SEED=${seed}`);
  return seed;
}

export function tally(task: TestContext['task'], told: Tally): void {
  task.meta.fault = told;
}
