/**
 * Everything that pages read beyond stores themselves: what is on offer, what would be committed,
 * what was, what a cluster and a shop say. Each reads on demand; nothing here changes a store.
 */
import type { ClusterReader } from '../cluster/types.ts';
import type { Me } from '../contract.ts';
import { createStoreCounter } from '../db/counts.ts';
import type { Db } from '../db/open.ts';
import type { EngineCard } from '../domain/engine.ts';
import type { Clock, Ids } from '../domain/ids.ts';
import type { Cluster } from '../domain/request.ts';
import type { OrderReader } from '../orders/types.ts';
import type { RenderAction } from '../render/store.ts';
import type { RepositoryReader } from '../repository/types.ts';
import { auditRoutes } from './audit.ts';
import { changeRoutes } from './changes.ts';
import { engineRoutes } from './engines.ts';
import { fleetRoutes } from './fleet.ts';
import { nameRoutes } from './names.ts';
import { orderRoutes } from './orders.ts';
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
  readonly cluster: ClusterReader;
  /** null: no way to the shops is configured. */
  readonly orders: OrderReader | null;
  /** When the cluster last said anything to this process; null: it has not, or another one listens. */
  readonly heardAt: () => Date | null;
};

export type ReadRouteOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly engines: readonly EngineCard[];
  readonly clusters: readonly Cluster[];
  readonly cluster: Me['cluster'];
  readonly probes: readonly Probe[];
  readonly reads: Reads;
};

export function readRoutes(options: ReadRouteOptions): Route[] {
  const { db, clock, ids, engines, clusters, cluster, probes, reads } = options;
  const offer = { engines, clusters };
  const counter = createStoreCounter(db, clock);
  return [
    ...engineRoutes({ engines, clusters, counter }),
    ...nameRoutes({ db, clusters }),
    ...previewRoutes({ db, clock, ids, offer, reads }),
    ...changeRoutes({ db, reads }),
    ...workloadRoutes({ db, clock, engines, reads }),
    ...orderRoutes({ db, clock, engines, kind: cluster.kind, reads }),
    ...auditRoutes({ db, clock }),
    ...fleetRoutes({ db, clock, cluster, counter, probes, reads }),
  ];
}
