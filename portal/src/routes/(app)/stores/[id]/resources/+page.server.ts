import { askApi } from '#lib/api.ts';
import type { Pod, Quota } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params }) => {
  const path = `/api/stores/${encodeURIComponent(params.id)}` as const;
  const [quota, pods] = await Promise.all([
    askApi<Quota>(fetch, `${path}/resources`),
    askApi<{ pods: Pod[] }>(fetch, `${path}/pods`),
  ]);
  return { quota, pods };
};
