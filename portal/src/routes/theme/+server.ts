import { redirect } from '@sveltejs/kit';
import { readTheme } from '#lib/theme.ts';
import { pathOfReferer } from '#lib/server/referer.ts';
import type { RequestHandler } from './$types';

const YEAR_SECONDS = 365 * 24 * 3600;

export const POST: RequestHandler = async ({ request, cookies, url }) => {
  const given = (await request.formData()).get('theme');
  const theme = readTheme(typeof given === 'string' ? given : undefined);
  cookies.set('theme', theme, {
    path: '/',
    maxAge: YEAR_SECONDS,
    sameSite: 'lax',
    secure: url.protocol === 'https:',
  });
  redirect(303, pathOfReferer(request, url));
};
