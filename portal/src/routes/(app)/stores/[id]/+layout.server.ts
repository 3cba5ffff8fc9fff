import { readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import type { Health, Store } from '#lib/shapes.ts';
import type { LayoutServerLoad } from './$types';

export const load: LayoutServerLoad = async ({ fetch, params, url, depends, untrack }) => {
  depends(LIVE);
  const path = `/api/stores/${encodeURIComponent(params.id)}` as const;
  const here = untrack(() => url);
  const [{ store }, health] = await Promise.all([
    readApi<{ store: Store }>(fetch, path, here),
    readApi<Health>(fetch, `${path}/health`, here),
  ]);
  return { store, health };
};
