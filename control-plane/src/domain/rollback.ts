/**
 * Going back to what a store was at one of its commits: which commits are states to go back to, and
 * what is in the way. Pure. Its name, cluster, volumes and protection stay as they are; what comes
 * back are its settings, its chart's version, and whether it runs.
 */
import type { Cluster } from './cluster.ts';
import { findDifference } from './options.ts';
import { nameAddress, type Engine, type Offer, type Settable, type Standing } from './request.ts';
import { OPERATION_KINDS, type Action, type StoreSpec } from './store.ts';
import { isNewer } from './versions.ts';

/** A commit of the store. */
export type Past = {
  /** null: a person's. */
  readonly action: Action | null;
  /** What the store was to be from it on; null: this database does not have it. */
  readonly spec: StoreSpec | null;
};

export type RollbackDecision =
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'possible'; readonly settings: Partial<Settable> };

/** Commits after which a store was something that it can be again. */
const STATES: ReadonlySet<Action> = new Set(
  OPERATION_KINDS.filter((kind) => kind !== 'protect' && kind !== 'delete'),
);

/** @param past the commit to go back to; null: the store has no such commit */
export function decideRollback(
  standing: Standing,
  past: Past | null,
  engine: Engine | undefined,
  cluster: Cluster,
  offer: Offer,
): RollbackDecision {
  if (past === null) return refuse('This is no commit of this store.');
  if (past.action === null)
    return refuse('This commit is a person’s: only those of the platform say what a store was.');
  if (!STATES.has(past.action))
    return refuse('This commit says nothing of the store’s settings: choose another.');
  const { spec } = past;
  if (spec === null)
    return refuse('What the store was at this commit is not in the database any more.');
  if (engine === undefined)
    return refuse(`Stores of type “${standing.type}” are no longer offered.`);
  const barrier = findBarrier(engine, spec.chartVersion, standing.chartVersion);
  if (barrier !== null) return refuse(barrier);
  if (!engine.plans.includes(spec.plan))
    return refuse(`Its plan was “${spec.plan}” then, which is no longer offered.`);
  const address = nameAddress(cluster, standing.name, spec.host, offer);
  if (!address.ok) return refuse(address.error.message);
  const { domain, host, url } = address;
  const { plan, options, chartVersion, suspended } = spec;
  const isSame =
    plan === standing.plan &&
    host === standing.host &&
    chartVersion === standing.chartVersion &&
    suspended === standing.suspended &&
    Object.keys(options).length === Object.keys(standing.options).length &&
    findDifference(options, standing.options) === null;
  if (isSame) return refuse('This is what the store is now.');
  return {
    kind: 'possible',
    settings: { plan, options, chartVersion, suspended, domain, host, url },
  };
}

/** Why a chart's earlier version cannot follow a later one; null: it can. */
function findBarrier(engine: Engine, earlier: string, later: string): string | null {
  const barriers = Object.entries(engine.irreversible ?? {}).filter(
    ([version]) => isNewer(version, earlier) && !isNewer(version, later),
  );
  const [first] = barriers;
  return first === undefined
    ? null
    : `There is no way back from version ${first[0]} of its chart: ${first[1]}`;
}

function refuse(message: string): RollbackDecision {
  return { kind: 'refused', message };
}
