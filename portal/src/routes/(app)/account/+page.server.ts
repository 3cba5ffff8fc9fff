import { redirect } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, readFields, readNewPassword } from '#lib/server/forms.ts';
import type { SessionList } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, url }) =>
  readApi<SessionList>(fetch, '/api/sessions', url);

export const actions: Actions = {
  name: async ({ fetch, request, cookies, url }) => {
    const fields = await readFields(request);
    const answer = await askApi(fetch, '/api/me', {
      method: 'PATCH',
      body: { name: fields['name'] ?? '' },
    });
    if (!answer.ok) return failForm('name', answer.problem, fields, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'Your name is changed.' });
    redirect(303, '/account');
  },
  password: async ({ fetch, request, cookies, url }) => {
    const fields = await readFields(request);
    const wanted = readNewPassword(fields);
    if (!wanted.ok) return failForm('password', wanted.problem);
    const answer = await askApi(fetch, '/api/auth/change-password', {
      method: 'POST',
      body: { currentPassword: fields['currentPassword'] ?? '', newPassword: wanted.password },
    });
    if (!answer.ok) return failForm('password', answer.problem, {}, answer.status);
    setFlash(cookies, url, {
      kind: 'done',
      message: 'The new password is set. Every other browser is signed out.',
    });
    redirect(303, '/account');
  },
  end: async ({ fetch, request, cookies, url }) => {
    const { id = '' } = await readFields(request);
    const answer = await askApi(fetch, `/api/sessions/${encodeURIComponent(id)}`, {
      method: 'DELETE',
    });
    if (!answer.ok) return failForm('sessions', answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'Signed out there.' });
    redirect(303, '/account');
  },
  leave: async ({ fetch, locals, cookies, url }) => {
    const { user = null, tenant = null } = locals.me ?? {};
    if (user === null || tenant === null) redirect(303, '/account');
    const answer = await askApi(fetch, `/api/members/${encodeURIComponent(user.id)}`, {
      method: 'DELETE',
    });
    if (!answer.ok) return failForm('leave', answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: `You have left ${tenant.name}.` });
    redirect(303, '/account');
  },
  everywhere: async ({ fetch, cookies, url }) => {
    const answer = await askApi(fetch, '/api/sessions', { method: 'DELETE' });
    if (!answer.ok) return failForm('sessions', answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'You are signed out everywhere.' });
    redirect(303, '/sign-in');
  },
};
