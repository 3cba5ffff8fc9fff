import { redirect } from '@sveltejs/kit';
import { pathOfSignIn } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import type { LayoutServerLoad } from './$types';

export const load: LayoutServerLoad = ({ locals, url, depends }) => {
  // Tenant, role and limits change while one looks.
  depends(LIVE);
  // The hook has seen to it; this makes the type say so.
  if (locals.me === null) redirect(303, pathOfSignIn(url));
  return { me: locals.me };
};
