/**
 * A Medusa 2 shop: its orders by the admin API, with a secret API key as the user name of basic
 * authentication, and an order placed as a storefront does, by the Store API with the publishable
 * key. Amounts are in whole units of the currency.
 */
import { z } from 'zod';
import type { ShopOrder } from '../../../control-plane/src/domain/orders.ts';
import { PlatformError } from '../../../control-plane/src/errors.ts';
import { describeBuyer, type Buyer } from '../../../control-plane/src/orders/buyer.ts';
import type { ShopAdapter, ShopVisit } from '../../../control-plane/src/orders/types.ts';

const NO_REVENUE = new Set(['canceled', 'draft', 'archived']);

const AdminKey = z.object({ secret_key: z.string() });
const StoreKey = z.object({ publishable_key: z.string() });

const Order = z.object({
  id: z.string(),
  display_id: z.number().nullish(),
  created_at: z.iso.datetime({ offset: true }),
  total: z.number(),
  currency_code: z.string(),
  status: z.string(),
  email: z.string().nullish(),
});
const ORDER_FIELDS = 'id,display_id,created_at,total,currency_code,status,email';

const Regions = z.object({
  regions: z.array(
    z.object({
      id: z.string(),
      countries: z.array(z.object({ iso_2: z.string() })).nullish(),
    }),
  ),
});

const Variant = z.object({
  id: z.string(),
  manage_inventory: z.boolean().nullish(),
  allow_backorder: z.boolean().nullish(),
  inventory_quantity: z.number().nullish(),
  calculated_price: z.object({ calculated_amount: z.number().nullish() }).nullish(),
});
const Products = z.object({
  products: z.array(z.object({ variants: z.array(Variant).nullish() })),
});

const Cart = z.object({ cart: z.object({ id: z.string() }) });
const ShippingOptions = z.object({ shipping_options: z.array(z.object({ id: z.string() })) });
const PaymentCollection = z.object({ payment_collection: z.object({ id: z.string() }) });
const Completed = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('order'),
    order: Order.pick({ id: true, display_id: true, total: true, currency_code: true }),
  }),
  z.object({ type: z.literal('cart'), error: z.object({ message: z.string() }) }),
]);

export const shop: ShopAdapter = {
  async listOrders({ shop: { credentials }, ask }, { since, number, size }) {
    const key = AdminKey.safeParse(credentials);
    if (!key.success)
      throw new PlatformError('shop_refused', 'The Secret store-api holds no Medusa key.');
    const query = new URLSearchParams({
      'created_at[$gte]': since.toISOString(),
      fields: ORDER_FIELDS,
      order: '-created_at',
      limit: String(size),
      offset: String((number - 1) * size),
    });
    const { body } = await ask({
      path: `/admin/orders?${query.toString()}`,
      headers: {
        authorization: `Basic ${Buffer.from(`${key.data.secret_key}:`).toString('base64')}`,
      },
    });
    return z
      .object({ orders: z.array(Order) })
      .parse(body)
      .orders.map(viewOrder);
  },

  async placeTestOrder(visit) {
    const store = openStorefront(visit);
    const { region, buyer } = await findMarket(store, visit.shop.options.country);
    const variant = await findVariant(store, region);
    const address = writeAddress(buyer);
    const { cart } = Cart.parse(
      await store.post('/store/carts', {
        region_id: region,
        email: buyer.email,
        shipping_address: address,
        billing_address: address,
        items: [{ variant_id: variant, quantity: 1 }],
        metadata: { placed_from: 'Shopyard' },
      }),
    );
    await chooseShipping(store, cart.id);
    const { payment_collection: payment } = PaymentCollection.parse(
      await store.post('/store/payment-collections', { cart_id: cart.id }),
    );
    await store.post(`/store/payment-collections/${payment.id}/payment-sessions`, {
      provider_id: 'pp_system_default',
    });
    const completed = Completed.parse(await store.post(`/store/carts/${cart.id}/complete`, {}));
    if (completed.type === 'cart')
      throw new PlatformError('shop_declined', `The shop says: “${completed.error.message}”.`);
    const { display_id, id, total, currency_code } = completed.order;
    return {
      number: String(display_id ?? id),
      total: String(total),
      currency: currency_code.toUpperCase(),
    };
  },
};

