/** The port to what shops sell: each engine's own API, asked on demand and never stored. */
import type { OrderApi, ShopOrder } from '../domain/orders.ts';

export type Shop = {
  readonly api: OrderApi;
  /** The store's public origin: its host goes as the Host header, never as an address. */
  readonly url: string;
  /** The Secret `store-api`, as the engine's own set-up wrote it. */
  readonly credentials: Readonly<Record<string, string>>;
};

export type OrderPage = {
  readonly orders: readonly ShopOrder[];
  /** False when there are more than were read. */
  readonly complete: boolean;
};

/**
 * Throws PlatformError: `shop_unreachable`, `shop_refused` (our key), `orders_unavailable` (the shop
 * has no such API, or answers with something else).
 */
export interface OrderReader {
  listOrders(shop: Shop, since: Date): Promise<OrderPage>;
}
