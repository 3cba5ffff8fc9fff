import { askApi, readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import type { EngineList, StoreList, StoreTally } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

/** The filters that the API knows; everything else in the address is left alone. */
const FILTERS = ['q', 'status', 'type', 'tenant', 'cursor'] as const;

export const load: PageServerLoad = async ({ fetch, url, depends }) => {
  depends(LIVE);
  const query = new URLSearchParams();
  for (const name of FILTERS) {
    const value = url.searchParams.get(name)?.trim() ?? '';
    if (value !== '') query.set(name, value);
  }
  const [list, counts, engines] = await Promise.all([
    readApi<StoreList>(fetch, `/api/stores?${query.toString()}`, url),
    askApi<StoreTally>(fetch, '/api/counts'),
    askApi<EngineList>(fetch, '/api/engines'),
  ]);
  return {
    list,
    filters: Object.fromEntries(query),
    counts: counts.ok ? counts.data : null,
    engines: engines.ok ? engines.data.engines : [],
  };
};
