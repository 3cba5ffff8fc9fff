/**
 * What a store's Application means for the store: the one place where an observation becomes a
 * status. Pure: facts in, verdict out; it never waits and never asks, it says what to ask.
 *
 * Rules that must hold:
 * - a store is `ready` only when its own generation is live (see `judgeApply`);
 * - a suspended store is judged like any other, but that it needs no set-up Job;
 * - a kept store is released by the clock alone, once its time is over and its cluster is heard;
 * - absence is never a reason to delete: a missing Application degrades a ready store, and moves on
 *   only a store that is `deleting`, after direct GETs and after Argo CD has worked through our
 *   commit (else a sync still running on an older commit could bring the Application back);
 * - nothing here changes a store whose operation waits for the writer, but for its deadline.
 */
import { describeProgress, describeTrouble } from './lifecycle-words.ts';
import { writeMoment } from './moments.ts';
import {
  APPLY_STAGES,
  hashStoreId,
  isUncommitted,
  type Action,
  type OperationKind,
  type OperationState,
  type Stage,
  type StoreProblem,
  type StoreStatus,
} from './store.ts';
import type { Observation, SyncOperation } from './observation.ts';
import type { GenerationFacts, NamespaceFacts } from './observation-workload.ts';

/** A ready store may be Progressing, OutOfSync, Missing or Unknown this long before it counts as degraded. */
export const TROUBLE_TOLERATED_MS = 30_000;
/** An Application still guarded this long after its file's removal goes back to being released. */
export const GUARD_TOLERATED_MS = 10_000;
/** A release or removal that Argo CD has read and not acted on for this long is committed again. */
export const PASSED_OVER_MS = 60_000;
/** The longest wait between two such commits: each is as long as all before it. */
export const PASSED_OVER_MOST_MS = 15 * 60_000;
/** A removal that takes longer than this says why. */
export const REMOVAL_EXPECTED_MS = 120_000;
/** A change that lacks nothing but an answer from the cluster gets this long past its deadline. */
export const ANSWER_AWAITED_MS = 30_000;
/** A stage that shows nothing new for this long is looked into. */
export const STUCK_AFTER_MS = 15_000;

/** The store as the database has it, with its current operation. */
export type StoreFacts = {
  readonly id: string;
  readonly cluster: string;
  readonly application: string;
  readonly chart: string;
  readonly chartVersion: string;
  readonly generation: number;
  /** Nothing of it is to run. */
  readonly suspended: boolean;
  /** Deleted, and kept until then. */
  readonly purgeAt: Date | null;
  /** A person changed its files, and whoever asked for its operation did not know of it. */
  readonly drifted: boolean;
  readonly status: StoreStatus;
  readonly stage: Stage;
  readonly detail: string | null;
  readonly problem: StoreProblem | null;
  readonly commitPosition: number | null;
  readonly deadlineAt: Date | null;
  readonly updatedAt: Date;
  /** When the current operation, a delete, came to its removal for the first time; null: not yet. */
  readonly removingSince: Date | null;
  readonly operation: {
    readonly id: string;
    readonly kind: OperationKind;
    readonly action: Action;
    readonly state: OperationState;
    readonly committedAt: Date | null;
  };
};

export type Sighting =
  | { readonly kind: 'present'; readonly observation: Observation }
  /** Not in a complete LIST, or its DELETED event was seen. */
  | { readonly kind: 'absent' }
  /** No complete LIST yet: nothing is known. */
  | { readonly kind: 'unknown' };

/** Answers to direct GETs, for a store that is being deleted. */
export type PresenceFacts = {
  readonly application: boolean;
  /** null: gone. */
  readonly namespace: NamespaceFacts | null;
};

export type Question = 'generation' | 'presence' | 'diagnosis';

