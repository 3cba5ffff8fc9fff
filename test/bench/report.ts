/** What a bench found, and the line that says it. */

export type Goal = {
  readonly id: string;
  readonly ratio: number;
  /** The ratio is to be at least or at most this. */
  readonly bound: number;
  readonly wanted: 'at-least' | 'at-most';
};

export type Measurement = {
  readonly goals: readonly Goal[];
  /** Everything measured, with units in the names. */
  readonly details: Readonly<Record<string, unknown>>;
};

export function formatGoal(goal: Goal): string {
  const isMet = goal.wanted === 'at-least' ? goal.ratio >= goal.bound : goal.ratio <= goal.bound;
  const sign = goal.wanted === 'at-least' ? '≥' : '≤';
  const ratio = goal.ratio.toPrecision(3);
  return `bench ${goal.id} ${ratio} goal ${sign}${String(goal.bound)} ${isMet ? 'ok' : 'short'}`;
}

/** The value below which the given share of the sorted values lies (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** Milliseconds that the work took. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
