/** Webhooks reach any process with an API. The writer, wherever it is, sees in the database that one came. */
import { readNewestDelivery } from '../db/deliveries.ts';
import type { Db } from '../db/open.ts';
import { sleep } from './loop.ts';

const LOOK_MS = 1_000;

/** Rings for every webhook that is new since the last look; returns how it is stopped. */
export function watchDeliveries(db: Db, ring: () => void): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const watching = (async () => {
    let known: string | null | undefined;
    while (!signal.aborted) {
      // The writer looks by itself, too: what is missed here costs half a minute.
      const newest = await readNewestDelivery(db).catch(() => known);
      if (known !== undefined && newest !== known) ring();
      known = newest;
      await sleep(LOOK_MS, signal);
    }
  })();
  return async () => {
    stopping.abort();
    await watching;
  };
}
