/** What Prometheus gets from the API side; the writer and the observer add theirs to the registry. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { countStores } from '../db/stores.ts';
import type { Db } from '../db/open.ts';
import type { Clock } from '../domain/ids.ts';
import { STORE_STATUSES } from '../domain/store.ts';
import type { Hub } from './hub.ts';

/** How long a count of stores is good for, in milliseconds. */
const COUNT_KEPT_MS = 5000;

export type Metrics = {
  /** One request, by the route's template: never by a path a client chose. */
  request(labels: { method: string; route: string; status: number }, seconds: number): void;
  /** A create that was refused (code of the problem) or failed later (code of the reason). */
  creationError(code: string): void;
  /** For the observer: a store's first generation became ready, this long after its request. */
  provisioned(type: string, seconds: number): void;
};

export function createMetrics(options: {
  readonly registry: Registry;
  readonly db: Db;
  readonly hub: Hub;
  readonly clock: Clock;
}): Metrics {
  const { registry, db, hub, clock } = options;
  const registers = [registry];
  const requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer, by route template',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers,
  });
  const errors = new Counter({
    name: 'store_creation_errors_total',
    help: 'Creates that were refused or failed, by reason',
    labelNames: ['code'],
    registers,
  });
  const provisioning = new Histogram({
    name: 'provisioning_duration_seconds',
    help: 'From a store’s request to ready',
    labelNames: ['type'],
    buckets: [2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600],
    registers,
  });
  new Gauge({
    name: 'sse_clients',
    help: 'Connected event streams',
    registers,
    collect() {
      this.set(hub.clients);
    },
  });
  new Gauge({
    name: 'event_lag_seconds',
    help: 'From the writing of the last event to its going out',
    registers,
    collect() {
      this.set(hub.lagSeconds);
    },
  });
  let countedAt = -Infinity;
  new Gauge({
    name: 'stores_total',
    help: 'Stores that are not deleted, by status and type',
    labelNames: ['status', 'type'],
    registers,
    async collect() {
      const now = clock().getTime();
      if (now - countedAt < COUNT_KEPT_MS) return;
      countedAt = now;
      // Without the database the last count stands: the other metrics matter then.
      const counts = await countStores(db).catch(() => null);
      if (counts === null) return;
      this.reset();
      // A status that nobody is in shows as 0: alerts on it then work from the start.
      for (const type of new Set(counts.map((one) => one.type)))
        for (const status of STORE_STATUSES)
          if (status !== 'deleted') this.set({ status, type }, 0);
      for (const { status, type, count } of counts) this.set({ status, type }, count);
    },
  });
  return {
    request: ({ method, route, status }, seconds) =>
      requests.observe({ method, route, status: String(status) }, seconds),
    creationError: (code) => errors.inc({ code }),
    provisioned: (type, seconds) => provisioning.observe({ type }, seconds),
  };
}
