import { redirect } from '@sveltejs/kit';
import { askApi, refuse } from '#lib/api.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import type { InvitationPreview } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params }) => {
  const answer = await askApi<InvitationPreview>(
    fetch,
    `/api/invitations/${encodeURIComponent(params.secret)}/preview`,
  );
  if (answer.ok) return { invitation: answer.data, problem: null };
  // A link that is spent or too old is a page of its own, with what to do about it.
  if (answer.status >= 500) refuse(answer.status, answer.problem);
  return { invitation: null, problem: answer.problem };
};

export const actions: Actions = {
  default: async ({ fetch, params, request, cookies, url }) => {
    const fields = await readFields(request);
    const { name, password } = fields;
    const answer = await askApi(
      fetch,
      `/api/invitations/${encodeURIComponent(params.secret)}/accept`,
      {
        method: 'POST',
        body: name === undefined || password === undefined ? {} : { name, password },
      },
    );
    if (!answer.ok) return failForm('accept', answer.problem, fields, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'Welcome. You are in.' });
    redirect(303, '/stores');
  },
};