export type Circumstances = {
  readonly now: Date;
  readonly sighting: Sighting;
  /** The Application of the folder that holds this store's Application; null when there is none. */
  readonly shard: Observation | null;
  /** Place of a commit on the branch; undefined: not known (yet). */
  readonly positionOf: (sha: string) => number | undefined;
  /** What the cluster answered; undefined: not asked, or too long ago. */
  readonly answers: {
    readonly generation?: GenerationFacts;
    readonly presence?: PresenceFacts;
    readonly diagnosis?: StoreProblem | null;
  };
  /** Since when this ready store has not looked well, without a pause; null: it did. */
  readonly troubleSince: Date | null;
  /** Why nothing can be said of the cluster's stores now, in a sentence; null: it is heard. */
  readonly silence: string | null;
};

export type Verdict = {
  readonly status: StoreStatus;
  readonly stage: Stage;
  /** What is being waited for, in words. */
  readonly detail: string | null;
  readonly problem: StoreProblem | null;
  /** The operation reached its end: done (live) or failed; null leaves it as it is. */
  readonly end: 'done' | 'failed' | null;
  /** The writer's next commit for this delete. */
  readonly next: 'release' | 'remove' | 'purge' | null;
  /** What to ask the cluster before judging again. */
  readonly ask: readonly Question[];
  /** A commit Argo CD speaks of and that we do not know. */
  readonly unknownRevision: string | null;
  readonly troubleSince: Date | null;
  /** When to judge again though nothing changed. */
  readonly judgeAgainAt: Date | null;
};

/** Judges one store. null: nothing about it is for the observer to say. */
export function judgeStore(store: StoreFacts, seen: Circumstances): Verdict | null {
  if (seen.sighting.kind === 'unknown') return judgeBlind(store, seen);
  switch (store.status) {
    case 'deleted':
    case 'rejected':
      return null;
    case 'suspended':
      return store.operation.kind === 'delete' ? judgeKept(store, seen) : null;
    case 'deleting':
      return judgeDelete(store, seen);
    case 'ready':
    case 'degraded':
      return judgeLiving(store, seen);
    case 'provisioning':
    case 'failed':
      return judgeApply(store, seen);
  }
}

/** With no picture of the cluster only the clock counts. */
function judgeBlind(store: StoreFacts, seen: Circumstances): Verdict | null {
  if (store.status !== 'provisioning') return null;
  return isLate(store, seen.now) ? failAtDeadline(store, stay(store), seen) : null;
}

/** The verdict that changes nothing; the starting point of all others. */
function stay(store: StoreFacts): Verdict {
  return {
    status: store.status,
    stage: store.stage,
    detail: store.detail,
    problem: store.problem,
    end: null,
    next: null,
    ask: [],
    unknownRevision: null,
    troubleSince: null,
    judgeAgainAt: null,
  };
}

const later = (from: Date, ms: number): Date => new Date(from.getTime() + ms);
const isLate = (store: StoreFacts, now: Date): boolean =>
  store.deadlineAt !== null && now >= store.deadlineAt;

// ── a change on its way to be live ──────────────────────────────────────────────────────────────

/**
 * Live means all of: the store's last commit is at or before the one Argo CD applied; that sync
 * succeeded; what was compared is the chart and values we wrote; Synced; Healthy; compared again
 * since the sync ended; the generation ConfigMap and the set-up Job are this generation's, the Job
 * complete. Anything less is still on its way, until the deadline.
 */
function judgeApply(store: StoreFacts, seen: Circumstances): Verdict {
  const progress = followProgress(store, seen);
  if (progress.end !== null) return progress;
  // After a pause of ours the deadline may be over while the store has long been live.
  const awaited =
    progress.ask.includes('generation') && seen.answers.generation === undefined
      ? ANSWER_AWAITED_MS
      : 0;
  if (store.status === 'provisioning' && isLate(store, later(seen.now, -awaited)))
    return failAtDeadline(store, progress, seen);
  if (store.status === 'failed') {
    // A failed store stays failed, with the newest reason, until it is live after all.
    return { ...progress, status: 'failed', problem: progress.problem ?? store.problem };
  }
  return progress;
}

