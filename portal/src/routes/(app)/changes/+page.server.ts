import { readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import { readFilters, writeQuery } from '#lib/query.ts';
import type { ChangeList } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, url, depends }) => {
  depends(LIVE);
  const filters = readFilters(url, ['tenant', 'cursor']);
  return {
    filters,
    list: await readApi<ChangeList>(fetch, `/api/changes${writeQuery(filters)}`, url),
  };
};
