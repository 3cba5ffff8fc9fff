import type { Metadata } from 'next';
import { notFound } from 'next/navigation';
import type { ReactNode } from 'react';
import { Notice, type ProblemSearch } from '../../../components/notice.tsx';
import { Picture } from '../../../components/picture.tsx';
import { mostPieces } from '../../../lib/answer.ts';
import {
  findProduct,
  findRegion,
  isForSale,
  sortVariants,
  type Product,
  type Region,
  type Variant,
} from '../../../lib/catalogue.ts';
import { formatPrice } from '../../../lib/money.ts';

interface Properties {
  readonly params: Promise<{ readonly handle: string }>;
  readonly searchParams: Promise<ProblemSearch>;
}

export async function generateMetadata({ params }: Properties): Promise<Metadata> {
  const product = await findProduct((await params).handle);
  if (product === null) return { title: 'Not found' };
  return {
    title: product.title,
    ...(product.description === null ? {} : { description: product.description.slice(0, 160) }),
  };
}

export default async function ProductPage(properties: Properties): Promise<ReactNode> {
  const product = await findProduct((await properties.params).handle);
  const region = await findRegion();
  if (product === null || region === null) notFound();
  const search = await properties.searchParams;
  const pictures = product.images?.map(({ url }) => url) ?? [];
  if (pictures.length === 0 && product.thumbnail !== null) pictures.push(product.thumbnail);
  return (
    <article className="product">
      <div className="pictures">
        {(pictures.length === 0 ? [null] : pictures).map((url, index) => (
          <Picture key={url} url={url} title={product.title} isFirst={index === 0} />
        ))}
      </div>
      <div className="product-words">
        <h1>{product.title}</h1>
        {product.subtitle !== null && product.subtitle !== '' && (
          <p className="lead">{product.subtitle}</p>
        )}
        <Notice {...search} />
        <PurchaseForm product={product} region={region} />
        {product.description !== null && <p className="description">{product.description}</p>}
      </div>
    </article>
  );
}

function PurchaseForm({
  product,
  region,
}: {
  readonly product: Product;
  readonly region: Region;
}): ReactNode {
  const variants = sortVariants(product);
  const first = variants.find(isForSale);
  if (first === undefined) return <p className="lead">Sold out for now.</p>;
  return (
    <form className="purchase" method="post" action="/cart/lines">
      <input type="hidden" name="product" value={product.handle} />
      {variants.length === 1 ? (
        <>
          <input type="hidden" name="variant" value={first.id} />
          <p className="purchase-price">{showPrice(first, region)}</p>
        </>
      ) : (
        <fieldset className="choices">
          <legend>{product.options?.map(({ title }) => title).join(' and ')}</legend>
          {variants.map((variant) => (
            <label key={variant.id} className="choice">
              <input
                type="radio"
                name="variant"
                value={variant.id}
                defaultChecked={variant === first}
                disabled={!isForSale(variant)}
                required
              />
              <span>{variant.title}</span>
              <span className="amount">
                {isForSale(variant) ? showPrice(variant, region) : 'Sold out'}
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <div className="purchase-row">
        <label className="field field-quantity">
          <span>Quantity</span>
          <input
            type="number"
            name="quantity"
            defaultValue={1}
            min={1}
            max={mostPieces}
            step={1}
            inputMode="numeric"
            required
          />
        </label>
        <button className="button">Add to cart</button>
      </div>
    </form>
  );
}

function showPrice(variant: Variant, region: Region): string {
  return formatPrice(variant.calculated_price?.calculated_amount ?? 0, region.currency_code);
}
