/**
 * A shop's orders, asked of its engine's own API, and a test order placed by it. What is in the way of
 * looking is said in the answer; what is in the way of ordering is a problem.
 */
import type { KnownCluster } from '../clusters.ts';
import { OrderQuery, OrderSummary, TestOrder } from '../contract.ts';
import { recordAct, type Act } from '../db/acts.ts';
import type { Db } from '../db/open.ts';
import type { StoreWithTenant } from '../db/stores.ts';
import type { EngineCard } from '../domain/engine.ts';
import type { Clock } from '../domain/ids.ts';
import { startOfDays, summarizeOrders } from '../domain/orders.ts';
import { PlatformError } from '../errors.ts';
import type { OrderPage, Shop, Shops } from '../orders/types.ts';
import { notConnected } from './problem.ts';
import type { Reads } from './reads.ts';
import { route, type Route } from './route.ts';
import { readStore } from './stores.ts';
import { readStoreSecret } from './workload.ts';

type OrderRouteOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly engines: readonly EngineCard[];
  readonly clusters: readonly KnownCluster[];
  readonly reads: Pick<Reads, 'cluster' | 'shops'>;
};

export function orderRoutes(options: OrderRouteOptions): Route[] {
  const { db, clock } = options;
  return [
    route({
      method: 'GET',
      path: '/api/stores/{id}/orders',
      policy: 'reader',
      summary: 'A store’s orders and revenue by day, and its newest orders',
      query: OrderQuery,
      answers: { 200: OrderSummary },
      problems: ['not_found', 'invalid_request'],
      handle: async (call) => {
        const store = await readStore(db, call);
        const { days } = call.query;
        const now = clock();
        try {
          const { shops, shop } = await openShop(options, store);
          const page = await shops.listOrders(shop, startOfDays(now, days));
          return { status: 200, body: view(page, now, days) };
        } catch (error) {
          if (!(error instanceof PlatformError)) throw error;
          const { code, message, hint = null } = error;
          const body: OrderSummary = {
            currency: null,
            days: [],
            recent: [],
            complete: false,
            problem: { code, message, hint },
          };
          return { status: 200, body };
        }
      },
    }),
    route({
      method: 'POST',
      path: '/api/stores/{id}/test-order',
      policy: 'writer',
      summary: 'Place an order in the shop, as a customer would; put on record',
      answers: { 201: TestOrder },
      problems: [
        'not_found',
        'cluster_not_connected',
        'cluster_unreachable',
        'cluster_refused',
        'practice',
        'orders_not_offered',
        'orders_not_configured',
        'store_not_ready',
        'nothing_to_sell',
        'shop_declined',
        'shop_refused',
        'shop_unknown',
        'shop_unreachable',
      ],
      handle: async (call) => {
        const store = await readStore(db, call);
        const record = (act: Pick<Act, 'outcome' | 'detail'>) =>
          recordAct({ db, clock }, call, {
            action: 'store.test_order',
            tenantId: store.tenantId,
            storeId: store.id,
            ...act,
          });
        try {
          const { shops, shop } = await openShop(options, store);
          const { number, total, currency } = await shops.placeTestOrder(shop);
          await record({ detail: { store: store.name, number, total, currency } });
          const body: TestOrder = { number, total: Number(total), currency };
          return { status: 201, body };
        } catch (error) {
          const reason = error instanceof PlatformError ? error.code : 'internal';
          await record({ outcome: 'failed', detail: { store: store.name, reason } });
          throw error;
        }
      },
    }),
  ];
}

/** The way to a store's shop; throws what is in it. */
async function openShop(
  { engines, clusters, reads }: OrderRouteOptions,
  store: StoreWithTenant,
): Promise<{ readonly shops: Shops; readonly shop: Shop }> {
  const engine = engines.find((one) => one.type === store.type);
  if (engine?.orders !== true)
    throw new PlatformError(
      'orders_not_offered',
      `Orders of stores of type “${store.type}” cannot be shown here yet.`,
      { hint: 'They are in the store’s own administration.' },
    );
  const cluster = clusters.find((one) => one.name === store.cluster);
  if (cluster === undefined) throw notConnected(store.cluster);
  if (cluster.kind === 'practice')
    throw new PlatformError('practice', 'A practice shop takes no orders.', {
      hint: 'On a real cluster its orders and revenue show here.',
    });
  const shops = reads.shops(store.cluster);
  if (shops === null)
    throw new PlatformError('orders_not_configured', 'No way to the shops is configured.', {
      hint: 'An operator sets SHOPYARD_INGRESS_URL, or ingressUrl of the store’s cluster.',
    });
  if (store.readyAt === null || store.status === 'deleting' || store.status === 'deleted')
    throw new PlatformError('store_not_ready', 'The store is not ready for orders.');
  const credentials = await readStoreSecret(reads.cluster(store.cluster), store, 'store-api');
  if (credentials === null)
    throw new PlatformError('store_not_ready', 'The store has no key for its orders yet.', {
      hint: 'Its set-up makes one.',
    });
  const { type, url, options } = store;
  return { shops, shop: { type, url, credentials, options } };
}

function view(page: OrderPage, now: Date, days: number): OrderSummary {
  const summary = summarizeOrders(page.orders, { now, days });
  return {
    currency: summary.currency,
    days: [...summary.days],
    recent: summary.recent.map(({ number, at, total, currency, status, customer }) => ({
      number,
      at: at.toISOString(),
      total: Number(total),
      currency,
      status,
      customer,
    })),
    complete: page.complete,
    problem: null,
  };
}
