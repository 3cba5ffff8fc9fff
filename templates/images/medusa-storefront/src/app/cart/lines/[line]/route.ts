import { answerForm, goTo, readQuantity } from '../../../../lib/answer.ts';
import { changeLine, findCart } from '../../../../lib/cart.ts';

interface Context {
  readonly params: Promise<{ readonly line: string }>;
}

/** The cart's forms: changes how many pieces a line has, or takes it away. */
export async function POST(request: Request, { params }: Context): Promise<Response> {
  const quantity = readQuantity((await request.formData()).get('quantity'), 0);
  const { line } = await params;
  return answerForm('/cart', async () => {
    const cart = await findCart();
    if (cart === null) return goTo('/cart');
    if (quantity === null) return goTo('/cart', 'choice');
    const changed = await changeLine(cart.id, line, quantity);
    return changed.kind === 'done' ? goTo('/cart') : goTo('/cart', 'stock');
  });
}
