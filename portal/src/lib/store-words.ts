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

type Words = { readonly title: string; readonly now: string };

/** How each step reads when it is laid out, and while it lasts. */
const STEPS: Readonly<Record<Stage, Words>> = {
  requested: { title: 'Requested', now: 'waiting to be committed' },
  review: { title: 'Reviewed', now: 'waiting for a review' },
  committed: { title: 'Committed to git', now: 'committed; Argo CD will pick it up' },
  seen: { title: 'Picked up by Argo CD', now: 'Argo CD has the commit' },
  syncing: { title: 'Creating the parts', now: 'creating what the shop is made of' },
  setup: { title: 'Setting up the shop', now: 'setting up the shop' },
  verifying: { title: 'Checking that it answers', now: 'checking that the shop answers' },
  ready: { title: 'Ready', now: 'ready' },
  suspended: { title: 'Suspended', now: 'suspended' },
  retiring: { title: 'Suspended', now: 'suspending the shop; its data stays' },
  kept: { title: 'Data kept', now: 'suspended; its data is kept' },
  releasing: { title: 'Released for removal', now: 'lifting the protection against deletion' },
  removing: { title: 'Removing the parts', now: 'removing everything in the cluster' },
  purging: { title: 'Clearing the files', now: 'clearing the files from the repository' },
  gone: { title: 'Gone', now: 'gone' },
};
/** What is different about steps that lead to a shop of which nothing runs. */
const SUSPENDING: Partial<Record<Stage, Words>> = {
  syncing: { title: 'Stopping the parts', now: 'stopping what runs' },
  verifying: { title: 'Checking that nothing runs', now: 'checking that nothing runs' },
};

/** The ways a change can go, in order; the last step is the end. */
const WAYS: Readonly<Record<'ready' | 'suspended' | 'gone', readonly Stage[]>> = {
  ready: ['requested', 'review', 'committed', 'seen', 'syncing', 'setup', 'verifying', 'ready'],
  suspended: ['requested', 'review', 'committed', 'seen', 'syncing', 'verifying', 'suspended'],
  gone: [
    ...(['requested', 'review', 'retiring', 'kept'] as const),
    ...(['releasing', 'removing', 'purging', 'gone'] as const),
  ],
};
/** Steps that are told of when they are walked, and not before. */
const OPTIONAL: ReadonlySet<Stage> = new Set(['review', 'retiring', 'kept']);
/** Steps at which nothing is left to wait for. */
const ENDS: ReadonlySet<Stage> = new Set(['ready', 'suspended', 'gone']);

export function isEnd(stage: Stage): boolean {
  return ENDS.has(stage);
}

type Standing = Pick<Store, 'status' | 'stage' | 'suspended' | 'purgeAt'>;

export function describeStatus(
  store: Pick<Store, 'status' | 'readyAt' | 'stage' | 'suspended' | 'purgeAt' | 'disconnected'>,
): {
  readonly label: string;
  readonly tone: Tone;
} {
  const { status, stage } = store;
  // What its status is then, nobody knows.
  if (isAway(store)) return { label: 'Not connected', tone: 'bad' };
  if (status === 'provisioning') {
    if (stage === 'review') return { label: 'In review', tone: 'wait' };
    // A shop that was ready once is not built any more: it is being changed.
    if (store.suspended) return { label: 'Suspending', tone: 'wait' };
    if (store.readyAt !== null) return { label: 'Changing', tone: 'wait' };
  }
  if (status === 'suspended' && store.purgeAt !== null)
    return { label: 'Deleted, data kept', tone: 'quiet' };
  return STATUSES[status];
}

export function describeStage(stage: Stage): string {
  return STEPS[stage].now;
}

/** Whether the store is on a cluster that the platform does not know any more. */
export function isAway({ disconnected, status }: Pick<Store, 'disconnected' | 'status'>): boolean {
  return disconnected && status !== 'deleted';
}

/** Whether nothing of it runs, or soon will: not while that waits for somebody who agrees. */
export function isClosed({ suspended, status }: Pick<Store, 'suspended' | 'status'>): boolean {
  return suspended && !['ready', 'degraded', 'deleting', 'deleted'].includes(status);
}

/** Whether its delete waits for somebody who agrees, and would keep its data: the shop is as it was. */
export function isToBeDeleted({ purgeAt, status }: Pick<Store, 'purgeAt' | 'status'>): boolean {
  return purgeAt !== null && !['suspended', 'deleting', 'deleted'].includes(status);
}

/** One line beside the badge: what is going on, or what is wrong. Null when there is nothing to say. */
export function describeState(store: Store): string | null {
  if (isAway(store))
    return `the cluster “${store.cluster}” is not connected; last known: ${STATUSES[store.status].label.toLowerCase()}`;
  if (store.error !== null) return store.error.message;
  if (store.status === 'provisioning' || store.status === 'deleting')
    return store.detail ?? describeStage(store.stage);
  if (store.stage === 'review') return store.detail ?? describeStage('review');
  return store.status === 'ready' ? null : store.detail;
}

/** Whether somebody said no, rather than something going wrong. */
export function isRefusal(error: Store['error']): boolean {
  return error?.code === 'review_rejected' || error?.code === 'delete_refused';
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

/** The whole way of an operation, walked or not. */
export function layOutSteps(entries: readonly StageEntry[], store: Standing): Step[] {
  const walked = new Map(entries.map((entry) => [entry.stage, entry]));
  const end = chooseEnd(store);
  const way = WAYS[end].filter(
    (stage) => !OPTIONAL.has(stage) || walked.has(stage) || stage === store.stage,
  );
  const here = way.indexOf(store.stage);
  const stopped = store.status === 'failed' || store.status === 'rejected';
  return way.map((stage, index) => {
    const entry = walked.get(stage);
    const { title } = (end === 'suspended' ? SUSPENDING[stage] : undefined) ?? STEPS[stage];
    return {
      stage,
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

function chooseEnd(store: Standing): keyof typeof WAYS {
  if (store.status === 'deleting' || store.status === 'deleted' || store.purgeAt !== null)
    return 'gone';
  return store.suspended ? 'suspended' : 'ready';
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
