import { redirect } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import type { ReviewAnswer, ReviewDetail } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params, url, depends }) => {
  depends(LIVE);
  return readApi<ReviewDetail>(fetch, `/api/reviews/${encodeURIComponent(params.number)}`, url);
};

export const actions: Actions = {
  /** Of the commit that was looked at: another one in its place is refused. */
  approve: async ({ fetch, params, request, cookies, url }) => {
    const { headSha = '' } = await readFields(request);
    const path = `/api/reviews/${encodeURIComponent(params.number)}/approve` as const;
    const answer = await askApi<ReviewAnswer>(fetch, path, { method: 'POST', body: { headSha } });
    if (!answer.ok) return failForm('approve', answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'Approved; it is being merged.' });
    redirect(303, url.pathname);
  },
  reject: async ({ fetch, params, request, cookies, url }) => {
    const { reason = '' } = await readFields(request);
    const path = `/api/reviews/${encodeURIComponent(params.number)}/reject` as const;
    const answer = await askApi<ReviewAnswer>(fetch, path, {
      method: 'POST',
      body: reason === '' ? {} : { reason },
    });
    if (!answer.ok) return failForm('reject', answer.problem, { reason }, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'Rejected; everything stays as it is.' });
    redirect(303, url.pathname);
  },
};
