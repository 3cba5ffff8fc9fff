/** One try at applying a folder's Application, a shard's, an add-on's or the root's: its objects, at once. */
import { z } from 'zod';
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
  type Outcome,
  type Progress,
  type Project,
  type ResourceResult,
} from './application.ts';
import { formatTime, sortKeys, type KubeObject, type ObjectTable } from './table.ts';

/** Kept and never asked: nothing is admitted to a cluster that runs nothing. */
const admissionSchema = z.looseObject({ spec: z.looseObject({}) });
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';

/** What a folder may hold. */
const COLLECTIONS: Readonly<
  Record<string, { readonly path: string; readonly schema: z.ZodType; readonly isScoped: boolean }>
> = {
  Application: { path: APPLICATIONS, schema: applicationSchema, isScoped: true },
  AppProject: { path: PROJECTS, schema: projectSchema, isScoped: true },
  ValidatingAdmissionPolicy: {
    path: `${ADMISSION}/validatingadmissionpolicies`,
    schema: admissionSchema,
    isScoped: false,
  },
  ValidatingAdmissionPolicyBinding: {
    path: `${ADMISSION}/validatingadmissionpolicybindings`,
    schema: admissionSchema,
    isScoped: false,
  },
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
  const live = Object.values(COLLECTIONS).flatMap(({ path }) => table.list(path));
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
  const { namespaceResourceWhitelist, clusterResourceWhitelist } = project.spec;
  const failures: string[] = [];
  const record = (object: KubeObject, status: ResourceResult['status'], message: string): void => {
    const [group = '', version = ''] = object.apiVersion.split('/');
    const { kind, metadata } = object;
    const phase = status === 'SyncFailed' ? 'Failed' : 'Succeeded';
    progress.record({
      group,
      version,
      kind,
      name: metadata.name,
      namespace: metadata.namespace ?? '',
      status,
      syncPhase: 'Sync',
      hookPhase: phase,
      message,
    });
    if (status === 'SyncFailed') failures.push(message);
  };
  const denied = [...drift.missing, ...drift.changed].filter(
    ({ apiVersion, kind }) =>
      (COLLECTIONS[kind]?.isScoped === false
        ? clusterResourceWhitelist
        : namespaceResourceWhitelist
      )?.some(
        (rule) =>
          (rule.group === '*' || rule.group === apiVersion.split('/')[0]) &&
          (rule.kind === '*' || rule.kind === kind),
      ) === false,
  );
  if (denied.length > 0) {
    for (const { apiVersion, kind, ...object } of denied)
      record(
        { apiVersion, kind, ...object },
        'SyncFailed',
        `resource ${apiVersion.split('/')[0] ?? ''}:${kind} is not permitted in project ${project.metadata.name}`,
      );
    return {
      ok: false,
      message: `one or more synchronization tasks are not valid: ${failures[0] ?? ''}`,
    };
  }
  for (const object of [...drift.missing, ...drift.changed]) {
    const { name } = object.metadata;
    const [group = ''] = object.apiVersion.split('/');
    const collection = COLLECTIONS[object.kind];
    const issue = collection?.schema.safeParse(object).error?.issues[0];
    if (collection === undefined || issue !== undefined) {
      record(
        object,
        'SyncFailed',
        `${object.kind}.${group} "${name}" is invalid: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'no such kind'}`,
      );
      continue;
    }
    const { path } = collection;
    if (object.kind === 'Application' && options.isHeldBack(name)) continue;
    const before = table.get(path, name);
    const status = before === undefined ? undefined : statusOf(before);
    table.put(path, { ...track(object, application), ...(status === undefined ? {} : { status }) });
    const verb = before === undefined ? 'created' : 'configured';
    record(object, 'Synced', `${object.kind.toLowerCase()}.${group}/${name} ${verb}`);
  }
  for (const object of drift.extra) {
    const { name, finalizers = [] } = object.metadata;
    const path = COLLECTIONS[object.kind]?.path ?? '';
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
