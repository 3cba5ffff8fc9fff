/** A cluster as decisions know it: where its stores live, and the rules that hold there. Pure. */
import type { StoreSpec } from './store.ts';

/** What of the changes waits for a reviewer's merge; `destructive`: what cannot be taken back easily. */
export const REVIEW_MODES = ['never', 'destructive', 'always'] as const;
export type ReviewMode = (typeof REVIEW_MODES)[number];

/**
 * How many stores may be removed within `minutes` before a second operator is asked: `removals`, or
 * `percent` of the cluster's living stores when that is more.
 */
export type RemovalGuard = {
  readonly removals: number;
  readonly percent: number;
  readonly minutes: number;
};

/** What an operator sets for a cluster; none of it is in a store's files. */
export type ClusterRules = {
  /** What a create may ask for, by name. */
  readonly labels: Readonly<Record<string, string>>;
  /** Stores that it takes; null: as many as come. */
  readonly capacity: number | null;
  readonly review: ReviewMode;
  /** How long a deleted store's data is kept; 0: not at all. */
  readonly retentionDays: number;
  readonly guard: RemovalGuard;
};

export const DEFAULT_RULES: ClusterRules = {
  labels: {},
  capacity: null,
  review: 'never',
  retentionDays: 0,
  guard: { removals: 5, percent: 10, minutes: 10 },
};

/** A cluster that stores can be put on. */
export type Cluster = ClusterRules & {
  readonly name: string;
  readonly baseDomain: string;
  readonly scheme: 'http' | 'https';
  /** Where the Ingress listens; left out of addresses when it is the scheme's own. */
  readonly port?: number | undefined;
};

/**
 * The merchant's own domain among a store's names; null: it has the one that its cluster gave it. Of
 * a cluster that is no longer connected nothing but the shape of that name is known.
 */
export function findDomain(
  clusters: readonly Pick<Cluster, 'name' | 'baseDomain'>[],
  { name, host, cluster }: Pick<StoreSpec, 'name' | 'host' | 'cluster'>,
): string | null {
  const base = clusters.find((one) => one.name === cluster)?.baseDomain;
  const isOrdinary = base === undefined ? host.startsWith(`${name}.`) : host === `${name}.${base}`;
  return isOrdinary ? null : host;
}
