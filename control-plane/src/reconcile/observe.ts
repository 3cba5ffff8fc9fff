/**
 * The observer of one cluster: turns what Argo CD reports into the status of stores.
 *
 * Changes of Applications come in from the watch, are gathered for a moment, and are judged in
 * batches (domain/lifecycle.ts): one query for the rows, one transaction for what changed, nothing
 * written for what did not. Questions to the cluster run beside it and bring their store back for
 * judgement. A clock brings back what time alone changes: deadlines, tolerances, removals.
 *
 * One observer writes per cluster: each transaction asks the lease first. It never acts on the
 * cluster, and on git only by putting a delete's next commit into the writer's queue.
 */
import { PlatformError, describeError } from '../errors.ts';
import {
  findPositions,
  findStoresAwaitingTenants,
  findStoresDue,
  findUnmoved,
  findUnseenTenants,
  loadObservedStores,
  markTenantsSeen,
  stepOperations,
  type ObservedStore,
  type OperationStep,
} from '../db/observations.ts';
import { WAITING_FOR_OPERATOR } from '../db/accept-outcome.ts';
import { holdRemovals } from '../db/holds.ts';
import { lockStoresOf, writeStatus, type StatusChange } from '../db/status.ts';
import {
  STUCK_AFTER_MS,
  judgeStore,
  type Circumstances,
  type PresenceFacts,
  type Question,
  type Sighting,
  type Verdict,
} from '../domain/lifecycle.ts';
import { explainUnseenTenant } from '../domain/lifecycle-words.ts';
import { hashStoreId, nameProject, type StoreProblem } from '../domain/store.ts';
import { describeSilence } from './hearing.ts';
import { TaskQueue, askCluster, type Answer } from './observe-questions.ts';
import type { ObserverMetrics } from './observe-metrics.ts';
import type { ApplicationWatch, ClusterReader, ObjectWatch } from '../cluster/types.ts';
import type { Db, Tx } from '../db/open.ts';
import type { Observation } from '../domain/observation.ts';
import type { GenerationFacts } from '../domain/observation-workload.ts';
import type { RemovalGuard } from '../domain/cluster.ts';
import type { Clock } from '../domain/ids.ts';
import type { Logger } from '../logger.ts';

export type ObserverOptions = {
  readonly db: Db;
  /** The cluster's name, as stores carry it. */
  readonly cluster: string;
  /** The repository whose commits Argo CD speaks of: `commits.repository`. */
  readonly repository: string;
  readonly applications: ApplicationWatch;
  readonly projects: ObjectWatch<string>;
  readonly reader: ClusterReader;
  readonly logger: Logger;
  readonly metrics: ObserverMetrics;
  /** How much of it may be removed before a second operator is asked. */
  readonly guard: RemovalGuard;
  /** Throws unless this process holds the cluster's lease; asked inside each writing transaction. */
  readonly checkLease: (tx: Tx) => Promise<void>;
  /** How long a change may take, from its request to live. */
  readonly deadlineSeconds: number;
  /** Argo CD speaks of a commit that the commits table does not have: fetch the branch. */
  readonly onUnknownRevision?: (sha: string) => void;
  /** Something is the writer's turn now: a delete's next commit, or a tenant whose project is there. */
  readonly onQueued?: () => void;
  /** A store became live, or a change of it failed: after it was written. */
  readonly onEnd?: (
    store: ObservedStore,
    end: 'done' | 'failed',
    problem: StoreProblem | null,
  ) => void;
  readonly clock: Clock;
};

export type Observer = {
  start(): void;
  /** Ends watches and timers, and waits for what is being written. */
  stop(): Promise<void>;
  /** Starts, and stops when the signal says so; rejects when the lease is lost. */
  run(signal: AbortSignal): Promise<void>;
};

/** How long changes are gathered before a batch. */
const GATHER_MS = 20;
const BATCH_AT_MOST = 5000;
const WAKE_EACH_MS = 250;
const TICK_EACH_MS = 1000;
const QUESTIONS_AT_ONCE = 8;
/** How long an answer stands before the same question is put again. */
const ASK_AGAIN_MS: Readonly<Record<Question, number>> = {
  generation: 1000,
  presence: 1000,
  diagnosis: 10_000,
};
/** Nobody waits at the door of a store that has failed or is degraded. */
const ASK_AGAIN_SETTLED_MS = 30_000;
const ROOT_APPLICATION = 'shopyard-root';
const AWAITING_TENANT = 'waiting for Argo CD to set up the tenant’s project';
/** How long the first LIST may take before deadlines count without it. */
const BLIND_TOLERATED_MS = 30_000;
const POSITIONS_KEPT = 20_000;

