import { redirect } from '@sveltejs/kit';
import { pathOfSignIn } from '#lib/api.ts';
import type { LayoutServerLoad } from './$types';

export const load: LayoutServerLoad = ({ locals, url }) => {
  // The hook has seen to it; this makes the type say so.
  if (locals.me === null) redirect(303, pathOfSignIn(url));
  return { me: locals.me };
};
