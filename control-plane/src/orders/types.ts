/**
 * The port to what shops sell, and what each engine's folder gives to it: an adapter that speaks the
 * engine's own API (templates/engines/<type>/shop.ts). Shops are asked on demand; nothing is stored.
 */
import type { Clock } from '../domain/ids.ts';
import type { StoreOptions } from '../domain/options.ts';
import type { PlacedOrder, ShopOrder } from '../domain/orders.ts';

export type Shop = {
  /** Its engine. */
  readonly type: string;
  /** The store's public origin: its host goes as the Host header, never as an address. */
  readonly url: string;
  /** The Secret `store-api`, as the engine's own set-up wrote it. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly options: StoreOptions;
};

export type OrderPage = {
  readonly orders: readonly ShopOrder[];
  /** False when there are more than were read. */
  readonly complete: boolean;
};

/**
 * Throws PlatformError: `shop_unreachable`, `shop_refused` (our key), `shop_declined` (it says no,
 * in its own words), `shop_unknown` (it has no such API, or answers with something else),
 * `nothing_to_sell`. An adapter that is refused finds the shop's own code for it, where the answer has
 * one, as the error's `cause`.
 */
export interface Shops {
  listOrders(shop: Shop, since: Date): Promise<OrderPage>;
  /** Buys one product as a customer would, to be paid on delivery or by hand. */
  placeTestOrder(shop: Shop): Promise<PlacedOrder>;
}

export type ShopRequest = {
  readonly method?: 'GET' | 'POST';
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Goes as JSON. */
  readonly body?: object;
};

export type ShopAnswer = {
  /** Lower case; of one that came several times, the first. */
  readonly headers: Readonly<Record<string, string>>;
  /** `name=value` of each cookie that was set. */
  readonly cookies: readonly string[];
  readonly body: unknown;
};

/** One visit to one shop: everything its adapter asks shares a time-out. */
export type ShopVisit = {
  readonly shop: Shop;
  readonly clock: Clock;
  /** The answer when the shop says yes; throws as Shops does otherwise. */
  readonly ask: (request: ShopRequest) => Promise<ShopAnswer>;
};

/** What an engine's shop.ts exports as `shop`. A ZodError of an answer's counts as `shop_unknown`. */
export type ShopAdapter = {
  /** One page of the orders since a moment, newest first; pages count from 1. */
  listOrders(
    visit: ShopVisit,
    page: { readonly since: Date; readonly number: number; readonly size: number },
  ): Promise<readonly ShopOrder[]>;
  placeTestOrder(visit: ShopVisit): Promise<PlacedOrder>;
};
