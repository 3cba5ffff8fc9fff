/** Whether a cluster is heard, by what its watch says of itself; kept where every process can read it. */
import type { ObjectWatch } from '../cluster/types.ts';
import { SILENCE_MS, type Hearing } from '../domain/placement.ts';
import { describeError, PlatformError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { sleep } from './loop.ts';

/** How often it is looked at whether there is news, in milliseconds. */
const LOOK_MS = 2_000;

/** Writes down what a watch has heard, when that is news, until the signal says stop. */
export async function keepHearing(
  watch: Pick<ObjectWatch<unknown>, 'heardAt' | 'trouble'>,
  options: {
    readonly record: (hearing: Hearing) => Promise<void>;
    readonly signal: AbortSignal;
    readonly logger: Logger;
  },
): Promise<void> {
  const { record, signal, logger } = options;
  let known = null as Hearing | null;
  while (!signal.aborted) {
    const { heardAt, trouble } = watch;
    const isNews = known?.heardAt?.getTime() !== heardAt?.getTime() || known?.trouble !== trouble;
    if (isNews && (heardAt !== null || trouble !== null))
      try {
        await record({ heardAt, trouble });
        known = { heardAt, trouble };
      } catch (error) {
        // Whoever has the lease now writes it; without the database nobody reads it either.
        if (!(error instanceof PlatformError))
          logger.warn({ err: error }, `what was heard is not written: ${describeError(error)}`);
      }
    await sleep(LOOK_MS, signal);
  }
}

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
