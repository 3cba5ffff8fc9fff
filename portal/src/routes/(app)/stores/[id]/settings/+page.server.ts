import { redirect } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, fieldProblem, readFields } from '#lib/server/forms.ts';
import type { Accepted, EngineList, Preview } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, url, untrack }) => ({
  offer: await readApi<EngineList>(
    fetch,
    '/api/engines',
    untrack(() => url),
  ),
});

type Fields = Readonly<Record<string, string>>;

/** A change of the plan, of the domain, or of both; an empty domain is the default address. */
function readChange(fields: Fields) {
  return fields['plan'] === undefined
    ? {
        domain: fields['domain'] === undefined || fields['domain'] === '' ? null : fields['domain'],
      }
    : { plan: fields['plan'] };
}

export const actions: Actions = {
  change: async ({ fetch, params, request, cookies, url }) => {
    const fields = await readFields(request);
    const form = fields['plan'] === undefined ? 'domain' : 'plan';
    const answer = await askApi<Accepted>(fetch, `/api/stores/${encodeURIComponent(params.id)}`, {
      method: 'PATCH',
      body: readChange(fields),
    });
    if (!answer.ok) return failForm(form, answer.problem, fields, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'Accepted; the commit follows.' });
    redirect(303, `/stores/${encodeURIComponent(params.id)}`);
  },
  preview: async ({ fetch, params, request }) => {
    const fields = await readFields(request);
    const form = fields['plan'] === undefined ? 'domain' : 'plan';
    const answer = await askApi<Preview>(
      fetch,
      `/api/stores/${encodeURIComponent(params.id)}/preview`,
      { method: 'POST', body: readChange(fields) },
    );
    if (!answer.ok) return failForm(form, answer.problem, fields, answer.status);
    return { form, preview: answer.data, values: fields };
  },
  retry: async ({ fetch, params, cookies, url }) => {
    const answer = await askApi<Accepted>(
      fetch,
      `/api/stores/${encodeURIComponent(params.id)}/retry`,
      { method: 'POST' },
    );
    if (!answer.ok) return failForm('retry', answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'Trying again, with a new commit.' });
    redirect(303, `/stores/${encodeURIComponent(params.id)}`);
  },
  delete: async ({ fetch, params, request, cookies, url }) => {
    const { name = '', confirm = '' } = await readFields(request);
    if (confirm !== name || name === '')
      return failForm('delete', fieldProblem('confirm', `Type ${name} to delete it.`));
    const answer = await askApi<Accepted>(fetch, `/api/stores/${encodeURIComponent(params.id)}`, {
      method: 'DELETE',
    });
    if (!answer.ok) return failForm('delete', answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: `${name} is being deleted.` });
    redirect(303, `/stores/${encodeURIComponent(params.id)}`);
  },
};
