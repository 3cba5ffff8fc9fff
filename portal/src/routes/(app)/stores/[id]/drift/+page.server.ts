import { readApi } from '#lib/api.ts';
import { LIVE } from '#lib/live-key.ts';
import { adoptEdit, repairStore } from '#lib/server/store-acts.ts';
import type { StoreDrift } from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params, url, depends, untrack }) => {
  // Somebody else may settle it while one looks.
  depends(LIVE);
  return {
    drift: await readApi<StoreDrift>(
      fetch,
      `/api/stores/${encodeURIComponent(params.id)}/drift`,
      untrack(() => url),
    ),
  };
};

export const actions: Actions = { adopt: adoptEdit, repair: repairStore };