function failAtDeadline(store: StoreFacts, from: Verdict, { silence }: Circumstances): Verdict {
  return {
    ...from,
    status: 'failed',
    // What the writer still has to commit stays its to commit.
    end: store.operation.state === 'waiting' ? 'failed' : null,
    // A better reason than the clock takes its place as soon as the cluster gives one.
    ask: ['diagnosis'],
    problem:
      from.problem ??
      store.problem ??
      (silence === null
        ? {
            code: 'deadline_passed',
            message: `It was not ready in time; the last thing waited for: ${from.detail ?? 'nothing'}.`,
            hint: 'It becomes ready by itself if the cluster catches up. Otherwise use Retry.',
          }
        : {
            code: 'cluster_silent',
            message: `Nobody can tell whether it is ready. ${silence}`,
            hint: 'It becomes ready by itself once the cluster is heard again.',
          }),
  };
}

function followProgress(store: StoreFacts, seen: Circumstances): Verdict {
  const base = stay(store);
  // Nothing is committed: the stage is the writer's to change.
  if (isUncommitted(store.operation.state) || store.commitPosition === null) return base;

  /** Stages only go forward; words and problems follow what is seen. */
  const at = (stage: Stage, detail: string): Verdict => {
    const reached = laterStage(store.stage, stage);
    const stuck =
      seen.now.getTime() - store.updatedAt.getTime() >= STUCK_AFTER_MS || store.problem !== null;
    return {
      ...base,
      status: 'provisioning',
      stage: reached,
      detail,
      problem: stuck ? chooseProblem(store, seen) : null,
      ask: stuck ? ['diagnosis'] : [],
    };
  };

  if (seen.sighting.kind !== 'present')
    return at('committed', 'waiting for Argo CD to see the commit');
  const { observation } = seen.sighting;
  if (observation.deletingSince !== null)
    return at('seen', 'an earlier deletion of the same Application is still running');

  const { operation } = observation;
  const applied = operation === null ? null : (operation.syncedRevision ?? operation.revision);
  if (operation === null || applied === null) return at('seen', waitForSync(observation));
  const position = seen.positionOf(applied);
  if (position === undefined)
    return {
      ...at(store.stage, 'checking which commit Argo CD has applied'),
      unknownRevision: applied,
    };
  if (position < store.commitPosition)
    return isRunning(operation)
      ? at(
          seenStage(store, seen),
          `Argo CD is still busy with an earlier change: ${describeProgress(operation)}`,
        )
      : at(seenStage(store, seen), waitForSync(observation));

  if (isRunning(operation)) {
    const setup = operation.hooks.find((hook) => hook.kind === 'Job' && hook.name === 'setup');
    return at(
      setup === undefined || store.suspended ? 'syncing' : 'setup',
      describeProgress(operation),
    );
  }
  if (operation.phase === 'Failed' || operation.phase === 'Error') {
    const failed = at('syncing', 'Argo CD gave up on this change');
    return {
      ...failed,
      status: 'failed',
      end: 'failed',
      problem: keepCause(
        store.problem,
        seen.answers.diagnosis ??
          (store.status === 'failed' ? store.problem : null) ??
          describeTrouble(observation),
      ),
      ask: ['diagnosis'],
    };
  }

  // The sync succeeded: is what runs what we wrote?
  if (!isOurSource(store, observation))
    return at('verifying', 'waiting for Argo CD to compare the chart and values of this change');
  if (observation.sync !== 'Synced')
    return at('verifying', 'waiting for Argo CD to find the cluster in step with git');
  // What is told not to run is as well as it can be when Argo CD calls it Suspended.
  const isWell =
    observation.health === 'Healthy' || (store.suspended && observation.health === 'Suspended');
  if (!isWell)
    return at(
      'verifying',
      store.suspended
        ? `waiting for what runs to stop; Argo CD reports ${observation.health}`
        : observation.health === 'Progressing'
          ? 'waiting for the shop to come up'
          : `waiting for the shop to become healthy; Argo CD reports ${observation.health}`,
    );
  if (!isComparedSince(observation, operation))
    return {
      ...at('verifying', 'waiting for Argo CD to look again after the sync'),
      judgeAgainAt: later(seen.now, 1000),
    };
  const { generation } = seen.answers;
  if (generation === undefined)
    return {
      ...at('verifying', store.suspended ? 'checking what is there' : 'checking the set-up job'),
      ask: ['generation'],
    };
  const missing = explainGeneration(store, generation);
  if (missing !== null) {
    const verifying = at('verifying', missing);
    return { ...verifying, ask: ['generation', ...verifying.ask] };
  }
  const reached = store.suspended ? 'suspended' : 'ready';
  return { ...base, status: reached, stage: reached, detail: null, problem: null, end: 'done' };
}

