/**
 * Orders by Medusa 2's admin API (`/admin/orders`), with a secret API key as the user name of basic
 * authentication. Amounts are in whole units of the currency.
 */
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import type { ShopOrder } from '../domain/orders.ts';
import type { Shop } from './types.ts';
import type { ShopRequest } from './request.ts';

const NO_REVENUE = new Set(['canceled', 'draft', 'archived']);

const Credentials = z.object({ secret_key: z.string() });

const Answer = z.object({
  orders: z.array(
    z.object({
      id: z.string(),
      display_id: z.number().nullish(),
      created_at: z.iso.datetime({ offset: true }),
      total: z.number(),
      currency_code: z.string(),
      status: z.string(),
      email: z.string().nullish(),
    }),
  ),
});

/** The request for one page of orders, newest first. */
export function askMedusa(
  shop: Shop,
  page: { readonly since: Date; readonly number: number; readonly size: number },
): Pick<ShopRequest, 'path' | 'headers'> {
  const credentials = Credentials.safeParse(shop.credentials);
  if (!credentials.success)
    throw new PlatformError('shop_refused', 'The Secret store-api holds no Medusa key.');
  const query = new URLSearchParams({
    'created_at[$gte]': page.since.toISOString(),
    fields: 'id,display_id,created_at,total,currency_code,status,email',
    order: '-created_at',
    limit: String(page.size),
    offset: String((page.number - 1) * page.size),
  });
  const key = Buffer.from(`${credentials.data.secret_key}:`).toString('base64');
  return {
    path: `/admin/orders?${query.toString()}`,
    headers: { authorization: `Basic ${key}` },
  };
}

/** The orders of an answer. Throws a ZodError for anything else. */
export function readMedusa(body: unknown): ShopOrder[] {
  return Answer.parse(body).orders.map((order) => ({
    number: String(order.display_id ?? order.id),
    at: new Date(order.created_at),
    total: String(order.total),
    currency: order.currency_code.toUpperCase(),
    status: order.status,
    customer: order.email ?? null,
    counts: !NO_REVENUE.has(order.status),
  }));
}
