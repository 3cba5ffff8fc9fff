import type { Metadata } from 'next';
import Link from 'next/link';
import type { ReactNode } from 'react';
import { BasketSums } from '../../components/basket.tsx';
import { Notice, type ProblemSearch } from '../../components/notice.tsx';
import { Picture } from '../../components/picture.tsx';
import { mostPieces } from '../../lib/answer.ts';
import { findCart, sortLines, type Cart, type Line } from '../../lib/cart.ts';
import { formatPrice } from '../../lib/money.ts';

export const metadata: Metadata = { title: 'Cart' };

interface Properties {
  readonly searchParams: Promise<ProblemSearch>;
}

export default async function CartPage({ searchParams }: Properties): Promise<ReactNode> {
  const cart = await findCart();
  const search = await searchParams;
  const lines = cart === null ? [] : sortLines(cart);
  return (
    <>
      <h1>Cart</h1>
      <Notice {...search} />
      {cart === null || lines.length === 0 ? (
        <div className="empty">
          <p className="lead">Nothing in it yet.</p>
          <Link className="button" href="/">
            Look around
          </Link>
        </div>
      ) : (
        <div className="split">
          <ul className="lines">
            {lines.map((line) => (
              <CartLine key={line.id} line={line} cart={cart} />
            ))}
          </ul>
          <section className="summary" aria-label="Sum">
            <BasketSums basket={cart} delivery="at check-out" />
            <Link className="button button-wide" href="/checkout">
              Check out
            </Link>
          </section>
        </div>
      )}
    </>
  );
}

function CartLine({ line, cart }: { readonly line: Line; readonly cart: Cart }): ReactNode {
  const action = `/cart/lines/${line.id}`;
  const title = line.product_title ?? 'Product';
  return (
    <li>
      <Picture url={line.thumbnail} title={title} />
      <div className="line-words">
        <h2>
          {line.product_handle === null ? (
            title
          ) : (
            <Link href={`/products/${line.product_handle}`}>{title}</Link>
          )}
        </h2>
        <p>{line.variant_title}</p>
        <div className="line-forms">
          <form method="post" action={action}>
            <label className="field field-quantity">
              <span className="unseen">Quantity of {title}</span>
              <input
                type="number"
                name="quantity"
                defaultValue={line.quantity}
                min={1}
                max={mostPieces}
                step={1}
                inputMode="numeric"
                required
              />
            </label>
            <button className="button button-quiet">Update</button>
          </form>
          <form method="post" action={action}>
            <input type="hidden" name="quantity" value="0" />
            <button className="button button-quiet">
              Remove <span className="unseen">{title}</span>
            </button>
          </form>
        </div>
      </div>
      <span className="amount">{formatPrice(line.total, cart.currency_code)}</span>
    </li>
  );
}
