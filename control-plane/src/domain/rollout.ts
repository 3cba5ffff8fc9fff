/**
 * Upgrades in waves: which stores come next, which are left out, when to stop, when it is done. Pure:
 * the conductor (reconcile/rollouts.ts) reads the facts and does what is decided here.
 *
 * A wave begins when of the one before it every store has come to an end. Stores whose upgrade left
 * them failed or degraded count against what the operator allowed, for as long as they are so: with
 * more of them the rollout stops, and an operator who has seen to them lets it go on.
 *
 * Of stores on a cluster that is not heard nothing is known: they are in no wave, and nothing is
 * concluded from how they are said to be, until it is.
 */
import { isUncommitted, type OperationState, type StoreStatus } from './store.ts';
import { isNewer } from './versions.ts';

/** stopped: too many stores are unhealthy, or the version is not on offer; an operator decides. */
export const ROLLOUT_STATES = ['running', 'paused', 'stopped', 'done', 'cancelled'] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

/**
 * pending: its wave has not come. upgrading: its operation is under way. upgraded, unhealthy: how it
 * is since. left-out: with a reason.
 */
export const ROLLOUT_STORE_STATES = [
  'pending',
  'upgrading',
  'upgraded',
  'unhealthy',
  'left-out',
] as const;
export type RolloutStoreState = (typeof ROLLOUT_STORE_STATES)[number];

/** Which stores: all of the type, a share of them, or those that are named. */
export type RolloutSelection =
  | { readonly kind: 'all' }
  | { readonly kind: 'share'; readonly percent: number }
  | { readonly kind: 'stores'; readonly stores: readonly string[] };

/** What of a store its part in a rollout depends on. */
export type RolloutStore = {
  readonly status: StoreStatus;
  readonly chartVersion: string;
};

/** Why a store has no part in an upgrade to this version, in one sentence; null: it may have. */
export function explainLeftOut(store: RolloutStore, toVersion: string): string | null {
  switch (store.status) {
    case 'deleting':
    case 'deleted':
      return 'It is deleted or being deleted.';
    case 'suspended':
      return 'It is suspended: it is upgraded when it is resumed.';
    case 'provisioning':
      return 'Another change of it is under way.';
    case 'failed':
    case 'degraded':
    case 'rejected':
      return 'It is in trouble already: an upgrade would hide why.';
    case 'ready':
      return isNewer(toVersion, store.chartVersion) ? null : 'It has this version or a newer one.';
  }
}

/** A store that had its turn. */
export type AskedStore = RolloutStore & {
  /** Of its current operation: until that is on the branch, `chartVersion` is what was asked for. */
  readonly currentState: OperationState;
};

/** A store whose upgrade is under way. */
export type UpgradingStore = AskedStore & {
  /** Of the upgrade. */
  readonly operationState: OperationState;
  /** Nothing has taken the store over since. */
  readonly isCurrent: boolean;
};

export type Settled = {
  readonly state: 'upgraded' | 'unhealthy' | 'left-out';
  readonly reason: string | null;
};

/** What has become of a store's upgrade; null: it is still under way. */
export function judgeUpgrade(store: UpgradingStore, toVersion: string): Settled | null {
  const leftOut = (reason: string): Settled => ({ state: 'left-out', reason });
  if (store.operationState === 'rejected') return leftOut('Its upgrade was rejected.');
  if (store.isCurrent) {
    if (store.operationState === 'failed')
      return { state: 'unhealthy', reason: 'Its upgrade failed.' };
    if (store.operationState !== 'done' && store.operationState !== 'superseded') return null;
  } else if (store.operationState === 'done') {
    // It was live; what came after it is not its doing.
    return { state: 'upgraded', reason: null };
  } else if (isUncommitted(store.currentState)) {
    // What took it over may be rejected: the store is still as the branch has it.
    return null;
  } else if (isNewer(toVersion, store.chartVersion)) return leftOut('Another change took it over.');
  // What took it over has the version too: how the store is, is how its upgrade went.
  switch (store.status) {
    case 'ready':
      return { state: 'upgraded', reason: null };
    case 'failed':
    case 'degraded':
      return { state: 'unhealthy', reason: `It is ${store.status} since its upgrade.` };
    case 'provisioning':
      return null;
    case 'suspended':
      return leftOut('It was suspended meanwhile.');
    case 'rejected':
      return leftOut('A change of it was rejected.');
    case 'deleting':
    case 'deleted':
      return leftOut('It was deleted meanwhile.');
  }
}

