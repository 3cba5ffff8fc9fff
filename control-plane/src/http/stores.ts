/** The routes of stores. A handler translates: the decisions are the domain's, the records db's. */
import type { Acceptor } from '../db/accept.ts';
import type { ChangeOutcome } from '../db/accept-outcome.ts';
import { hashRequest, type IdempotencyKey } from '../db/idempotency.ts';
import { listOperations, viewOperation } from '../db/operations.ts';
import type { Db } from '../db/open.ts';
import {
  findStore,
  listStages,
  listStores,
  type Scope,
  type StoreWithTenant,
} from '../db/stores.ts';
import { findTenant, PLATFORM_TENANT } from '../db/tenants.ts';
import type { Principal } from '../db/principals.ts';
import { viewStore } from '../db/view.ts';
import {
  Accepted,
  ChangeStore,
  CreateStore,
  Health,
  OperationList,
  StoreAnswer,
  StoreList,
  StoreQuery,
} from '../contract.ts';
import { resolveCreate, type Change, type FieldError, type Offer } from '../domain/request.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';
import { route, type Answer, type Call, type Route } from './route.ts';

export type StoreRouteOptions = {
  readonly db: Db;
  readonly offer: Offer;
  readonly acceptor: Acceptor;
  /** Something was recorded that the writer and the event streams should look at. */
  readonly announce: () => void;
};

/** Everything a store's routes may answer besides success. */
const ALTERING = [
  'malformed_json',
  'idempotency_key_invalid',
  'unsupported_media_type',
  'body_too_large',
  'invalid_request',
  'idempotency_key_reused',
] as const;

export function storeRoutes(options: StoreRouteOptions): Route[] {
  const { db, offer, acceptor, announce } = options;

  async function change(call: Call<unknown, unknown>, wanted: Change): Promise<Answer> {
    const outcome = await acceptor.change({
      principal: call.principal,
      storeId: readStoreId(call),
      change: wanted,
      key: keyOf(call, wanted.kind === 'update' ? wanted : null),
      origin: call,
    });
    return answer(outcome, announce);
  }

  return [
    route({
      method: 'POST',
      path: '/api/stores',
      policy: 'writer',
      summary: 'Create a store',
      body: CreateStore,
      idempotent: true,
      answers: { 202: Accepted, 200: Accepted },
      problems: [
        ...ALTERING,
        'store_limit',
        'rate_limited',
        'name_taken',
        'host_taken',
        'store_deleting',
      ],
      handle: async (call) => {
        const { principal, body } = call;
        const errors: FieldError[] = [];
        if (body.tenant !== undefined && principal.role !== 'operator')
          errors.push({
            field: 'tenant',
            message: 'Only operators name a tenant; the store goes to your own.',
          });
        const resolved = resolveCreate(body, offer);
        if (!resolved.ok) errors.push(...resolved.errors);
        if (!resolved.ok || errors.length > 0) throw invalidRequest(errors);
        const outcome = await acceptor.create({
          principal,
          tenant: await chooseTenant(db, principal, body.tenant),
          settings: resolved.settings,
          key: keyOf(call, body),
          origin: call,
        });
        return answer(outcome, announce);
      },
    }),
    route({
      method: 'GET',
      path: '/api/stores',
      policy: 'reader',
      summary: 'List stores, newest first',
      query: StoreQuery,
      answers: { 200: StoreList },
      problems: ['invalid_request'],
      handle: async ({ principal, query }) => {
        if (query.tenant !== undefined && principal.role !== 'operator')
          throw invalidRequest([{ field: 'tenant', message: 'Only operators name a tenant.' }]);
        const page = await listStores(db, scopeOf(principal), query);
        if (page.kind === 'bad-cursor')
          throw invalidRequest([{ field: 'cursor', message: 'This is not a cursor of ours.' }]);
        return {
          status: 200,
          body: {
            stores: page.rows.map((row) => viewStore(row, row.tenantSlug)),
            next: page.next,
          } satisfies StoreList,
        };
      },
    }),
    route({
      method: 'GET',
      path: '/api/stores/{id}',
      policy: 'reader',
      summary: 'Show a store',
      answers: { 200: StoreAnswer },
      problems: ['not_found'],
      handle: async (call) => {
        const store = await readStore(db, call);
        return {
          status: 200,
          body: { store: viewStore(store, store.tenantSlug) } satisfies StoreAnswer,
        };
      },
    }),
    route({
      method: 'PATCH',
      path: '/api/stores/{id}',
      policy: 'writer',
      summary: 'Change a store’s plan or domain: a new generation',
      body: ChangeStore,
      idempotent: true,
      answers: { 202: Accepted, 200: Accepted },
      problems: ['not_found', ...ALTERING, 'host_taken', 'store_deleting'],
      handle: (call) => change(call, { kind: 'update', ...call.body }),
    }),
    route({
      method: 'DELETE',
      path: '/api/stores/{id}',
      policy: 'writer',
      summary: 'Delete a store and everything in it',
      answers: { 202: Accepted },
      problems: ['not_found'],
      handle: (call) => change(call, { kind: 'delete' }),
    }),
    route({
      method: 'POST',
      path: '/api/stores/{id}/retry',
      policy: 'writer',
      summary: 'Try again: a new generation with fresh web pods',
      idempotent: true,
      answers: { 202: Accepted },
      problems: [
        'not_found',
        'idempotency_key_invalid',
        'idempotency_key_reused',
        'store_deleting',
      ],
      handle: (call) => change(call, { kind: 'retry' }),
    }),
    route({
      method: 'GET',
      path: '/api/stores/{id}/health',
      policy: 'reader',
      summary: 'How a store’s current change is getting on',
      answers: { 200: Health },
      problems: ['not_found'],
      handle: async (call) => {
        const row = await readStore(db, call);
        const store = viewStore(row, row.tenantSlug);
        const stages = await listStages(db, row.operationId);
        return {
          status: 200,
          body: {
            status: store.status,
            stage: store.stage,
            detail: store.detail,
            generation: store.generation,
            operation: row.operationId,
            deadlineAt: row.deadlineAt?.toISOString() ?? null,
            stages: stages.map((one) => ({
              stage: one.stage,
              startedAt: one.startedAt.toISOString(),
              finishedAt: one.finishedAt?.toISOString() ?? null,
              deadlineAt: one.deadlineAt?.toISOString() ?? null,
              commit: one.commitSha,
            })),
            error: store.error,
          } satisfies Health,
        };
      },
    }),
    route({
      method: 'GET',
      path: '/api/stores/{id}/operations',
      policy: 'reader',
      summary: 'What was done to a store, newest first',
      answers: { 200: OperationList },
      problems: ['not_found'],
      handle: async (call) => {
        const store = await readStore(db, call);
        const operations = await listOperations(db, store.id);
        return {
          status: 200,
          body: { operations: operations.map(viewOperation) } satisfies OperationList,
        };
      },
    }),
  ];
}