type Storefront = {
  readonly get: (path: string, query: Readonly<Record<string, string>>) => Promise<unknown>;
  readonly post: (path: string, body: object) => Promise<unknown>;
};

function openStorefront({ shop: { credentials }, ask }: ShopVisit): Storefront {
  const key = StoreKey.safeParse(credentials);
  if (!key.success)
    throw new PlatformError('shop_refused', 'The Secret store-api holds no publishable key.');
  const headers = { 'x-publishable-api-key': key.data.publishable_key };
  return {
    get: async (path, query) =>
      (await ask({ path: `${path}?${new URLSearchParams(query).toString()}`, headers })).body,
    post: async (path, body) => (await ask({ method: 'POST', path, headers, body })).body,
  };
}

/** A region that the shop sells in, and somebody who lives there: in the shop's own country if can be. */
async function findMarket(
  store: Storefront,
  country: unknown,
): Promise<{ readonly region: string; readonly buyer: Buyer }> {
  const { regions } = Regions.parse(await store.get('/store/regions', { limit: '50' }));
  const markets = regions.flatMap(({ id, countries }) =>
    (countries ?? []).map(({ iso_2: code }) => ({ region: id, code: code.toUpperCase() })),
  );
  const market = markets.find(({ code }) => code === country) ?? markets[0];
  if (market === undefined)
    throw new PlatformError('nothing_to_sell', 'The shop sells in no country yet.', {
      hint: 'Add a region with a country, then try again.',
    });
  return { region: market.region, buyer: { ...describeBuyer(market.code), country: market.code } };
}

/** Something that has a price in that region and is there. */
async function findVariant(store: Storefront, region: string): Promise<string> {
  const { products } = Products.parse(
    await store.get('/store/products', {
      region_id: region,
      limit: '20',
      fields: '*variants.calculated_price,+variants.inventory_quantity',
    }),
  );
  const variant = products
    .flatMap(({ variants }) => variants ?? [])
    .find(
      (one) =>
        typeof one.calculated_price?.calculated_amount === 'number' &&
        (one.manage_inventory === false ||
          one.allow_backorder === true ||
          (one.inventory_quantity ?? 0) > 0),
    );
  if (variant === undefined)
    throw new PlatformError('nothing_to_sell', 'The shop has nothing to sell yet.', {
      hint: 'Publish a product with a price that is in stock, then try again.',
    });
  return variant.id;
}

async function chooseShipping(store: Storefront, cart: string): Promise<void> {
  const { shipping_options: options } = ShippingOptions.parse(
    await store.get('/store/shipping-options', { cart_id: cart }),
  );
  const [option] = options;
  if (option === undefined)
    throw new PlatformError('shop_declined', 'The shop offers no shipping to that address.', {
      hint: 'Add a shipping option for the country, then try again.',
    });
  await store.post(`/store/carts/${cart}/shipping-methods`, { option_id: option.id });
}

function writeAddress(buyer: Buyer): Record<string, string> {
  return {
    first_name: buyer.firstName,
    last_name: buyer.lastName,
    address_1: buyer.street,
    city: buyer.city,
    postal_code: buyer.postcode,
    ...(buyer.state === '' ? {} : { province: buyer.state }),
    country_code: buyer.country.toLowerCase(),
    phone: buyer.phone,
  };
}

function viewOrder(order: z.infer<typeof Order>): ShopOrder {
  return {
    number: String(order.display_id ?? order.id),
    at: new Date(order.created_at),
    total: String(order.total),
    currency: order.currency_code.toUpperCase(),
    status: order.status,
    customer: order.email ?? null,
    counts: !NO_REVENUE.has(order.status),
  };
}
