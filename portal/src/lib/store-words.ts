/** A store's state in a merchant's words. Pure; the control plane decides, this only says it. */
import type { Stage, StageEntry, Store, StoreStatus } from './shapes.ts';

/** What a colour says; a word and an icon always say it too. */
export type Tone = 'ready' | 'wait' | 'bad' | 'quiet';

const STATUSES: Readonly<Record<StoreStatus, { readonly label: string; readonly tone: Tone }>> = {
  provisioning: { label: 'Building', tone: 'wait' },
  ready: { label: 'Ready', tone: 'ready' },
  degraded: { label: 'Degraded', tone: 'bad' },
  failed: { label: 'Failed', tone: 'bad' },
  rejected: { label: 'Rejected', tone: 'bad' },
  suspended: { label: 'Suspended', tone: 'quiet' },
  deleting: { label: 'Deleting', tone: 'wait' },
  deleted: { label: 'Deleted', tone: 'quiet' },
};

/** How each step reads while it lasts, in the order it is walked; the last is the end. */
const APPLY = {
  requested: { title: 'Requested', now: 'waiting to be committed' },
  committed: { title: 'Committed to git', now: 'committed; Argo CD will pick it up' },
  seen: { title: 'Picked up by Argo CD', now: 'Argo CD has the commit' },
  syncing: { title: 'Creating the parts', now: 'creating what the shop is made of' },
  setup: { title: 'Setting up the shop', now: 'setting up the shop' },
  verifying: { title: 'Checking that it answers', now: 'checking that the shop answers' },
  ready: { title: 'Ready', now: 'ready' },
} as const;
const REMOVE = {
  requested: { title: 'Requested', now: 'waiting to be committed' },
  releasing: { title: 'Released for removal', now: 'lifting the protection against deletion' },
  removing: { title: 'Removing the parts', now: 'removing everything in the cluster' },
  purging: { title: 'Clearing the files', now: 'clearing the files from the repository' },
  gone: { title: 'Gone', now: 'gone' },
} as const;

export function describeStatus(store: Pick<Store, 'status' | 'readyAt'>): {
  readonly label: string;
  readonly tone: Tone;
} {
  // A shop that was ready once is not built any more: it is being changed.
  if (store.status === 'provisioning' && store.readyAt !== null)
    return { label: 'Changing', tone: 'wait' };
  return STATUSES[store.status];
}

export function describeStage(stage: Stage): string {
  const words: Partial<Record<Stage, { readonly now: string }>> = { ...REMOVE, ...APPLY };
  return words[stage]?.now ?? stage;
}

/** One line beside the badge: what is going on, or what is wrong. Null when there is nothing to say. */
export function describeState(store: Store): string | null {
  if (store.error !== null) return store.error.message;
  if (store.status === 'provisioning' || store.status === 'deleting')
    return store.detail ?? describeStage(store.stage);
  return store.status === 'ready' ? null : store.detail;
}

/** When the running step of a first build began to matter to its owner: at the request. */
export function isUnderWay(store: Pick<Store, 'status'>): boolean {
  return store.status === 'provisioning' || store.status === 'deleting';
}

export type Step = {
  readonly stage: Stage;
  readonly title: string;
  /** failed: it stopped here. skipped: it went past without being seen. */
  readonly state: 'done' | 'now' | 'failed' | 'next' | 'skipped';
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly deadlineAt: Date | null;
  readonly commit: string | null;
};

/** The whole way of an operation, walked or not. `stopped`: the store failed or was rejected. */
export function layOutSteps(
  entries: readonly StageEntry[],
  stage: Stage,
  stopped: boolean,
): Step[] {
  const walked = new Map(entries.map((entry) => [entry.stage, entry]));
  const removing = stage in REMOVE && stage !== 'requested' ? true : walked.has('releasing');
  const way = Object.entries(removing ? REMOVE : APPLY) as [Stage, { readonly title: string }][];
  const here = way.findIndex(([name]) => name === stage);
  return way.map(([name, { title }], index) => {
    const entry = walked.get(name);
    return {
      stage: name,
      title,
      state: chooseState(index, here, {
        entered: entry !== undefined,
        isLast: index === way.length - 1,
        stopped,
      }),
      startedAt: readTime(entry?.startedAt),
      finishedAt: readTime(entry?.finishedAt),
      deadlineAt: readTime(entry?.deadlineAt),
      commit: entry?.commit ?? null,
    };
  });
}

function chooseState(
  index: number,
  here: number,
  { entered, isLast, stopped }: { entered: boolean; isLast: boolean; stopped: boolean },
): Step['state'] {
  if (index > here) return 'next';
  if (index === here) return isLast ? 'done' : stopped ? 'failed' : 'now';
  return entered ? 'done' : 'skipped';
}

function readTime(text: string | null | undefined): Date | null {
  return text === null || text === undefined ? null : new Date(text);
}
