/**
 * Argo CD's application controller, played: one worker per Application compares it with git and
 * applies it, one thing at a time, so that a deletion waits for a running sync as the real one does.
 *
 * What is wanted is read from git each time; what is there is the table. Beside the table only
 * `RELEASES` is remembered: which release of a chart stands in the cluster, and what was tried last.
 */
import type { Logger } from '../../control-plane/src/logger.ts';
import { describeError } from '../../control-plane/src/errors.ts';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import {
  applicationSchema,
  APPLICATIONS,
  isPruneProof,
  ownerOf,
  projectSchema,
  PROJECTS,
  statusOf,
  type Application,
  type ApplicationStatus,
  type Outcome,
  type Project,
  type ResourceStatus,
} from './application.ts';
import {
  checkProject,
  createRenderer,
  failUnreachable,
  type Comparison,
  type Target,
} from './compare.ts';
import type { Faults } from './faults.ts';
import type { Pace } from './pace.ts';
import { Operation } from './operation.ts';
import { listWaves, nameResource, printResource, releaseSchema, type Release } from './release.ts';
import type { ClusterRepository } from './repository.ts';
import { applyChart } from './sync-chart.ts';
import { applyFolder, findDrift, markDeleting } from './sync-folder.ts';
import type { PracticeShop } from './shop-front.ts';
import { formatTime, sortKeys, type KubeObject, type ObjectTable } from './table.ts';
import { removeNamespace, Workload } from './workload.ts';

export type ControllerOptions = {
  readonly table: ObjectTable;
  readonly repository: ClusterRepository;
  readonly faults: Faults;
  readonly pace: Pace;
  /** The cluster's folder in the repository. */
  readonly cluster: string;
  readonly logger: Logger;
};

/** All in the lab's seconds. */
const POLL_SECONDS = 60;
const SYNC_TIMEOUT_SECONDS = 180;
const REMOVAL_SECONDS = 8;
/** Not served: which release stands. */
const RELEASES = '/practice/releases';

const memorySchema = z.object({
  /** What of git stands in the cluster in full, and what was tried last. */
  print: z.string().default(''),
  tried: z.string().default(''),
  /** What stands of it in part. */
  applied: z.record(z.string(), z.string()).default({}),
  // What an earlier version wrote may lack something: it is applied again.
  release: releaseSchema.nullable().default(null).catch(null),
});
type Memory = z.infer<typeof memorySchema>;

type Worker = { wake: () => void; isWoken: boolean };

export class Controller {
  readonly #options: ControllerOptions;
  readonly #workers = new Map<string, Worker>();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #render = createRenderer();
  #ends: (() => void)[] = [];

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  /** Takes up what the table holds, and follows the repository. */
  start(): void {
    const { table, faults } = this.#options;
    this.#ends = [
      table.watch(APPLICATIONS, table.version, ({ type, object }) => {
        if (type === 'DELETED') this.#wake(ownerOf(object) ?? '');
        else this.#employ(object.metadata.name);
      }) ?? (() => undefined),
      table.watch(PROJECTS, table.version, () => this.#wakeAll()) ?? (() => undefined),
      faults.onChange(() => this.#wakeAll()),
    ];
    for (const { metadata } of table.list(APPLICATIONS)) this.#employ(metadata.name);
    this.#run(this.#poll());
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    for (const end of this.#ends) end();
    this.#wakeAll();
    await Promise.all(this.#running);
  }

  /** The store whose address has this host name. */
  findShop(host: string): PracticeShop | null {
    for (const { metadata } of this.#options.table.list(RELEASES)) {
      const { release } = this.#recall(metadata.name);
      if (release === null || new URL(release.values.url).hostname !== host) continue;
      const health = this.#statusOf(metadata.name)?.health.status;
      const { name, suspended } = release.values.store;
      return { name, state: suspended ? 'suspended' : health === 'Healthy' ? 'ready' : 'absent' };
    }
    return null;
  }

  /** Somebody pushed: what the push changed is compared at once, all else at the next poll. */
  refresh(): void {
    this.#run(this.#follow(false));
  }

  async #poll(): Promise<void> {
    for (;;) {
      await this.#follow(true);
      await this.#options.pace.wait(POLL_SECONDS, this.#stop.signal);
    }
  }

  async #follow(isPoll: boolean): Promise<void> {
    const { repository, logger } = this.#options;
    const before = repository.problem;
    const isNew = await repository.refresh();
    const { problem } = repository;
    if (problem !== null && problem !== before)
      logger.warn(`the practice cluster cannot read the cluster repository: ${problem}`);
    if (!isNew && !isPoll) return;
    try {
      await this.#applyRoot();
    } catch (error) {
      logger.warn(`the practice cluster cannot apply root.yaml: ${describeError(error)}`);
    }
    if (isPoll) this.#polled = new Set(this.#workers.keys());
    this.#wakeAll();
  }

  /** As an operator does once. */
  async #applyRoot(): Promise<void> {
    const { table, repository, cluster } = this.#options;
    const root = await repository.read(({ tree }) => tree.read(`clusters/${cluster}/root.yaml`));
    for (const document of parseAllDocuments(Buffer.from(root ?? []).toString('utf8'))) {
      const object = z
        .discriminatedUnion('kind', [applicationSchema, projectSchema])
        .parse(document.toJS());
      const path = object.kind === 'Application' ? APPLICATIONS : PROJECTS;
      const status = table.get(path, object.metadata.name)?.status;
      table.put(path, { ...object, ...(status === undefined ? {} : { status }) } as KubeObject);
    }
  }

