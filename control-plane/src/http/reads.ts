/**
 * Everything that pages read beyond stores themselves: what is on offer, what would be committed,
 * what was, what a cluster and a shop say. Each reads on demand; nothing here changes a store.
 */
import type { ClusterReader } from '../cluster/types.ts';
import type { KnownCluster } from '../clusters.ts';
import type { ClusterStates } from '../db/cluster-states.ts';
import { createStoreCounter } from '../db/counts.ts';
import type { Db } from '../db/open.ts';
import type { EngineCard } from '../domain/engine.ts';
import type { Clock, Ids } from '../domain/ids.ts';
import type { LogArchive } from '../logs/types.ts';
import type { Shops } from '../orders/types.ts';
import type { RenderAction } from '../render/store.ts';
import type { RepositoryReader } from '../repository/types.ts';
import { auditRoutes } from './audit.ts';
import { changeRoutes } from './changes.ts';
import { clusterRoutes } from './clusters.ts';
import { engineRoutes } from './engines.ts';
import { fleetRoutes } from './fleet.ts';
import { logRoutes } from './logs.ts';
import { nameRoutes } from './names.ts';
import { orderRoutes } from './orders.ts';
import type { Placer } from './placing.ts';
import type { Probe } from './platform.ts';
import { previewRoutes } from './preview.ts';
import type { Route } from './route.ts';
import { workloadRoutes } from './workload.ts';

/** The ports behind these routes. */
export type Reads = {
  readonly repository: RepositoryReader;
  /** Name of the repository in the tables. */
  readonly repositoryName: string;
  readonly render: RenderAction;
  /** The way into a store's cluster; one that cannot be reached says so when it is asked. */
  readonly cluster: (name: string) => ClusterReader;
  /** When the credential ends that a cluster is read with; null: it does not, or rotates by itself. */
  readonly credentialEnd: (cluster: string) => Promise<Date | null>;
  /** Where a cluster's logs are gathered; null: nowhere, they are as long as their pods. */
  readonly logs: (cluster: string) => LogArchive | null;
  /** The way to a cluster's shops; null: none is configured. */
  readonly shops: (cluster: string) => Shops | null;
};

export type ReadRouteOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly engines: readonly EngineCard[];
  readonly clusters: readonly KnownCluster[];
  readonly states: ClusterStates;
  readonly placer: Placer;
  readonly reservedHosts: readonly string[];
  readonly probes: readonly Probe[];
  readonly reads: Reads;
};

export function readRoutes(options: ReadRouteOptions): Route[] {
  const { db, clock, ids, engines, clusters, states, placer, reservedHosts, probes, reads } =
    options;
  const offer = { engines, clusters, reservedHosts };
  const counter = createStoreCounter(db, clock);
  return [
    ...engineRoutes({ engines, clusters, counter, placer }),
    ...nameRoutes({ db, clusters, placer }),
    ...previewRoutes({ db, clock, ids, offer, placer, reads }),
    ...changeRoutes({ db, engines, reads }),
    ...workloadRoutes({ db, clock, engines, reads }),
    ...logRoutes({ db, clock, reads }),
    ...orderRoutes({ db, clock, engines, clusters, reads }),
    ...auditRoutes({ db, clock }),
    ...fleetRoutes({ db, clock, clusters, states, counter, probes, reads }),
    ...clusterRoutes({ clock, clusters, states }),
  ];
}
