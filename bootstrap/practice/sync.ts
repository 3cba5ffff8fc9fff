/**
 * One try at applying an Application: a folder's objects at once, a chart wave by wave, with the
 * messages of real Argo CD (test/contract/traces) and the faults that are switched on.
 */
import {
  applicationSchema,
  APPLICATIONS,
  FINALIZER,
  isPruneProof,
  ownerOf,
  projectSchema,
  PROJECTS,
  statusOf,
  track,
  type Project,
  type ResourceResult,
} from './application.ts';
import type { Fault, Faults } from './faults.ts';
import { listCauses, listWaves, type Part, type Release, type Resource } from './release.ts';
import { formatTime, sortKeys, type KubeObject, type ObjectTable } from './table.ts';
import type { Workload } from './workload.ts';

export type Outcome = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** What a try tells while it goes on. */
export type Progress = {
  /** The sync's message, and the Application's health when that changes. */
  report(message: string, health?: string): void;
  record(result: ResourceResult): void;
};

// ── folders: root and shards ──

const COLLECTION_OF: Readonly<Record<string, string>> = {
  Application: APPLICATIONS,
  AppProject: PROJECTS,
};

/** What a folder's Application finds different from git. */
export type Drift = {
  readonly missing: readonly KubeObject[];
  readonly changed: readonly KubeObject[];
  /** Brought by this Application and no longer in git. */
  readonly extra: readonly KubeObject[];
};

export function findDrift(
  table: ObjectTable,
  application: string,
  manifests: readonly KubeObject[],
): Drift {
  const wanted = new Map(manifests.map((one) => [`${one.kind}/${one.metadata.name}`, one]));
  const live = [...table.list(APPLICATIONS), ...table.list(PROJECTS)];
  const present = new Map(live.map((one) => [`${one.kind}/${one.metadata.name}`, one]));
  return {
    missing: manifests.filter((one) => !present.has(`${one.kind}/${one.metadata.name}`)),
    changed: manifests.filter((one) => {
      const there = present.get(`${one.kind}/${one.metadata.name}`);
      return there !== undefined && !isSame(track(one, application), there);
    }),
    extra: live.filter(
      (one) => ownerOf(one) === application && !wanted.has(`${one.kind}/${one.metadata.name}`),
    ),
  };
}

/** Whether the live object is what is wanted, but for what the cluster adds. */
function isSame(wanted: KubeObject, live: KubeObject): boolean {
  const cut = ({ metadata, ...object }: KubeObject): string =>
    JSON.stringify(
      sortKeys({
        spec: object.spec,
        labels: metadata.labels ?? {},
        annotations: metadata.annotations ?? {},
        finalizers: metadata.finalizers ?? [],
      }),
    );
  return cut(wanted) === cut(live);
}

/**
 * Applies what differs and removes what is left over, but for what carries `Prune=false`. An
 * Application with the cascade's finalizer is only marked: its own worker takes it down.
 */
