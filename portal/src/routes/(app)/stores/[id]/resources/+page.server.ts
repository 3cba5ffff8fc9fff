import { askApi } from '#lib/api.ts';
import type { StorePods, StoreResources } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params }) => {
  const path = `/api/stores/${encodeURIComponent(params.id)}` as const;
  const [quota, pods] = await Promise.all([
    askApi<StoreResources>(fetch, `${path}/resources`),
    askApi<StorePods>(fetch, `${path}/pods`),
  ]);
  return { quota, pods };
};
