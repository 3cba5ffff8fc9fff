/**
 * Accepting changes of stores. Each holds its store's row while it is decided, so the
 * changes of one store follow one another, and each takes the store over from what came before, but
 * for its protection: that goes beside whatever is under way.
 */
import { sql } from 'kysely';
import { describeAct, type Origin } from './acts.ts';
import { appendAudit } from './audit.ts';
import {
  chooseIds,
  hostTaken,
  LostRace,
  readCode,
  replay,
  specOf,
  startOver,
  WAITING_FOR_COMMIT,
  WAITING_FOR_OPERATOR,
  type AcceptorOptions,
  type ChangeOutcome,
  type Outcome,
} from './accept-outcome.ts';
import { findPast } from './changes.ts';
import { holdRemovals } from './holds.ts';
import { findKeptAnswers, keepAnswer, nameKey, type IdempotencyKey } from './idempotency.ts';
import type { Tx } from './open.ts';
import { findOperations, viewOperation, type OperationRow } from './operations.ts';
import { writeStatus, writeStoreEvents, type StoreRow } from './status.ts';
import { differsFromCommitted, endUncommitted } from './uncommitted.ts';
import type { StoreWithTenant } from './stores.ts';
import type { Principal } from './principals.ts';
import { readProblem, viewStore } from './view.ts';
import type { Accepted } from '../contract.ts';
import type { AuditDetail, AuditEntry } from '../domain/audit.ts';
import {
  decideChange,
  findUpgrade,
  readSettable,
  type Change,
  type ChangeDecision,
  type DecidedChange,
} from '../domain/change.ts';
import { DEFAULT_RULES, describeUnconnected, findDomain } from '../domain/cluster.ts';
import { writeOptions } from '../domain/options.ts';
import type { Offer } from '../domain/request.ts';
import { needsReview, readMode } from '../domain/review.ts';
import {
  isUncommitted,
  OPEN_STATES,
  type OperationKind,
  type StoreProblem,
  type StoreStatus,
} from '../domain/store.ts';

export type ChangeRequest = {
  readonly principal: Principal;
  readonly storeId: string;
  readonly change: Change;
  readonly key: IdempotencyKey | null;
  readonly origin: Origin;
};

/** Decides and records one change. */
export async function acceptChange(
  options: AcceptorOptions,
  request: ChangeRequest,
): Promise<ChangeOutcome> {
  return startOver((attempts) => tryChange(options, request, attempts));
}

async function tryChange(
  options: AcceptorOptions,
  request: ChangeRequest,
  attempts: number,
): Promise<ChangeOutcome> {
  const { operation: operationId } = chooseIds(options, request.key, attempts);
  const wanted: { host: string | null } = { host: null };
  try {
    return await options.db.transaction().execute(async (tx) => {
      const store = await lockStore(tx, request.principal, request.storeId);
      if (store === null) return { kind: 'not-found' };
      if (request.key !== null) {
        const kept = (await findKeptAnswers(tx, [request.key])).get(nameKey(request.key));
        if (kept !== undefined) return replay(kept, request.key);
      }
      const decision = await decide(tx, options, request, store);
      switch (decision.kind) {
        case 'gone':
          return { kind: 'not-found' };
        case 'refused':
        case 'invalid':
          return decision;
        case 'unchanged': {
          const operation = await findCurrent(tx, store);
          // A delete that could not be written would hold the store for ever: asking again resumes it.
          if (
            request.change.kind === 'delete' &&
            operation.kind === 'delete' &&
            operation.state === 'failed'
          ) {
            if (!isConnected(options.offer, store))
              return { kind: 'refused', ...describeUnconnected(store.cluster) };
            const { kind, action } = operation;
            const again = { ...readSettable(store), reverts: null, restores: null, adopts: null };
            // Who agreed to it agreed to all of its commits.
            const isReviewed =
              operation.commitSha === null && (await asksForReview(tx, options.offer, store, kind));
            const change = { ...again, operation: kind, action, operationId };
            return await recordChange(tx, options, request, store, {
              ...change,
              needsReview: isReviewed,
            });
          }
          const body = {
            store: viewStore(store, store.tenantSlug),
            operation: viewOperation(operation),
          };
          const status = request.change.kind === 'delete' ? 202 : 200;
          return keep(tx, request.key, status, body, options.clock());
        }
        case 'change': {
          wanted.host = decision.host;
          if (await isHeldByOther(tx, store, decision.host))
            return hostTaken(decision.host, 'domain');
          const isReviewed = await asksForReview(tx, options.offer, store, decision.operation);
          const change = { ...decision, operationId, needsReview: isReviewed };
          if (decision.operation !== 'protect')
            return await recordChange(tx, options, request, store, change);
          return await recordProtection(
            tx,
            options,
            request,
            await withdrawDelete(tx, options, request, store),
            change,
          );
        }
      }
    });
  } catch (error) {
    if (wanted.host !== null && isHostTaken(error)) return hostTaken(wanted.host, 'domain');
    throw error;
  }
}

