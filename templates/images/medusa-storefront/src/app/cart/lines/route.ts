import { answerForm, goTo, readQuantity } from '../../../lib/answer.ts';
import { addToCart, openCart } from '../../../lib/cart.ts';

/** The product page's form: puts pieces of a variant into the cart. */
export async function POST(request: Request): Promise<Response> {
  const form = await request.formData();
  const product = form.get('product');
  const variant = form.get('variant');
  const quantity = readQuantity(form.get('quantity'), 1);
  const back = typeof product === 'string' ? `/products/${encodeURIComponent(product)}` : '/';
  if (typeof variant !== 'string' || quantity === null) {
    return goTo(back, 'choice');
  }
  return answerForm(back, async () => {
    const added = await addToCart(await openCart(), variant, quantity);
    return added.kind === 'done' ? goTo('/cart') : goTo(back, 'stock');
  });
}
