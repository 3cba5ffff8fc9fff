import { error } from '@sveltejs/kit';
import { askApi } from '#lib/api.ts';
import { isOperator } from '#lib/navigation.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import type { TenantAnswer } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = ({ locals }) => {
  if (!isOperator(locals.me)) error(403, 'This page is for platform operators.');
};

export const actions: Actions = {
  /** Answered in place: the link of the invitation is shown this once. */
  default: async ({ fetch, request }) => {
    const fields = await readFields(request);
    const { name = '', slug = '', ownerEmail = '' } = fields;
    const answer = await askApi<TenantAnswer>(fetch, '/api/tenants', {
      method: 'POST',
      body: { name, slug, ...(ownerEmail === '' ? {} : { ownerEmail }) },
    });
    if (!answer.ok) return failForm('tenant', answer.problem, fields, answer.status);
    return { made: answer.data };
  },
};
