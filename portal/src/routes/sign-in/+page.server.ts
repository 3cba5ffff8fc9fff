import { redirect } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import { readWayBack } from '#lib/server/referer.ts';
import type { SignInOptions } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, locals, url }) => {
  if (locals.me !== null) redirect(303, readWayBack(url));
  return { offer: await readApi<SignInOptions>(fetch, '/api/sign-in') };
};

export const actions: Actions = {
  default: async ({ fetch, request, url }) => {
    const fields = await readFields(request);
    const answer = await askApi(fetch, '/api/auth/sign-in/email', {
      method: 'POST',
      body: { email: fields['email'] ?? '', password: fields['password'] ?? '' },
    });
    if (!answer.ok) return failForm('sign-in', answer.problem, fields, answer.status);
    redirect(303, readWayBack(url));
  },
};
