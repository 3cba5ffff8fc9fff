/** The routes of stores. A handler translates: the decisions are the domain's, the records db's. */
import type { Acceptor } from '../db/accept.ts';
import { listOperations, viewOperation } from '../db/operations.ts';
import type { Db } from '../db/open.ts';
import {
  findStore,
  listStages,
  listStores,
  type Scope,
  type StoreWithTenant,
} from '../db/stores.ts';
import type { Principal } from '../db/principals.ts';
import { viewStore } from '../db/view.ts';
import {
  Accepted,
  CreateStore,
  Health,
  OperationList,
  StoreAnswer,
  StoreList,
  StoreQuery,
  type Store,
} from '../contract.ts';
import type { ClusterStates } from '../db/cluster-states.ts';
import type { Clock } from '../domain/ids.ts';
import { isHeard } from '../domain/placement.ts';
import type { Offer } from '../domain/request.ts';
import { ALTERING, answerOutcome, keyOf } from './accepted.ts';
import { settleCreate, type Placer } from './placing.ts';
import { invalidRequest, notFound } from './problem.ts';
import { route, type Call, type Route } from './route.ts';

export type StoreRouteOptions = {
  readonly db: Db;
  readonly offer: Offer;
  readonly acceptor: Acceptor;
  readonly clock: Clock;
  readonly placer: Placer;
  readonly states: ClusterStates;
  /** Something was recorded that the writer and the event streams should look at. */
  readonly announce: () => void;
};

export function storeRoutes(options: StoreRouteOptions): Route[] {
  const { db, offer, acceptor, announce, clock, placer, states } = options;

  return [
    route({
      method: 'POST',
      path: '/api/stores',
      policy: 'writer',
      summary: 'Create a store',
      body: CreateStore,
      idempotent: true,
      answers: { 202: Accepted, 200: Accepted },
      meanings: {
        202: 'Recorded: the store and the operation that makes it',
        200: 'It was there already, with all that is asked for: the store as it is',
      },
      problems: [
        ...ALTERING,
        'store_limit',
        'rate_limited',
        'name_taken',
        'host_taken',
        'store_deleting',
        'no_cluster',
      ],
      handle: async (call) => {
        const { principal, body } = call;
        const key = keyOf(call, body);
        const create = await settleCreate({ db, offer, placer }, { principal, body, key });
        states.note(create.settings.cluster);
        const outcome = await acceptor.create({ principal, ...create, key, origin: call });
        return answerOutcome(outcome, announce);
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
        const connected = offer.clusters.map(({ name }) => name);
        const page = await listStores(db, scopeOf(principal), query, connected);
        if (page.kind === 'bad-cursor')
          throw invalidRequest([{ field: 'cursor', message: 'This is not a cursor of ours.' }]);
        return {
          status: 200,
          body: {
            stores: page.rows.map((row) => viewKnown(row, offer.clusters)),
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
          body: { store: viewKnown(store, offer.clusters) } satisfies StoreAnswer,
        };
      },
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
        const store = viewKnown(row, offer.clusters);
        const [stages, hearing] = await Promise.all([
          listStages(db, row.operationId),
          states.hear(row.cluster),
        ]);
        return {
          status: 200,
          body: {
            status: store.status,
            stage: store.stage,
            detail: store.detail,
            generation: store.generation,
            operation: row.operationId,
            cluster: {
              name: row.cluster,
              heardAt: hearing.heardAt?.toISOString() ?? null,
              heard: !store.disconnected && isHeard(hearing, clock()),
              connected: !store.disconnected,
            },
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

/** A store as it is shown: of a cluster that is not connected any more it says so. */
export function viewKnown(
  row: StoreWithTenant,
  clusters: readonly { readonly name: string }[],
): Store {
  const disconnected = !clusters.some(({ name }) => name === row.cluster);
  return { ...viewStore(row, row.tenantSlug), disconnected };
}

export function scopeOf(principal: Principal): Scope {
  return principal.role === 'operator' ? null : principal.tenantId;
}

/** An id that cannot be one of ours is nobody's: the same 404. */
export function readStoreId(call: Call<unknown, unknown>): string {
  const { id = '' } = call.params;
  if (!/^st_[a-z0-9]{1,32}$/.test(id)) throw notFound();
  return id;
}

export async function readStore(db: Db, call: Call<unknown, unknown>): Promise<StoreWithTenant> {
  const store = await findStore(db, scopeOf(call.principal), readStoreId(call));
  if (store === null) throw notFound();
  return store;
}
