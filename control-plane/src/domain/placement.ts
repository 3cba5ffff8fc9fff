/**
 * Which cluster a new store goes to: the one that it names, else the one with the most room among
 * those that have what it asks for, have been heard from and are not full. Pure.
 *
 * How many stores a cluster has is known a moment late: at times it gets a few more than its capacity.
 */
import type { Cluster } from './cluster.ts';
import type { FieldError } from './request.ts';

/** What is known of a cluster's API server. */
export type Hearing = {
  /** When it last said anything, be it only that nothing changed; null: never. */
  readonly heardAt: Date | null;
  /** Why it was not heard the last time it was asked; null: it was. */
  readonly trouble: string | null;
};

export type ClusterState = Hearing & {
  /** Stores that are not deleted. */
  readonly stores: number;
};

export type Wanted = {
  readonly cluster?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
};

export type Placement =
  | {
      readonly kind: 'placed';
      readonly cluster: Cluster;
      /** False: the request named it. */
      readonly chosen: boolean;
    }
  /** There is no such cluster. */
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] }
  /** There is, and it takes no store now. */
  | { readonly kind: 'refused'; readonly field: string; readonly message: string };

/** Quiet clusters say that nothing changed each minute. */
export const SILENCE_MS = 3 * 60_000;

/** Nothing is known of it yet. */
export const UNKNOWN_STATE: ClusterState = { heardAt: null, trouble: null, stores: 0 };

/**
 * Decides where a store goes. A cluster that is named is taken while it is silent, too: the store then
 * waits for it. So is the only one there is.
 * @param clusters at least one
 */
export function placeStore(
  wanted: Wanted,
  clusters: readonly Cluster[],
  stateOf: (name: string) => ClusterState,
  now: Date,
): Placement {
  const labels = Object.entries(wanted.labels ?? {});
  const fits = (cluster: Cluster): boolean =>
    labels.every(
      ([name, value]) => Object.hasOwn(cluster.labels, name) && cluster.labels[name] === value,
    );
  if (wanted.cluster !== undefined) {
    const cluster = clusters.find((one) => one.name === wanted.cluster);
    if (cluster === undefined)
      return invalid('cluster', `No such cluster; there is ${listNames(clusters)}.`);
    if (!fits(cluster)) return invalid('labels', `The cluster “${cluster.name}” has others.`);
    return isFull(cluster, stateOf(cluster.name))
      ? { kind: 'refused', field: 'cluster', message: `The cluster “${cluster.name}” is full.` }
      : { kind: 'placed', cluster, chosen: false };
  }
  const fitting = clusters.filter(fits);
  if (fitting.length === 0)
    return invalid('labels', `No cluster has ${labels.map((one) => one.join('=')).join(', ')}.`);
  const best = listOpen(clusters, stateOf, now).find(fits);
  if (best !== undefined) return { kind: 'placed', cluster: best, chosen: true };
  const reasons = fitting.map((cluster) => {
    const state = stateOf(cluster.name);
    return `“${cluster.name}” ${isFull(cluster, state) ? 'is full' : describeSilence(state)}`;
  });
  return {
    kind: 'refused',
    field: labels.length === 0 ? 'cluster' : 'labels',
    message: `No cluster takes a store now: ${reasons.join(', ')}.`,
  };
}

/** The clusters that a store may be put on that names none, the best first. */
export function listOpen(
  clusters: readonly Cluster[],
  stateOf: (name: string) => ClusterState,
  now: Date,
): readonly Cluster[] {
  const isOnly = clusters.length === 1;
  return clusters
    .filter((cluster) => {
      const state = stateOf(cluster.name);
      return !isFull(cluster, state) && (isOnly || isHeard(state, now));
    })
    .toSorted((a, b) => compareRoom(a, b, stateOf));
}

/** Whether a cluster answers: only then does what is known of its stores stand. */
export function isHeard({ heardAt, trouble }: Hearing, now: Date): boolean {
  return heardAt !== null && trouble === null && now.getTime() - heardAt.getTime() < SILENCE_MS;
}

/** Says how old what is known is, of a cluster that is not heard. What the trouble is, is for operators. */
export function describeSilence({ heardAt }: Hearing): string {
  return heardAt === null
    ? 'has not been heard from yet'
    : `has not been heard from since ${heardAt.toISOString()}`;
}

function isFull({ capacity }: Cluster, { stores }: ClusterState): boolean {
  return capacity !== null && stores >= capacity;
}

/** The larger free share of its capacity first, then the fewer stores, then the order of the settings. */
function compareRoom(a: Cluster, b: Cluster, stateOf: (name: string) => ClusterState): number {
  const [x, y] = [stateOf(a.name).stores, stateOf(b.name).stores];
  const share = (stores: number, capacity: number | null) =>
    capacity === null ? 0 : stores / capacity;
  return share(x, a.capacity) - share(y, b.capacity) || x - y;
}

function invalid(field: string, message: string): Placement {
  return { kind: 'invalid', errors: [{ field, message }] };
}

function listNames(clusters: readonly Cluster[]): string {
  return clusters.map((one) => one.name).join(', ');
}