export function applyFolder(options: {
  readonly table: ObjectTable;
  readonly now: () => Date;
  readonly application: string;
  readonly project: Project;
  readonly drift: Drift;
  /** An Application that must not come back yet. */
  readonly isHeldBack: (name: string) => boolean;
  readonly progress: Progress;
}): Outcome {
  const { table, application, project, drift, progress } = options;
  const allowed = project.spec.namespaceResourceWhitelist;
  const failures: string[] = [];
  const record = (object: KubeObject, status: ResourceResult['status'], message: string): void => {
    const [group = '', version = ''] = object.apiVersion.split('/');
    const { kind, metadata } = object;
    const phase = status === 'SyncFailed' ? 'Failed' : 'Succeeded';
    progress.record({
      group, version, kind, name: metadata.name, namespace: metadata.namespace ?? '',
      status, syncPhase: 'Sync', hookPhase: phase, message,
    }); // prettier-ignore
    if (status === 'SyncFailed') failures.push(message);
  };
  const denied = [...drift.missing, ...drift.changed].filter(
    ({ apiVersion, kind }) =>
      allowed?.some(
        (rule) => (rule.group === '*' || rule.group === apiVersion.split('/')[0]) && (rule.kind === '*' || rule.kind === kind), // prettier-ignore
      ) === false,
  );
  if (denied.length > 0) {
    for (const { apiVersion, kind, ...object } of denied)
      record({ apiVersion, kind, ...object }, 'SyncFailed', `resource ${apiVersion.split('/')[0] ?? ''}:${kind} is not permitted in project ${project.metadata.name}`); // prettier-ignore
    return { ok: false, message: `one or more synchronization tasks are not valid: ${failures[0] ?? ''}` }; // prettier-ignore
  }
  for (const object of [...drift.missing, ...drift.changed]) {
    const { name } = object.metadata;
    const path = COLLECTION_OF[object.kind];
    const checked = (object.kind === 'Application' ? applicationSchema : projectSchema).safeParse(
      object,
    );
    if (path === undefined || !checked.success) {
      const issue = checked.error?.issues[0];
      record(object, 'SyncFailed', `${object.kind}.argoproj.io "${name}" is invalid: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'no such kind'}`); // prettier-ignore
      continue;
    }
    if (object.kind === 'Application' && options.isHeldBack(name)) continue;
    const before = table.get(path, name);
    const status = before === undefined ? undefined : statusOf(before);
    table.put(path, { ...track(object, application), ...(status === undefined ? {} : { status }) });
    const verb = before === undefined ? 'created' : 'configured';
    record(object, 'Synced', `${object.kind.toLowerCase()}.argoproj.io/${name} ${verb}`);
  }
  for (const object of drift.extra) {
    const { name, finalizers = [] } = object.metadata;
    const path = COLLECTION_OF[object.kind] ?? '';
    if (isPruneProof(object)) record(object, 'PruneSkipped', 'ignored (no prune)');
    else {
      if (finalizers.includes(FINALIZER)) markDeleting(table, object, options.now());
      else table.remove(path, name);
      record(object, 'Pruned', 'pruned');
    }
  }
  return failures.length === 0
    ? { ok: true }
    : { ok: false, message: `one or more objects failed to apply, reason: ${failures[0] ?? ''}` };
}

/** Marks an Application as being deleted; what it brought goes before it does. */
export function markDeleting(table: ObjectTable, object: KubeObject, now: Date): void {
  const metadata = { ...object.metadata, deletionTimestamp: formatTime(now) };
  table.put(APPLICATIONS, { ...object, metadata });
}

// ── charts: stores ──

const JOB_DEADLINES: Readonly<Record<string, number>> = { secrets: 150, setup: 420 };
const SLOWNESS = 5;

