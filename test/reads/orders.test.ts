/**
 * Orders by each engine's API, read and placed, over real HTTP; shop-server.ts and check-outs.ts say
 * what stands in for the shop.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { BUYER_COUNTRIES } from '../../control-plane/src/orders/buyer.ts';
import { createShops } from '../../control-plane/src/orders/shops.ts';
import type { Shop } from '../../control-plane/src/orders/types.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { openMedusa, openWooCommerce, wooCommerceProduct, type CheckOut } from './check-outs.ts';
import {
  medusaOrder,
  sendJson,
  startShopServer,
  verifySignature,
  wooCommerceOrder,
  type ShopServer,
} from './shop-server.ts';

const { adapters, engines } = await loadTemplates();

let server: ShopServer;
afterEach(() => server.close());

const SINCE = new Date('2026-10-23T00:00:00Z');
const woo: Shop = {
  type: 'woocommerce',
  url: 'http://shop.localhost:8088',
  credentials: { consumer_key: 'ck_1', consumer_secret: 'cs_2' },
  options: { country: 'US' },
};
const medusa: Shop = {
  type: 'medusa',
  url: 'http://shop.localhost:8088',
  credentials: { secret_key: 'sk_3', publishable_key: 'pk_4' },
  options: { country: 'DE' },
};

async function list(
  shop: Shop,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  options: { readonly timeoutMs?: number; readonly pages?: number } = {},
) {
  server = await startShopServer(answer);
  return openShops(options).listOrders(shop, SINCE);
}

function openShops(options: { readonly timeoutMs?: number; readonly pages?: number } = {}) {
  return createShops({ adapters, ingressUrl: server.url, clock: () => new Date(), ...options });
}

async function buy(shop: Shop, checkOut: CheckOut) {
  server = await startShopServer(checkOut.answer);
  return openShops().placeTestOrder(shop);
}

describe('WooCommerce', () => {
  test('over http: signed, by Host header, newest first', async () => {
    const page = await list(woo, (request, response) => {
      const key = verifySignature(request, 'cs_2');
      if (key !== 'ck_1') {
        sendJson(response, 401, { code: 'woocommerce_rest_cannot_view' });
        return;
      }
      sendJson(response, 200, [
        wooCommerceOrder({ status: 'cancelled', billing: {} }),
        wooCommerceOrder(),
      ]);
    });
    expect(page).toEqual({
      complete: true,
      orders: [
        {
          number: '727',
          at: new Date('2026-11-20T22:28:02Z'),
          total: '29.35',
          currency: 'EUR',
          status: 'cancelled',
          customer: null,
          counts: false,
        },
        expect.objectContaining({ status: 'processing', customer: 'John Doe', counts: true }),
      ],
    });
    const [asked] = server.asked;
    expect(asked?.host).toBe('shop.localhost:8088');
    const url = new URL(asked?.url ?? '', server.url);
    expect(url.pathname).toBe('/wp-json/wc/v3/orders');
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      after: '2026-10-22T23:59:59',
      dates_are_gmt: 'true',
      per_page: '100',
    });
    expect(asked?.url).not.toContain('cs_2');
  });

  test('over https: basic authentication', async () => {
    let authorization: string | undefined;
    await list({ ...woo, url: 'https://shop.example.com' }, (request, response) => {
      authorization = request.headers.authorization;
      sendJson(response, 200, []);
    });
    expect(authorization).toBe(`Basic ${Buffer.from('ck_1:cs_2').toString('base64')}`);
    expect(server.asked[0]).toMatchObject({ host: 'shop.example.com' });
    expect(server.asked[0]?.url).not.toContain('oauth');
  });

  test('page after page, as far as it goes', async () => {
    const page = await list(woo, (request, response) => {
      const number = Number(new URL(request.url ?? '', 'http://x').searchParams.get('page'));
      sendJson(
        response,
        200,
        Array.from({ length: number < 3 ? 100 : 7 }, (_, id) => wooCommerceOrder({ id })),
      );
    });
    expect([page.orders.length, page.complete]).toEqual([207, true]);
  });

  test('and no further than so many pages', async () => {
    const page = await list(
      woo,
      (_request, response) =>
        sendJson(
          response,
          200,
          Array.from({ length: 100 }, () => wooCommerceOrder()),
        ),
      { pages: 2 },
    );
    expect([page.orders.length, page.complete, server.asked.length]).toEqual([200, false, 2]);
  });

  test('a shop that fails on the second page is shown as far as it was read', async () => {
    const page = await list(woo, (_request, response) =>
      server.asked.length === 1
        ? sendJson(
            response,
            200,
            Array.from({ length: 100 }, () => wooCommerceOrder()),
          )
        : sendJson(response, 503, {}),
    );
    expect([page.orders.length, page.complete]).toEqual([100, false]);
  });
});

test('Medusa: a secret key, offsets, its own shape', async () => {
  let authorization: string | undefined;
  const page = await list(medusa, (request, response) => {
    authorization = request.headers.authorization;
    sendJson(response, 200, {
      orders: [medusaOrder(), medusaOrder({ display_id: null, status: 'canceled', email: null })],
      count: 2,
      offset: 0,
      limit: 100,
    });
  });
  expect(authorization).toBe(`Basic ${Buffer.from('sk_3:').toString('base64')}`);
  expect(page.orders).toEqual([
    {
      number: '12',
      at: new Date('2026-11-20T22:28:02.123Z'),
      total: '29.35',
      currency: 'EUR',
      status: 'pending',
      customer: 'john@example.com',
      counts: true,
    },
    expect.objectContaining({ number: 'order_01JDK3W0Y8Q4Z1', customer: null, counts: false }),
  ]);
  const url = new URL(server.asked[0]?.url ?? '', server.url);
  expect(url.pathname).toBe('/admin/orders');
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    'created_at[$gte]': '2026-10-23T00:00:00.000Z',
    limit: '100',
    offset: '0',
  });
});

describe('what goes wrong is said', () => {
  test.each([
    ['a key that is refused', 401, '{}', 'shop_refused'],
    ['no such API', 404, '{"code":"rest_no_route"}', 'shop_unknown'],
    ['a refusal in words', 400, '{"message":"Nothing here."}', 'shop_declined'],
    ['a page instead of an API', 200, '<html>', 'shop_unknown'],
    ['another shape', 200, '{"orders":[]}', 'shop_unknown'],
    ['a field that is not what it should be', 200, '[{"id":"x"}]', 'shop_unknown'],
    ['a redirect, which is not followed', 302, '', 'shop_unknown'],
    ['an error', 500, '', 'shop_unreachable'],
  ])('%s', async (_what, status, text, code) => {
    await expect(
      list(woo, (_request, response) => {
        response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(text);
      }),
    ).rejects.toMatchObject({ code });
    expect(server.asked).toHaveLength(1);
  });

  test('a WordPress without the plugin, for its orders and for a test order', async () => {
    // As WordPress 6 says it.
    const answer = (_request: IncomingMessage, response: ServerResponse) => {
      sendJson(response, 404, {
        code: 'rest_no_route',
        message: 'No route was found matching the URL and request method.',
        data: { status: 404 },
      });
    };
    const wanted = {
      code: 'shop_unknown',
      message: 'This shop has no WooCommerce: its image was built without the plugin.',
      hint: expect.stringContaining('WOOCOMMERCE_ZIP') as string,
    };
    await expect(list(woo, answer)).rejects.toMatchObject(wanted);
    await server.close();
    await expect(buy(woo, { answer, placed: [] })).rejects.toMatchObject(wanted);
  });

  test('no answer, in time', async () => {
    await expect(list(woo, () => undefined, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'shop_unreachable',
    });
  });

  test('an answer that does not end', async () => {
    const answer = (_request: IncomingMessage, response: ServerResponse) => {
      const more = () => {
        while (response.write('x'.repeat(65_536)));
      };
      response.writeHead(200).on('drain', more);
      more();
    };
    await expect(list(woo, answer)).rejects.toThrow(/more than \d+ bytes/);
  });

  test('a Secret without the engine’s key', async () => {
    await expect(list({ ...woo, credentials: {} }, () => undefined)).rejects.toMatchObject({
      code: 'shop_refused',
    });
    const shops = openShops();
    await expect(shops.listOrders({ ...medusa, credentials: {} }, SINCE)).rejects.toMatchObject({
      code: 'shop_refused',
    });
    await expect(
      shops.placeTestOrder({ ...medusa, credentials: { secret_key: 'sk_3' } }),
    ).rejects.toMatchObject({ code: 'shop_refused' });
    expect(server.asked).toEqual([]);
  });

  test('an engine without a way to its shops', async () => {
    await expect(list({ ...woo, type: 'toy' }, () => undefined)).rejects.toMatchObject({
      code: 'shop_unknown',
    });
  });
});

describe('a test order', () => {
  test('WooCommerce: cart, check-out with payment on delivery, read back by the REST API', async () => {
    const checkOut = openWooCommerce();
    expect(await buy(woo, checkOut)).toMatchObject({
      number: '731',
      total: '29.35',
      currency: 'EUR',
    });
    expect(checkOut.placed).toMatchObject([{ country: 'US', state: 'CA', last_name: 'Order' }]);
    expect(server.asked.every(({ host }) => host === 'shop.localhost:8088')).toBe(true);
    expect(JSON.stringify(server.asked)).not.toContain('cs_2');
  });

  test('WooCommerce: what cannot be bought as it is stays on the shelf', async () => {
    const checkOut = openWooCommerce({
      products: [
        wooCommerceProduct({ id: 1, has_options: true }),
        wooCommerceProduct({ id: 2, is_in_stock: false }),
        wooCommerceProduct({ id: 3, is_purchasable: false }),
      ],
    });
    await expect(buy(woo, checkOut)).rejects.toMatchObject({ code: 'nothing_to_sell' });
    expect(server.asked).toHaveLength(1);
  });

  test('WooCommerce: a refusal in the shop’s own words, without its markup', async () => {
    const checkOut = openWooCommerce({ payments: ['stripe'] });
    await expect(buy(woo, checkOut)).rejects.toMatchObject({
      code: 'shop_declined',
      message: 'The shop says (400): “This "payment method" is not available”.',
    });
    expect(checkOut.placed).toEqual([]);
  });

  test('WooCommerce: a payment that did not go through is no order', async () => {
    await expect(buy(woo, openWooCommerce({ paymentStatus: 'failure' }))).rejects.toMatchObject({
      code: 'shop_declined',
    });
  });

  test('Medusa: cart with addresses, shipping, payment by hand, order', async () => {
    const checkOut = openMedusa();
    expect(await buy(medusa, checkOut)).toEqual({ number: '12', total: '29.35', currency: 'EUR' });
    expect(checkOut.placed).toMatchObject([{ country_code: 'de', city: 'Berlin' }]);
  });

  test('Medusa: to a country that the shop sells in', async () => {
    const checkOut = openMedusa({ countries: ['fr'] });
    await buy(medusa, checkOut);
    expect(checkOut.placed).toMatchObject([{ country_code: 'fr', postal_code: '75001' }]);
  });

  test.each([
    ['no country to sell in', { countries: [] }, 'nothing_to_sell'],
    ['nothing in stock', { variant: { inventory_quantity: 0 } }, 'nothing_to_sell'],
    ['no price', { variant: { calculated_price: null } }, 'nothing_to_sell'],
    ['no shipping', { shipping: [] }, 'shop_declined'],
    ['a payment that wants more', { unpaid: 'Payment requires more' }, 'shop_declined'],
  ])('Medusa: %s', async (_what, options, code) => {
    await expect(buy(medusa, openMedusa(options))).rejects.toMatchObject({ code });
  });

  test('Medusa: what is not counted, or may be owed, can be bought', async () => {
    for (const variant of [{ manage_inventory: false }, { allow_backorder: true }]) {
      await buy(medusa, openMedusa({ variant: { ...variant, inventory_quantity: 0 } }));
      await server.close();
    }
  });

  test('a buyer lives in every country that an engine offers', () => {
    const offered = engines.flatMap(({ options }) =>
      options.flatMap((one) =>
        one.kind === 'choice' && one.name === 'country'
          ? one.choices.map(({ value }) => value)
          : [],
      ),
    );
    expect(offered.length).toBeGreaterThan(0);
    expect([...new Set(offered)].filter((one) => !BUYER_COUNTRIES.includes(one))).toEqual([]);
  });
});
