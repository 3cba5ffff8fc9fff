/** A pull request's state in words. Pure. */
import type { EngineList, Review } from './shapes.ts';
import type { Tone } from './store-words.ts';

type Words = { readonly label: string; readonly tone: Tone };

export function describeReview({ state, decision }: Pick<Review, 'state' | 'decision'>): Words {
  if (state === 'merged') return { label: 'Merged', tone: 'ready' };
  if (state === 'closed')
    return decision?.kind === 'rejected'
      ? { label: 'Rejected', tone: 'bad' }
      : { label: 'Closed', tone: 'quiet' };
  if (decision?.kind === 'approved') return { label: 'Approved, merging', tone: 'wait' };
  if (decision?.kind === 'rejected') return { label: 'Rejected, closing', tone: 'wait' };
  return { label: 'Open', tone: 'wait' };
}

/**
 * Whether a change opens a pull request, as far as its kind decides it: one over the limits does so
 * on a cluster that has only destructive ones reviewed, too.
 */
export function isReviewedChange(
  mode: EngineList['clusters'][number]['review'] | undefined,
  kind: 'create' | 'update' | 'rollback',
): boolean {
  return mode === 'always' || (mode === 'destructive' && kind === 'rollback');
}