/** What has become of a store that was unhealthy; null: it still is. */
export function judgeUnhealthy(store: AskedStore, toVersion: string): Settled | null {
  const { status, chartVersion, currentState } = store;
  switch (status) {
    case 'ready':
      // The row has a rollback, or the upgrade once more, as soon as that is asked for.
      if (isUncommitted(currentState)) return null;
      return isNewer(toVersion, chartVersion)
        ? { state: 'left-out', reason: 'It was rolled back.' }
        : { state: 'upgraded', reason: null };
    case 'suspended':
    case 'deleting':
    case 'deleted':
      return { state: 'left-out', reason: `It was unhealthy, and is ${status} now.` };
    default:
      return null;
  }
}

/** How a rollout stands, all of its upgrades that came to an end being counted. */
export type RolloutFacts = {
  readonly toVersion: string;
  readonly waveSize: number;
  readonly allowedUnhealthy: number;
  /** The engine's current version; null: the engine is no longer on offer. */
  readonly offered: string | null;
  /** How many upgrades are under way. */
  readonly upgrading: number;
  /** How many of them are on clusters that are not heard. */
  readonly unheard: number;
  /** The clusters with stores of this rollout that are not heard. */
  readonly silent: readonly string[];
  /** How many upgraded stores are failed or degraded. */
  readonly unhealthy: number;
  /** Whose turn is next, in order: as many as are looked at in one go; none on a silent cluster. */
  readonly next: readonly (RolloutStore & { readonly storeId: string })[];
};

export type RolloutStep =
  /** `reason`: what it waits for, when that is no store's upgrade. */
  | { readonly kind: 'wait'; readonly reason: string | null }
  | { readonly kind: 'stop'; readonly reason: string }
  | { readonly kind: 'done' }
  | {
      readonly kind: 'wave';
      readonly upgrade: readonly string[];
      readonly leaveOut: readonly { readonly storeId: string; readonly reason: string }[];
    };

/** What a running rollout does next. */
export function planRollout(facts: RolloutFacts): RolloutStep {
  const { toVersion, unhealthy, allowedUnhealthy, offered, next, upgrading, silent } = facts;
  if (unhealthy > allowedUnhealthy)
    return {
      kind: 'stop',
      reason:
        `${unhealthy} upgraded ${unhealthy === 1 ? 'store is' : 'stores are'} failed or degraded; ` +
        `${allowedUnhealthy === 0 ? 'none' : `at most ${allowedUnhealthy}`} may be.`,
    };
  const unheard = `Stores on clusters that are not heard are waited for: ${silent.join(', ')}.`;
  if (upgrading > 0) return { kind: 'wait', reason: upgrading === facts.unheard ? unheard : null };
  if (next.length === 0)
    return silent.length > 0 ? { kind: 'wait', reason: unheard } : { kind: 'done' };
  if (offered !== toVersion)
    return {
      kind: 'stop',
      reason:
        offered === null
          ? 'This type of store is no longer offered.'
          : `The version on offer is ${offered} now, not ${toVersion}: begin a rollout of that.`,
    };
  const upgrade: string[] = [];
  const leaveOut: { storeId: string; reason: string }[] = [];
  for (const store of next) {
    if (upgrade.length === facts.waveSize) break;
    const reason = explainLeftOut(store, toVersion);
    if (reason === null) upgrade.push(store.storeId);
    else leaveOut.push({ storeId: store.storeId, reason });
  }
  return { kind: 'wave', upgrade, leaveOut };
}

export type RolloutCommand = 'pause' | 'resume' | 'cancel';

/** The state that a command brings a rollout to, or why it does not apply. */
export function commandRollout(
  state: RolloutState,
  command: RolloutCommand,
):
  | { readonly ok: true; readonly state: RolloutState }
  | { readonly ok: false; readonly message: string } {
  const allowed: Readonly<Record<RolloutCommand, readonly RolloutState[]>> = {
    pause: ['running'],
    resume: ['paused', 'stopped'],
    cancel: ['running', 'paused', 'stopped'],
  };
  const to = { pause: 'paused', resume: 'running', cancel: 'cancelled' } as const;
  return allowed[command].includes(state)
    ? { ok: true, state: to[command] }
    : { ok: false, message: `This rollout is ${state}.` };
}
