import { redirect } from '@sveltejs/kit';
import { askApi, refuse } from '#lib/api.ts';
import { readFields } from '#lib/server/forms.ts';
import type { RequestHandler } from './$types';

/** Acts for another organisation from now on. */
export const POST: RequestHandler = async ({ fetch, request }) => {
  const { tenant = '' } = await readFields(request);
  const answer = await askApi(fetch, '/api/sessions/tenant', { method: 'POST', body: { tenant } });
  if (!answer.ok) refuse(answer.status, answer.problem);
  redirect(303, '/stores');
};
