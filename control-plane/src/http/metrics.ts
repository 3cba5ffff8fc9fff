/**
 * What Prometheus gets of requests, creates, streams and checks; the writer and the observer add theirs
 * to the registry. Names are stable: dashboards and alerts are built on them (docs/metrics.md).
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Hub } from './hub.ts';
import { runProbe, type Probe } from './platform.ts';

export type RequestMeasure = {
  /**
   * One request, by the route's template: never by a path a client chose.
   * @param request.problem code of the problem it was refused with
   */
  request(
    request: { method: string; route: string; status: number; problem: string | null },
    seconds: number,
  ): void;
};

/** How creates go: the API measures those it refuses, the observer the others' ends. */
export type CreateMeasures = {
  /** A create that was refused (code of the problem) or failed later (code of the reason). */
  creationError(code: string): void;
  /** A store's first generation became ready, this long after its request. */
  provisioned(type: string, seconds: number): void;
};

/** @param creates the API's: a create that is refused counts there too */
export function createRequestMeasure(
  registry: Registry,
  creates: Pick<CreateMeasures, 'creationError'> | null,
): RequestMeasure {
  const requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer a request, by route template',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry],
  });
  return {
    request({ method, route, status, problem }, seconds) {
      requests.observe({ method, route, status: String(status) }, seconds);
      if (problem !== null && method === 'POST' && route === '/api/stores')
        creates?.creationError(problem);
    },
  };
}

export function createCreateMeasures(registry: Registry): CreateMeasures {
  const registers = [registry];
  const errors = new Counter({
    name: 'store_creation_errors_total',
    help: 'Creates that were refused or failed, by reason',
    labelNames: ['code'],
    registers,
  });
  const provisioning = new Histogram({
    name: 'provisioning_duration_seconds',
    help: 'From a store’s request to ready, creates only',
    labelNames: ['type'],
    buckets: [2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600],
    registers,
  });
  return {
    creationError: (code) => errors.inc({ code }),
    provisioned: (type, seconds) => provisioning.observe({ type }, seconds),
  };
}

/** The event streams of this process. */
export function measureStreams(registry: Registry, hub: Pick<Hub, 'clients' | 'lagSeconds'>): void {
  const registers = [registry];
  new Gauge({
    name: 'sse_clients',
    help: 'Connected event streams of browsers',
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
}

/** When what each cluster is read with ends. One that cannot be read, or does not end, shows nothing. */
export function measureCredentials(
  registry: Registry,
  clusters: readonly { readonly name: string }[],
  credentialEnd: (cluster: string) => Promise<Date | null>,
): void {
  new Gauge({
    name: 'cluster_credential_expiry_timestamp_seconds',
    help:
      'When the token or certificate of the cluster’s kubeconfig ends; none for one that does not end ' +
      'or rotates by itself, such as a pod’s own',
    labelNames: ['cluster'],
    registers: [registry],
    async collect() {
      const ends = await Promise.all(
        clusters.map(
          async ({ name }) => [name, await credentialEnd(name).catch(() => null)] as const,
        ),
      );
      this.reset();
      for (const [cluster, end] of ends)
        if (end !== null) this.set({ cluster }, end.getTime() / 1_000);
    },
  });
}

/** What must work in this process, by name: the same checks as `/readyz`, at each look. */
export function measureProbes(registry: Registry, probes: readonly Probe[]): void {
  new Gauge({
    name: 'check_ready',
    help: 'Whether what this process needs is there, by check of /readyz: 1 or 0',
    labelNames: ['check'],
    registers: [registry],
    async collect() {
      for (const { name, ready } of await Promise.all(probes.map(runProbe)))
        this.set({ check: name }, ready ? 1 : 0);
    },
  });
}