/** Why this generation is not the one in the cluster yet; null when it is. */
function explainGeneration(
  { generation: wanted, suspended }: StoreFacts,
  found: GenerationFacts,
): string | null {
  if (found.configMap !== wanted) return 'waiting for this change to reach the cluster';
  if (suspended) return null;
  if (found.setup === null || found.setup.generation !== wanted)
    return 'waiting for the set-up job of this change';
  return found.setup.state === 'complete' ? null : 'waiting for the set-up job to finish';
}

/** An update's Application is there from before: seen is when its commit was looked at. */
function seenStage(store: StoreFacts, seen: Circumstances): Stage {
  if (store.operation.kind === 'create' || seen.sighting.kind !== 'present') return 'seen';
  const revision = seen.sighting.observation.comparedRevision;
  const position = revision === null ? undefined : seen.positionOf(revision);
  return position !== undefined && position >= (store.commitPosition ?? Infinity)
    ? 'seen'
    : 'committed';
}

function waitForSync(observation: Observation): string {
  return observation.conditions.some((condition) => condition.type.endsWith('Error'))
    ? 'Argo CD cannot render or apply this change yet'
    : 'waiting for Argo CD to start the sync';
}

/** The problem to show while something takes long: the newest diagnosis, else what is known. */
function chooseProblem(store: StoreFacts, seen: Circumstances): StoreProblem | null {
  const { diagnosis } = seen.answers;
  if (diagnosis === undefined) return store.problem;
  return diagnosis === null ? null : keepCause(store.problem, diagnosis);
}

/** That time ran out, and not for what. */
const OUT_OF_TIME: ReadonlySet<string> = new Set([
  'job_timeout',
  'sync_timeout',
  'deadline_passed',
  'cluster_silent',
]);

/**
 * A Job that runs out of time takes its pods along, and Argo CD takes the Job when it stops a sync:
 * what they waited for was seen before and is still the reason. A new operation begins without one.
 */
function keepCause(known: StoreProblem | null, newest: StoreProblem): StoreProblem {
  return known !== null && OUT_OF_TIME.has(newest.code) && !OUT_OF_TIME.has(known.code)
    ? known
    : newest;
}

/** Running includes the pause before a retry: Argo CD gives up only by Failed or Error. */
function isRunning(operation: SyncOperation): boolean {
  return operation.phase === 'Running' || operation.phase === 'Terminating';
}

function isComparedSince(observation: Observation, operation: SyncOperation): boolean {
  return (
    observation.reconciledAt !== null &&
    operation.finishedAt !== null &&
    observation.reconciledAt >= operation.finishedAt
  );
}

/** Whether what Argo CD compared is the chart and the values file we wrote. */
function isOurSource(store: StoreFacts, { source }: Observation): boolean {
  const folder = `clusters/${store.cluster}/stores/${hashStoreId(store.id)}/${store.application}`;
  return (
    source !== null &&
    source.path === `charts/${store.chart}/${store.chartVersion}` &&
    source.valueFiles.length === 1 &&
    source.valueFiles[0] === `/${folder}/values-${store.chartVersion}.yaml`
  );
}

function laterStage(one: Stage, other: Stage): Stage {
  const order: readonly Stage[] = APPLY_STAGES;
  return order.indexOf(other) > order.indexOf(one) ? other : one;
}

