import { error } from '@sveltejs/kit';
import { readApi } from '#lib/api.ts';
import { isOperator } from '#lib/navigation.ts';
import type { PlatformHealth } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';
import { HEALTH } from './health-key.ts';

export const load: PageServerLoad = async ({ fetch, locals, url, depends }) => {
  if (!isOperator(locals.me)) error(403, 'This page is for platform operators.');
  depends(HEALTH);
  const { parts } = await readApi<PlatformHealth>(fetch, '/api/health', url);
  return { parts, readAt: new Date().toISOString() };
};