  /** Applications that are to be told of the newest commit even if it does not concern them. */
  #polled = new Set<string>();

  #run(work: Promise<void>): void {
    const run = work
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted)
          this.#options.logger.error(
            { err: error },
            `the practice cluster: ${describeError(error)}`,
          );
      })
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  #wake(name: string): void {
    const worker = this.#workers.get(name);
    if (worker === undefined) return;
    worker.isWoken = true;
    worker.wake();
  }

  #wakeAll(): void {
    for (const name of this.#workers.keys()) this.#wake(name);
  }

  /** Gives the Application a worker, or wakes the one it has when it was changed from outside. */
  #employ(name: string): void {
    const print = this.#printSpec(name);
    if (this.#workers.has(name)) {
      if (this.#specs.get(name) !== print) this.#wake(name);
      this.#specs.set(name, print);
      return;
    }
    this.#specs.set(name, print);
    this.#workers.set(name, { wake: () => undefined, isWoken: true });
    this.#run(this.#work(name));
  }

  /** What of an Application others change: all but its status. */
  readonly #specs = new Map<string, string>();
  #printSpec(name: string): string {
    const object = this.#options.table.get(APPLICATIONS, name);
    const { annotations, deletionTimestamp } = object?.metadata ?? {};
    return JSON.stringify([object?.spec, annotations, deletionTimestamp]);
  }

  async #work(name: string): Promise<void> {
    const worker = this.#workers.get(name);
    try {
      while (worker !== undefined) {
        if (!worker.isWoken) await new Promise<void>((resolve) => (worker.wake = resolve));
        worker.isWoken = false;
        if (this.#stop.signal.aborted) return;
        const object = this.#options.table.get(APPLICATIONS, name);
        if (object === undefined) return;
        if (object.metadata.deletionTimestamp !== undefined) {
          await this.#takeDown(object);
          return;
        }
        await this.#reconcile(name);
      }
    } finally {
      this.#workers.delete(name);
      this.#specs.delete(name);
    }
  }

  // ── comparing ──

  async #reconcile(name: string): Promise<void> {
    const { faults, table } = this.#options;
    for (;;) {
      const object = table.get(APPLICATIONS, name);
      if (object === undefined || object.metadata.deletionTimestamp !== undefined) return;
      const app = applicationSchema.parse(object);
      if (app.spec.source.helm !== undefined && faults.has(name, 'gone')) {
        markDeleting(table, object, this.#options.pace.now());
        return;
      }
      const comparison = await this.#compare(app);
      if (comparison === null || this.#stop.signal.aborted) return;
      if (!comparison.ok) {
        this.#showFailure(name, app, comparison);
        return;
      }
      const { target } = comparison;
      const isInStep = this.#showComparison(name, app, target);
      if (isInStep || app.spec.syncPolicy?.automated === undefined) return;
      if (!this.#isWorthTrying(name, target)) return;
      await this.#sync(name, app, target);
    }
  }

  /** null: there is nothing in the repository yet. */
  async #compare(app: Application): Promise<Comparison | null> {
    const { repository } = this.#options;
    const denied = checkProject(app, this.#findProject(app.spec.project));
    if (denied !== null) return denied;
    if (repository.problem !== null) return failUnreachable(repository.problem);
    try {
      return await repository.read((snapshot) => this.#render(app, snapshot));
    } catch (error) {
      return failUnreachable(describeError(error));
    }
  }

  #findProject(name: string): Project | null {
    return projectSchema.safeParse(this.#options.table.get(PROJECTS, name)).data ?? null;
  }

  #showFailure(name: string, app: Application, failure: Extract<Comparison, { ok: false }>): void {
    const now = formatTime(this.#options.pace.now());
    const { source, destination } = app.spec;
    const before = this.#statusOf(name);
    const isSpec = failure.type === 'InvalidSpecError';
    const known = before?.conditions?.find(({ message }) => message === failure.message);
    this.#setStatus(name, {
      sync: {
        status: 'Unknown',
        ...(isSpec ? {} : { revision: source.targetRevision }),
        comparedTo: { source, destination },
      },
      health: {
        status: isSpec ? 'Unknown' : (before?.health.status ?? 'Healthy'),
        lastTransitionTime: before?.health.lastTransitionTime ?? now,
      },
      conditions: [
        {
          type: failure.type,
          message: failure.message,
          lastTransitionTime: known?.lastTransitionTime ?? now,
        },
      ],
      ...(isSpec || known !== undefined ? {} : { reconciledAt: now }),
    });
  }

  /** Writes what was compared. Returns whether the cluster is in step with git. */
  #showComparison(name: string, app: Application, target: Target): boolean {
    const { table, pace, faults } = this.#options;
    const before = this.#statusOf(name);
    const now = formatTime(pace.now());
    let resources: ResourceStatus[];
    let isInStep: boolean;
    let health = 'Healthy';
    if (target.kind === 'folder') {
      const drift = findDrift(table, name, target.manifests);
      isInStep = drift.missing.length + drift.changed.length + drift.extra.length === 0;
      const differs = new Set([...drift.missing, ...drift.changed].map(nameOf));
      resources = [
        ...target.manifests.map((one) => describeObject(one, differs.has(nameOf(one)))),
        ...drift.extra.map((one) => ({ ...describeObject(one, true), requiresPruning: true })),
      ];
      if (drift.extra.some(({ metadata }) => metadata.deletionTimestamp !== undefined))
        health = 'Progressing';
    } else {
      const standing = this.#recall(name);
      isInStep = standing.print === target.print;
      const hasPods = !target.release.values.store.suspended;
      const isDegraded = isInStep && hasPods && faults.has(name, 'degraded');
      this.#playDegraded(app, target.release, isInStep, isDegraded);
      health = isDegraded
        ? 'Degraded'
        : isInStep
          ? 'Healthy'
          : Object.keys(standing.applied).length === 0
            ? 'Missing'
            : (before?.health.status ?? 'Missing');
      resources = listWaves(target.release, app.spec.destination.namespace).flatMap((wave) =>
        wave.resources.map((one): ResourceStatus => ({
          ...(one.group === '' ? {} : { group: one.group }),
          version: 'v1',
          kind: one.kind,
          name: one.name,
          status:
            standing.applied[nameResource(one)] === printResource(one, target.release)
              ? 'Synced'
              : 'OutOfSync',
          ...(isDegraded && one.kind === 'Deployment'
            ? {
                health: {
                  status: 'Degraded',
                  message: `Deployment "${one.name}" exceeded its progress deadline`,
                },
              }
            : {}),
        })),
      );
    }
    const isTold = this.#polled.delete(name) || this.#prints.get(name) !== target.print;
    this.#prints.set(name, target.print);
    const next: ApplicationStatus = {
      ...before,
      sync: {
        status: isInStep ? 'Synced' : 'OutOfSync',
        // A commit that changes nothing here is told of at the next poll.
        revision: isTold ? target.revision : (before?.sync.revision ?? target.revision),
        comparedTo: { source: app.spec.source, destination: app.spec.destination },
      },
      health:
        before?.health.status === health
          ? before.health
          : { status: health, lastTransitionTime: now },
      conditions: (before?.conditions ?? []).filter(
        ({ type }) =>
          type === 'SyncError' && !isInStep && this.#recall(name).tried === target.print,
      ),
      resources,
    };
    const finishedAt = before?.operationState?.finishedAt ?? '';
    const isNews =
      (before?.reconciledAt ?? '') < (finishedAt === '' ? '0' : finishedAt) ||
      JSON.stringify(sortKeys(next)) !== JSON.stringify(sortKeys(before));
    if (isNews) this.#setStatus(name, { ...next, reconciledAt: now });
    return isInStep;
  }

  readonly #prints = new Map<string, string>();

  /** A running web server fails, or runs again. */
  #playDegraded(app: Application, release: Release, isInStep: boolean, isDegraded: boolean): void {
    if (!isInStep) return;
    const workload = this.#openWorkload(app, release);
    const part = listWaves(release, workload.namespace)
      .flatMap(({ parts }) => parts)
      .find(({ name }) => name === 'web');
    if (part === undefined) return;
    const pods = this.#options.table
      .list(`/api/v1/namespaces/${workload.namespace}/pods`)
      .filter(({ metadata }) => workload.podsOf(part).includes(metadata.name));
    const isReady = pods.every(({ status }) => JSON.stringify(status).includes('"ready":true'));
    if (isDegraded && isReady) workload.move(part, 'crashing');
    else if (!isDegraded && !isReady) workload.move(part, 'running');
  }

  /** Argo CD does not try the same thing again by itself, unless something can be done about it. */
  #isWorthTrying(name: string, target: Target): boolean {
    const phase = this.#statusOf(name)?.operationState?.phase;
    const { tried } = this.#recall(name);
    if (tried === target.print && phase === 'Failed') return false;
    if (target.kind === 'chart') return true;
    const drift = findDrift(this.#options.table, name, target.manifests);
    // An empty folder looks like the wish to delete everything: Argo CD does not act on it.
    if (target.manifests.length === 0) return false;
    return (
      drift.changed.length > 0 ||
      drift.missing.some((one) => !this.#isHeldBack(one.metadata.name)) ||
      drift.extra.some(
        (one) => one.metadata.deletionTimestamp === undefined && !isPruneProof(one),
      ) ||
      tried !== target.print
    );
  }

  #isHeldBack = (name: string): boolean => this.#options.faults.has(name, 'gone');

  // ── applying ──

  async #sync(name: string, app: Application, first: Target): Promise<void> {
    const { pace, logger } = this.#options;
    // In what it waits: a process that stood still meanwhile has not taken longer.
    let left = SYNC_TIMEOUT_SECONDS;
    const pause = async (seconds: number): Promise<void> => {
      await pace.wait(Math.min(seconds, left), this.#stop.signal);
      left -= seconds;
      if (left <= 0) throw new Error('the sync takes too long');
    };
    let target = first;
    const operation = new Operation({
      app,
      revision: target.revision,
      now: () => pace.now(),
      write: (changes) => this.#setStatus(name, changes),
    });
    try {
      for (;;) {
        const outcome = await this.#try(name, app, target, operation, pause);
        if (outcome.ok) {
          operation.succeed();
          logger.debug({ application: name, revision: target.revision }, `${name}: synced`);
          break;
        }
        if (!operation.mayRetry) {
          operation.fail(outcome.message);
          break;
        }
        await pause(operation.announceRetry(outcome.message));
        const comparison = await this.#compare(app);
        if (comparison?.ok === true) target = comparison.target;
        operation.retry(target.revision);
      }
    } catch (error) {
      if (this.#stop.signal.aborted || left > 0) throw error;
      if (target.kind === 'chart') this.#openWorkload(app, target.release).endHooks();
      operation.terminate();
    }
    this.#remember(name, { tried: target.print });
  }

  async #try(
    name: string,
    app: Application,
    target: Target,
    operation: Operation,
    pause: (seconds: number) => Promise<void>,
  ): Promise<Outcome> {
    const { table, pace, faults } = this.#options;
    const project = this.#findProject(app.spec.project);
    if (project === null) return { ok: false, message: `project ${app.spec.project} is gone` };
    if (target.kind === 'folder') {
      await pause(0.3);
      return applyFolder({
        table,
        now: () => pace.now(),
        application: name,
        project,
        drift: findDrift(table, name, target.manifests),
        isHeldBack: this.#isHeldBack,
        progress: operation,
      });
    }
    const { release, print } = target;
    const outcome = await applyChart({
      application: name,
      release,
      project,
      applied: this.#recall(name).applied,
      onApplied: (applied) => this.#remember(name, { applied }),
      workload: this.#openWorkload(app, release),
      faults,
      seconds: () => pace.seconds(),
      pause,
      progress: operation,
    });
    if (outcome.ok) this.#remember(name, { print, release });
    return outcome;
  }

  /** Takes down what an Application brought, then the Application. */
  async #takeDown(object: KubeObject): Promise<void> {
    const { table, pace } = this.#options;
    const { name } = object.metadata;
    const app = applicationSchema.parse(object);
    const { namespace } = app.spec.destination;
    this.#setHealth(name, 'Progressing', 'OutOfSync');
    const marked = table.get('/api/v1/namespaces', namespace);
    if (marked !== undefined && app.spec.source.helm !== undefined) {
      const deletionTimestamp = formatTime(pace.now());
      table.put('/api/v1/namespaces', {
        ...marked,
        metadata: { ...marked.metadata, deletionTimestamp },
        status: { phase: 'Terminating' },
      });
    }
    await pace.wait(REMOVAL_SECONDS, this.#stop.signal);
    this.#setHealth(name, 'Missing', 'OutOfSync');
    if (app.spec.source.helm !== undefined) removeNamespace(table, namespace);
    table.remove(RELEASES, name);
    this.#prints.delete(name);
    table.remove(APPLICATIONS, name);
  }

  // ── what is remembered ──

  #openWorkload(app: Application, release: Release): Workload {
    const { table, pace } = this.#options;
    const { namespace } = app.spec.destination;
    return new Workload({ table, now: () => pace.now(), namespace, release });
  }

  #recall(name: string): Memory {
    return memorySchema.parse(this.#options.table.get(RELEASES, name) ?? {});
  }

  #remember(name: string, changes: Partial<Memory>): void {
    this.#options.table.put(RELEASES, {
      apiVersion: 'practice.shopyard.dev/v1',
      kind: 'Release',
      metadata: { name },
      ...this.#recall(name),
      ...changes,
    });
  }

  #statusOf(name: string): ApplicationStatus | undefined {
    const object = this.#options.table.get(APPLICATIONS, name);
    return object === undefined ? undefined : statusOf(object);
  }

  #setHealth(name: string, health: string, sync: 'Synced' | 'OutOfSync'): void {
    const before = this.#statusOf(name);
    if (before === undefined) return;
    const lastTransitionTime = formatTime(this.#options.pace.now());
    this.#setStatus(name, {
      health: { status: health, lastTransitionTime },
      sync: { ...before.sync, status: sync },
    });
  }

  #setStatus(name: string, changes: Partial<ApplicationStatus>): void {
    const object = this.#options.table.get(APPLICATIONS, name);
    if (object === undefined) return;
    const before = statusOf(object);
    const status = { ...before, ...changes };
    if (before?.health !== undefined && before.health.status === changes.health?.status)
      status.health = before.health;
    this.#options.table.put(APPLICATIONS, { ...object, status });
  }
}

const nameOf = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.name}`;

function describeObject(object: KubeObject, differs: boolean): ResourceStatus {
  const [group = '', version = ''] = object.apiVersion.split('/');
  return {
    group,
    version,
    kind: object.kind,
    name: object.metadata.name,
    status: differs ? 'OutOfSync' : 'Synced',
  };
}
