import { error, redirect, type Action } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import { isOperator } from '#lib/navigation.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import type { ApproveHold, ClusterList, Fleet, HoldAnswer, HoldList } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, locals, url, depends }) => {
  if (!isOperator(locals.me)) error(403, 'This page is for platform operators.');
  depends(LIVE);
  const [fleet, { holds }, { clusters }] = await Promise.all([
    readApi<Fleet>(fetch, '/api/fleet', url),
    readApi<HoldList>(fetch, '/api/holds', url),
    readApi<ClusterList>(fetch, '/api/clusters', url),
  ]);
  return { fleet, registered: clusters, holds: holds.filter(({ state }) => state === 'open') };
};

function decide(name: 'approve' | 'reject', message: (hold: HoldAnswer['hold']) => string) {
  return (async ({ fetch, request, cookies, url }) => {
    const { id = '', operations = '' } = await readFields(request);
    // Approved is what the page showed, whatever joined it since.
    const body = { operations: operations.split(' ').filter((one) => one !== '') };
    const path = `/api/holds/${encodeURIComponent(id)}/${name}` as const;
    const answer = await askApi<HoldAnswer>(fetch, path, {
      method: 'POST',
      ...(name === 'approve' ? { body: body satisfies ApproveHold } : {}),
    });
    if (!answer.ok) return failForm(name, answer.problem, { id }, answer.status);
    setFlash(cookies, url, { kind: 'done', message: message(answer.data.hold) });
    redirect(303, '/fleet');
  }) satisfies Action;
}

export const actions: Actions = {
  approve: decide('approve', ({ state }) =>
    state === 'open'
      ? 'Approved: those stores are being deleted. Others still wait.'
      : 'Approved: the stores are being deleted.',
  ),
  reject: decide('reject', () => 'Rejected: the stores stay as they are.'),
};
