import { askApi, readApi } from '#lib/api.ts';
import type { ClusterEvent, Pod, PodLog } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

const LINES = 200;

export const load: PageServerLoad = async ({ fetch, params, url }) => {
  const path = `/api/stores/${encodeURIComponent(params.id)}` as const;
  const [events, pods] = await Promise.all([
    askApi<{ events: ClusterEvent[] }>(fetch, `${path}/events`),
    askApi<{ pods: Pod[] }>(fetch, `${path}/pods`),
  ]);
  // The sign-in and the not-found page are readApi's to find.
  if (!events.ok && (events.status === 401 || events.status === 404))
    await readApi(fetch, `${path}/events`, url);

  const list = pods.ok ? pods.data.pods : [];
  const asked = url.searchParams.get('pod');
  const pod = list.find(({ name }) => name === asked) ?? list[0];
  const container =
    pod?.containers.find((name) => name === url.searchParams.get('container')) ??
    pod?.containers[0];
  const query =
    pod === undefined || container === undefined
      ? null
      : new URLSearchParams({ pod: pod.name, container, lines: String(LINES) });
  return {
    events,
    pods,
    pod: pod?.name ?? null,
    container: container ?? null,
    log: query === null ? null : await askApi<PodLog>(fetch, `${path}/logs?${query.toString()}`),
  };
};
