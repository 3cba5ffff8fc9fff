import { redirect } from '@sveltejs/kit';
import { askApi } from '#lib/api.ts';
import type { RequestHandler } from './$types';

export const POST: RequestHandler = async ({ fetch }) => {
  await askApi(fetch, '/api/auth/sign-out', { method: 'POST', body: {} });
  redirect(303, '/sign-in');
};
