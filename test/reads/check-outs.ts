/**
 * Check-outs for shop-server.ts: what each engine's API reference asks of a customer who buys without
 * an account, step by step, and what it answers to one who skips a step. They hold the adapters to
 * the documented flow; that real shops take the order is tested where there are some.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { medusaOrder, sendJson, verifySignature, wooCommerceOrder } from './shop-server.ts';

/** Status and body. */
type Reply = readonly [number, unknown];
type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export type CheckOut = {
  readonly answer: Answer;
  /** Orders that were placed: the address they go to. */
  readonly placed: readonly Record<string, unknown>[];
};

/** WooCommerce's Store API: a session by cookie and nonce, a cart, a check-out. */
export function openWooCommerce(
  options: {
    readonly products?: readonly Record<string, unknown>[];
    /** Ways to pay that the merchant has left on. */
    readonly payments?: readonly string[];
    readonly paymentStatus?: string;
  } = {},
): CheckOut {
  const { payments = ['cod'], paymentStatus = 'success' } = options;
  const { products = [wooCommerceProduct()] } = options;
  const placed: Record<string, unknown>[] = [];
  let hasItem = false;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<Reply> => {
    const { pathname } = new URL(request.url ?? '', 'http://shop');
    if (pathname === '/wp-json/wc/v3/orders/731') {
      if (verifySignature(request, 'cs_2') !== 'ck_1') return refuse(401, 'no key');
      return [200, wooCommerceOrder({ id: 731, number: '731' })];
    }
    const path = pathname.replace('/wp-json/wc/store/v1', '');
    if (path === '/products') return [200, products];

    // A session begins with the first item; its nonce is another than a stranger's.
    const inSession = request.headers.cookie === 'wp_woocommerce_session_1=abc';
    if (request.method === 'POST') {
      if (request.headers['nonce'] === undefined) return refuse(401, 'Missing the Nonce');
      if (request.headers['nonce'] !== (inSession ? 'second' : 'first'))
        return refuse(403, 'Nonce is invalid.');
    }
    response.setHeader('Nonce', inSession ? 'second' : 'first');
    const body = await readJson(request);
    switch (`${request.method ?? ''} ${path}`) {
      case 'GET /cart':
        return [200, { items: [] }];
      case 'POST /cart/add-item':
        if (!products.some(({ id }) => id === body['id']))
          return refuse(400, 'This product cannot be added to the cart.');
        hasItem = true;
        response.setHeader('Set-Cookie', 'wp_woocommerce_session_1=abc; path=/; HttpOnly');
        response.setHeader('Nonce', 'second');
        return [201, { items: [{}] }];
      case 'POST /checkout': {
        if (!inSession || !hasItem) return refuse(400, 'Cannot create order from empty cart.');
        const billing = body['billing_address'] as Record<string, string>;
        const shipping = body['shipping_address'] as Record<string, string>;
        for (const field of ['first_name', 'last_name', 'address_1', 'city', 'postcode', 'country'])
          if (!billing[field] || !shipping[field]) return refuse(400, `${field} is required`);
        if (!billing['email']) return refuse(400, 'email is required');
        if (billing['country'] === 'US' && !shipping['state'])
          return refuse(400, 'state is required');
        if (!payments.includes(String(body['payment_method'])))
          return refuse(400, 'This &quot;payment method&quot; is <b>not</b> available.');
        placed.push(shipping);
        return [
          200,
          {
            order_id: 731,
            status: 'processing',
            order_key: 'wc_order_x',
            payment_result: {
              payment_status: paymentStatus,
              payment_details: [],
              redirect_url: '',
            },
          },
        ];
      }
      default:
        return refuse(404, 'No route was found.');
    }
  };
  return { answer: run(answer), placed };
}

export function wooCommerceProduct(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return { id: 12, is_purchasable: true, is_in_stock: true, has_options: false, ...changes };
}

/** Medusa's Store API: a cart with items and addresses, shipping, payment, then the order. */
export function openMedusa(
  options: {
    readonly countries?: readonly string[];
    readonly variant?: Record<string, unknown>;
    readonly shipping?: readonly string[];
    /** What completing says instead of making an order. */
    readonly unpaid?: string;
  } = {},
): CheckOut {
  const { countries = ['de', 'us'], variant = {}, shipping = ['so_1', 'so_2'], unpaid } = options;
  const placed: Record<string, unknown>[] = [];
  let address: Record<string, unknown> | undefined;
  let isShipped = false;
  let isPaid = false;

  const answer = async (request: IncomingMessage): Promise<Reply> => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://shop');
    if (request.headers['x-publishable-api-key'] !== 'pk_4')
      return refuse(400, 'A valid publishable key is required to proceed.');
    const body = await readJson(request);
    switch (`${request.method ?? ''} ${pathname}`) {
      case 'GET /store/regions':
        return [
          200,
          {
            regions: [{ id: 'reg_1', countries: countries.map((iso_2) => ({ iso_2 })) }],
          },
        ];
      case 'GET /store/products': {
        // Prices are of a region.
        const hasPrice = searchParams.get('region_id') === 'reg_1';
        return [
          200,
          {
            products: [
              { variants: [] },
              {
                variants: [
                  {
                    id: 'variant_1',
                    manage_inventory: true,
                    allow_backorder: false,
                    inventory_quantity: 100,
                    calculated_price: hasPrice ? { calculated_amount: 10 } : null,
                    ...variant,
                  },
                ],
              },
            ],
          },
        ];
      }
      case 'POST /store/carts': {
        const [item] = body['items'] as { variant_id?: string; quantity?: number }[];
        if (body['region_id'] !== 'reg_1' || item?.variant_id !== 'variant_1' || !item.quantity)
          return refuse(400, 'Items do not have a price');
        address = body['shipping_address'] as Record<string, unknown>;
        if (!countries.includes(String(address['country_code'])))
          return refuse(400, 'Country is not in the region');
        return [200, { cart: { id: 'cart_1' } }];
      }
      case 'GET /store/shipping-options':
        return [
          200,
          {
            shipping_options: shipping.map((id) => ({ id, amount: 10 })),
          },
        ];
      case 'POST /store/carts/cart_1/shipping-methods':
        isShipped = shipping.includes(String(body['option_id']));
        return [200, { cart: { id: 'cart_1' } }];
      case 'POST /store/payment-collections':
        return [200, { payment_collection: { id: 'paycol_1' } }];
      case 'POST /store/payment-collections/paycol_1/payment-sessions':
        isPaid = body['provider_id'] === 'pp_system_default';
        return [200, { payment_collection: { id: 'paycol_1' } }];
      case 'POST /store/carts/cart_1/complete':
        if (!isShipped) return refuse(400, 'No shipping method selected');
        if (!isPaid) return refuse(400, 'Payment sessions are required');
        if (unpaid !== undefined)
          return [200, { type: 'cart', cart: {}, error: { message: unpaid } }];
        placed.push(address ?? {});
        return [200, { type: 'order', order: medusaOrder() }];
      default:
        return refuse(404, 'Not found');
    }
  };
  return { answer: run(answer), placed };
}

function run(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<Reply>,
): Answer {
  return (request, response) => {
    answer(request, response).then(
      ([status, body]) => {
        sendJson(response, status, body);
      },
      (error: unknown) => response.destroy(error as Error),
    );
  };
}

function refuse(status: number, message: string): Reply {
  return [status, { code: 'refused', message }];
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}
