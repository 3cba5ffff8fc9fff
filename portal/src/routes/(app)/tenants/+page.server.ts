import { error, redirect } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { isOperator } from '#lib/navigation.ts';
import { readFilters, writeQuery } from '#lib/query.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import type { TenantAnswer, TenantList } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, locals, url }) => {
  if (!isOperator(locals.me)) error(403, 'This page is for platform operators.');
  const filters = readFilters(url, ['q', 'cursor']);
  return {
    filters,
    list: await readApi<TenantList>(fetch, `/api/tenants${writeQuery(filters)}`, url),
  };
};

/** A number as it was typed: what is none goes to the API as it is, which says so. */
function readNumber(text: string | undefined): number | string {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : (text ?? '');
}

export const actions: Actions = {
  limits: async ({ fetch, request, cookies, url }) => {
    const fields = await readFields(request);
    const { id = '' } = fields;
    const answer = await askApi<TenantAnswer>(fetch, `/api/tenants/${encodeURIComponent(id)}`, {
      method: 'PATCH',
      body: {
        storeLimit: readNumber(fields['storeLimit']),
        createsPerMinute: readNumber(fields['createsPerMinute']),
      },
    });
    if (!answer.ok) return failForm(id, answer.problem, fields, answer.status);
    const { name } = answer.data.tenant;
    setFlash(cookies, url, { kind: 'done', message: `The limits of ${name} are changed.` });
    // The same page of the list: form actions keep the rest of the address in `q` and `cursor`.
    redirect(303, `/tenants${writeQuery(readFilters(url, ['q', 'cursor']))}`);
  },
};
