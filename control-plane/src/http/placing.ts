/**
 * A create's settings, complete: its cluster chosen, its tenant found; for the create itself, and for
 * what is shown of it before. Nothing is recorded here.
 */
import type { CreateStore } from '../contract.ts';
import type { ClusterStates } from '../db/cluster-states.ts';
import { findHome } from '../db/clusters.ts';
import type { IdempotencyKey } from '../db/idempotency.ts';
import type { Db } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import type { TenantRef } from '../db/tenants.ts';
import type { Cluster } from '../domain/cluster.ts';
import type { Clock } from '../domain/ids.ts';
import {
  listOpen,
  placeStore,
  UNKNOWN_STATE,
  type Placement,
  type Wanted,
} from '../domain/placement.ts';
import { resolveCreate, type FieldError, type Offer, type Settings } from '../domain/request.ts';
import { invalidRequest, RequestProblem } from './problem.ts';
import { chooseOwner } from './tenant-choice.ts';

/** Says where stores would go now. */
export type Placer = {
  place(wanted: Wanted): Promise<Placement>;
  /** Where those may that name no cluster; the best first. */
  listOpen(): Promise<readonly Cluster[]>;
};

export function createPlacer(options: {
  readonly clusters: readonly Cluster[];
  readonly states: ClusterStates;
  readonly clock: Clock;
}): Placer {
  const { clusters, states, clock } = options;
  // One cluster that takes whatever comes: nothing need be known of it.
  const isPlain = clusters.length === 1 && clusters[0]?.capacity === null;
  const read = async () => (isPlain ? () => UNKNOWN_STATE : states.read());
  return {
    place: async (wanted) => placeStore(wanted, clusters, await read(), clock()),
    listOpen: async () => listOpen(clusters, await read(), clock()),
  };
}

/** @throws what is wrong with the request, or that no cluster takes a store */
export async function settleCreate(
  by: { readonly db: Db; readonly offer: Offer; readonly placer: Placer },
  request: {
    readonly principal: Principal;
    readonly body: CreateStore;
    readonly key: IdempotencyKey | null;
  },
): Promise<{ readonly tenant: TenantRef; readonly settings: Settings }> {
  const { db, offer, placer } = by;
  const { principal, body, key } = request;
  const errors: FieldError[] = [];
  if (body.tenant !== undefined && principal.role !== 'operator')
    errors.push({
      field: 'tenant',
      message: 'Only operators name a tenant; the store goes to your own.',
    });
  const placement = await placer.place(body);
  if (placement.kind === 'invalid') errors.push(...placement.errors);
  const resolve = (cluster: string | undefined, placed: boolean) =>
    resolveCreate({ ...body, cluster, placed }, offer);
  const resolved =
    placement.kind === 'placed'
      ? resolve(placement.cluster.name, placement.chosen)
      : // Everything else that is wrong is told with it.
        resolve(undefined, true);
  if (!resolved.ok) errors.push(...resolved.errors);
  if (!resolved.ok || errors.length > 0) throw invalidRequest(errors);
  const tenant = await chooseOwner(db, principal, body.tenant);
  if (placement.kind !== 'refused') return { tenant, settings: resolved.settings };
  // What was made while there was room is answered again.
  const home = await findHome(db, { tenantId: tenant.id, name: body.name, key });
  const again = home === null ? null : resolve(home, true);
  if (again?.ok === true) return { tenant, settings: again.settings };
  throw refusePlacement(placement);
}

/** No cluster takes a store now, or the one that was named does not. */
export function refusePlacement({
  field,
  message,
}: Extract<Placement, { kind: 'refused' }>): RequestProblem {
  return new RequestProblem('no_cluster', message, {
    errors: [{ field, message }],
    hint: 'Name another cluster, try again later, or ask an operator for more room.',
  });
}
