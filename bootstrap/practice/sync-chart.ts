/**
 * One try at applying a store's Application: its chart wave by wave, with the messages of real Argo CD
 * (test/contract/traces) and the faults that are switched on.
 */
import type { Outcome, Progress, Project, ResourceResult } from './application.ts';
import type { Fault, Faults } from './faults.ts';
import {
  findGroup,
  listWaves,
  nameResource,
  printResource,
  type Hook,
  type Part,
  type Release,
  type Resource,
} from './release.ts';
import type { Workload } from './workload.ts';

const SLOWNESS = 5;

/** How many of the lab's seconds a wave takes, by what it waits for. */
const SECONDS = {
  namespace: 3,
  settings: 2.5,
  Job: 4,
  StatefulSet: 5,
  Deployment: 4.5,
  /** Of several that start together, each after the first. */
  further: 1,
  /** Nobody waits for what comes last. */
  last: 0.2,
} as const;

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

  const applyHook = async (hook: Hook, beside: string): Promise<Outcome> => {
    const about = `hook batch/Job/${hook.name}`;
    const result = (hookPhase: NonNullable<ResourceResult['hookPhase']>, message: string): void => {
      const job = describe({ group: 'batch', kind: 'Job', name: hook.name });
      progress.record({ ...job, status: 'Synced', hookType: 'Sync', hookPhase, message });
    };
    workload.start(hook, canPull(hook));
    result('Running', `job.batch/${hook.name} created`);
    if (beside !== '') {
      progress.report(`waiting for completion of ${about}${beside}`);
      await pause(0.5);
    }
    progress.report(`waiting for completion of ${about}`);
    const deadline = options.seconds() + hook.deadline;
    while (!canPull(hook)) {
      workload.move(hook, 'unpullable');
      if (options.seconds() >= deadline) {
        const message = 'Job was active longer than specified deadline';
        workload.endJob(hook, message);
        result('Failed', message);
        return { ok: false, message: 'one or more synchronization tasks completed unsuccessfully' };
      }
      await options.pause(2);
    }
    await pause(SECONDS.Job * 0.3);
    workload.move(hook, 'running');
    await pause(SECONDS.Job * 0.7);
    if (hook.name === 'secrets') workload.makeSecrets();
    workload.endJob(hook);
    result('Succeeded', 'Reached expected number of succeeded pods');
    return { ok: true };
  };

  const bringUp = async (parts: readonly Part[]): Promise<void> => {
    const waiting = parts.map(({ kind, name }) => ({ group: 'apps', kind, name }));
    const isStuck = (): boolean => has('hang') || !parts.every(canPull);
    for (const part of parts) workload.start(part, canPull(part));
    await pause(0.2);
    progress.report(describeWait(waiting), 'Progressing');
    while (isStuck()) {
      for (const part of parts) if (!canPull(part)) workload.move(part, 'unpullable');
      await options.pause(2);
    }
    // The first by name is the last to come up: so it went on the lab.
    for (const [index, part] of parts.toReversed().entries()) {
      await pause(index === 0 ? SECONDS[part.kind] : SECONDS.further);
      workload.move(part, 'running');
      const rest = waiting.slice(0, waiting.length - 1 - index);
      if (rest.length > 0) progress.report(describeWait(rest));
      else progress.report(describeWait(waiting.slice(0, 1)), 'Healthy');
    }
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
  let leftovers = Object.keys(applied)
    .filter((name) => !wanted.has(name))
    .map((key): Named => {
      const [kind = '', name = ''] = key.split('/');
      return { group: findGroup(release, kind), kind, name };
    });
  await pause(0.8);
  for (const [index, { resources, parts, idle, hooks }] of waves.entries()) {
    const isLast = index === waves.length - 1;
    const changed = resources.filter(
      (resource) => applied[nameResource(resource)] !== printResource(resource, release),
    );
    const isChanged = (part: Part): boolean =>
      changed.some((resource) => nameResource(resource) === nameResource(part));
    const started = parts.filter(isChanged);
    const stopped = idle.filter(isChanged);
    for (const hook of hooks.filter((hook) => workload.hasJob(hook))) {
      progress.report(`waiting for deletion of hook batch/Job/${hook.name}`);
      workload.removeJob(hook);
      await pause(2);
    }
    const [broken] = has('sync-error') ? [...started, ...stopped] : [];
    if (broken !== undefined) {
      const reason = `${broken.kind}.apps "${broken.name}" is invalid: spec: Forbidden: a fault that was switched on in the practice cluster`;
      refuse({ group: 'apps', ...broken }, reason);
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
    for (const part of stopped) workload.stop(part);
    if (changed.length > 0) {
      options.onApplied(applied);
      // What is left over goes first, in the reverse order of waves: the former quota, then the rest.
      const [last, ...first] = leftovers;
      leftovers = [];
      for (const { kind, name } of first) workload.remove(kind, name);
      if (hooks.length === 0 && !isLast)
        progress.report(describeWait([...first, ...changed]), index === 1 ? 'Healthy' : undefined);
      if (last !== undefined) {
        await pause(2);
        workload.remove(last.kind, last.name);
        progress.report(describeWait([last]));
      }
    }
    for (const hook of hooks) {
      const outcome = await applyHook(hook, describeMore(changed.length));
      if (!outcome.ok) return outcome;
    }
    if (started.length > 0) await bringUp(started);
    else if (changed.length > 0 && hooks.length === 0)
      await pause(isLast ? SECONDS.last : index === 0 ? SECONDS.namespace : SECONDS.settings);
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

function describeWait(resources: readonly Named[]): string {
  const place = ({ kind }: Named): number =>
    KIND_ORDER.includes(kind) ? KIND_ORDER.indexOf(kind) : KIND_ORDER.length;
  const [first] = resources.toSorted((a, b) => place(a) - place(b));
  const more = describeMore(resources.length - 1);
  return `waiting for healthy state of ${first?.group ?? ''}/${first?.kind ?? ''}/${first?.name ?? ''}${more}`;
}

const describeMore = (count: number): string => (count > 0 ? ` and ${count} more resources` : '');
