/**
 * Accepting changes: update, retry, delete. Each holds its store's row while it is decided, so the
 * changes of one store follow one another, and each takes the store over from what came before.
 */
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import { appendAudit } from './audit.ts';
import {
  chooseIds,
  describeActor,
  hostTaken,
  LostRace,
  readCode,
  replay,
  specOf,
  startOver,
  WAITING_FOR_COMMIT,
  type AcceptorOptions,
  type Origin,
  type ChangeOutcome,
  type Outcome,
} from './accept-outcome.ts';
import { findKeptAnswers, keepAnswer, nameKey, type IdempotencyKey } from './idempotency.ts';
import type { Tx } from './open.ts';
import { findOperations, viewOperation, type OperationRow } from './operations.ts';
import type { OperationTable } from './schema.ts';
import { writeStatus, type StoreRow } from './status.ts';
import type { StoreWithTenant } from './stores.ts';
import type { Principal } from './principals.ts';
import { viewStore } from './view.ts';
import type { Accepted } from '../contract.ts';
import type { AuditEntry } from '../domain/audit.ts';
import { decideChange, type Change, type ChangeDecision } from '../domain/request.ts';
import type { Action } from '../domain/store.ts';

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
      const decision = decideChange(store, request.change, options.offer);
      switch (decision.kind) {
        case 'gone':
          return { kind: 'not-found' };
        case 'refused':
        case 'invalid':
          return decision;
        case 'unchanged': {
          const operations = await findOperations(tx, [store.operationId]);
          const operation = operations.get(store.operationId);
          if (operation === undefined) throw new Error(`Store ${store.id} has no operation.`);
          // A delete that could not be written would hold the store for ever: asking again resumes it.
          if (operation.kind === 'delete' && operation.state === 'failed') {
            const { plan, domain, host, url, generation, attempt } = store;
            const again = { plan, domain, host, url, generation, attempt };
            const change = { ...again, operation: operation.kind, action: operation.action };
            return await recordChange(tx, options, request, store, { ...change, operationId });
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
          const action: Action = decision.operation === 'delete' ? 'release' : decision.operation;
          const change = { ...decision, action, operationId };
          return await recordChange(tx, options, request, store, change);
        }
      }
    });
  } catch (error) {
    if (wanted.host !== null && isHostTaken(error)) return hostTaken(wanted.host, 'domain');
    throw error;
  }
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

/** What the store becomes, and the first commit of the operation that makes it so. */
type RecordedChange = Omit<Extract<ChangeDecision, { kind: 'change' }>, 'kind'> & {
  readonly action: Action;
  readonly operationId: string;
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
  const leaving = change.operation === 'delete';
  const { operationId, plan, domain, host, url, generation, attempt } = change;
  const next: StoreRow = { ...store, plan, domain, host, url, generation, attempt, operationId };
  await tx
    .updateTable('stores')
    .set({ plan, domain, host, url, generation, attempt, operationId })
    .where('id', '=', store.id)
    .execute();
  await tx
    .updateTable('operations')
    .set({ state: 'superseded', finishedAt: now })
    .where('storeId', '=', store.id)
    .where('state', 'in', ['queued', 'waiting'])
    .execute();
  const operation: OperationRow & Pick<Selectable<OperationTable>, 'tenantId' | 'cluster'> = {
    id: operationId,
    storeId: store.id,
    tenantId: store.tenantId,
    cluster: store.cluster,
    kind: change.operation,
    action: change.action,
    state: 'queued',
    generation,
    requestedBy: request.principal.id,
    commitSha: null,
    errorCode: null,
    errorMessage: null,
    createdAt: now,
    committedAt: null,
    finishedAt: null,
  };
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('operations')
    .values({ ...operation, spec: JSON.stringify(specOf(next, store.tenantSlug)) })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow();
  if (numInsertedOrUpdatedRows === 0n) throw new LostRace('The id is taken.');
  const [row] = await writeStatus(tx, [
    {
      storeId: store.id,
      operationId,
      status: leaving ? 'deleting' : 'provisioning',
      stage: 'requested',
      detail: WAITING_FOR_COMMIT,
      problem: null,
      // A removal never fails by its age: it goes on until everything is gone.
      deadlineAt: leaving ? null : new Date(now.getTime() + options.deadlineMs),
      at: now,
    },
  ]);
  if (row === undefined) throw new Error(`Store ${store.id} changed while it was locked.`);
  const outcome = await keep(
    tx,
    request.key,
    202,
    { store: viewStore(row, store.tenantSlug), operation: viewOperation(operation) },
    now,
  );
  await appendAudit(tx, [describeAct(request, store, change, now)]);
  return outcome;
}

function describeAct(
  { principal, origin }: ChangeRequest,
  store: StoreWithTenant,
  change: RecordedChange,
  now: Date,
): AuditEntry {
  return {
    ...describeActor(principal, origin, now),
    tenantId: store.tenantId,
    storeId: store.id,
    action: `store.${change.operation}`,
    outcome: 'done',
    detail: {
      name: store.name,
      operation: change.operationId,
      // What a change changes, before and after.
      ...(change.plan === store.plan ? {} : { planBefore: store.plan, plan: change.plan }),
      ...(change.host === store.host ? {} : { hostBefore: store.host, host: change.host }),
    },
  };
}