export function scopeOf(principal: Principal): Scope {
  return principal.role === 'operator' ? null : principal.tenantId;
}

/** An id that cannot be one of ours is nobody's: the same 404. */
function readStoreId(call: Call<unknown, unknown>): string {
  const { id = '' } = call.params;
  if (!/^st_[a-z0-9]{1,32}$/.test(id)) throw notFound();
  return id;
}

export async function readStore(db: Db, call: Call<unknown, unknown>): Promise<StoreWithTenant> {
  const store = await findStore(db, scopeOf(call.principal), readStoreId(call));
  if (store === null) throw notFound();
  return store;
}

/** The tenant a create is for: the caller's own, or the one an operator names. */
export async function chooseTenant(
  db: Db,
  principal: Principal,
  named: string | undefined,
): Promise<{ readonly id: string | null; readonly slug: string }> {
  const own = { id: principal.tenantId, slug: principal.tenant };
  if (principal.role !== 'operator') return own;
  const slug = named ?? PLATFORM_TENANT;
  return slug === own.slug ? own : ((await findTenant(db, slug)) ?? { id: null, slug });
}

function keyOf(call: Call<unknown, unknown>, body: unknown): IdempotencyKey | null {
  return call.idempotencyKey === null
    ? null
    : {
        tenantId: call.principal.tenantId,
        key: call.idempotencyKey,
        requestHash: hashRequest(call.ctx.method, call.ctx.path, body),
      };
}

function answer(outcome: ChangeOutcome, announce: () => void): Answer {
  switch (outcome.kind) {
    case 'accepted':
      if (outcome.status === 202 && !outcome.replayed) announce();
      return {
        status: outcome.status,
        body: outcome.body,
        headers: {
          Location: `/api/stores/${outcome.body.store.id}`,
          ...(outcome.replayed ? { 'Idempotent-Replayed': 'true' } : {}),
        },
      };
    case 'not-found':
      throw notFound();
    case 'key-reused':
      throw new RequestProblem(
        'idempotency_key_reused',
        'This Idempotency-Key came with another request before.',
        { hint: 'Use a new key for each new request.' },
      );
    case 'taken':
      throw new RequestProblem(outcome.code, outcome.message, {
        errors: [{ field: outcome.field, message: outcome.message }],
      });
    case 'refused':
      throw new RequestProblem('store_deleting', outcome.message);
    case 'invalid':
      throw invalidRequest(outcome.errors);
    case 'full':
      throw new RequestProblem(
        'store_limit',
        `The tenant has ${outcome.limit} of ${outcome.limit} stores.`,
        { hint: 'Delete a store, or ask an operator for a higher limit.' },
      );
    case 'too-fast':
      throw new RequestProblem(
        'rate_limited',
        `At most ${outcome.limit} in a minute; the next is possible in ${outcome.retryAfterSeconds} s.`,
        { headers: { 'Retry-After': String(outcome.retryAfterSeconds) } },
      );
  }
}
