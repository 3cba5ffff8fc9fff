/** Whether a cluster is heard, by what its watch says of itself. */
import type { ObjectWatch } from '../cluster/types.ts';

/** Bookmarks come each minute. */
const SILENCE_MS = 3 * 60_000;

/** Why nothing can be said of the stores now, in one sentence; null: all is known. */
export function describeSilence(
  watch: Pick<ObjectWatch<unknown>, 'complete' | 'heardAt' | 'trouble'>,
  now: Date,
): string | null {
  const { complete, heardAt, trouble } = watch;
  const reason = trouble === null ? '' : ` (${trouble})`;
  if (!complete) return `The cluster has not told of its Applications yet${reason}.`;
  if (heardAt !== null && now.getTime() - heardAt.getTime() < SILENCE_MS) return null;
  return `The cluster has said nothing since ${heardAt?.toISOString() ?? 'the start'}${reason}.`;
}