function isConnected({ clusters }: Offer, { cluster }: StoreWithTenant): boolean {
  return clusters.some(({ name }) => name === cluster);
}

/** Whether somebody is to agree to a change before it reaches the branch. */
async function asksForReview(
  tx: Tx,
  offer: Offer,
  store: StoreWithTenant,
  kind: OperationKind,
): Promise<boolean> {
  // What never was on the branch leaves without a commit: there is nothing to look at.
  if (kind === 'delete' && store.commitSha === null) return false;
  if (needsReview(readMode(offer, store.cluster), { kind, exceedsLimits: false })) return true;
  return kind !== 'protect' && (await carriesUnreviewed(tx, store));
}

/**
 * Whether the row has what was to be reviewed and nobody agreed to: the change before is waiting
 * still, or it was the create, which is refused or failed. Whatever is made of the row has it too.
 */
async function carriesUnreviewed(tx: Tx, store: StoreWithTenant): Promise<boolean> {
  const current = await findCurrent(tx, store);
  if (store.commitSha === null) return current.needsReview;
  if (!current.needsReview || !isUncommitted(current.state)) return false;
  return differsFromCommitted(tx, store);
}

/** Whether the host is still another store's, which waits to move away from it. */
async function isHeldByOther(tx: Tx, store: StoreWithTenant, host: string): Promise<boolean> {
  if (host === store.host) return false;
  const row = await tx
    .selectFrom('stores')
    .select('id')
    .where('cluster', '=', store.cluster)
    .where('heldHost', '=', host)
    .where('heldHost', 'is not', null)
    .where('status', '<>', 'deleted')
    .where('id', '<>', store.id)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * The delete that protecting a store takes back: it waits for people, and nothing of it is on the
 * branch. One that does not may be on its way there.
 */
async function findWithdrawn(
  tx: Tx,
  store: StoreWithTenant,
  change: Change,
): Promise<OperationRow | null> {
  if (change.kind !== 'protect' || !change.protected) return null;
  const current = await findCurrent(tx, store);
  const { kind, state, committedAt } = current;
  const isWaiting = state === 'held' || (isUncommitted(state) && current.needsReview);
  return kind === 'delete' && isWaiting && committedAt === null ? current : null;
}

/** Who protects a store takes back its delete, if nothing of that is on the branch yet. */
async function withdrawDelete(
  tx: Tx,
  { offer, clock, deadlineMs }: AcceptorOptions,
  { principal, change }: ChangeRequest,
  store: StoreWithTenant,
): Promise<StoreWithTenant> {
  const withdrawn = await findWithdrawn(tx, store, change);
  if (withdrawn === null) return store;
  await endUncommitted(tx, {
    operationId: withdrawn.id,
    state: 'rejected',
    problem: { code: 'protected', message: 'The store was protected meanwhile.', hint: null },
    domainOf: (spec) => findDomain(offer.clusters, spec),
    deadlineMs,
    at: clock(),
  });
  const row = await lockStore(tx, principal, store.id);
  if (row === null) throw new Error(`Store ${store.id} is gone while it was locked.`);
  return row;
}

async function decide(
  tx: Tx,
  { offer, clock }: AcceptorOptions,
  { change }: ChangeRequest,
  store: StoreWithTenant,
): Promise<ChangeDecision> {
  const past = change.kind === 'rollback' ? await findPast(tx, store.id, change.commit) : null;
  // It is not kept yet, whatever its row says.
  const isRetiring = (await findWithdrawn(tx, store, change))?.action === 'retire';
  const standing = isRetiring ? { ...store, purgeAt: null } : store;
  const decision = decideChange(standing, change, offer, { now: clock(), past });
  if (change.kind !== 'delete' || decision.kind !== 'change') return decision;
  // A delete that waits for a review, or for a second operator, is asked for already.
  const { kind, action, state } = await findCurrent(tx, store);
  const isSame = action === decision.action || change.now !== true;
  return kind === 'delete' && isSame && isUncommitted(state) ? { kind: 'unchanged' } : decision;
}

async function findCurrent(tx: Tx, store: StoreWithTenant): Promise<OperationRow> {
  const operation = (await findOperations(tx, [store.operationId])).get(store.operationId);
  if (operation === undefined) throw new Error(`Store ${store.id} has no operation.`);
  return operation;
}

function isHostTaken(error: unknown): boolean {
  return (
    readCode(error) === '23505' &&
    error instanceof Error &&
    'constraint' in error &&
    error.constraint === 'stores_host'
  );
}

async function lockStore(
  tx: Tx,
  principal: Principal,
  storeId: string,
): Promise<StoreWithTenant | null> {
  const scope = principal.role === 'operator' ? null : principal.tenantId;
  const { rows } = await sql<StoreWithTenant>`
    select s.*, t.slug as tenant_slug from stores s join tenants t on t.id = s.tenant_id
    where s.id = ${storeId} and (${scope}::text is null or s.tenant_id = ${scope})
    for no key update of s
  `.execute(tx);
  return rows[0] ?? null;
}

async function keep(
  tx: Tx,
  key: IdempotencyKey | null,
  status: 200 | 202,
  body: Accepted,
  now: Date,
): Promise<Outcome> {
  if (key !== null && !(await keepAnswer(tx, key, { status, body }, now)))
    throw new LostRace('The key was used meanwhile.');
  return { kind: 'accepted', status, body, replayed: false };
}

type RecordedChange = DecidedChange & {
  readonly operationId: string;
  /** Somebody agrees to it before it reaches the branch. */
  readonly needsReview: boolean;
};

/** A new operation takes the store over: earlier ones that are still under way are superseded. */
async function recordChange(
  tx: Tx,
  options: AcceptorOptions,
  request: ChangeRequest,
  store: StoreWithTenant,
  change: RecordedChange,
): Promise<Outcome> {
  const now = options.clock();
  const next = nextStore(store, change, options.offer);
  await tx
    .updateTable('stores')
    .set({
      ...readSettable(change),
      options: JSON.stringify(change.options),
      heldHost: next.heldHost,
      operationId: next.operationId,
      upgradeTo: next.upgradeTo,
      reviewNumber: null,
      reviewUrl: null,
    })
    .where('id', '=', store.id)
    .execute();
  // The update may have waited until another store moved away from the host: that holds it now.
  if (await isHeldByOther(tx, store, change.host)) throw new LostRace('The host is held since.');
  await tx
    .updateTable('operations')
    .set({ state: 'superseded', finishedAt: now })
    .where('storeId', '=', store.id)
    .where('state', 'in', OPEN_STATES)
    .where('kind', '<>', 'protect')
    .execute();
  const queued = await queueOperation(tx, request, next, change, now);
  const isHeld = await isOverLimit(tx, options, store, change, now);
  const operation: OperationRow = isHeld ? { ...queued, state: 'held' } : queued;
  const [row] = await writeStatus(tx, [
    {
      storeId: store.id,
      operationId: change.operationId,
      ...chooseStart(store, change, isHeld),
      stage: 'requested',
      detail: isHeld ? WAITING_FOR_OPERATOR : WAITING_FOR_COMMIT,
      // A removal never fails by its age: it goes on until everything is gone. Nor does what people
      // have yet to look at.
      deadlineAt:
        change.operation === 'delete' || change.needsReview
          ? null
          : new Date(now.getTime() + options.deadlineMs),
      at: now,
    },
  ]);
  if (row === undefined) throw new Error(`Store ${store.id} changed while it was locked.`);
  return answer(tx, request, store, { row, operation, change, now });
}

/** Whether so much is being removed from the cluster that a second operator has to agree. */
async function isOverLimit(
  tx: Tx,
  { offer }: AcceptorOptions,
  store: StoreWithTenant,
  { action, operationId }: RecordedChange,
  at: Date,
): Promise<boolean> {
  // What never was on the branch is not removed from anywhere.
  if (action !== 'release' || store.commitSha === null) return false;
  const { guard } = offer.clusters.find(({ name }) => name === store.cluster) ?? DEFAULT_RULES;
  const held = await holdRemovals(tx, {
    ...{ cluster: store.cluster, guard },
    ...{ operationIds: [operationId], at },
  });
  return held.has(operationId);
}

/** Goes beside whatever is under way; what waits for a review carries it on. */
async function recordProtection(
  tx: Tx,
  options: AcceptorOptions,
  request: ChangeRequest,
  store: StoreWithTenant,
  change: RecordedChange,
): Promise<Outcome> {
  const now = options.clock();
  const row = { ...store, protected: change.protected, updatedAt: now };
  await tx
    .updateTable('stores')
    .set({ protected: row.protected, updatedAt: now })
    .where('id', '=', store.id)
    .execute();
  await sql`
    update operations set spec = jsonb_set(spec, '{protected}', to_jsonb(${row.protected}::boolean))
    where store_id = ${store.id}
      and (state in ('held', 'review') or (state = 'queued' and needs_review))
  `.execute(tx);
  const operation = await queueOperation(tx, request, row, change, now);
  await writeStoreEvents(tx, [row]);
  return answer(tx, request, store, { row, operation, change, now });
}

function nextStore(store: StoreWithTenant, change: RecordedChange, offer: Offer): StoreWithTenant {
  return {
    ...store,
    ...readSettable(change),
    heldHost: chooseHeldHost(store, change.host),
    operationId: change.operationId,
    upgradeTo: findUpgrade(offer, { ...change, type: store.type }),
    reviewNumber: null,
    reviewUrl: null,
  };
}

/** The host that the cluster has until the change is on the branch, where it is to be another. */
function chooseHeldHost(store: StoreRow, host: string): string | null {
  const live = store.heldHost ?? store.host;
  return store.commitSha === null || live === host ? null : live;
}

/** What its status is while the change waits for its commit, and what is wrong meanwhile. */
function chooseStart(
  store: StoreRow,
  { operation, action, needsReview: isReviewed }: RecordedChange,
  isHeld: boolean,
): { readonly status: StoreStatus; readonly problem: StoreProblem | null } {
  // Until somebody agreed, nothing is under way; what never was on the branch is made anew.
  if ((isReviewed || isHeld) && store.commitSha !== null)
    return { status: store.status, problem: readProblem(store) };
  const status =
    action === 'retire' ? 'suspended' : operation === 'delete' ? 'deleting' : 'provisioning';
  return { status, problem: null };
}

/** Puts the operation's first commit into the writer's queue. */
async function queueOperation(
  tx: Tx,
  request: ChangeRequest,
  store: StoreWithTenant,
  change: RecordedChange,
  now: Date,
): Promise<OperationRow> {
  const operation: OperationRow = {
    id: change.operationId,
    storeId: store.id,
    kind: change.operation,
    action: change.action,
    state: 'queued',
    generation: store.generation,
    requestedBy: request.principal.id,
    commitSha: null,
    needsReview: change.needsReview,
    reviewNumber: null,
    errorCode: null,
    errorMessage: null,
    createdAt: now,
    committedAt: null,
    finishedAt: null,
  };
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('operations')
    .values({
      ...operation,
      tenantId: store.tenantId,
      cluster: store.cluster,
      reverts: change.reverts,
      restores: change.restores,
      adopts: change.adopts,
      // What was let through although somebody changed the files knows of that change.
      driftSha: store.driftSha,
      spec: JSON.stringify(specOf(store, store.tenantSlug)),
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow();
  if (numInsertedOrUpdatedRows === 0n) throw new LostRace('The id is taken.');
  return operation;
}

async function answer(
  tx: Tx,
  request: ChangeRequest,
  store: StoreWithTenant,
  { row, operation, change, now }: Recorded,
): Promise<Outcome> {
  const outcome = await keep(
    tx,
    request.key,
    202,
    { store: viewStore(row, store.tenantSlug), operation: viewOperation(operation) },
    now,
  );
  await appendAudit(tx, [describeChange(request, store, change, now)]);
  return outcome;
}

type Recorded = {
  /** The store as it is now. */
  readonly row: StoreRow;
  readonly operation: OperationRow;
  readonly change: RecordedChange;
  readonly now: Date;
};

function describeChange(
  { principal, origin }: ChangeRequest,
  store: StoreWithTenant,
  change: RecordedChange,
  now: Date,
): AuditEntry {
  return describeAct(
    { ...origin, principal },
    {
      tenantId: store.tenantId,
      storeId: store.id,
      action: `store.${change.operation}`,
      detail: {
        name: store.name,
        operation: change.operationId,
        // What a change changes, before and after.
        ...(change.plan === store.plan ? {} : { planBefore: store.plan, plan: change.plan }),
        ...(change.host === store.host ? {} : { hostBefore: store.host, host: change.host }),
        ...describeOptions(writeOptions(store.options), writeOptions(change.options)),
        ...(change.chartVersion === store.chartVersion
          ? {}
          : { chartVersionBefore: store.chartVersion, chartVersion: change.chartVersion }),
        ...(change.purgeAt === null ? {} : { purgeAt: change.purgeAt.toISOString() }),
        ...(change.protected === store.protected ? {} : { protected: change.protected }),
        ...(change.restores === null ? {} : { restores: change.restores }),
        ...(change.adopts === null ? {} : { adopts: change.adopts }),
      },
    },
    now,
  );
}

function describeOptions(before: readonly string[], after: readonly string[]): AuditDetail {
  const optionsBefore = before.filter((one) => !after.includes(one));
  const options = after.filter((one) => !before.includes(one));
  return {
    ...(optionsBefore.length === 0 ? {} : { optionsBefore }),
    ...(options.length === 0 ? {} : { options }),
  };
}