// ── a store that is live ────────────────────────────────────────────────────────────────────────

function judgeLiving(store: StoreFacts, seen: Circumstances): Verdict {
  // A change that people have yet to agree to has the stage and the detail; the store lives on.
  const isWaiting = isUncommitted(store.operation.state);
  const base: Verdict = isWaiting ? stay(store) : { ...stay(store), detail: null, stage: 'ready' };
  const trouble = findTrouble(store, seen.sighting);
  if (trouble === null) return { ...base, status: 'ready', problem: null };
  const since = seen.troubleSince ?? seen.now;
  const due = later(since, trouble.tolerated ? TROUBLE_TOLERATED_MS : 0);
  const detail = isWaiting ? store.detail : trouble.words;
  if (store.status === 'ready' && seen.now < due)
    return { ...base, detail, troubleSince: since, judgeAgainAt: due };
  return {
    ...base,
    status: 'degraded',
    detail,
    problem: trouble.plain ? trouble.problem : (explainDegraded(store, seen) ?? trouble.problem),
    troubleSince: since,
    ask: trouble.plain ? [] : ['diagnosis'],
    judgeAgainAt: later(seen.now, TROUBLE_TOLERATED_MS),
  };
}

/** The diagnosis; until there is one, what was said before this process began to watch. */
function explainDegraded(store: StoreFacts, seen: Circumstances): StoreProblem | null {
  if (seen.answers.diagnosis !== undefined) return seen.answers.diagnosis;
  return store.status === 'degraded' && seen.troubleSince === null ? store.problem : null;
}

type Trouble = {
  /** True for what needs no look into the namespace. */
  readonly plain: boolean;
  /** True for what passes by itself after a change or a pod's restart. */
  readonly tolerated: boolean;
  readonly words: string;
  readonly problem: StoreProblem;
};

function findTrouble(store: StoreFacts, sighting: Sighting): Trouble | null {
  if (sighting.kind !== 'present')
    return {
      plain: true,
      tolerated: false,
      words: 'its Application is missing in the cluster',
      problem: {
        code: 'application_missing',
        message: 'The Application of this store is not in the cluster.',
        hint: 'Argo CD makes it again from git. If it does not, look at the shard Application.',
      },
    };
  const { observation } = sighting;
  if (observation.deletingSince !== null)
    return {
      plain: true,
      tolerated: false,
      words: 'its Application is being deleted in the cluster',
      problem: {
        code: 'application_deleted',
        message: 'Somebody is deleting the Application of this store in the cluster.',
        hint: 'Argo CD makes it again from git once the deletion is through.',
      },
    };
  if (observation.health === 'Degraded')
    return {
      plain: false,
      tolerated: false,
      words: 'Argo CD reports Degraded',
      problem: describeTrouble(observation),
    };
  if (observation.health !== 'Healthy')
    return {
      plain: false,
      tolerated: true,
      words: `Argo CD reports ${observation.health}`,
      problem: describeTrouble(observation),
    };
  if (observation.sync !== 'Synced')
    return {
      plain: false,
      tolerated: true,
      words:
        observation.sync === 'OutOfSync'
          ? 'the cluster differs from git'
          : 'Argo CD cannot compare the cluster with git',
      problem: describeTrouble(observation),
    };
  // What it is to be is not what it is, while its change waits.
  if (!isUncommitted(store.operation.state) && !isOurSource(store, observation))
    return {
      plain: true,
      tolerated: true,
      words: 'its Application points at another chart or values file',
      problem: {
        code: 'source_changed',
        message: 'The Application no longer points at the chart and values of this store.',
        hint: 'Somebody edited the generated file: restore it, or make the change through Shopyard.',
      },
    };
  return null;
}

// ── a store that was deleted and is kept ────────────────────────────────────────────────────────

/**
 * Retiring until nothing of it runs any more, then kept; when its time is over, and its cluster is
 * heard, it is released, in whatever state it is. Its operation is one from the request to the tombstone.
 */
