import { redirect } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, fieldProblem, readFields } from '#lib/server/forms.ts';
import { resumeStore, retryStore, suspendStore, upgradeStore } from '#lib/server/store-acts.ts';
import type { Accepted, EngineList, Preview } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';
import { readChange } from './changes.ts';

export const load: PageServerLoad = async ({ fetch, url, untrack }) => ({
  offer: await readApi<EngineList>(
    fetch,
    '/api/engines',
    untrack(() => url),
  ),
});

export const actions: Actions = {
  change: async ({ fetch, params, request, cookies, url }) => {
    const fields = await readFields(request);
    const { name, change } = readChange(fields);
    const answer = await askApi<Accepted>(fetch, `/api/stores/${encodeURIComponent(params.id)}`, {
      method: 'PATCH',
      body: change,
    });
    if (!answer.ok) return failForm(name, answer.problem, fields, answer.status);
    setFlash(cookies, url, {
      kind: 'done',
      message: 'Accepted; each step shows here.',
    });
    redirect(303, `/stores/${encodeURIComponent(params.id)}`);
  },
  preview: async ({ fetch, params, request }) => {
    const fields = await readFields(request);
    const { name, change } = readChange(fields);
    const answer = await askApi<Preview>(
      fetch,
      `/api/stores/${encodeURIComponent(params.id)}/preview`,
      { method: 'POST', body: change },
    );
    if (!answer.ok) return failForm(name, answer.problem, fields, answer.status);
    return { form: name, preview: answer.data, values: fields };
  },
  retry: retryStore,
  upgrade: upgradeStore,
  suspend: suspendStore,
  resume: resumeStore,
  protect: async ({ fetch, params, request, cookies, url }) => {
    const isProtected = (await readFields(request))['protected'] === 'true';
    const path = `/api/stores/${encodeURIComponent(params.id)}` as const;
    const answer = await askApi<Accepted>(fetch, path, {
      method: 'PATCH',
      body: { protected: isProtected },
    });
    if (!answer.ok) return failForm('protect', answer.problem, {}, answer.status);
    const message = isProtected
      ? 'Protected: nobody deletes it before this is taken back.'
      : 'No longer protected against deletion.';
    setFlash(cookies, url, { kind: 'done', message });
    redirect(303, `/stores/${encodeURIComponent(params.id)}/settings`);
  },
  delete: async ({ fetch, params, request, cookies, url }) => {
    const { name = '', confirm = '', now } = await readFields(request);
    if (confirm !== name || name === '')
      return failForm('delete', fieldProblem('confirm', `Type ${name} to delete it.`));
    const id = encodeURIComponent(params.id);
    const path = `/api/stores/${id}${now === 'true' ? '?now=true' : ''}` as const;
    const answer = await askApi<Accepted>(fetch, path, { method: 'DELETE' });
    if (!answer.ok) return failForm('delete', answer.problem, {}, answer.status);
    const { status } = answer.data.store;
    const message =
      status === 'deleting'
        ? `${name} is being deleted.`
        : status === 'suspended' && now !== 'true'
          ? `${name} is being suspended. Its data is kept for a while; see below until when.`
          : `${name} is deleted when somebody has agreed; until then it stays as it is.`;
    setFlash(cookies, url, { kind: 'done', message });
    redirect(303, `/stores/${id}`);
  },
};
