import { askApi, readApi } from '#lib/api.ts';
import type { StoreEvents, StorePods, StoreLog } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

const LINES = 200;

export const load: PageServerLoad = async ({ fetch, params, url }) => {
  const path = `/api/stores/${encodeURIComponent(params.id)}` as const;
  const [events, pods] = await Promise.all([
    askApi<StoreEvents>(fetch, `${path}/events`),
    askApi<StorePods>(fetch, `${path}/pods`),
  ]);
  // The sign-in and the not-found page are readApi's to find.
  if (!events.ok && (events.status === 401 || events.status === 404))
    await readApi(fetch, `${path}/events`, url);

  const query = new URLSearchParams({ lines: String(LINES) });
  for (const name of ['pod', 'container', 'hours'] as const) {
    const value = url.searchParams.get(name) ?? '';
    if (value !== '') query.set(name, value);
  }
  return {
    events,
    pods,
    hours: url.searchParams.get('hours') ?? '',
    log: await askApi<StoreLog>(fetch, `${path}/logs?${query.toString()}`),
  };
};
