import { error, redirect } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import { isOperator } from '#lib/navigation.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import type { EngineList, RolloutAnswer, RolloutList, RolloutPreview } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, locals, url, depends }) => {
  if (!isOperator(locals.me)) error(403, 'This page is for platform operators.');
  depends(LIVE);
  const [list, offer] = await Promise.all([
    readApi<RolloutList>(fetch, '/api/rollouts', url),
    readApi<EngineList>(fetch, '/api/engines', url),
  ]);
  return { rollouts: list.rollouts, engines: offer.engines };
};

/** Numbers as numbers; what is none is sent as it was typed, and the API says so. */
function readRequest(fields: Readonly<Record<string, string>>): object {
  const number = (text = ''): number | string => (/^\d+$/.test(text) ? Number(text) : text);
  const { type = '', which = '', toVersion } = fields;
  return {
    type,
    selection:
      which === 'share' ? { kind: 'share', percent: number(fields['percent']) } : { kind: 'all' },
    waveSize: number(fields['waveSize']),
    allowedUnhealthy: number(fields['allowedUnhealthy']),
    ...(toVersion === undefined ? {} : { toVersion }),
  };
}

export const actions: Actions = {
  preview: async ({ fetch, request }) => {
    const fields = await readFields(request);
    const answer = await askApi<RolloutPreview>(fetch, '/api/rollouts/preview', {
      method: 'POST',
      body: readRequest(fields),
    });
    if (!answer.ok) return failForm('rollout', answer.problem, fields, answer.status);
    return { form: 'rollout', preview: answer.data, values: fields };
  },
  begin: async ({ fetch, request, cookies, url }) => {
    const fields = await readFields(request);
    const answer = await askApi<RolloutAnswer>(fetch, '/api/rollouts', {
      method: 'POST',
      body: readRequest(fields),
    });
    if (!answer.ok) return failForm('rollout', answer.problem, fields, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'Begun; the first wave follows.' });
    redirect(303, `/fleet/upgrades/${encodeURIComponent(answer.data.rollout.id)}`);
  },
};
