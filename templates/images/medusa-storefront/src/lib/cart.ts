/**
 * The visitor's cart. It lives in the backend; the visitor's browser holds its id in a cookie that
 * no script reads and that no other site's form sends along.
 */
import { cookies } from 'next/headers';
import { cache } from 'react';
import { askBackend, demandOfBackend, type Answer } from './backend.ts';
import { findRegion, type Country } from './catalogue.ts';
import { readSettings } from './settings.ts';

export interface Address {
  readonly first_name: string | null;
  readonly last_name: string | null;
  readonly address_1: string | null;
  readonly address_2: string | null;
  readonly postal_code: string | null;
  readonly city: string | null;
  readonly country_code: string | null;
  readonly phone: string | null;
}

export interface Line {
  readonly id: string;
  readonly product_title: string | null;
  readonly product_handle: string | null;
  readonly variant_title: string | null;
  readonly thumbnail: string | null;
  readonly quantity: number;
  readonly unit_price: number;
  readonly total: number;
}

/** What a cart and an order have in common. */
export interface Basket {
  readonly id: string;
  readonly email: string | null;
  readonly currency_code: string;
  readonly items: readonly Line[] | null;
  readonly item_total: number;
  readonly shipping_total: number;
  readonly discount_total: number;
  readonly tax_total: number;
  readonly total: number;
  readonly shipping_address: Address | null;
}

export interface Cart extends Basket {
  readonly completed_at: string | null;
  readonly region: { readonly id: string; readonly countries: readonly Country[] | null } | null;
  readonly shipping_methods: readonly { readonly shipping_option_id: string | null }[] | null;
  readonly payment_collection: { readonly id: string } | null;
}

export interface ShippingOption {
  readonly id: string;
  readonly name: string;
  readonly amount: number | null;
  readonly type: { readonly description: string | null } | null;
}

export interface Order extends Basket {
  readonly display_id: number;
  readonly created_at: string;
}

const cookieName = 'cart';
const cookieDays = 30;

/** The visitor's cart, or null when there is none or it has become an order. */
export const findCart = cache(async (): Promise<Cart | null> => {
  const id = (await cookies()).get(cookieName)?.value;
  if (id === undefined) return null;
  const answer = await askBackend<{ cart: Cart }>(
    'GET',
    `/store/carts/${encodeURIComponent(id)}?fields=%2Bitems.total`,
  );
  if (answer.kind === 'refused' || answer.body.cart.completed_at !== null) return null;
  return answer.body.cart;
});

/** The lines in the order in which they were made, which is what their ids tell. */
export function sortLines(basket: Basket): readonly Line[] {
  return (basket.items ?? []).toSorted((one, other) => (one.id < other.id ? -1 : 1));
}

/** How many pieces a cart holds. */
export function countPieces(basket: Basket | null): number {
  return (basket?.items ?? []).reduce((sum, { quantity }) => sum + quantity, 0);
}

/** The visitor's cart, made when there is none. Only while answering a form: it sets the cookie. */
export async function openCart(): Promise<string> {
  const known = await findCart();
  if (known !== null) return known.id;
  const region = await findRegion();
  const { cart } = await demandOfBackend<{ cart: Cart }>('POST', '/store/carts', {
    ...(region === null ? {} : { region_id: region.id }),
  });
  (await cookies()).set(cookieName, cart.id, {
    httpOnly: true,
    sameSite: 'lax',
    secure: readSettings().isSecure,
    path: '/',
    maxAge: cookieDays * 24 * 60 * 60,
  });
  return cart.id;
}

/** Lets go of the cart, which has become an order. */
export async function leaveCart(): Promise<void> {
  (await cookies()).delete(cookieName);
}

/** Puts pieces of a variant into the cart. */
export async function addToCart(
  cart: string,
  variant: string,
  quantity: number,
): Promise<Answer<unknown>> {
  return askBackend('POST', `/store/carts/${cart}/line-items`, { variant_id: variant, quantity });
}

/** Changes how many pieces a line has; none takes the line away. */
export async function changeLine(
  cart: string,
  line: string,
  quantity: number,
): Promise<Answer<unknown>> {
  const path = `/store/carts/${cart}/line-items/${encodeURIComponent(line)}`;
  return quantity === 0 ? askBackend('DELETE', path) : askBackend('POST', path, { quantity });
}

/** The ways in which a cart can be sent. */
export async function listShippingOptions(cart: string): Promise<readonly ShippingOption[]> {
  const answer = await askBackend<{ shipping_options: ShippingOption[] }>(
    'GET',
    `/store/shipping-options?cart_id=${encodeURIComponent(cart)}`,
  );
  return answer.kind === 'done' ? answer.body.shipping_options : [];
}

/** An order by its id, which only who placed it knows; null when there is none. */
export async function findOrder(id: string): Promise<Order | null> {
  const answer = await askBackend<{ order: Order }>(
    'GET',
    `/store/orders/${encodeURIComponent(id)}`,
  );
  return answer.kind === 'done' ? answer.body.order : null;
}
