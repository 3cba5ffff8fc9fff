/**
 * Accepting requests: what is recorded when a 202 goes out. All of it (store, operation, stage,
 * event, kept answer) is one transaction; git and clusters are not touched here.
 *
 * Creates that wait at the same moment share a transaction: this is the hot path, and a handful of
 * statements then serve all of them. Requests that would get in each other's way are never in the
 * same batch, so what each one sees is what it would see alone.
 *
 * Locks, always in this order: tenants by id, stores by host, idempotency keys. Who loses a race
 * against another process starts over and then sees the winner's row.
 */
import { acceptChange, type ChangeRequest } from './accept-change.ts';
import { acceptCreates, type CreateRequest } from './accept-create.ts';
import type { AcceptorOptions, ChangeOutcome, Outcome } from './accept-outcome.ts';
import { nameKey } from './idempotency.ts';
import { isDatabaseUnavailable } from './outage.ts';

export type Acceptor = {
  create(request: CreateRequest): Promise<Outcome>;
  change(request: ChangeRequest): Promise<ChangeOutcome>;
};

const BATCH = 64;

type Waiting = {
  readonly request: CreateRequest;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
};

export function createAcceptor(options: AcceptorOptions): Acceptor {
  let queue: Waiting[] = [];
  let running = false;

  async function work(): Promise<void> {
    running = true;
    while (queue.length > 0) {
      const batch = takeBatch(queue);
      const taken = new Set(batch);
      queue = queue.filter((one) => !taken.has(one));
      await settleBatch(batch);
    }
    running = false;
  }

  async function settleBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await acceptCreates(
        options,
        batch.map((one) => one.request),
      );
      for (const [index, one] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome === undefined) throw new Error('A create was left without an outcome.');
        answerFollowers(one.request, outcome);
        one.resolve(outcome);
      }
    } catch (error) {
      // One request must not fail its neighbours: each tries alone, if there is a point.
      if (batch.length === 1 || isDatabaseUnavailable(error))
        for (const one of batch) one.reject(error);
      else for (const one of batch) await settleBatch([one]);
    }
  }

  /** Those who sent the same key and body meanwhile get the same answer, without another look. */
  function answerFollowers(leader: CreateRequest, outcome: Outcome): void {
    const { key } = leader;
    if (key === null || outcome.kind !== 'accepted') return;
    queue = queue.filter((one) => {
      const follows =
        one.request.key !== null &&
        nameKey(one.request.key) === nameKey(key) &&
        one.request.key.requestHash === key.requestHash;
      if (follows) one.resolve({ ...outcome, replayed: true });
      return !follows;
    });
  }

  return {
    create: (request) =>
      new Promise((resolve, reject) => {
        queue.push({ request, resolve, reject });
        if (!running) void work();
      }),
    change: (request) => acceptChange(options, request),
  };
}

/** The longest run of waiting creates that do not get in each other's way. */
function takeBatch(queue: readonly Waiting[]): Waiting[] {
  const batch: Waiting[] = [];
  const claimed = new Set<string>();
  for (const one of queue) {
    const { tenant, settings, key, principal } = one.request;
    const claims = [
      `name ${tenant.id} ${settings.name}`,
      `host ${settings.cluster} ${settings.host}`,
      ...(key === null ? [] : [`key ${nameKey(key)}`]),
      ...(principal.role === 'operator' ? [] : [`limits ${tenant.id}`]),
    ];
    if (claims.some((claim) => claimed.has(claim))) continue;
    for (const claim of claims) claimed.add(claim);
    batch.push(one);
    if (batch.length === BATCH) break;
  }
  return batch;
}
