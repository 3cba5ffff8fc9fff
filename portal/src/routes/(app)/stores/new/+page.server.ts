import { error, redirect } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { readCreateRequest } from '#lib/create-request.ts';
import { isOperator } from '#lib/navigation.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import type { Accepted, EngineList, Preview, TenantList } from '#lib/shapes.ts';
import { pathOfTenants } from '#lib/tenant-suggestions.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, locals, url }) => {
  if (locals.me?.tenant?.role === 'viewer')
    error(403, 'Viewers look; making a store takes an owner or a member.');
  const [offer, tenants] = await Promise.all([
    readApi<EngineList>(fetch, '/api/engines', url),
    isOperator(locals.me) ? askApi<TenantList>(fetch, pathOfTenants('')) : null,
  ]);
  return {
    offer,
    // Without suggestions it is a field to type in.
    tenants: tenants?.ok === true ? tenants.data : { tenants: [], next: null },
    // Sent with the form: pressing the button twice makes one store.
    key: crypto.randomUUID(),
  };
};

export const actions: Actions = {
  create: async ({ fetch, request }) => {
    const fields = await readFields(request);
    const { key = '' } = fields;
    const answer = await askApi<Accepted>(fetch, '/api/stores', {
      method: 'POST',
      body: readCreateRequest(fields),
      ...(key === '' ? {} : { idempotencyKey: key }),
    });
    if (!answer.ok) return failForm('create', answer.problem, fields, answer.status);
    redirect(303, `/stores/${answer.data.store.id}`);
  },
  /** For who has no JavaScript: the preview by a button. */
  preview: async ({ fetch, request }) => {
    const fields = await readFields(request);
    const answer = await askApi<Preview>(fetch, '/api/stores/preview', {
      method: 'POST',
      body: readCreateRequest(fields),
    });
    if (!answer.ok) return failForm('create', answer.problem, fields, answer.status);
    return { form: 'preview', preview: answer.data, values: fields };
  },
};
