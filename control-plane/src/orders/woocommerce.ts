/**
 * Orders by WooCommerce's REST API, v3 (`/wp-json/wc/v3/orders`). Over https the key goes as basic
 * authentication; over plain http WooCommerce takes only requests signed by OAuth 1.0a without a
 * token, so that the secret never travels.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import type { ShopOrder } from '../domain/orders.ts';
import type { Shop } from './types.ts';
import type { ShopRequest } from './request.ts';

const PATH = '/wp-json/wc/v3/orders';

/** What was never paid, or was taken back. */
const NO_REVENUE = new Set([
  'auto-draft',
  'cancelled',
  'checkout-draft',
  'failed',
  'pending',
  'refunded',
  'trash',
]);

const Credentials = z.object({ consumer_key: z.string(), consumer_secret: z.string() });

const Order = z.object({
  id: z.number(),
  number: z.string().optional(),
  status: z.string(),
  currency: z.string(),
  total: z.string(),
  /** Without a zone: it is UTC. */
  date_created_gmt: z.iso.datetime({ local: true }),
  billing: z
    .object({ first_name: z.string().optional(), last_name: z.string().optional() })
    .optional(),
});

/** The request for one page of orders, newest first. */
export function askWooCommerce(
  shop: Shop,
  page: { readonly since: Date; readonly number: number; readonly size: number },
  now: Date,
): Pick<ShopRequest, 'path' | 'headers'> {
  const credentials = Credentials.safeParse(shop.credentials);
  if (!credentials.success)
    throw new PlatformError('shop_refused', 'The Secret store-api holds no WooCommerce key.');
  const { consumer_key: key, consumer_secret: secret } = credentials.data;
  const query = {
    after: new Date(page.since.getTime() - 1000).toISOString().slice(0, 19),
    dates_are_gmt: 'true',
    orderby: 'date',
    order: 'desc',
    page: String(page.number),
    per_page: String(page.size),
    _fields:
      'id,number,status,currency,total,date_created_gmt,billing.first_name,billing.last_name',
  };
  if (shop.url.startsWith('https:'))
    return {
      path: `${PATH}?${writeQuery(query)}`,
      headers: { authorization: `Basic ${Buffer.from(`${key}:${secret}`).toString('base64')}` },
    };
  const signed = signQuery(`${shop.url}${PATH}`, query, { key, secret, now });
  return { path: `${PATH}?${writeQuery(signed)}` };
}

/** RFC 5849, HMAC-SHA256, one-legged. */
function signQuery(
  url: string,
  query: Readonly<Record<string, string>>,
  by: { readonly key: string; readonly secret: string; readonly now: Date },
): Record<string, string> {
  const parameters = {
    ...query,
    oauth_consumer_key: by.key,
    oauth_nonce: randomBytes(16).toString('hex'),
    oauth_signature_method: 'HMAC-SHA256',
    oauth_timestamp: String(Math.floor(by.now.getTime() / 1000)),
  };
  const base = ['GET', url, writeQuery(parameters)].map(encode).join('&');
  const signature = createHmac('sha256', `${encode(by.secret)}&`)
    .update(base)
    .digest('base64');
  return { ...parameters, oauth_signature: signature };
}

function writeQuery(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
}

/** RFC 3986: only unreserved characters stay. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The orders of an answer. Throws a ZodError for anything else. */
export function readWooCommerce(body: unknown): ShopOrder[] {
  return z
    .array(Order)
    .parse(body)
    .map((order) => ({
      number: order.number ?? String(order.id),
      at: new Date(`${order.date_created_gmt.replace(/Z$/, '')}Z`),
      total: order.total,
      currency: order.currency.toUpperCase(),
      status: order.status,
      customer: nameCustomer(order.billing),
      counts: !NO_REVENUE.has(order.status),
    }));
}

function nameCustomer(billing: z.infer<typeof Order>['billing']): string | null {
  const name = [billing?.first_name, billing?.last_name].filter(Boolean).join(' ').trim();
  return name === '' ? null : name;
}
