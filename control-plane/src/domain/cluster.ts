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

/** Why nothing can be said or done about stores of a cluster that is not among the configured ones. */
export function describeUnconnected(cluster: string): {
  readonly code: 'cluster_not_connected';
  readonly message: string;
  readonly hint: string;
} {
  return {
    code: 'cluster_not_connected',
    message: `The store’s cluster, “${cluster}”, is not connected.`,
    hint: 'An operator connects it again by the settings that the platform is started with.',
  };
}

/** Says which stores are left of clusters that this start does not know; null: there are none. */
export function describeLeft(
  counts: ReadonlyMap<string, number>,
  clusters: readonly Pick<Cluster, 'name'>[],
): string | null {
  const left = [...counts].filter(([name]) => clusters.every((one) => one.name !== name));
  if (left.length === 0) return null;
  const stores = left.map(
    ([name, count]) => `${count} ${count === 1 ? 'store' : 'stores'} of the cluster “${name}”`,
  );
  const isOne = left.length === 1 && left[0]?.[1] === 1;
  return (
    `${stores.join(' and ')} ${isOne ? 'is' : 'are'} not connected; configure that cluster too, ` +
    'or give the present one another SHOPYARD_DATA_DIR (with DATABASE_URL: another database)'
  );
}

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
