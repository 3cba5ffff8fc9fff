/** What Prometheus gets from the writer and the observers. Labels are bounded: clusters, reasons. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ObserverMetrics } from './observe-metrics.ts';
import type { PublisherMeasures } from './publish.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SIZES = [1, 2, 5, 10, 20, 50, 100, 500, 1_000, 5_000];

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
    help: 'Operations in a batch',
    buckets: SIZES,
    registers,
  });
  const retries = new Counter({
    name: 'git_publish_retries_total',
    help: 'Batches planned again, by what came in between',
    labelNames: ['reason'],
    registers,
  });
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
  const levels = new Gauge({
    name: 'observer_level',
    help: 'Applications known, orphans, pending judgements, seconds since the watch last spoke',
    labelNames: [...labelNames, 'level'],
    registers,
  });
  const sizes = new Histogram({
    name: 'observer_batch_size',
    help: 'Stores judged together',
    labelNames,
    buckets: SIZES,
    registers,
  });
  const seconds = new Histogram({
    name: 'observer_batch_seconds',
    help: 'Judging and writing a batch',
    labelNames,
    buckets: SECONDS,
    registers,
  });
  return (cluster) => ({
    count: (event, by = 1) => counts.inc({ cluster, event }, by),
    set: (level, value) => levels.set({ cluster, level }, value),
    record(name, value) {
      (name === 'batch_size' ? sizes : seconds).observe({ cluster }, value);
    },
  });
}
