import { readApi } from '#lib/api.ts';
import type { ChangeDetail } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params, url }) => ({
  detail: await readApi<ChangeDetail>(fetch, `/api/changes/${encodeURIComponent(params.sha)}`, url),
});
