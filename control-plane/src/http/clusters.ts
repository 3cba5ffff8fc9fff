/** The clusters as operators see them: what is registered, how full each is, when it was heard from. */
import type { KnownCluster } from '../clusters.ts';
import { ClusterList } from '../contract.ts';
import type { ClusterStates } from '../db/cluster-states.ts';
import type { Clock } from '../domain/ids.ts';
import { isHeard } from '../domain/placement.ts';
import { route, type Route } from './route.ts';

export function clusterRoutes(options: {
  readonly clock: Clock;
  readonly clusters: readonly KnownCluster[];
  readonly states: ClusterStates;
}): Route[] {
  const { clock, clusters, states } = options;
  return [
    route({
      method: 'GET',
      path: '/api/clusters',
      policy: 'operator',
      summary: 'The clusters, their rules, how full each is, and when it was last heard from',
      answers: { 200: ClusterList },
      handle: async () => {
        const stateOf = await states.read();
        const now = clock();
        const body: ClusterList = {
          clusters: clusters.map((cluster) => {
            const { name, kind, argocdUrl, labels, capacity } = cluster;
            const { review, retentionDays, guard } = cluster;
            const state = stateOf(name);
            return {
              ...{ name, kind, argocdUrl, labels, capacity, review, retentionDays, guard },
              stores: state.stores,
              heardAt: state.heardAt?.toISOString() ?? null,
              trouble: state.trouble,
              heard: isHeard(state, now),
            };
          }),
        };
        return { status: 200, body };
      },
    }),
  ];
}
