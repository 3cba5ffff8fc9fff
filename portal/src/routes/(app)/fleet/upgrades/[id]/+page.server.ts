import { error, redirect, type Action } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import { isOperator } from '#lib/navigation.ts';
import { readFilters, writeQuery } from '#lib/query.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm } from '#lib/server/forms.ts';
import type { RolloutAnswer, RolloutDetail } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params, locals, url, depends }) => {
  if (!isOperator(locals.me)) error(403, 'This page is for platform operators.');
  depends(LIVE);
  const filters = readFilters(url, ['cursor']);
  const path = `/api/rollouts/${encodeURIComponent(params.id)}${writeQuery(filters)}` as const;
  return { filters, ...(await readApi<RolloutDetail>(fetch, path, url)) };
};

function command(name: 'pause' | 'resume' | 'cancel', message: string) {
  return (async ({ fetch, params, cookies, url }) => {
    const path = `/api/rollouts/${encodeURIComponent(params.id)}/${name}` as const;
    const answer = await askApi<RolloutAnswer>(fetch, path, { method: 'POST' });
    if (!answer.ok) return failForm(name, answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message });
    redirect(303, url.pathname);
  }) satisfies Action<{ id: string }>;
}

export const actions: Actions = {
  pause: command('pause', 'Paused: no further wave begins.'),
  resume: command('resume', 'It goes on.'),
  cancel: command('cancel', 'Cancelled; what was upgraded stays so.'),
};
