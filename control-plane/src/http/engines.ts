/** What can be chosen for a new store, and how many stores there are. */
import { EngineList, StoreCounts } from '../contract.ts';
import { startCounts, type StoreCounter } from '../db/counts.ts';
import type { EngineCard } from '../domain/engine.ts';
import type { Cluster } from '../domain/request.ts';
import { route, type Route } from './route.ts';
import { scopeOf } from './stores.ts';

export function engineRoutes(options: {
  readonly engines: readonly EngineCard[];
  readonly clusters: readonly Cluster[];
  readonly counter: StoreCounter;
}): Route[] {
  const { engines, clusters, counter } = options;
  const offered: EngineList = {
    engines: engines.map(({ type, title, summary, orderApi, planCards }) => ({
      type,
      title,
      summary,
      orders: orderApi !== null,
      plans: [...planCards],
    })),
    clusters: clusters.map(({ name, baseDomain, scheme, port = null }) => ({
      name,
      baseDomain,
      scheme,
      port,
    })),
  };
  return [
    route({
      method: 'GET',
      path: '/api/engines',
      policy: 'reader',
      summary: 'The engines, plans and clusters that a new store can have',
      answers: { 200: EngineList },
      handle: () => ({ status: 200, body: offered }),
    }),
    route({
      method: 'GET',
      path: '/api/counts',
      policy: 'reader',
      summary: 'How many stores there are, by status; a few seconds old at most',
      answers: { 200: StoreCounts },
      handle: async ({ principal }) => {
        const sum = startCounts();
        for (const counts of (await counter.count(scopeOf(principal))).values())
          for (const [status, count] of Object.entries(counts))
            sum[status as keyof typeof sum] += count;
        return { status: 200, body: sum satisfies StoreCounts };
      },
    }),
  ];
}
