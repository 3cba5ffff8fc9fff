import { redirect } from '@sveltejs/kit';
import { askApi } from '#lib/api.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import type { TokenAnswer, TokenList } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

/** Viewers have none: the refusal is part of the page. */
export const load: PageServerLoad = async ({ fetch, url, untrack }) => ({
  tokens: await askApi<TokenList>(fetch, '/api/tokens'),
  origin: untrack(() => url.origin),
});

export const actions: Actions = {
  /** Answered in place: the token is shown this once. */
  create: async ({ fetch, request }) => {
    const fields = await readFields(request);
    const { name = '', use = '', expires = '', tenant = '', role = '' } = fields;
    const answer = await askApi<TokenAnswer>(fetch, '/api/tokens', {
      method: 'POST',
      body: {
        name,
        scopes: use === 'read' ? ['read'] : ['read', 'write'],
        ...(/^\d+$/.test(expires) ? { expiresInDays: Number(expires) } : {}),
        ...(tenant === '' ? {} : { tenant }),
        ...(role === '' ? {} : { role }),
      },
    });
    if (!answer.ok) return failForm('create', answer.problem, fields, answer.status);
    return { made: answer.data };
  },
  revoke: async ({ fetch, request, cookies, url }) => {
    const { id = '', name = '' } = await readFields(request);
    const answer = await askApi(fetch, `/api/tokens/${encodeURIComponent(id)}`, {
      method: 'DELETE',
    });
    if (!answer.ok) return failForm('revoke', answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: `The token ${name} is revoked.` });
    redirect(303, '/account/tokens');
  },
};
