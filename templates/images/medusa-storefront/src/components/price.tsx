import type { ReactNode } from 'react';
import type { Product } from '../lib/catalogue.ts';
import { formatPrice } from '../lib/money.ts';

interface Properties {
  readonly product: Product;
  readonly currency: string;
}

/** What a product costs: `€12`, or `from €12` where its variants differ. */
export function PriceRange({ product, currency }: Properties): ReactNode {
  const prices = (product.variants ?? [])
    .map((variant) => variant.calculated_price?.calculated_amount)
    .filter((amount) => typeof amount === 'number');
  if (prices.length === 0) return <span className="price">Not for sale</span>;
  const least = Math.min(...prices);
  const text = formatPrice(least, currency);
  return <span className="price">{Math.max(...prices) > least ? `from ${text}` : text}</span>;
}
