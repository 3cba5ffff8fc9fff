/** Who made a commit, in words. Pure. */
import type { Change } from './shapes.ts';

/** The author of every commit of the platform; people’s commits have their own. */
const PLATFORM_AUTHOR = 'Shopyard';

/** `byHand`: somebody committed it themselves, past the platform. */
export function describeAuthor({ action, by }: Pick<Change, 'action' | 'by'>): {
  readonly name: string;
  readonly byHand: boolean;
} {
  const name = by.name ?? by.id;
  if (name === null || (action === null && name === PLATFORM_AUTHOR))
    return { name: 'the platform', byHand: false };
  return { name, byHand: action === null };
}
