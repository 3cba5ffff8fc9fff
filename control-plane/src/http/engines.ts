/** What can be chosen for a new store, and how many stores there are. */
import { EngineList, StoreTally, type StoreCounts } from '../contract.ts';
import { startCounts, type StoreCounter } from '../db/counts.ts';
import type { Cluster } from '../domain/cluster.ts';
import type { EngineCard } from '../domain/engine.ts';
import type { EngineOption } from '../domain/options.ts';
import type { Placer } from './placing.ts';
import { route, type Route } from './route.ts';
import { scopeOf } from './stores.ts';

export function engineRoutes(options: {
  readonly engines: readonly EngineCard[];
  readonly clusters: readonly Cluster[];
  readonly counter: StoreCounter;
  readonly placer: Placer;
}): Route[] {
  const { clusters, counter, placer } = options;
  const engines = viewEngines(options.engines);
  return [
    route({
      method: 'GET',
      path: '/api/engines',
      policy: 'reader',
      summary: 'The engines, plans and clusters that a new store can have',
      answers: { 200: EngineList },
      handle: async () => {
        const open = (await placer.listOpen()).map((cluster) => cluster.name);
        const body: EngineList = {
          engines,
          clusters: clusters.map((cluster) => {
            const { name, baseDomain, scheme, port = null } = cluster;
            const { labels, review, retentionDays } = cluster;
            return {
              ...{ name, baseDomain, scheme, port, labels, review, retentionDays },
              open: open.includes(name),
            };
          }),
          placement: open[0] ?? null,
        };
        return { status: 200, body };
      },
    }),
    route({
      method: 'GET',
      path: '/api/counts',
      policy: 'reader',
      summary: 'How many stores there are, by status; a few seconds old at most',
      answers: { 200: StoreTally },
      handle: async ({ principal }) => {
        const sum = { ...startCounts(), disconnected: 0 };
        for (const [cluster, counts] of await counter.count(scopeOf(principal))) {
          const isConnected = clusters.some(({ name }) => name === cluster);
          for (const [status, count] of Object.entries(counts))
            sum[isConnected ? (status as keyof StoreCounts) : 'disconnected'] += count;
        }
        return { status: 200, body: sum satisfies StoreTally };
      },
    }),
  ];
}

function viewEngines(engines: readonly EngineCard[]): EngineList['engines'] {
  return engines.map(({ type, title, summary, orders, options, planCards }) => ({
    ...{ type, title, summary, orders },
    options: options.map(viewOption),
    plans: [...planCards],
  }));
}

function viewOption(option: EngineOption): EngineList['engines'][number]['options'][number] {
  const { name, label, help, kind, reason } = option;
  return {
    name,
    label,
    help,
    kind,
    choices: kind === 'choice' ? [...option.choices] : [],
    pattern: kind === 'text' ? (option.pattern?.source ?? null) : null,
    max: kind === 'text' ? option.max : null,
    default: option.default,
    changeable: option.change === 'always',
    reason,
  };
}
