/**
 * A WooCommerce shop: its orders by the REST API, v3, and an order placed as the shop's own check-out
 * does, by the Store API. Over https the REST key goes as basic authentication; over plain http
 * WooCommerce takes only requests signed by OAuth 1.0a without a token, so that the secret never
 * travels.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { ShopOrder } from '../../../control-plane/src/domain/orders.ts';
import { PlatformError } from '../../../control-plane/src/errors.ts';
import { describeBuyer, type Buyer } from '../../../control-plane/src/orders/buyer.ts';
import type {
  ShopAdapter,
  ShopAnswer,
  ShopRequest,
  ShopVisit,
} from '../../../control-plane/src/orders/types.ts';

const REST = '/wp-json/wc/v3';
const STORE = '/wp-json/wc/store/v1';

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
const ORDER_FIELDS =
  'id,number,status,currency,total,date_created_gmt,billing.first_name,billing.last_name';

const Product = z.object({
  id: z.number(),
  is_purchasable: z.boolean(),
  is_in_stock: z.boolean(),
  has_options: z.boolean(),
});

const CheckedOut = z.object({
  order_id: z.number(),
  payment_result: z.object({ payment_status: z.string() }),
});

export const shop: ShopAdapter = {
  async listOrders(visit, { since, number, size }) {
    const { body } = await askRest(visit, '/orders', {
      after: new Date(since.getTime() - 1000).toISOString().slice(0, 19),
      dates_are_gmt: 'true',
      orderby: 'date',
      order: 'desc',
      page: String(number),
      per_page: String(size),
      _fields: ORDER_FIELDS,
    });
    return z.array(Order).parse(body).map(viewOrder);
  },

  async placeTestOrder(visit) {
    const product = await findProduct(visit);
    const ask = openSession(visit);
    await ask({ path: `${STORE}/cart` });
    await ask({
      method: 'POST',
      path: `${STORE}/cart/add-item`,
      body: { id: product, quantity: 1 },
    });
    const buyer = describeBuyer(visit.shop.options.country);
    const { body } = await ask({
      method: 'POST',
      path: `${STORE}/checkout`,
      body: {
        billing_address: { ...writeAddress(buyer), email: buyer.email },
        shipping_address: writeAddress(buyer),
        payment_method: 'cod',
        customer_note: 'Test order, placed from Shopyard.',
      },
    });
    const placed = CheckedOut.parse(body);
    if (placed.payment_result.payment_status !== 'success')
      throw new PlatformError(
        'shop_declined',
        `The shop did not accept payment on delivery (${placed.payment_result.payment_status}).`,
      );
    const read = await askRest(visit, `/orders/${placed.order_id}`, { _fields: ORDER_FIELDS });
    return viewOrder(Order.parse(read.body));
  },
};

/** Something that can go into a cart as it is. */
async function findProduct({ ask }: ShopVisit): Promise<number> {
  const { body } = await askWooCommerce(ask, {
    path: `${STORE}/products?type=simple&stock_status=instock&per_page=20`,
  });
  const product = z
    .array(Product)
    .parse(body)
    .find((one) => one.is_purchasable && one.is_in_stock && !one.has_options);
  if (product === undefined)
    throw new PlatformError('nothing_to_sell', 'The shop has nothing to sell yet.', {
      hint: 'Add a product with a price that is in stock, then try again.',
    });
  return product.id;
}

/** A customer's session: cookies are kept, and each request carries the newest nonce. */
function openSession({ ask }: ShopVisit): (request: ShopRequest) => Promise<ShopAnswer> {
  const cookies = new Map<string, string>();
  let nonce: string | undefined;
  return async (request) => {
    const answer = await ask({
      ...request,
      headers: {
        ...(cookies.size === 0 ? {} : { cookie: [...cookies.values()].join('; ') }),
        ...(nonce === undefined ? {} : { nonce }),
      },
    });
    for (const cookie of answer.cookies) cookies.set(cookie.split('=', 1)[0] ?? '', cookie);
    nonce = answer.headers['nonce'] ?? nonce;
    return answer;
  };
}

function writeAddress(buyer: Buyer): Record<string, string> {
  return {
    first_name: buyer.firstName,
    last_name: buyer.lastName,
    address_1: buyer.street,
    city: buyer.city,
    postcode: buyer.postcode,
    state: buyer.state,
    country: buyer.country,
    phone: buyer.phone,
  };
}

/** The first question of a visit: a WordPress without the plugin has no such routes. */
async function askWooCommerce(ask: ShopVisit['ask'], request: ShopRequest): Promise<ShopAnswer> {
  try {
    return await ask(request);
  } catch (error) {
    if (!(error instanceof PlatformError) || error.cause !== 'rest_no_route') throw error;
    throw new PlatformError(
      'shop_unknown',
      'This shop has no WooCommerce: its image was built without the plugin.',
      {
        hint:
          'An operator builds the image with WOOCOMMERCE_ZIP, then retries the store. Where somebody ' +
          'has only switched the plugin off, a retry switches it on again.',
        cause: error,
      },
    );
  }
}

/** A GET of the REST API with the platform's key. */
async function askRest(
  { shop, clock, ask }: ShopVisit,
  path: string,
  query: Readonly<Record<string, string>>,
): Promise<ShopAnswer> {
  const credentials = Credentials.safeParse(shop.credentials);
  if (!credentials.success)
    throw new PlatformError('shop_refused', 'The Secret store-api holds no WooCommerce key.');
  const { consumer_key: key, consumer_secret: secret } = credentials.data;
  if (shop.url.startsWith('https:'))
    return askWooCommerce(ask, {
      path: `${REST}${path}?${writeQuery(query)}`,
      headers: { authorization: `Basic ${Buffer.from(`${key}:${secret}`).toString('base64')}` },
    });
  const signed = signQuery(`${shop.url}${REST}${path}`, query, { key, secret, now: clock() });
  return askWooCommerce(ask, { path: `${REST}${path}?${writeQuery(signed)}` });
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

function viewOrder(order: z.infer<typeof Order>): ShopOrder {
  return {
    number: order.number ?? String(order.id),
    at: new Date(`${order.date_created_gmt.replace(/Z$/, '')}Z`),
    total: order.total,
    currency: order.currency.toUpperCase(),
    status: order.status,
    customer: nameCustomer(order.billing),
    counts: !NO_REVENUE.has(order.status),
  };
}

function nameCustomer(billing: z.infer<typeof Order>['billing']): string | null {
  const name = [billing?.first_name, billing?.last_name].filter(Boolean).join(' ').trim();
  return name === '' ? null : name;
}
