/**
 * From a cart to an order, in the steps that Medusa wants: contact and addresses, shipping, payment,
 * done. The manual payment provider takes every order; the merchant collects the money.
 */
import { askBackend, demandOfBackend } from './backend.ts';
import { listShippingOptions, type Cart } from './cart.ts';
import type { Problem } from './problems.ts';

const paymentProvider = 'pp_system_default';

/** The check-out form's fields, and which of them may be empty. */
export const checkoutFields = [
  { name: 'email', isRequired: true },
  { name: 'first_name', isRequired: true },
  { name: 'last_name', isRequired: true },
  { name: 'address_1', isRequired: true },
  { name: 'address_2', isRequired: false },
  { name: 'postal_code', isRequired: true },
  { name: 'city', isRequired: true },
  { name: 'country_code', isRequired: true },
  { name: 'phone', isRequired: false },
] as const;

export type CheckoutField = (typeof checkoutFields)[number]['name'];

export type Placed =
  | { readonly kind: 'placed'; readonly order: string }
  | { readonly kind: 'refused'; readonly problem: Problem };

/** Reads the form; null when a field is missing. */
export function readCheckout(form: FormData): Record<CheckoutField, string> | null {
  const values: Partial<Record<CheckoutField, string>> = {};
  for (const { name, isRequired } of checkoutFields) {
    const value = form.get(name);
    const text = typeof value === 'string' ? value.trim().slice(0, 200) : '';
    if (text === '' && isRequired) return null;
    values[name] = text;
  }
  return values as Record<CheckoutField, string>;
}

/** Places the order. What was entered stays with the cart when it is refused. */
export async function placeOrder(
  cart: Cart,
  entered: Record<CheckoutField, string>,
  shippingOption: string | null,
): Promise<Placed> {
  const { email, ...address } = entered;
  const path = `/store/carts/${cart.id}`;
  const addressed = await askBackend('POST', path, {
    email,
    shipping_address: address,
    billing_address: address,
  });
  if (addressed.kind === 'refused') return refuse('delivery', addressed.reason);

  const options = await listShippingOptions(cart.id);
  const option = options.find(({ id }) => id === shippingOption) ?? options[0];
  if (option === undefined) return refuse('delivery', 'no shipping option');
  const shipped = await askBackend('POST', `${path}/shipping-methods`, { option_id: option.id });
  if (shipped.kind === 'refused') return refuse('delivery', shipped.reason);

  const collection = cart.payment_collection?.id ?? (await openPayment(cart.id));
  const paid = await askBackend(
    'POST',
    `/store/payment-collections/${collection}/payment-sessions`,
    { provider_id: paymentProvider },
  );
  if (paid.kind === 'refused') return refuse('payment', paid.reason);

  const done = await askBackend<
    { type: 'order'; order: { id: string } } | { type: 'cart'; error?: { message?: string } }
  >('POST', `${path}/complete`, {});
  if (done.kind === 'refused') return refuse('payment', done.reason);
  if (done.body.type === 'order') return { kind: 'placed', order: done.body.order.id };
  return refuse('payment', done.body.error?.message ?? 'no order');
}

/** The visitor reads what they can do about it; the shop's log says what the backend said. */
function refuse(problem: Problem, reason: string): Placed {
  console.warn(`check-out refused (${problem}): ${reason}`);
  return { kind: 'refused', problem };
}

async function openPayment(cart: string): Promise<string> {
  const { payment_collection } = await demandOfBackend<{ payment_collection: { id: string } }>(
    'POST',
    '/store/payment-collections',
    { cart_id: cart },
  );
  return payment_collection.id;
}
