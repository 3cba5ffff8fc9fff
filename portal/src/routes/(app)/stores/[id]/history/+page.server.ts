import { readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import type { ChangeList } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params, url, depends }) => {
  depends(LIVE);
  const cursor = url.searchParams.get('cursor');
  const query = cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`;
  return {
    cursor,
    list: await readApi<ChangeList>(
      fetch,
      `/api/stores/${encodeURIComponent(params.id)}/changes${query}`,
      url,
    ),
  };
};