/** Applies a chart wave by wave. `pause` counts the lab's seconds and rejects when the sync is ended. */
export async function applyRelease(options: {
  readonly application: string;
  readonly release: Release;
  readonly before: Release | null;
  readonly workload: Workload;
  readonly faults: Faults;
  readonly pause: (seconds: number) => Promise<void>;
  readonly progress: Progress;
}): Promise<Outcome> {
  const { application, release, before, workload, faults, progress } = options;
  const causes = listCauses(before, release);
  const has = (fault: Fault): boolean => faults.has(application, fault);
  const pause = (seconds: number): Promise<void> =>
    options.pause(has('slow') ? seconds * SLOWNESS : seconds);

  const applyHook = async (part: Part, seconds: number): Promise<Outcome> => {
    const about = `hook batch/Job/${part.name}`;
    const result = (phase: 'Running' | 'Succeeded' | 'Failed', message: string): void =>
      progress.record({
        group: 'batch', version: 'v1', kind: 'Job', name: part.name, namespace: workload.namespace,
        status: 'Synced', syncPhase: 'Sync', hookType: 'Sync', hookPhase: phase, message,
      }); // prettier-ignore
    workload.start(part, has('image') ? 'unpullable' : 'starting');
    result('Running', `job.batch/${part.name} created`);
    progress.report(`waiting for completion of ${about}`);
    let waited = 0;
    for (; has('image'); waited += 1) {
      workload.move(part, 'unpullable');
      if (waited >= (JOB_DEADLINES[part.name] ?? 150)) {
        const message = 'Job was active longer than specified deadline';
        workload.putJob(part, 'failed', message);
        workload.move(part, 'failed');
        result('Failed', message);
        return { ok: false, message: 'one or more synchronization tasks completed unsuccessfully' };
      }
      await options.pause(1);
    }
    await pause(seconds * 0.3);
    workload.move(part, 'running');
    await pause(seconds * 0.7);
    if (part.name === 'secrets') workload.makeSecrets();
    workload.move(part, 'succeeded');
    workload.putJob(part, 'complete');
    result('Succeeded', 'Reached expected number of succeeded pods');
    return { ok: true };
  };

  const bringUp = async (part: Part, seconds: number): Promise<void> => {
    const about = `apps/${part.kind}/${part.name}`;
    workload.start(part, has('image') ? 'unpullable' : 'starting');
    await pause(0.2);
    progress.report(`waiting for healthy state of ${about}`, 'Progressing');
    while (has('image') || has('hang')) {
      if (has('image')) workload.move(part, 'unpullable');
      await options.pause(1);
    }
    await pause(seconds);
    workload.move(part, 'running');
    progress.report(`waiting for healthy state of ${about}`, 'Healthy');
  };

  await pause(0.8);
  for (const { wave, seconds, resources, part } of listWaves(release, workload.namespace)) {
    const changed = resources.filter(
      ({ changesWith }) => causes === 'all' || changesWith.some((cause) => causes.includes(cause)),
    );
    const [first] = changed.toSorted(byKind);
    if (first !== undefined) {
      const more = changed.length > 1 ? ` and ${changed.length - 1} more resources` : '';
      const message = `waiting for healthy state of ${first.group}/${first.kind}/${first.name}`;
      if (has('sync-error') && part !== undefined) {
        const reason = `${part.kind}.apps "${part.name}" is invalid: spec: Forbidden: a fault that was switched on in the practice cluster`;
        progress.record({ ...describe({ group: 'apps', kind: part.kind, name: part.name }, workload), status: 'SyncFailed', hookPhase: 'Failed', message: reason }); // prettier-ignore
        return { ok: false, message: `one or more objects failed to apply, reason: ${reason}` };
      }
      const verb = causes === 'all' ? 'created' : 'configured';
      for (const resource of changed)
        progress.record({ ...describe(resource, workload), message: `${resource.kind.toLowerCase()}/${resource.name} ${verb}` }); // prettier-ignore
      if (wave === -5) workload.makeNamespace();
      if (wave === -3) workload.putGeneration();
      // Nobody waits for the last wave: it has nothing that takes time to become healthy.
      if (wave < 3) progress.report(message + more, wave === -3 ? 'Healthy' : undefined);
      if (part === undefined) await pause(seconds);
      else await bringUp(part, seconds);
    } else if (part?.kind === 'Job') {
      const outcome = await applyHook(part, seconds);
      if (!outcome.ok) return outcome;
    }
  }
  workload.putQuota();
  return { ok: true };
}

function describe(
  { group, kind, name }: Pick<Resource, 'group' | 'kind' | 'name'>,
  workload: Workload,
): Omit<ResourceResult, 'message'> {
  return {
    group, version: 'v1', kind, name, namespace: workload.namespace,
    status: 'Synced', syncPhase: 'Sync', hookPhase: 'Succeeded',
  }; // prettier-ignore
}

/** Argo CD names the first of a wave in its own order of kinds. */
const KIND_ORDER = ['Namespace', 'NetworkPolicy', 'LimitRange', 'ServiceAccount', 'PersistentVolumeClaim', 'Service', 'ConfigMap']; // prettier-ignore

function byKind(a: Resource, b: Resource): number {
  const place = ({ kind }: Resource): number => {
    const at = KIND_ORDER.indexOf(kind);
    return at === -1 ? KIND_ORDER.length : at;
  };
  return place(a) - place(b);
}
