/**
 * The guard against removing much at once by mistake: what is over the limit waits for a second
 * operator. Pure: counts in, decision out. It counts removals, whoever asks for them: operators, and
 * the clock when the days that deleted stores are kept are over.
 */
import type { RemovalGuard } from './cluster.ts';

export const HOLD_STATES = ['open', 'approved', 'rejected'] as const;
/** One who waits; both others are ends. */
export type HoldState = (typeof HOLD_STATES)[number];

export function limitRemovals(guard: RemovalGuard, living: number): number {
  return Math.max(guard.removals, Math.floor((living * guard.percent) / 100));
}

/** How many of the wanted removals go through; the others wait. */
export function admitRemovals(
  guard: RemovalGuard,
  counts: {
    readonly living: number;
    /** Let through within the guard's minutes. */
    readonly recent: number;
    readonly wanted: number;
  },
): number {
  const left = limitRemovals(guard, counts.living) - counts.recent;
  return Math.min(counts.wanted, Math.max(0, left));
}

/** Who asked, or who decides: the person behind a token, else whatever showed itself. */
export type Asker = { readonly id: string; readonly userId: string | null };

/** Whether they are the same person, as far as can be told. */
export function isAsker(somebody: Asker, asker: Asker): boolean {
  return (
    somebody.id === asker.id ||
    (somebody.userId !== null && (somebody.userId === asker.id || somebody.userId === asker.userId))
  );
}

export type Approval =
  { readonly kind: 'allowed' } | { readonly kind: 'refused'; readonly message: string };

/**
 * Whether somebody may let the removals through: somebody known, and not one who asked for any of
 * them, by whatever token.
 */
export function judgeApproval(approver: Asker, askers: readonly Asker[]): Approval {
  if (approver.userId === null)
    return {
      kind: 'refused',
      message: 'A token that is no person’s cannot tell that a second operator has looked.',
    };
  return askers.some((asker) => isAsker(approver, asker))
    ? { kind: 'refused', message: 'Somebody who asked for none of these deletes has to approve.' }
    : { kind: 'allowed' };
}
