/** A rollout in an operator's words. Pure. */
import type { Rollout } from './shapes.ts';
import type { Tone } from './store-words.ts';

type Words = { readonly label: string; readonly tone: Tone };

const STATES: Readonly<Record<Rollout['state'], Words>> = {
  running: { label: 'Running', tone: 'wait' },
  paused: { label: 'Paused', tone: 'quiet' },
  stopped: { label: 'Stopped', tone: 'bad' },
  done: { label: 'Done', tone: 'ready' },
  cancelled: { label: 'Cancelled', tone: 'quiet' },
};

export function describeRollout({ state }: Pick<Rollout, 'state'>): Words {
  return STATES[state];
}

export function describeSelection(selection: Rollout['selection']): string {
  switch (selection.kind) {
    case 'all':
      return 'all stores';
    case 'share':
      return `the first ${selection.percent} %`;
    case 'stores':
      return selection.stores.length === 1 ? 'one store' : `${selection.stores.length} stores`;
  }
}

const STORES: Readonly<Record<keyof Rollout['counts'], Words>> = {
  pending: { label: 'to come', tone: 'quiet' },
  upgrading: { label: 'upgrading', tone: 'wait' },
  upgraded: { label: 'upgraded', tone: 'ready' },
  unhealthy: { label: 'unhealthy', tone: 'bad' },
  'left-out': { label: 'left out', tone: 'quiet' },
};

export function describeRolloutStore(state: keyof Rollout['counts']): Words {
  return STORES[state];
}

/** How many stores are in each state; states without one are left out. */
export function layOutCounts(
  counts: Rollout['counts'],
): (Words & { readonly state: keyof Rollout['counts']; readonly count: number })[] {
  return (Object.keys(STORES) as (keyof typeof STORES)[])
    .map((state) => ({ ...STORES[state], state, count: counts[state] }))
    .filter(({ count }) => count > 0);
}
