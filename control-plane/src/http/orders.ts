/** A shop's orders, asked of its engine's own API. What is in the way is said in the answer. */
import { OrderQuery, OrderSummary, type Me } from '../contract.ts';
import type { Db } from '../db/open.ts';
import type { StoreWithTenant } from '../db/stores.ts';
import type { EngineCard } from '../domain/engine.ts';
import type { Clock } from '../domain/ids.ts';
import { startOfDays, summarizeOrders } from '../domain/orders.ts';
import { PlatformError } from '../errors.ts';
import type { OrderPage } from '../orders/types.ts';
import type { Reads } from './reads.ts';
import { route, type Route } from './route.ts';
import { readStore } from './stores.ts';
import { readStoreSecret } from './workload.ts';

type OrderRouteOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly engines: readonly EngineCard[];
  readonly kind: Me['cluster']['kind'];
  readonly reads: Pick<Reads, 'cluster' | 'orders'>;
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
          const page = await readOrders(options, store, startOfDays(now, days));
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
  ];
}

async function readOrders(
  { engines, kind, reads }: OrderRouteOptions,
  store: StoreWithTenant,
  since: Date,
): Promise<OrderPage> {
  const engine = engines.find((one) => one.type === store.type);
  if (engine === undefined || engine.orderApi === null)
    throw new PlatformError(
      'orders_not_offered',
      `Orders of stores of type “${store.type}” cannot be shown here yet.`,
      { hint: 'They are in the store’s own administration.' },
    );
  if (kind === 'practice')
    throw new PlatformError('practice', 'A practice shop takes no orders.', {
      hint: 'On a real cluster its orders and revenue show here.',
    });
  if (reads.orders === null)
    throw new PlatformError('orders_not_configured', 'No way to the shops is configured.', {
      hint: 'An operator sets SHOPYARD_INGRESS_URL.',
    });
  if (store.readyAt === null || store.status === 'deleting' || store.status === 'deleted')
    throw new PlatformError('store_not_ready', 'Orders show here when the store is ready.');
  const credentials = await readStoreSecret(reads.cluster, store, 'store-api');
  if (credentials === null)
    throw new PlatformError('orders_unavailable', 'The store has no key for its orders yet.', {
      hint: 'Its set-up makes one.',
    });
  return reads.orders.listOrders({ api: engine.orderApi, url: store.url, credentials }, since);
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
