/** Argo CD's own objects, as far as they are acted on: what the CRDs demand, and the status. */
import { z } from 'zod';
import type { KubeObject } from './table.ts';

export const ARGOCD_NAMESPACE = 'argocd';
export const APPLICATIONS = `/apis/argoproj.io/v1alpha1/namespaces/${ARGOCD_NAMESPACE}/applications`;
export const PROJECTS = `/apis/argoproj.io/v1alpha1/namespaces/${ARGOCD_NAMESPACE}/appprojects`;

const duration = z.string().regex(/^(\d+(\.\d+)?(ms|s|m|h))+$/);
const strings = z.record(z.string(), z.string());

const metadata = z.looseObject({
  name: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/)
    .max(253),
  namespace: z.literal(ARGOCD_NAMESPACE),
  labels: strings.optional(),
  annotations: strings.optional(),
  finalizers: z.array(z.string()).optional(),
});

const source = z.looseObject({
  repoURL: z.string().min(1),
  targetRevision: z.string().default('HEAD'),
  path: z.string().default(''),
  helm: z
    .looseObject({
      releaseName: z.string().optional(),
      valueFiles: z.array(z.string()).default([]),
    })
    .optional(),
  directory: z.looseObject({ recurse: z.boolean().default(false) }).optional(),
});

export const applicationSchema = z.looseObject({
  apiVersion: z.literal('argoproj.io/v1alpha1'),
  kind: z.literal('Application'),
  metadata,
  spec: z.looseObject({
    project: z.string(),
    source,
    destination: z.looseObject({
      server: z.string().default(''),
      namespace: z.string().default(''),
    }),
    revisionHistoryLimit: z.number().int().optional(),
    syncPolicy: z
      .looseObject({
        automated: z
          .looseObject({ prune: z.boolean().optional(), selfHeal: z.boolean().optional() })
          .optional(),
        syncOptions: z.array(z.string()).optional(),
        retry: z
          .looseObject({
            limit: z.number().int().default(5),
            backoff: z
              .looseObject({
                duration: duration.default('5s'),
                factor: z.number().int().default(2),
                maxDuration: duration.default('3m'),
              })
              .prefault({}),
          })
          .optional(),
      })
      .optional(),
  }),
});
export type Application = z.infer<typeof applicationSchema>;

export const projectSchema = z.looseObject({
  apiVersion: z.literal('argoproj.io/v1alpha1'),
  kind: z.literal('AppProject'),
  metadata,
  spec: z.looseObject({
    sourceRepos: z.array(z.string()).default([]),
    destinations: z
      .array(z.looseObject({ server: z.string().default(''), namespace: z.string().default('') }))
      .default([]),
    clusterResourceWhitelist: z
      .array(z.object({ group: z.string(), kind: z.string() }))
      .default([]),
    namespaceResourceWhitelist: z
      .array(z.object({ group: z.string(), kind: z.string() }))
      .optional(),
  }),
});
export type Project = z.infer<typeof projectSchema>;

export type ResourceResult = {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly status: 'Synced' | 'SyncFailed' | 'Pruned' | 'PruneSkipped';
  readonly syncPhase: 'Sync';
  readonly hookPhase?: 'Running' | 'Succeeded' | 'Failed';
  readonly hookType?: 'Sync';
  readonly message: string;
};

export type OperationState = {
  readonly phase: 'Running' | 'Terminating' | 'Succeeded' | 'Failed';
  readonly message: string;
  readonly startedAt: string;
  readonly finishedAt?: string;
  readonly retryCount?: number;
  readonly operation: unknown;
  readonly syncResult?: {
    readonly revision: string;
    readonly source: unknown;
    readonly resources: readonly ResourceResult[];
  };
};

export type ResourceStatus = {
  readonly group?: string;
  readonly version: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly status?: 'Synced' | 'OutOfSync' | 'Unknown';
  readonly health?: { readonly status: string; readonly message?: string };
  readonly hook?: boolean;
  readonly requiresPruning?: boolean;
};

export type ApplicationStatus = {
  readonly sync: {
    readonly status: 'Synced' | 'OutOfSync' | 'Unknown';
    readonly revision?: string;
    readonly comparedTo: { readonly source: unknown; readonly destination: unknown };
  };
  readonly health: { readonly status: string; readonly lastTransitionTime: string };
  readonly reconciledAt?: string;
  readonly conditions?: readonly {
    readonly type: string;
    readonly message: string;
    readonly lastTransitionTime: string;
  }[];
  readonly resources?: readonly ResourceStatus[];
  readonly operationState?: OperationState;
};

/** How a try at applying an Application ended. */
export type Outcome = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** What a try tells while it goes on. */
export type Progress = {
  /** The sync's message, and the Application's health when that changes. */
  report(message: string, health?: string): void;
  /** What became of one object; shown with the next report. */
  record(result: ResourceResult): void;
};

export const statusOf = (object: KubeObject): ApplicationStatus | undefined =>
  object.status as ApplicationStatus | undefined;

const SYNC_OPTIONS = 'argocd.argoproj.io/sync-options';
const TRACKING = 'argocd.argoproj.io/tracking-id';
export const FINALIZER = 'resources-finalizer.argocd.argoproj.io';

/** Whether removing its file from git deletes nothing. */
export function isPruneProof(object: KubeObject): boolean {
  const options = object.metadata.annotations?.[SYNC_OPTIONS] ?? '';
  return options.split(',').some((option) => option.trim() === 'Prune=false');
}

/** The Application that brought this object; null: none did. */
export function ownerOf(object: KubeObject): string | null {
  return object.metadata.annotations?.[TRACKING]?.split(':', 1)[0] ?? null;
}

/** The object with the mark of the Application that brings it. */
export function track(object: KubeObject, application: string): KubeObject {
  const { name } = object.metadata;
  const id = `${application}:argoproj.io/${object.kind}:${ARGOCD_NAMESPACE}/${name}`;
  const annotations = { ...object.metadata.annotations, [TRACKING]: id };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** `2m` → seconds. */
export function readSeconds(text: string): number {
  const units = { ms: 0.001, s: 1, m: 60, h: 3_600 } as const;
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|s|m|h)/g))
    seconds += Number(amount) * units[unit as keyof typeof units];
  return seconds;
}
