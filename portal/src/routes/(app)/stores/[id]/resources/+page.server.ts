import { askApi } from '#lib/api.ts';
import type { EngineList, StorePods, StoreResources } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params }) => {
  const path = `/api/stores/${encodeURIComponent(params.id)}` as const;
  const [quota, pods, offer] = await Promise.all([
    askApi<StoreResources>(fetch, `${path}/resources`),
    askApi<StorePods>(fetch, `${path}/pods`),
    askApi<EngineList>(fetch, '/api/engines'),
  ]);
  return { quota, pods, engines: offer.ok ? offer.data.engines : [] };
};
