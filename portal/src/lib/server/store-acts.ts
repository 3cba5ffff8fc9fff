import { redirect, type Action } from '@sveltejs/kit';
import { askApi } from '#lib/api.ts';
import type { Accepted } from '#lib/shapes.ts';
import { setFlash } from './flash.ts';
import { failForm, readFields } from './forms.ts';

/** What is said on the overview once the API has accepted it. */
const SAID = {
  retry: 'Trying again, with a new commit.',
  upgrade: 'The upgrade is accepted; each step shows here.',
  suspend: 'The shop is being suspended; its data stays.',
  resume: 'The shop is being started again.',
  repair: 'The store’s files are written again as they were.',
} as const;

/** The form action for one of the acts on a store that take no further word. */
function act(name: keyof typeof SAID) {
  return (async ({ fetch, params, cookies, url }) => {
    const id = encodeURIComponent(params.id);
    const answer = await askApi<Accepted>(fetch, `/api/stores/${id}/${name}`, { method: 'POST' });
    if (!answer.ok) return failForm(name, answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: SAID[name] });
    redirect(303, `/stores/${id}`);
  }) satisfies Action<{ id: string }>;
}

export const retryStore = act('retry');
export const upgradeStore = act('upgrade');
export const suspendStore = act('suspend');
export const resumeStore = act('resume');
export const repairStore = act('repair');

/** Of the commit that was looked at: what was written since is refused. */
export const adoptEdit = (async ({ fetch, params, request, cookies, url }) => {
  const { commit = '' } = await readFields(request);
  const id = encodeURIComponent(params.id);
  const answer = await askApi<Accepted>(fetch, `/api/stores/${id}/adopt`, {
    method: 'POST',
    body: { commit },
  });
  if (!answer.ok) return failForm('adopt', answer.problem, {}, answer.status);
  setFlash(cookies, url, { kind: 'done', message: 'The change made by hand is taken over.' });
  redirect(303, `/stores/${id}`);
}) satisfies Action<{ id: string }>;
