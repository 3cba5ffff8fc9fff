import { redirect } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, readFields, readNewPassword } from '#lib/server/forms.ts';
import type { SignInOptions } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

/** With a token (from the e-mail) one sets a password; without one asks for the e-mail. */
export const load: PageServerLoad = async ({ fetch, url }) => ({
  offer: await readApi<SignInOptions>(fetch, '/api/sign-in'),
  token: url.searchParams.get('token'),
  isTokenSpent: url.searchParams.get('error') !== null,
});

export const actions: Actions = {
  request: async ({ fetch, request }) => {
    const fields = await readFields(request);
    const answer = await askApi(fetch, '/api/auth/request-password-reset', {
      method: 'POST',
      body: { email: fields['email'] ?? '' },
    });
    if (!answer.ok) return failForm('request', answer.problem, fields, answer.status);
    return { sent: true };
  },
  set: async ({ fetch, request, cookies, url }) => {
    const fields = await readFields(request);
    const wanted = readNewPassword(fields);
    if (!wanted.ok) return failForm('set', wanted.problem);
    const answer = await askApi(fetch, '/api/auth/reset-password', {
      method: 'POST',
      body: { newPassword: wanted.password, token: fields['token'] ?? '' },
    });
    if (!answer.ok) return failForm('set', answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'The new password is set. Sign in with it.' });
    redirect(303, '/sign-in');
  },
};
