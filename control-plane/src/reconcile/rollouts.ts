/**
 * The conductor: carries rollouts on, one tick at a time, under a lease. What comes next is decided by
 * domain/rollout.ts; here the facts are read, and a wave's upgrades are asked for by the same door as
 * anybody's, in the name of the operator who began the rollout.
 *
 * A wave is noted before it is asked for, and each store's request has a key of its own. Killed between
 * an acceptance and its note, the next conductor asks again and gets the same operation: no store is
 * upgraded twice, and none is forgotten.
 */
import type { Acceptor } from '../db/accept.ts';
import type { ChangeOutcome } from '../db/accept-outcome.ts';
import { appendAudit } from '../db/audit.ts';
import { hashRequest } from '../db/idempotency.ts';
import { checkLease, type Lease } from '../db/leases.ts';
import type { Db, Tx } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import {
  beginWave,
  findActiveRollouts,
  findAwaited,
  findRollout,
  keyOfUpgrade,
  listNext,
  listSilent,
  listTurned,
  listUnhealthy,
  listUpgrading,
  lockRollout,
  noteUpgrade,
  putBackUnasked,
  setRolloutState,
  settleStores,
  type RolloutRow,
} from '../db/rollouts.ts';
import { describeUnconnected } from '../domain/cluster.ts';
import type { Clock } from '../domain/ids.ts';
import { SILENCE_MS } from '../domain/placement.ts';
import type { Engine } from '../domain/request.ts';
import { judgeUnhealthy, judgeUpgrade, planRollout } from '../domain/rollout.ts';
import type { Logger } from '../logger.ts';
import { sleep, type Work } from './loop.ts';

/** Stores looked at for one wave, besides those that it takes: more may be left out in later ticks. */
const LOOK_AHEAD = 100;
const TICK_MS = 1_000;
/** Without a rollout there is only to see whether one was begun. */
const IDLE_MS = 3_000;

export type ConductorOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly acceptor: Pick<Acceptor, 'change'>;
  readonly engines: readonly Engine[];
  /** The connected ones: stores of others are left out, not waited for. */
  readonly clusters: readonly { readonly name: string }[];
  /** Something was recorded for the writer. */
  readonly onQueued: () => void;
};

export function createConductor(options: ConductorOptions): Work & {
  /** One look at every rollout; true when there are any. */
  readonly tick: (lease: Lease, signal: AbortSignal) => Promise<boolean>;
} {
  const { db, logger } = options;

  const tick = async (lease: Lease, signal: AbortSignal): Promise<boolean> => {
    const ids = await findActiveRollouts(db);
    for (const id of ids) {
      if (signal.aborted) break;
      const wave = await db.transaction().execute(async (tx) => {
        await checkLease(tx, lease);
        return advance(tx, options, id);
      });
      if (wave === null) continue;
      logger.info({ rollout: id, stores: wave.stores.length }, 'a wave of upgrades');
      for (const storeId of wave.stores) {
        if (isAborted(signal)) break;
        // An operator may have paused or ended it since the wave began.
        if (!(await upgrade(options, lease, wave.rollout, storeId))) break;
      }
      options.onQueued();
    }
    return ids.length > 0;
  };

  return {
    lease: 'conductor',
    tick,
    async run(lease, signal) {
      while (!signal.aborted) await sleep((await tick(lease, signal)) ? TICK_MS : IDLE_MS, signal);
    },
  };
}

/** Upgrades to be asked for. */
type Wave = { readonly rollout: RolloutRow; readonly stores: readonly string[] };

/** Notes what has become of a rollout's upgrades, and takes its next step. */
async function advance(tx: Tx, options: ConductorOptions, id: string): Promise<Wave | null> {
  const now = options.clock();
  const rollout = await lockRollout(tx, id);
  if (rollout === null) return null;
  const { toVersion, waveSize, allowedUnhealthy } = rollout;
  const { asked, unasked } = await listUpgrading(tx, id);
  const isConnected = (cluster: string) => options.clusters.some(({ name }) => name === cluster);
  const silent = (await listSilent(tx, new Date(now.getTime() - SILENCE_MS))).filter(isConnected);
  const settled = asked.flatMap((store) => {
    if (!isConnected(store.cluster)) return [leaveBehind(store)];
    const end = silent.includes(store.cluster) ? null : judgeUpgrade(store, toVersion);
    return end === null ? [] : [{ storeId: store.storeId, ...end }];
  });
  await settleStores(tx, id, settled, now);
  const unhealthy = await refreshHealth(tx, rollout, { silent, isConnected, now });
  if (rollout.state !== 'running') {
    await putBackUnasked(tx, rollout);
    return null;
  }
  const engine = options.engines.find(({ type }) => type === rollout.type);
  const step = planRollout({
    ...{ toVersion, waveSize, allowedUnhealthy, unhealthy },
    offered: engine?.version ?? null,
    upgrading: asked.length + unasked.length - settled.length,
    unheard: asked.filter(({ cluster }) => silent.includes(cluster)).length,
    silent: await findAwaited(tx, id, silent),
    next: await listNext(tx, id, waveSize + LOOK_AHEAD, silent),
  });
  const reason = step.kind === 'wait' ? step.reason : null;
  if (reason !== rollout.reason) await setRolloutState(tx, id, 'running', reason, now);
  switch (step.kind) {
    case 'wait':
      if (unasked.length === 0) return null;
      // Left of a wave that an earlier conductor began, which may have offered another version.
      if (engine?.version === toVersion) return { rollout, stores: unasked };
      await putBackUnasked(tx, rollout);
      return null;
    case 'done':
      await end(tx, rollout, 'done', null, now);
      return null;
    case 'stop':
      options.logger.warn({ rollout: id, reason: step.reason }, 'a rollout stops');
      await end(tx, rollout, 'stopped', step.reason, now);
      return null;
    case 'wave': {
      const left = step.leaveOut.map((one) => ({ ...one, state: 'left-out' as const }));
      await settleStores(tx, id, left, now);
      if (step.upgrade.length === 0) return null;
      await beginWave(tx, id, step.upgrade, now);
      return { rollout, stores: step.upgrade };
    }
  }
}

