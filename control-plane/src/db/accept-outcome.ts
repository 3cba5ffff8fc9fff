/** What accepting a request can come to, and what both kinds of it share. */
import { type IdempotencyKey, type KeptAnswer } from './idempotency.ts';
import type { Db } from './open.ts';
import type { StoreRow } from './status.ts';
import type { Accepted } from '../contract.ts';
import type { ChangeDecision } from '../domain/change.ts';
import { deriveIds, type Clock, type Ids } from '../domain/ids.ts';
import type { Offer } from '../domain/request.ts';
import type { StoreName, StoreSpec } from '../domain/store.ts';

export type Outcome =
  | {
      readonly kind: 'accepted';
      readonly status: 200 | 202;
      readonly body: Accepted;
      /** True when this is a kept answer: nothing happened now. */
      readonly replayed: boolean;
    }
  | { readonly kind: 'key-reused' }
  | {
      readonly kind: 'taken';
      readonly code: 'name_taken' | 'host_taken' | 'store_deleting';
      readonly field: string;
      readonly message: string;
    }
  | {
      readonly kind: 'full';
      readonly limit: number;
      /** How many of them are deleted, and kept for a time. */
      readonly kept: number;
    }
  | { readonly kind: 'too-fast'; readonly limit: number; readonly retryAfterSeconds: number };

export type ChangeOutcome =
  | Outcome
  | { readonly kind: 'not-found' }
  | Extract<ChangeDecision, { readonly kind: 'refused' | 'invalid' }>;

export type AcceptorOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly offer: Offer;
  /** How long a change may take before it counts as failed, in milliseconds. */
  readonly deadlineMs: number;
};

/**
 * The ids of what a request makes. Those that its key gives come first: a preview has told of them.
 * When they are taken, by a request of more than a day ago that had the same key, others do.
 */
export function chooseIds(
  options: Pick<AcceptorOptions, 'ids'>,
  key: IdempotencyKey | null,
  attempts: number,
): ReturnType<typeof deriveIds> {
  return key !== null && attempts === 1
    ? deriveIds(key)
    : { store: options.ids.store(), operation: options.ids.operation() };
}

/** What the detail of a store says until the writer has committed. */
export const WAITING_FOR_COMMIT = 'waiting for its commit';
/** What it says of a removal over the guard's limit. */
export const WAITING_FOR_OPERATOR = 'waiting for a second operator';

const ATTEMPTS = 5;

/** Somebody else was faster: nothing was written; looking again will show what they did. */
export class LostRace extends Error {}

/** Tries until no race is lost; each attempt, from 1, is a transaction of its own. */
export async function startOver<T>(attempt: (attempts: number) => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts += 1)
    try {
      return await attempt(attempts);
    } catch (error) {
      if (attempts === ATTEMPTS || !(error instanceof LostRace || isDeadlock(error))) throw error;
    }
}

function isDeadlock(error: unknown): boolean {
  return readCode(error) === '40P01';
}

/** Postgres's code of an error. */
export function readCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** The kept answer again, or the word that the key belongs to another request. */
export function replay(answer: KeptAnswer, key: IdempotencyKey): Outcome {
  return answer.requestHash === key.requestHash
    ? {
        kind: 'accepted',
        status: answer.status === 200 ? 200 : 202,
        body: answer.body,
        replayed: true,
      }
    : { kind: 'key-reused' };
}

export function hostTaken(host: string, field: string): Outcome {
  return {
    kind: 'taken',
    code: 'host_taken',
    field,
    message: `The host name ${host} is in use on this cluster.`,
  };
}

/** The snapshot that travels with an operation. */
export function specOf(store: StoreRow, tenantSlug: string): StoreSpec {
  return {
    id: store.id,
    // Every name in the table has passed checkStoreName.
    name: store.name as StoreName,
    tenantId: store.tenantId,
    tenant: tenantSlug,
    type: store.type,
    chart: store.chart,
    chartVersion: store.chartVersion,
    plan: store.plan,
    storagePlan: store.storagePlan,
    options: store.options,
    cluster: store.cluster,
    host: store.host,
    url: store.url,
    generation: store.generation,
    attempt: store.attempt,
    suspended: store.suspended,
    purgeAt: store.purgeAt?.toISOString() ?? null,
    protected: store.protected,
  };
}
