import Link from 'next/link';
import type { ReactNode } from 'react';
import { Picture } from '../components/picture.tsx';
import { PriceRange } from '../components/price.tsx';
import { findRegion, listProducts, pageSize } from '../lib/catalogue.ts';
import { readStoreName } from '../lib/settings.ts';

interface Properties {
  readonly searchParams: Promise<{ readonly page?: string | string[] }>;
}

export default async function CataloguePage({ searchParams }: Properties): Promise<ReactNode> {
  const page = readPage((await searchParams).page);
  const region = await findRegion();
  const { products, count } =
    region === null ? { products: [], count: 0 } : await listProducts(region, page);
  const pages = Math.ceil(count / pageSize);
  return (
    <>
      <h1 className="greeting">{readStoreName()}</h1>
      {products.length === 0 ? (
        <p className="lead">
          {page === 1
            ? 'The shelves are being filled. Please come back soon.'
            : 'There is nothing more here.'}
        </p>
      ) : (
        <>
          <p className="lead">
            {count === 1 ? 'One good thing' : `${count} good things`}, ready to be sent.
          </p>
          <ul className="shelf">
            {products.map((product, index) => (
              <li key={product.id}>
                <Link className="ware" href={`/products/${product.handle}`}>
                  <Picture
                    url={product.thumbnail ?? product.images?.[0]?.url ?? null}
                    title={product.title}
                    isFirst={index < 3}
                  />
                  <span className="ware-title">{product.title}</span>
                  <PriceRange product={product} currency={region?.currency_code ?? 'eur'} />
                </Link>
              </li>
            ))}
          </ul>
        </>
      )}
      {pages > 1 && (
        <nav className="pages" aria-label="Pages">
          {page > 1 && <Link href={page === 2 ? '/' : `/?page=${page - 1}`}>Newer</Link>}
          <span>
            Page {page} of {pages}
          </span>
          {page < pages && <Link href={`/?page=${page + 1}`}>Older</Link>}
        </nav>
      )}
    </>
  );
}

function readPage(text: string | string[] | undefined): number {
  return typeof text === 'string' && /^[1-9]\d{0,3}$/.test(text) ? Number(text) : 1;
}