function judgeKept(store: StoreFacts, seen: Circumstances): Verdict | null {
  const { operation, purgeAt } = store;
  if (operation.state !== 'waiting' || operation.action !== 'retire' || purgeAt === null)
    return null;
  const base = stay(store);
  const isOver = seen.now >= purgeAt;
  // Nobody could see what becomes of it: until the cluster is heard it can still be resumed.
  if (isOver && seen.silence !== null) return base;
  if (isOver)
    return {
      ...base,
      status: 'deleting',
      stage: 'releasing',
      detail: 'its time is over: taking the protection off its Application',
      problem: null,
      next: 'release',
    };
  const kept: Verdict = {
    ...base,
    stage: 'kept',
    detail: `kept until ${writeMoment(purgeAt)}`,
    problem: null,
    judgeAgainAt: purgeAt,
  };
  if (store.stage === 'kept') return kept;
  const progress = followProgress(store, seen);
  if (progress.end === 'done') return kept;
  // What cannot be stopped is kept all the same, and says why it runs on.
  return {
    ...progress,
    status: 'suspended',
    stage: 'retiring',
    end: null,
    judgeAgainAt: progress.judgeAgainAt ?? purgeAt,
  };
}

// ── a store on its way out ──────────────────────────────────────────────────────────────────────

function judgeDelete(store: StoreFacts, seen: Circumstances): Verdict | null {
  const { operation } = store;
  if (operation.kind !== 'delete' || operation.state !== 'waiting') return null;
  if (operation.action === 'release') return judgeRelease(store, seen);
  if (operation.action === 'remove') return judgeRemoval(store, seen);
  return null;
}

/**
 * Waits until the Application is seen without its guard: then its file may be removed. A release that
 * Argo CD passed over is committed again, which takes another change of the file first.
 */
function judgeRelease(store: StoreFacts, seen: Circumstances): Verdict {
  const base = stay(store);
  const remove: Verdict = {
    ...base,
    stage: 'removing',
    detail: 'removing the Application from git',
    problem: null,
    next: 'remove',
  };
  const caughtUp = isShardCaughtUp(store, seen);
  const untilCaughtUp = (): Verdict =>
    waitLong(store, seen, {
      ...base,
      stage: 'releasing',
      detail: 'waiting for Argo CD to work through the commits before the deletion',
      unknownRevision: caughtUp.unknownRevision,
    });
  if (seen.sighting.kind === 'present') {
    const { observation } = seen.sighting;
    if (observation.deletingSince !== null) return remove;
    if (!observation.guarded) return caughtUp.yes ? remove : untilCaughtUp();
    // Guarded, it outlives the removal, after which a release is a change. What a person did to its
    // files may be the guard: a removal would write over that.
    if (!store.drifted && isPassedOver(store, seen))
      return { ...remove, detail: 'Argo CD has passed over the release: committing it again' };
    return waitLong(store, seen, {
      ...base,
      stage: 'releasing',
      detail: 'waiting for Argo CD to lift the guard against deletion',
      judgeAgainAt: later(seen.now, 1000),
    });
  }
  if (!caughtUp.yes) return untilCaughtUp();
  if (seen.answers.presence?.application === false) return remove;
  return { ...base, stage: 'releasing', ask: ['presence'] };
}

