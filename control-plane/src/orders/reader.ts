/** Reads a shop's orders page by page, within a time and a number of pages. */
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import type { OrderApi, ShopOrder } from '../domain/orders.ts';
import { askMedusa, readMedusa } from './medusa.ts';
import { getJson, type ShopRequest } from './request.ts';
import type { OrderReader, Shop } from './types.ts';
import { askWooCommerce, readWooCommerce } from './woocommerce.ts';

type Page = { readonly since: Date; readonly number: number; readonly size: number };

/** How one engine's API is asked and read. */
type Engine = {
  ask(shop: Shop, page: Page, now: Date): Pick<ShopRequest, 'path' | 'headers'>;
  read(body: unknown): ShopOrder[];
};

const ENGINES: Readonly<Record<OrderApi, Engine>> = {
  'woocommerce-v3': { ask: askWooCommerce, read: readWooCommerce },
  'medusa-v2': { ask: askMedusa, read: readMedusa },
};

const PAGE = 100;

export type OrderReaderOptions = {
  /** Where the Ingress of the stores' cluster listens, as this process reaches it. */
  readonly ingressUrl: string;
  readonly clock: () => Date;
  /** For all pages together; default 8 s. */
  readonly timeoutMs?: number;
  /** Of a hundred orders; default 10. */
  readonly pages?: number;
};

export function createOrderReader(options: OrderReaderOptions): OrderReader {
  const { clock, timeoutMs = 8000, pages = 10 } = options;
  const ingress = new URL(options.ingressUrl);

  return {
    async listOrders(shop, since) {
      const engine = ENGINES[shop.api];
      const origin = new URL(shop.url);
      const signal = AbortSignal.timeout(timeoutMs);
      const orders: ShopOrder[] = [];
      for (let number = 1; number <= pages; number += 1) {
        const asked = engine.ask(shop, { since, number, size: PAGE }, clock());
        let read: ShopOrder[];
        try {
          read = readAnswer(engine, await getJson({ ingress, origin, signal, ...asked }));
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
  };
}

function readAnswer(engine: Engine, body: unknown): ShopOrder[] {
  try {
    return engine.read(body);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    throw new PlatformError(
      'orders_unavailable',
      'The shop’s orders are not in the form that its engine’s API gives.',
      { cause: error },
    );
  }
}
