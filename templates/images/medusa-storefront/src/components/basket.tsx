import Link from 'next/link';
import type { ReactNode } from 'react';
import { sortLines, type Basket } from '../lib/cart.ts';
import { formatPrice } from '../lib/money.ts';
import { Picture } from './picture.tsx';

/** The lines of a cart or an order, to read. */
export function BasketLines({ basket }: { readonly basket: Basket }): ReactNode {
  return (
    <ul className="lines lines-small">
      {sortLines(basket).map((line) => (
        <li key={line.id}>
          <Picture url={line.thumbnail} title={line.product_title ?? ''} />
          <span>
            {line.product_handle === null ? (
              line.product_title
            ) : (
              <Link href={`/products/${line.product_handle}`}>{line.product_title}</Link>
            )}
            <small>
              {line.quantity} × {line.variant_title}
            </small>
          </span>
          <span className="amount">{formatPrice(line.total, basket.currency_code)}</span>
        </li>
      ))}
    </ul>
  );
}

interface SumsProperties {
  readonly basket: Basket;
  /** What a cart's delivery will cost, or words where that is not known yet. An order knows. */
  readonly delivery?: number | string;
}

/** The sums of a cart or an order. */
export function BasketSums({ basket, delivery }: SumsProperties): ReactNode {
  const expected = typeof delivery === 'number' ? delivery - basket.shipping_total : 0;
  const format = (amount: number): string => formatPrice(amount, basket.currency_code);
  return (
    <dl className="sums">
      <dt>Goods</dt>
      <dd>{format(basket.item_total)}</dd>
      {basket.discount_total > 0 && (
        <>
          <dt>Discount, taken off</dt>
          <dd>{format(basket.discount_total)}</dd>
        </>
      )}
      <dt>Delivery</dt>
      <dd>{typeof delivery === 'string' ? delivery : format(basket.shipping_total + expected)}</dd>
      {basket.tax_total > 0 && (
        <>
          <dt>Tax in it</dt>
          <dd>{format(basket.tax_total)}</dd>
        </>
      )}
      <dt className="sum">Total</dt>
      <dd className="sum">{format(basket.total + expected)}</dd>
    </dl>
  );
}
