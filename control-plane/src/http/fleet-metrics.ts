/**
 * What Prometheus gets of the fleet, from the database: every process with an API tells the same, so
 * that it is known whichever of the others are away. Queries take the `max` over processes, not the sum.
 */
import { Gauge, type Registry } from 'prom-client';
import { BACKLOG_STATES, readBacklog, STUCK_STATUSES, type Backlog } from '../db/backlog.ts';
import type { ClusterStates } from '../db/cluster-states.ts';
import type { Db } from '../db/open.ts';
import { countStores } from '../db/stores.ts';
import type { ClusterState } from '../domain/placement.ts';
import type { Clock } from '../domain/ids.ts';
import { STORE_STATUSES } from '../domain/store.ts';

/** How long what was read is good for, in milliseconds. */
const KEPT_MS = 5_000;
/** How long the observer has to act on a deadline, and a delete for a step. */
const LATE_MS = 60_000;
const STILL_MS = 15 * 60_000;

type Fleet = {
  readonly stores: Awaited<ReturnType<typeof countStores>>;
  readonly backlog: Backlog;
  readonly stateOf: (cluster: string) => ClusterState;
};

export function measureFleet(options: {
  readonly registry: Registry;
  readonly db: Db;
  readonly states: ClusterStates;
  readonly clusters: readonly { readonly name: string }[];
  readonly clock: Clock;
}): void {
  const { registry, db, states, clusters, clock } = options;
  const registers = [registry];

  const read = async (): Promise<Fleet> => {
    const now = clock().getTime();
    const times = { late: new Date(now - LATE_MS), still: new Date(now - STILL_MS) };
    const [stores, backlog, stateOf] = await Promise.all([
      countStores(db),
      readBacklog(db, times),
      states.read(),
    ]);
    return { stores, backlog, stateOf };
  };
  let known: Promise<Fleet | null> = Promise.resolve(null);
  let readAt = -Infinity;
  /** Without the database what was read last stands: the other metrics matter then. */
  const look = (): Promise<Fleet | null> => {
    const now = clock().getTime();
    if (now - readAt < KEPT_MS) return known;
    readAt = now;
    const before = known;
    return (known = read().catch(() => before));
  };
  const measure = (
    gauge: { readonly name: string; readonly help: string; readonly labelNames: string[] },
    tell: (fleet: Fleet, set: (labels: Record<string, string>, value: number) => void) => void,
  ): void => {
    new Gauge({
      ...gauge,
      registers,
      async collect() {
        const fleet = await look();
        if (fleet === null) return;
        this.reset();
        tell(fleet, (labels, value) => this.set(labels, value));
      },
    });
  };

  measure(
    {
      name: 'stores_total',
      help: 'Stores that are not deleted, by status and type',
      labelNames: ['status', 'type'],
    },
    ({ stores }, set) => {
      // A status that nobody is in shows as 0: alerts on it then work from the start.
      for (const type of new Set(stores.map((one) => one.type)))
        for (const status of STORE_STATUSES) if (status !== 'deleted') set({ status, type }, 0);
      for (const { status, type, count } of stores) set({ status, type }, count);
    },
  );
  measure(
    {
      name: 'stores_stuck',
      help: 'Stores a minute past their deadline that nobody judged, and deletes without a step for 15 minutes',
      labelNames: ['status'],
    },
    ({ backlog }, set) => {
      for (const status of STUCK_STATUSES) set({ status }, backlog.stuck.get(status) ?? 0);
    },
  );
  measure(
    {
      name: 'queue_operations',
      help: 'Changes not on the branch yet: for the writer, or what else they wait for',
      labelNames: ['state'],
    },
    ({ backlog }, set) => {
      for (const state of BACKLOG_STATES) set({ state }, backlog.waiting.get(state)?.count ?? 0);
    },
  );
  measure(
    {
      name: 'queue_oldest_seconds',
      help: 'How long the oldest of them has waited; 0 when there is none',
      labelNames: ['state'],
    },
    ({ backlog }, set) => {
      for (const state of BACKLOG_STATES) {
        const since = backlog.waiting.get(state)?.since.getTime() ?? Infinity;
        set({ state }, Math.max(0, (clock().getTime() - since) / 1_000));
      }
    },
  );
  measure(
    {
      name: 'cluster_stores',
      help: 'Stores that are not deleted, by cluster',
      labelNames: ['cluster'],
    },
    ({ stateOf }, set) => {
      for (const { name } of clusters) set({ cluster: name }, stateOf(name).stores);
    },
  );
  measure(
    {
      name: 'cluster_silence_seconds',
      help: 'Since the cluster’s API server last said anything to an observer; +Inf: it never has',
      labelNames: ['cluster'],
    },
    ({ stateOf }, set) => {
      for (const { name } of clusters) {
        const heardAt = stateOf(name).heardAt?.getTime() ?? -Infinity;
        set({ cluster: name }, Math.max(0, (clock().getTime() - heardAt) / 1_000));
      }
    },
  );
}