/** Waits until the Application and the namespace are really gone. */
function judgeRemoval(store: StoreFacts, seen: Circumstances): Verdict {
  const base: Verdict = { ...stay(store), stage: 'removing' };
  if (seen.sighting.kind === 'present') {
    const { observation } = seen.sighting;
    if (observation.deletingSince !== null)
      return waitLong(store, seen, { ...base, detail: describeRemoval(observation) });
    // Not before the removal was read: from release to release nothing changes.
    if (
      observation.guarded &&
      waitedMs(store, seen.now) > GUARD_TOLERATED_MS &&
      isShardCaughtUp(store, seen).yes
    )
      return {
        ...base,
        detail: 'the guard against deletion is still there: lifting it again',
        next: 'release',
      };
    if (isPassedOver(store, seen))
      return {
        ...base,
        detail: 'Argo CD has passed over the removal: committing it again',
        next: 'release',
      };
    return waitLong(store, seen, {
      ...base,
      detail: 'waiting for Argo CD to remove the Application',
      judgeAgainAt: later(seen.now, 1000),
    });
  }
  const caughtUp = isShardCaughtUp(store, seen);
  if (!caughtUp.yes)
    return waitLong(store, seen, {
      ...base,
      detail: 'waiting for Argo CD to work through the removal',
      unknownRevision: caughtUp.unknownRevision,
    });
  const { presence } = seen.answers;
  if (presence === undefined)
    return { ...base, detail: 'checking that everything is gone', ask: ['presence'] };
  if (presence.application)
    return { ...base, detail: 'waiting for the Application to go', ask: ['presence'] };
  if (presence.namespace !== null) {
    const waiting = waitLong(store, seen, { ...base, detail: 'waiting for the namespace to go' });
    return { ...waiting, ask: ['presence', ...waiting.ask] };
  }
  return {
    ...base,
    stage: 'purging',
    detail: 'removing the files of the store from git',
    problem: null,
    next: 'purge',
  };
}

/**
 * Argo CD does nothing more about a commit once a sync that ran meanwhile has failed or timed out. A
 * newer change of the folder is synced: the file comes back for a moment, and goes again.
 */
function isPassedOver(store: StoreFacts, seen: Circumstances): boolean {
  const { shard } = seen;
  const { committedAt } = store.operation;
  if (shard === null || committedAt === null || !isShardCaughtUp(store, seen).yes) return false;
  if (shard.operation !== null && isRunning(shard.operation)) return false;
  // As long again as it has taken so far: the waits double. People's time before it does not count.
  const soFar = committedAt.getTime() - (store.removingSince ?? committedAt).getTime();
  const tolerated = Math.min(Math.max(soFar, PASSED_OVER_MS), PASSED_OVER_MOST_MS);
  return waitedMs(store, seen.now) > tolerated;
}

function waitedMs(store: StoreFacts, now: Date): number {
  return store.operation.committedAt === null
    ? 0
    : now.getTime() - store.operation.committedAt.getTime();
}

/** A removal never fails; what takes long gets a reason. */
function waitLong(store: StoreFacts, seen: Circumstances, verdict: Verdict): Verdict {
  if (waitedMs(store, seen.now) <= REMOVAL_EXPECTED_MS) return { ...verdict, problem: null };
  return {
    ...verdict,
    problem: chooseProblem(store, seen),
    ask: [...verdict.ask, 'diagnosis'],
  };
}

function describeRemoval({ operation }: Observation): string {
  return operation !== null && isRunning(operation)
    ? `Argo CD finishes a running sync before it removes the shop: ${describeProgress(operation)}`
    : 'Argo CD is removing what the shop is made of';
}

/**
 * Whether the Application that applies this store's folder has worked through our commit and is
 * not busy with an older one. Without such an Application nobody can bring anything back.
 */
function isShardCaughtUp(
  store: StoreFacts,
  seen: Circumstances,
): { readonly yes: boolean; readonly unknownRevision: string | null } {
  const { shard } = seen;
  if (shard === null) return { yes: true, unknownRevision: null };
  const wanted = store.commitPosition;
  const revisions = [shard.comparedRevision];
  if (shard.operation !== null && isRunning(shard.operation))
    revisions.push(shard.operation.syncedRevision ?? shard.operation.revision);
  // Nothing of this store was ever committed: there is nothing to work through.
  if (wanted === null) return { yes: true, unknownRevision: null };
  for (const revision of revisions) {
    if (revision === null) return { yes: false, unknownRevision: null };
    const position = seen.positionOf(revision);
    if (position === undefined) return { yes: false, unknownRevision: revision };
    if (position < wanted) return { yes: false, unknownRevision: null };
  }
  return { yes: true, unknownRevision: null };
}
