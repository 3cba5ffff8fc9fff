import { readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import { readFilters, writeQuery } from '#lib/query.ts';
import type { ReviewList } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, url, depends }) => {
  depends(LIVE);
  const filters = readFilters(url, ['state', 'cursor']);
  // Those that wait for somebody, unless all of them are asked for.
  const { state, ...rest } = filters;
  const query = state === 'all' ? rest : { ...rest, state: 'open' };
  return {
    filters,
    list: await readApi<ReviewList>(fetch, `/api/reviews${writeQuery(query)}`, url),
  };
};
