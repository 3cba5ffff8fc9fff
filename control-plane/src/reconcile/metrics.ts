/** What Prometheus gets from the loops: the writer and the observers. Labels are bounded: clusters, reasons. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ObserverLevel, ObserverMetrics } from './observe-metrics.ts';
import type { LoopMeasure } from './loop.ts';
import type { PublisherMeasures } from './publish.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SIZES = [1, 2, 5, 10, 20, 50, 100, 500, 1_000, 5_000];

/** How a push can be answered by an Argo CD that is told of it. */
export const RELAY_RESULTS = ['delivered', 'refused', 'unreachable'] as const;
export type RelayMeasure = (cluster: string, result: (typeof RELAY_RESULTS)[number]) => void;

/** @param clusters each shows from the start: of a counter that is born at 1 no rate is known */
export function createRelayMeasure(registry: Registry, clusters: readonly string[]): RelayMeasure {
  const pushes = new Counter({
    name: 'relayed_pushes_total',
    help: 'Pushes that an Argo CD was told of, by cluster and by how it answered',
    labelNames: ['cluster', 'result'],
    registers: [registry],
  });
  for (const cluster of clusters)
    for (const result of RELAY_RESULTS) pushes.inc({ cluster, result }, 0);
  return (cluster, result) => pushes.inc({ cluster, result });
}

/** The result makes one loop's. */
export function createLoopMeasures(registry: Registry): (work: string) => LoopMeasure {
  const labelNames = ['work'];
  const registers = [registry];
  const failures = new Counter({
    name: 'work_failures_total',
    help: 'Times the work of a loop stopped and was run again, by code of the reason',
    labelNames: [...labelNames, 'code'],
    registers,
  });
  const active = new Gauge({
    name: 'work_active',
    help: 'Whether this process does the work: 1; 0 while it stands by',
    labelNames,
    registers,
  });
  return (work) => {
    active.set({ work }, 0);
    return {
      failed: (code) => failures.inc({ work, code }),
      active: (isActive) => active.set({ work }, isActive ? 1 : 0),
    };
  };
}

export function createPublisherMeasures(registry: Registry): PublisherMeasures {
  const registers = [registry];
  const seconds = new Histogram({
    name: 'git_publish_seconds',
    help: 'From taking a batch off the queue to its being settled',
    buckets: SECONDS,
    registers,
  });
  const operations = new Histogram({
    name: 'git_publish_operations',
    help: 'Operations in a batch of the writer',
    buckets: SIZES,
    registers,
  });
  const retries = new Counter({
    name: 'git_publish_retries_total',
    help: 'Batches planned again, by what came in between',
    labelNames: ['reason'],
    registers,
  });
  // Of a counter that is born at 1 no rate is known.
  retries.inc({ reason: 'moved' }, 0);
  return {
    batch(count, duration) {
      operations.observe(count);
      seconds.observe(duration);
    },
    retry: (reason) => retries.inc({ reason }),
  };
}

/** The measures of every cluster's observer; the result makes one cluster's. */
export function createObserverMeasures(registry: Registry): (cluster: string) => ObserverMetrics {
  const registers = [registry];
  const labelNames = ['cluster'];
  const counts = new Counter({
    name: 'observer_events_total',
    help: 'What happened to an observer: lists, relists, malformed objects, changes, questions',
    labelNames: [...labelNames, 'event'],
    registers,
  });
  const levels: Record<ObserverLevel, Gauge> = {
    applications: new Gauge({
      name: 'observer_applications',
      help: 'Applications in the cluster',
      labelNames,
      registers,
    }),
    orphans: new Gauge({
      name: 'observer_orphans',
      help: 'Applications that name a store which does not live here: told, never touched',
      labelNames,
      registers,
    }),
    pending: new Gauge({
      name: 'observer_pending',
      help: 'Stores and questions that wait to be looked at',
      labelNames,
      registers,
    }),
    watch_age_seconds: new Gauge({
      name: 'observer_watch_age_seconds',
      help: 'Since the watch of Applications last spoke',
      labelNames,
      registers,
    }),
  };
  const sizes = new Histogram({
    name: 'observer_batch_stores',
    help: 'Stores that the observer judged together',
    labelNames,
    buckets: SIZES,
    registers,
  });
  const seconds = new Histogram({
    name: 'observer_batch_seconds',
    help: 'Judging stores and writing their status',
    labelNames,
    buckets: SECONDS,
    registers,
  });
  return (cluster) => ({
    count: (event, by = 1) => counts.inc({ cluster, event }, by),
    set: (level, value) => levels[level].set({ cluster }, value),
    clear() {
      for (const level of Object.values(levels)) level.remove({ cluster });
    },
    record(name, value) {
      (name === 'batch_size' ? sizes : seconds).observe({ cluster }, value);
    },
  });
}
