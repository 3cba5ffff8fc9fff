/** A fleet's numbers in an operator's words. Pure. */
import type { ClusterList, StoreCounts } from './shapes.ts';
import type { Tone } from './store-words.ts';

export type Share = {
  readonly status: keyof StoreCounts;
  readonly word: string;
  readonly tone: Tone;
  readonly count: number;
};

type RegisteredCluster = ClusterList['clusters'][number];

const REVIEWS: Readonly<Record<RegisteredCluster['review'], string>> = {
  never: 'Changes are committed at once',
  destructive: 'Destructive changes are reviewed',
  always: 'Every change is reviewed',
};

const STATES = [
  { status: 'ready', word: 'ready', tone: 'ready' },
  { status: 'provisioning', word: 'building', tone: 'wait' },
  { status: 'deleting', word: 'being deleted', tone: 'wait' },
  { status: 'degraded', word: 'degraded', tone: 'bad' },
  { status: 'failed', word: 'failed', tone: 'bad' },
  { status: 'rejected', word: 'rejected', tone: 'bad' },
  { status: 'suspended', word: 'suspended', tone: 'quiet' },
] as const satisfies readonly Omit<Share, 'count'>[];

/** The states that stores are in, in the order they are told; those without a store are left out. */
export function layOutStates(counts: StoreCounts): Share[] {
  return STATES.map((state) => ({ ...state, count: counts[state.status] })).filter(
    ({ count }) => count > 0,
  );
}

export function countStores(counts: StoreCounts): number {
  return STATES.reduce((sum, { status }) => sum + counts[status], 0);
}

/** A quiet watch still says where it is every minute; this is three of them missed. */
const SILENT_MS = 180_000;

/** Whether what we know of a cluster can still be relied upon. */
export function isSilent(heardAt: string | null, now: Date): boolean {
  return heardAt === null || now.getTime() - Date.parse(heardAt) > SILENT_MS;
}

/** A cluster's labels, and the rules that its stores are under, in one line. */
export function describeRules(
  cluster: Pick<RegisteredCluster, 'labels' | 'review' | 'retentionDays' | 'guard'>,
): string {
  const { labels, review, retentionDays, guard } = cluster;
  const named = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const { removals, percent, minutes } = guard;
  const rules = [
    REVIEWS[review],
    retentionDays === 0
      ? 'deleted data is not kept'
      : `deleted data is kept ${retentionDays} ${retentionDays === 1 ? 'day' : 'days'}`,
    `more than ${removals} deletes in ${minutes} minutes (or ${percent} % of the stores, if more) wait for a second operator`,
  ].join('; ');
  return [...(named.length === 0 ? [] : [named.join(', ')]), rules].join('. ');
}