/** What the observer remembers of a store between judgements; losing it costs only time. */
type Memory = {
  /** Operation and action: answers to an earlier one are worth nothing. */
  readonly turn: string;
  troubleSince: Date | null;
  generation?: GenerationFacts;
  presence?: PresenceFacts;
  diagnosis?: StoreProblem | null;
  /** Questions on their way. */
  readonly asking: Set<Question>;
  readonly askedAt: Map<Question, number>;
};

/** By which lines about a store are found, and what is done with it at the time. */
function idsOf({ id, tenantId, operation }: ObservedStore): Readonly<Record<string, string>> {
  return { operation: operation.id, store: id, tenant: tenantId };
}

type Judged = { readonly store: ObservedStore; readonly verdict: Verdict };

export function createObserver(options: ObserverOptions): Observer {
  const { db, cluster, repository, applications, projects, reader, logger, metrics } = options;
  const { clock, deadlineSeconds } = options;

  const dirty = new Set<string>();
  const wakes = new Map<string, number>();
  const memories = new Map<string, Memory>();
  const orphans = new Set<string>();
  const positions = new Map<string, number>();
  const unknownRevisions = new Map<string, number>();
  const questions = new TaskQueue(QUESTIONS_AT_ONCE);
  const timers: NodeJS.Timeout[] = [];
  let gathering: NodeJS.Timeout | null = null;
  let flushing: Promise<void> | null = null;
  let ticking: Promise<void> | null = null;
  const { promise: leaseLost, reject: loseLease } = Promise.withResolvers<never>();
  leaseLost.catch(() => undefined);
  let stopped = false;
  let startedAt = 0;

  // ── what is seen ──

  const sight = (store: ObservedStore): Sighting => {
    const observation = applications.get(store.application);
    // Another store's Application of the same name is not this store's.
    if (
      observation !== undefined &&
      (observation.storeId === null || observation.storeId === store.id)
    )
      return { kind: 'present', observation };
    return applications.complete ? { kind: 'absent' } : { kind: 'unknown' };
  };

  const findShard = (storeId: string): Observation | null => {
    const digits = hashStoreId(storeId);
    return (
      applications.get(`shopyard-shard-${digits}`) ??
      applications.get(`shopyard-shard-${digits.slice(0, 1)}`) ??
      null
    );
  };

  const recall = (store: ObservedStore): Memory => {
    const turn = `${store.operation.id} ${store.operation.action} ${store.operation.state === 'queued' ? 'queued' : ''}`;
    const known = memories.get(store.id);
    if (known?.turn === turn) return known;
    const fresh: Memory = { turn, troubleSince: null, asking: new Set(), askedAt: new Map() };
    memories.set(store.id, fresh);
    return fresh;
  };

  /** Looks up the commits that a batch speaks of, all at once. */
  const learnPositions = async (stores: readonly ObservedStore[]): Promise<void> => {
    const wanted = new Set<string>();
    const want = (observation: Observation | null | undefined): void => {
      if (observation === null || observation === undefined) return;
      const { comparedRevision, operation } = observation;
      for (const sha of [comparedRevision, operation?.revision, operation?.syncedRevision])
        if (sha !== null && sha !== undefined && !positions.has(sha)) wanted.add(sha);
    };
    for (const store of stores) {
      want(applications.get(store.application));
      if (store.status === 'deleting') want(findShard(store.id));
    }
    if (wanted.size === 0) return;
    if (positions.size > POSITIONS_KEPT) positions.clear();
    for (const [sha, position] of await findPositions(db, repository, [...wanted]))
      positions.set(sha, position);
  };

  // ── judging ──

  const judge = (store: ObservedStore, now: Date): Verdict | null => {
    const memory = recall(store);
    const seen: Circumstances = {
      now,
      sighting: sight(store),
      shard: findShard(store.id),
      positionOf: (sha) => positions.get(sha),
      answers: {
        ...(memory.generation === undefined ? {} : { generation: memory.generation }),
        ...(memory.presence === undefined ? {} : { presence: memory.presence }),
        ...(memory.diagnosis === undefined ? {} : { diagnosis: memory.diagnosis }),
      },
      troubleSince: memory.troubleSince,
      silence: describeSilence(applications, now),
    };
    // The first LIST takes a moment: nobody fails for that.
    if (seen.sighting.kind === 'unknown' && now.getTime() - startedAt < BLIND_TOLERATED_MS)
      return null;
    const verdict = judgeStore(store, seen);
    if (verdict === null) {
      memories.delete(store.id);
      return null;
    }
    memory.troubleSince = verdict.troubleSince;
    if (verdict.problem === null && verdict.ask.length === 0) delete memory.diagnosis;
    for (const question of verdict.ask) ask(store, memory, question, now);
    if (verdict.unknownRevision !== null) reportUnknown(verdict.unknownRevision, now);
    const again = [
      verdict.judgeAgainAt?.getTime(),
      verdict.unknownRevision === null ? undefined : now.getTime() + WAKE_EACH_MS,
      ...verdict.ask.map((question) => now.getTime() + askAgainMs(question, store)),
    ].filter((time) => time !== undefined);
    if (again.length > 0) wakes.set(store.application, Math.min(...again));
    if (verdict.ask.length === 0 && verdict.troubleSince === null && memory.asking.size === 0)
      memories.delete(store.id);
    return verdict;
  };

  const ask = (store: ObservedStore, memory: Memory, question: Question, now: Date): void => {
    const last = memory.askedAt.get(question) ?? -Infinity;
    if (memory.asking.has(question) || now.getTime() - last < askAgainMs(question, store)) return;
    memory.asking.add(question);
    memory.askedAt.set(question, now.getTime());
    metrics.count('questions');
    questions.add(async () => {
      try {
        const seen = sight(store);
        const answer = await askCluster(reader, question, store, {
          observation: seen.kind === 'present' ? seen.observation : null,
          shard: findShard(store.id),
          now: clock(),
        });
        remember(memory, answer);
        if (!stopped) mark([store.application]);
      } catch (error) {
        metrics.count('question_errors');
        logger.debug({ ...idsOf(store), question, err: error }, 'a question to the cluster failed');
      } finally {
        memory.asking.delete(question);
      }
    }, question !== 'diagnosis');
  };

  const reportUnknown = (sha: string, now: Date): void => {
    if (now.getTime() - (unknownRevisions.get(sha) ?? -Infinity) < 5000) return;
    if (unknownRevisions.size > 1000) unknownRevisions.clear();
    unknownRevisions.set(sha, now.getTime());
    options.onUnknownRevision?.(sha);
  };

  // ── writing ──

  const write = async (judged: readonly Judged[], now: Date): Promise<void> => {
    const news = judged.filter(isNews);
    if (news.length === 0) return;
    const written = await inTransaction(async (tx) => {
      // All at once, in one order: two rounds could meet somebody who takes them the other way.
      await lockStoresOf(
        tx,
        news.map(({ store }) => store.operation.id),
      );
      const unmoved = await findUnmoved(
        tx,
        news.map(({ store }) => store.operation),
      );
      const current = news.filter(({ store }) => unmoved.has(store.operation.id));
      const steps = current.map((one) => planStep(one, now)).filter((step) => step !== null);
      await stepOperations(tx, steps);
      const held = await holdRemovals(tx, {
        ...{ cluster, guard: options.guard, at: now },
        operationIds: steps.filter(beginsRemoval).map((step) => step.operationId),
      });
      const rows = await writeStatus(
        tx,
        current.map((one) =>
          held.has(one.store.operation.id) ? planHold(one, now) : planChange(one, now),
        ),
      );
      return new Set(rows.map((row) => row.id));
    });
    metrics.count('status_changes', written.size);
    // What somebody else moved on meanwhile is judged again, as it is now.
    mark(news.flatMap(({ store }) => (written.has(store.id) ? [] : [store.application])));
    const told = news.filter(({ store }) => written.has(store.id));
    if (told.some(({ verdict }) => verdict.next !== null)) options.onQueued?.();
    for (const { store, verdict } of told) {
      if (verdict.end !== null && store.operation.state !== verdict.end)
        options.onEnd?.(store, verdict.end, verdict.problem);
      if (verdict.status !== store.status || verdict.next !== null)
        logger.info(
          {
            ...idsOf(store),
            application: store.application,
            status: verdict.status,
            stage: verdict.stage,
            ...(verdict.next === null ? {} : { next: verdict.next }),
            ...(verdict.problem === null ? {} : { problem: verdict.problem.code }),
          },
          `${store.application}: ${store.status} → ${verdict.status}`,
        );
    }
  };

  const inTransaction = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
    db.transaction().execute(async (tx) => {
      await options.checkLease(tx);
      return work(tx);
    });

  const noteLease = (error: unknown): void => {
    if (error instanceof PlatformError && error.code === 'lease_lost') loseLease(error);
  };

  // ── the rounds ──

  const mark = (names: readonly string[]): void => {
    for (const name of names) dirty.add(name);
    if (stopped || gathering !== null || dirty.size === 0) return;
    gathering = setTimeout(() => {
      gathering = null;
      flushing = (flushing ?? Promise.resolve()).then(flush);
    }, GATHER_MS);
  };

  const flush = async (): Promise<void> => {
    if (stopped || dirty.size === 0) return;
    const names = [...dirty].slice(0, BATCH_AT_MOST);
    for (const name of names) dirty.delete(name);
    const began = performance.now();
    try {
      const stores = await loadObservedStores(db, cluster, names, deadlineSeconds);
      await learnPositions(stores);
      const now = clock();
      const judged: Judged[] = [];
      for (const store of stores) {
        wakes.delete(store.application);
        const verdict = judge(store, now);
        if (verdict !== null) judged.push({ store, verdict });
      }
      noteOrphans(names, stores);
      await write(judged, now);
      metrics.record('batch_size', names.length);
      metrics.record('batch_seconds', (performance.now() - began) / 1000);
      if (dirty.size > 0) mark([]);
    } catch (error) {
      noteLease(error);
      // Tried again at the next tick: a batch that failed changed nothing.
      for (const name of names) wakes.set(name, clock().getTime() + TICK_EACH_MS);
      logger.warn({ err: error, stores: names.length }, `a batch failed: ${describeError(error)}`);
      metrics.count('batch_errors');
    }
  };

  /** Applications that carry a store's label and belong to no store that lives here: told, never touched. */
  const noteOrphans = (names: readonly string[], stores: readonly ObservedStore[]): void => {
    const owned = new Map(stores.map((store) => [store.application, store.id]));
    for (const name of names) {
      const storeId = applications.get(name)?.storeId ?? null;
      if (storeId === null || owned.get(name) === storeId) orphans.delete(name);
      else if (!orphans.has(name)) {
        orphans.add(name);
        logger.warn({ application: name, store: storeId }, `${name} belongs to no living store`);
      }
    }
  };

  const tick = async (): Promise<void> => {
    const now = clock();
    metrics.set('applications', applications.size);
    metrics.set('orphans', orphans.size);
    metrics.set('pending', dirty.size + questions.length);
    if (applications.heardAt !== null)
      metrics.set('watch_age_seconds', (now.getTime() - applications.heardAt.getTime()) / 1000);
    try {
      mark(
        await findStoresDue(db, cluster, {
          now,
          silentSince: new Date(now.getTime() - STUCK_AFTER_MS),
          lateSince: new Date(now.getTime() - deadlineSeconds * 1000),
        }),
      );
      const unseen = await findUnseenTenants(db, cluster);
      const seen = unseen.filter((tenantId) => projects.get(nameProject(tenantId)) !== undefined);
      if (seen.length > 0) {
        await inTransaction((tx) => markTenantsSeen(tx, cluster, seen, now));
        options.onQueued?.();
      }
      await explainUnseen(
        unseen.filter((tenantId) => !seen.includes(tenantId)),
        now,
      );
    } catch (error) {
      noteLease(error);
      logger.warn({ err: error }, `a look at the clock failed: ${describeError(error)}`);
    }
  };

  /** Stores wait for their tenant's project: says so, and what Argo CD's root Application has to say. */
  const explainUnseen = async (tenantIds: readonly string[], now: Date): Promise<void> => {
    if (tenantIds.length === 0 || !applications.complete) return;
    const problem = explainUnseenTenant(cluster, applications.get(ROOT_APPLICATION) ?? null);
    const waiting = await findStoresAwaitingTenants(db, cluster, {
      tenantIds,
      since: new Date(now.getTime() - STUCK_AFTER_MS),
    });
    const news = waiting.filter(
      (store) => store.detail !== AWAITING_TENANT || store.errorMessage !== problem.message,
    );
    if (news.length === 0) return;
    await inTransaction(async (tx) => {
      await writeStatus(
        tx,
        news.map(({ id, operationId }) => ({
          storeId: id,
          operationId,
          status: 'provisioning',
          stage: 'requested',
          detail: AWAITING_TENANT,
          problem,
          at: now,
        })),
      );
    });
  };

  const wake = (): void => {
    const now = clock().getTime();
    const due: string[] = [];
    for (const [name, at] of wakes) if (at <= now) due.push(name);
    for (const name of due) wakes.delete(name);
    mark(due);
  };

  const startTick = (): void => {
    ticking ??= tick().finally(() => {
      ticking = null;
    });
  };

  const start = (): void => {
    startedAt = clock().getTime();
    applications.start(mark);
    projects.start(startTick);
    timers.push(setInterval(wake, WAKE_EACH_MS), setInterval(startTick, TICK_EACH_MS));
  };

  const stop = async (): Promise<void> => {
    stopped = true;
    for (const timer of timers) clearInterval(timer);
    if (gathering !== null) clearTimeout(gathering);
    await Promise.all([applications.stop(), projects.stop(), questions.close()]);
    await flushing;
    await ticking;
  };

  return {
    start,
    stop,
    async run(signal) {
      const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
      const onAbort = (): void => {
        end(undefined);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      start();
      try {
        await Promise.race([ended, leaseLost]);
      } finally {
        signal.removeEventListener('abort', onAbort);
        await stop();
      }
    },
  };
}

function askAgainMs(question: Question, { status }: ObservedStore): number {
  return status === 'failed' || status === 'degraded'
    ? Math.max(ASK_AGAIN_MS[question], question === 'diagnosis' ? ASK_AGAIN_SETTLED_MS : 0)
    : ASK_AGAIN_MS[question];
}

function remember(memory: Memory, answer: Answer): void {
  switch (answer.question) {
    case 'generation':
      memory.generation = answer.facts;
      break;
    case 'presence':
      memory.presence = answer.facts;
      break;
    case 'diagnosis':
      memory.diagnosis = answer.facts;
      break;
  }
}

/** Whether a verdict says anything that the row does not say already. */
function isNews({ store, verdict }: Judged): boolean {
  return (
    store.status !== verdict.status ||
    store.stage !== verdict.stage ||
    store.detail !== verdict.detail ||
    store.problem?.code !== verdict.problem?.code ||
    store.problem?.message !== verdict.problem?.message ||
    verdict.next !== null ||
    store.isDeadlineNew
  );
}

function planStep({ store, verdict }: Judged, now: Date): OperationStep | null {
  const { operation } = store;
  const from = { state: operation.state, action: operation.action };
  const base = { operationId: operation.id, from, finishedAt: now, error: null };
  if (verdict.next !== null)
    return { ...base, to: { state: 'queued', action: verdict.next }, finishedAt: null };
  if (verdict.end === null || operation.state === verdict.end) return null;
  return verdict.end === 'done'
    ? { ...base, to: { state: 'done', action: operation.action } }
    : {
        ...base,
        to: { state: 'failed', action: operation.action },
        error: {
          code: verdict.problem?.code ?? 'failed',
          message: verdict.problem?.message ?? 'It failed.',
        },
      };
}

/** A kept store's time is over; a removal that goes back a step has begun already. */
function beginsRemoval({ from, to }: OperationStep): boolean {
  return to.state === 'queued' && to.action === 'release' && from.action === 'retire';
}

/** So much is being removed that this one waits, as it is. */
function planHold({ store }: Judged, now: Date): StatusChange {
  const { id, status, stage, problem, operation } = store;
  return {
    ...{ storeId: id, operationId: operation.id, status, stage, problem, at: now },
    detail: WAITING_FOR_OPERATOR,
  };
}

function planChange({ store, verdict }: Judged, now: Date): StatusChange {
  return {
    storeId: store.id,
    operationId: store.operation.id,
    status: verdict.status,
    stage: verdict.stage,
    detail: verdict.detail,
    problem: verdict.problem,
    at: now,
    // The change is through: no deadline is left.
    ...(verdict.end === 'done'
      ? { ...(verdict.status === 'ready' ? { readyAt: now } : {}), deadlineAt: null }
      : store.status === 'provisioning'
        ? { deadlineAt: store.deadlineAt }
        : {}),
  };
}
