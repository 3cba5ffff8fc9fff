/**
 * One try at applying a store's Application: its chart wave by wave, with the messages of real Argo CD
 * (test/contract/traces) and the faults that are switched on.
 */
import type { Outcome, Progress, Project, ResourceResult } from './application.ts';
import type { Fault, Faults } from './faults.ts';
import {
  listWaves,
  nameResource,
  printResource,
  type Part,
  type Release,
  type Resource,
} from './release.ts';
import type { Workload } from './workload.ts';

const JOB_DEADLINES: Readonly<Record<string, number>> = { secrets: 150, setup: 420 };
const SLOWNESS = 5;
/** Nobody waits for what comes last: nothing in it takes time to become healthy. */
const LAST_WAVE = 3;

/** What stands of a release, by `<Kind>/<name>`: with what it was applied. */
export type Applied = Readonly<Record<string, string>>;

export async function applyChart(options: {
  readonly application: string;
  readonly release: Release;
  readonly project: Project;
  readonly applied: Applied;
  /** Told after each wave: what was applied stays when the try fails. */
  readonly onApplied: (applied: Applied) => void;
  readonly workload: Workload;
  readonly faults: Faults;
  /** Counts the lab's seconds. */
  readonly seconds: () => number;
  /** Waits that many of the lab's seconds; rejects when the sync is ended. */
  readonly pause: (seconds: number) => Promise<void>;
  readonly progress: Progress;
}): Promise<Outcome> {
  const { release, project, workload, progress } = options;
  const has = (fault: Fault): boolean => options.faults.has(options.application, fault);
  const pause = (seconds: number): Promise<void> =>
    options.pause(has('slow') ? seconds * SLOWNESS : seconds);
  const canPull = (part: Part): boolean => !has('image') && workload.hasImage(part);
  const describe = (resource: Named) => ({
    group: resource.group,
    version: 'v1',
    kind: resource.kind,
    name: resource.name,
    namespace: workload.namespace,
    syncPhase: 'Sync' as const,
  });
  const refuse = (resource: Named, message: string): void =>
    progress.record({ ...describe(resource), status: 'SyncFailed', message });
  let applied = options.applied;

  const applyHook = async (part: Part, seconds: number): Promise<Outcome> => {
    const about = `hook batch/Job/${part.name}`;
    const result = (hookPhase: NonNullable<ResourceResult['hookPhase']>, message: string): void => {
      const job = describe({ group: 'batch', kind: 'Job', name: part.name });
      progress.record({ ...job, status: 'Synced', hookType: 'Sync', hookPhase, message });
    };
    if (workload.hasJob(part)) {
      progress.report(`waiting for deletion of ${about}`);
      workload.removeJob(part);
      await pause(2);
    }
    workload.start(part, canPull(part));
    result('Running', `job.batch/${part.name} created`);
    progress.report(`waiting for completion of ${about}`);
    const deadline = options.seconds() + (JOB_DEADLINES[part.name] ?? 150);
    while (!canPull(part)) {
      workload.move(part, 'unpullable');
      if (options.seconds() >= deadline) {
        const message = 'Job was active longer than specified deadline';
        workload.endJob(part, message);
        result('Failed', message);
        return { ok: false, message: 'one or more synchronization tasks completed unsuccessfully' };
      }
      await options.pause(2);
    }
    await pause(seconds * 0.3);
    workload.move(part, 'running');
    await pause(seconds * 0.7);
    if (part.name === 'secrets') workload.makeSecrets();
    workload.endJob(part);
    result('Succeeded', 'Reached expected number of succeeded pods');
    return { ok: true };
  };

  const bringUp = async (part: Part, seconds: number): Promise<void> => {
    const message = `waiting for healthy state of apps/${part.kind}/${part.name}`;
    workload.start(part, canPull(part));
    await pause(0.2);
    progress.report(message, 'Progressing');
    while (!canPull(part) || has('hang')) {
      if (!canPull(part)) workload.move(part, 'unpullable');
      await options.pause(2);
    }
    await pause(seconds);
    workload.move(part, 'running');
    progress.report(message, 'Healthy');
  };

  const waves = listWaves(release, workload.namespace);
  const isPermitted = project.spec.clusterResourceWhitelist.some(
    ({ group, kind }) => group === '' && (kind === 'Namespace' || kind === '*'),
  );
  if (!isPermitted) {
    const message = `resource :Namespace is not permitted in project ${project.metadata.name}`;
    refuse({ group: '', kind: 'Namespace', name: workload.namespace }, message);
    return { ok: false, message: `one or more synchronization tasks are not valid: ${message}` };
  }
  const wanted = new Set(waves.flatMap((wave) => wave.resources.map(nameResource)));
  let leftovers = Object.keys(applied).filter((name) => !wanted.has(name));
  await pause(0.8);
  for (const { wave, seconds, resources, part } of waves) {
    const changed = resources.filter(
      (resource) => applied[nameResource(resource)] !== printResource(resource, release),
    );
    if (part?.kind === 'Job') {
      const outcome = await applyHook(part, seconds);
      if (!outcome.ok) return outcome;
      continue;
    }
    if (changed.length === 0) continue;
    const broken = has('sync-error') ? changed.find(({ kind }) => kind === part?.kind) : undefined;
    if (broken !== undefined) {
      const reason = `${broken.kind}.apps "${broken.name}" is invalid: spec: Forbidden: a fault that was switched on in the practice cluster`;
      refuse(broken, reason);
      return { ok: false, message: `one or more objects failed to apply, reason: ${reason}` };
    }
    for (const resource of changed) {
      const verb = applied[nameResource(resource)] === undefined ? 'created' : 'configured';
      const message = `${resource.kind.toLowerCase()}/${resource.name} ${verb}`;
      progress.record({ ...describe(resource), status: 'Synced', hookPhase: 'Succeeded', message });
      if (resource.kind === 'Namespace') workload.makeNamespace();
      if (resource.name === 'shopyard-generation') workload.putGeneration();
      applied = { ...applied, [nameResource(resource)]: printResource(resource, release) };
    }
    options.onApplied(applied);
    // What a plan leaves over goes first, in the reverse order of waves: the former quota, then the rest.
    const [last, ...first] = leftovers.map(readResource);
    leftovers = [];
    if (wave < LAST_WAVE)
      progress.report(describeWait([...first, ...changed]), wave === -3 ? 'Healthy' : undefined);
    if (last !== undefined) {
      await pause(2);
      progress.report(describeWait([last]));
    }
    const isStarted = changed.some(({ kind }) => kind === part?.kind);
    if (part !== undefined && isStarted) await bringUp(part, seconds);
    else await pause(seconds);
  }
  options.onApplied(
    Object.fromEntries(Object.entries(applied).filter(([name]) => wanted.has(name))),
  );
  workload.putQuota();
  return { ok: true };
}

/** Argo CD names the first of a wave in its own order of kinds, then by name. */
const KIND_ORDER = [
  'Namespace',
  'NetworkPolicy',
  'ResourceQuota',
  'LimitRange',
  'ServiceAccount',
  'PersistentVolumeClaim',
  'ConfigMap',
  'Service',
];

type Named = Pick<Resource, 'group' | 'kind' | 'name'>;

/** What is left over is of the core group: a plan's quota and limits. */
function readResource(key: string): Named {
  const [kind = '', name = ''] = key.split('/');
  return { group: '', kind, name };
}

function describeWait(resources: readonly Named[]): string {
  const place = ({ kind }: Named): number =>
    KIND_ORDER.includes(kind) ? KIND_ORDER.indexOf(kind) : KIND_ORDER.length;
  const [first] = resources.toSorted((a, b) => place(a) - place(b));
  const more = resources.length > 1 ? ` and ${resources.length - 1} more resources` : '';
  return `waiting for healthy state of ${first?.group ?? ''}/${first?.kind ?? ''}/${first?.name ?? ''}${more}`;
}
