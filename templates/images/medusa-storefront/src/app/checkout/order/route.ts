import { answerForm, goTo } from '../../../lib/answer.ts';
import { findCart, leaveCart } from '../../../lib/cart.ts';
import { placeOrder, readCheckout } from '../../../lib/checkout.ts';

/** The check-out form: makes the cart an order. */
export async function POST(request: Request): Promise<Response> {
  const form = await request.formData();
  const entered = readCheckout(form);
  const option = form.get('shipping_option');
  return answerForm('/checkout', async () => {
    const cart = await findCart();
    if (cart === null) return goTo('/cart');
    if (entered === null) return goTo('/checkout', 'fields');
    const placed = await placeOrder(cart, entered, typeof option === 'string' ? option : null);
    if (placed.kind === 'refused') return goTo('/checkout', placed.problem);
    await leaveCart();
    return goTo(`/orders/${placed.order}`);
  });
}
