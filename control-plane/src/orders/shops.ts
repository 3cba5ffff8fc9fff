/** Visits shops: finds the engine's adapter, bounds time and pages, says what went wrong. */
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import type { ShopOrder } from '../domain/orders.ts';
import type { Clock } from '../domain/ids.ts';
import { askShop } from './request.ts';
import type { Shop, ShopAdapter, Shops, ShopVisit } from './types.ts';

const PAGE = 100;

export type ShopsOptions = {
  /** By engine. */
  readonly adapters: ReadonlyMap<string, ShopAdapter>;
  /** Where the Ingress of the stores' cluster listens, as this process reaches it. */
  readonly ingressUrl: string;
  readonly clock: Clock;
  /** For all pages of a list together; default 8 s. */
  readonly timeoutMs?: number;
  /** Of a hundred orders; default 10. */
  readonly pages?: number;
  /** For all the steps of an order together; default 30 s. */
  readonly orderTimeoutMs?: number;
};

export function createShops(options: ShopsOptions): Shops {
  const { adapters, clock, timeoutMs = 8000, pages = 10, orderTimeoutMs = 30_000 } = options;
  const ingress = new URL(options.ingressUrl);

  const visit = (shop: Shop, ms: number): ShopVisit => {
    const origin = new URL(shop.url);
    const signal = AbortSignal.timeout(ms);
    return { shop, clock, ask: (request) => askShop({ ingress, origin, signal }, request) };
  };
  const adapterOf = ({ type }: Shop): ShopAdapter => {
    const adapter = adapters.get(type);
    if (adapter === undefined)
      throw new PlatformError('shop_unknown', `There is no way to shops of type “${type}”.`);
    return adapter;
  };

  return {
    async listOrders(shop, since) {
      const adapter = adapterOf(shop);
      const visiting = visit(shop, timeoutMs);
      const orders: ShopOrder[] = [];
      for (let number = 1; number <= pages; number += 1) {
        let read: readonly ShopOrder[];
        try {
          read = await translate(adapter.listOrders(visiting, { since, number, size: PAGE }));
        } catch (error) {
          // What was read so far is worth showing.
          if (number > 1) return { orders, complete: false };
          throw error;
        }
        orders.push(...read);
        if (read.length < PAGE) return { orders, complete: true };
      }
      return { orders, complete: false };
    },

    placeTestOrder: async (shop) =>
      translate(adapterOf(shop).placeTestOrder(visit(shop, orderTimeoutMs))),
  };
}

async function translate<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    throw new PlatformError(
      'shop_unknown',
      'The shop answers in another form than its engine’s API gives.',
      { cause: error },
    );
  }
}
