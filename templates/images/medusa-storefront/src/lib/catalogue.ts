/** What the shop sells, and where to. */
import { cache } from 'react';
import { askBackend, demandOfBackend } from './backend.ts';

/** A country as the backend names it. */
export interface Country {
  readonly iso_2: string;
  readonly display_name: string;
}

export interface Region {
  readonly id: string;
  readonly currency_code: string;
  readonly countries: readonly Country[];
}

export interface Variant {
  readonly id: string;
  readonly title: string;
  readonly variant_rank: number | null;
  readonly manage_inventory: boolean | null;
  readonly allow_backorder: boolean | null;
  readonly inventory_quantity?: number;
  readonly calculated_price?: {
    readonly calculated_amount: number | null;
    readonly original_amount: number | null;
  };
}

export interface Product {
  readonly id: string;
  readonly handle: string;
  readonly title: string;
  readonly subtitle: string | null;
  readonly description: string | null;
  readonly thumbnail: string | null;
  readonly images: readonly { readonly url: string }[] | null;
  readonly options: readonly { readonly title: string }[] | null;
  readonly variants: readonly Variant[] | null;
}

/** Products on one page of the catalogue. */
export const pageSize = 24;

/** The shop's region: prices, countries and payment are its own. Null while the shop has none. */
export const findRegion = cache(async (): Promise<Region | null> => {
  const { regions } = await demandOfBackend<{ regions: Region[] }>('GET', '/store/regions?limit=1');
  return regions[0] ?? null;
});

const fields = '*variants.calculated_price,+variants.inventory_quantity,*images,*options';

/** One page of what is on sale, newest first, counted from 1. */
export async function listProducts(
  region: Region,
  page: number,
): Promise<{ readonly products: readonly Product[]; readonly count: number }> {
  const query = new URLSearchParams({
    region_id: region.id,
    fields,
    limit: String(pageSize),
    offset: String((page - 1) * pageSize),
    order: '-created_at',
  });
  return demandOfBackend('GET', `/store/products?${query.toString()}`);
}

/** One product by the name in its address; null when there is none. */
export const findProduct = cache(async (handle: string): Promise<Product | null> => {
  const region = await findRegion();
  if (region === null) return null;
  const query = new URLSearchParams({ region_id: region.id, fields, handle, limit: '1' });
  const answer = await askBackend<{ products: Product[] }>(
    'GET',
    `/store/products?${query.toString()}`,
  );
  return answer.kind === 'done' ? (answer.body.products[0] ?? null) : null;
});

/** A product's variants in the merchant's order. */
export function sortVariants(product: Product): readonly Variant[] {
  return (product.variants ?? []).toSorted(
    (one, other) => (one.variant_rank ?? 0) - (other.variant_rank ?? 0),
  );
}

/** Whether a variant can be bought now. */
export function isForSale(variant: Variant): boolean {
  if (typeof variant.calculated_price?.calculated_amount !== 'number') return false;
  if (variant.manage_inventory !== true || variant.allow_backorder === true) return true;
  return (variant.inventory_quantity ?? 0) > 0;
}
