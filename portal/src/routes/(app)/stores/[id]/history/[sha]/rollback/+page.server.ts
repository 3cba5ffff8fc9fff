import { redirect } from '@sveltejs/kit';
import { askApi, readApi, refuse } from '#lib/api.ts';
import { isReviewedChange } from '#lib/review-words.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm } from '#lib/server/forms.ts';
import type { Accepted, ChangeAnswer, EngineList, Preview } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params, url, parent }) => {
  const { change } = await readApi<ChangeAnswer>(
    fetch,
    `/api/changes/${encodeURIComponent(params.sha)}`,
    url,
  );
  const path =
    `/api/stores/${encodeURIComponent(params.id)}/rollback?commit=${encodeURIComponent(params.sha)}` as const;
  const [answer, { store }, { clusters }] = await Promise.all([
    askApi<Preview>(fetch, path),
    parent(),
    readApi<EngineList>(fetch, '/api/engines', url),
  ]);
  if (!answer.ok && answer.status !== 409 && answer.status !== 422)
    refuse(answer.status, answer.problem);
  return {
    change,
    isReviewed: isReviewedChange(
      clusters.find(({ name }) => name === store.cluster)?.review,
      'rollback',
    ),
    preview: answer.ok ? answer.data : null,
    refused: answer.ok ? null : answer.problem,
  };
};

export const actions: Actions = {
  default: async ({ fetch, params, cookies, url }) => {
    const id = encodeURIComponent(params.id);
    const answer = await askApi<Accepted>(fetch, `/api/stores/${id}/rollback`, {
      method: 'POST',
      body: { commit: params.sha },
    });
    if (!answer.ok) return failForm('rollback', answer.problem, {}, answer.status);
    setFlash(cookies, url, {
      kind: 'done',
      message: 'On the way back; each step shows here.',
    });
    redirect(303, `/stores/${id}`);
  },
};
