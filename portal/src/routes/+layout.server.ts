import { takeFlash } from '#lib/server/flash.ts';
import { readTheme } from '#lib/theme.ts';
import type { LayoutServerLoad } from './$types';

export const load: LayoutServerLoad = ({ locals, cookies, isDataRequest }) => ({
  me: locals.me,
  theme: readTheme(cookies.get('theme')),
  flash: takeFlash(cookies, isDataRequest),
});
