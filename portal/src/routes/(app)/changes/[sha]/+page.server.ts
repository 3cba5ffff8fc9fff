import { readApi } from '#lib/api.ts';
import type { ChangeAnswer } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params, url }) => ({
  answer: await readApi<ChangeAnswer>(fetch, `/api/changes/${encodeURIComponent(params.sha)}`, url),
});