/** Nothing will be known of a store whose cluster was taken out of the settings. */
function leaveBehind({ storeId, cluster }: { readonly storeId: string; readonly cluster: string }) {
  return { storeId, state: 'left-out' as const, reason: describeUnconnected(cluster).message };
}

/** Notes which upgraded stores turned unhealthy, and which are well again; how many are unhealthy. */
async function refreshHealth(
  tx: Tx,
  { id, toVersion }: RolloutRow,
  known: {
    readonly silent: readonly string[];
    readonly isConnected: (cluster: string) => boolean;
    readonly now: Date;
  },
): Promise<number> {
  const { silent, isConnected, now } = known;
  const before = await listUnhealthy(tx, id);
  const over = before.flatMap((store) => {
    if (!isConnected(store.cluster)) return [leaveBehind(store)];
    const end = judgeUnhealthy(store, toVersion);
    return end === null ? [] : [{ storeId: store.storeId, ...end }];
  });
  const turned = (await listTurned(tx, id, silent))
    .filter(({ cluster }) => isConnected(cluster))
    .map(({ storeId, status }) => ({
      storeId,
      state: 'unhealthy' as const,
      reason: `It is ${status} since its upgrade.`,
    }));
  await settleStores(tx, id, [...over, ...turned], now);
  return before.length - over.length + turned.length;
}

/** The platform's own act: nobody asked for it at this moment. */
async function end(
  tx: Tx,
  { id, type, toVersion }: RolloutRow,
  state: 'done' | 'stopped',
  reason: string | null,
  now: Date,
): Promise<void> {
  await setRolloutState(tx, id, state, reason, now);
  await appendAudit(tx, [
    {
      at: now,
      by: { id: null, name: null, kind: 'system' },
      tenantId: null,
      storeId: null,
      action: state === 'done' ? 'rollout.done' : 'rollout.stop',
      outcome: 'done',
      requestId: null,
      address: null,
      detail: { rollout: id, type, version: toVersion, ...(reason === null ? {} : { reason }) },
    },
  ]);
}

/** Asks for one store's upgrade and notes what came of it; false: the rollout no longer runs. */
async function upgrade(
  options: ConductorOptions,
  lease: Lease,
  rollout: RolloutRow,
  storeId: string,
): Promise<boolean> {
  const { db, acceptor, clock } = options;
  const key = keyOfUpgrade(rollout.id, storeId);
  // Acceptance knows nothing of leases and rollouts: one who was stopped for long asks for nothing.
  const runs = await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    return (await findRollout(tx, rollout.id))?.state === 'running';
  });
  if (!runs) return false;
  const outcome = await acceptor.change({
    principal: actFor(rollout),
    storeId,
    change: { kind: 'upgrade' },
    key: { tenantId: rollout.tenantId, key, requestHash: hashRequest('POST', key, null) },
    origin: { requestId: rollout.id, address: 'rollout' },
  });
  const now = clock();
  await db.transaction().execute(async (tx) => {
    await checkLease(tx, lease);
    if (outcome.kind === 'accepted') {
      await noteUpgrade(tx, rollout.id, storeId, outcome.body.operation.id);
    } else {
      const reason = describeRefusal(outcome);
      await settleStores(tx, rollout.id, [{ storeId, state: 'left-out', reason }], now);
    }
  });
  const operation = outcome.kind === 'accepted' ? { operation: outcome.body.operation.id } : {};
  options.logger.info(
    { rollout: rollout.id, store: storeId, ...operation, outcome: outcome.kind },
    'an upgrade was asked for',
  );
  return true;
}

/** The operator who began it, as commits and the record name them. */
function actFor(rollout: RolloutRow): Principal {
  return {
    id: rollout.requestedBy,
    name: rollout.requestedName,
    kind: rollout.requestedKind,
    tenantId: rollout.tenantId,
    tenant: '',
    role: 'operator',
    userId: null,
    sessionId: null,
    scopes: ['read', 'write'],
    confirmedAt: null,
  };
}

function describeRefusal(outcome: Exclude<ChangeOutcome, { kind: 'accepted' }>): string {
  switch (outcome.kind) {
    case 'not-found':
      return 'It was deleted.';
    case 'invalid':
      return outcome.errors.map(({ message }) => message).join(' ');
    case 'refused':
    case 'taken':
      return outcome.message;
    default:
      return `Its upgrade was refused (${outcome.kind}).`;
  }
}

/** Read anew: the signal may have ended while something was awaited. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
