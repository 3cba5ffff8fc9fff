import { error } from '@sveltejs/kit';
import { readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import { isOperator } from '#lib/navigation.ts';
import type { Fleet } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, locals, url, depends }) => {
  if (!isOperator(locals.me)) error(403, 'This page is for platform operators.');
  depends(LIVE);
  return { fleet: await readApi<Fleet>(fetch, '/api/fleet', url) };
};
