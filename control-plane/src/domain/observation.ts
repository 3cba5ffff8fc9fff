/**
 * What is kept of an Argo CD Application: the little that the lifecycle needs, checked and cut to
 * size. The API server's object is data from elsewhere: it is parsed here, and an object that does
 * not parse is counted and skipped by the caller, never guessed at. Whole objects are not kept.
 */
import { z } from 'zod';

export const SYNC_STATUSES = ['Synced', 'OutOfSync', 'Unknown'] as const;
export type SyncStatus = (typeof SYNC_STATUSES)[number];

export const HEALTH_STATUSES = [
  'Healthy',
  'Progressing',
  'Degraded',
  'Suspended',
  'Missing',
  'Unknown',
] as const;
export type HealthStatus = (typeof HEALTH_STATUSES)[number];

export const OPERATION_PHASES = ['Running', 'Terminating', 'Succeeded', 'Failed', 'Error'] as const;
export type OperationPhase = (typeof OPERATION_PHASES)[number];

/** One object of a sync that is a hook, or that could not be applied. */
export type SyncedObject = {
  readonly kind: string;
  readonly name: string;
  readonly phase: string | null;
  readonly message: string;
};

export type SyncOperation = {
  readonly phase: OperationPhase;
  readonly message: string;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
  readonly retryCount: number;
  /** What was asked for; Argo CD clears it when a retry takes the newest commit. */
  readonly revision: string | null;
  /** What was, or is being, applied. */
  readonly syncedRevision: string | null;
  /** Hooks by `<Kind>/<name>`, with their phase. */
  readonly hooks: readonly SyncedObject[];
  /** Objects that could not be applied, at most ten. */
  readonly failures: readonly SyncedObject[];
};

export type TroubledResource = {
  readonly kind: string;
  readonly name: string;
  readonly sync: string | null;
  readonly health: string | null;
  readonly message: string;
};

export type Observation = {
  /** The Application's name. */
  readonly application: string;
  readonly uid: string;
  /** Label `shopyard.dev/store`; null for root, shards and add-ons. */
  readonly storeId: string | null;
  readonly deletingSince: Date | null;
  /** True while removing its file from git would delete nothing (`Prune=false`). */
  readonly guarded: boolean;
  readonly sync: SyncStatus;
  /** The commit that was compared with the cluster. */
  readonly comparedRevision: string | null;
  /** What that comparison rendered: chart folder and values files. */
  readonly source: { readonly path: string; readonly valueFiles: readonly string[] } | null;
  readonly health: HealthStatus;
  readonly healthMessage: string;
  readonly reconciledAt: Date | null;
  readonly operation: SyncOperation | null;
  /** Newest first by type as Argo CD gives them, at most ten. */
  readonly conditions: readonly { readonly type: string; readonly message: string }[];
  /** Objects that are not Synced or not Healthy, at most ten. */
  readonly troubled: readonly TroubledResource[];
};

export type Extraction =
  | { readonly ok: true; readonly observation: Observation }
  | { readonly ok: false; readonly name: string | null; readonly message: string };

const STORE_LABEL = 'shopyard.dev/store';
const SYNC_OPTIONS = 'argocd.argoproj.io/sync-options';
const LISTED_AT_MOST = 10;
/** Longest message kept; what matters in Helm's and Argo CD's messages is near the end. */
const MESSAGE_AT_MOST = 2000;

const message = z
  .string()
  .nullish()
  .transform((text) => {
    const whole = text ?? '';
    return whole.length <= MESSAGE_AT_MOST ? whole : `…${whole.slice(1 - MESSAGE_AT_MOST)}`;
  });
const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const maybeTime = time.nullish().transform((value) => value ?? null);
const revision = z
  .string()
  .nullish()
  .transform((text) => (text === undefined || text === null || text === '' ? null : text));

const resourceResult = z.object({
  kind: z.string(),
  name: z.string(),
  status: z.string().nullish(),
  message,
  hookType: z.string().nullish(),
  hookPhase: z.string().nullish(),
});

const operationState = z.object({
  phase: z.enum(OPERATION_PHASES),
  message,
  startedAt: time,
  finishedAt: maybeTime,
  retryCount: z.number().nullish(),
  operation: z.object({ sync: z.object({ revision }).nullish() }).nullish(),
  syncResult: z.object({ revision, resources: z.array(resourceResult).nullish() }).nullish(),
});

const source = z.object({
  path: z.string().nullish(),
  helm: z.object({ valueFiles: z.array(z.string()).nullish() }).nullish(),
});

const application = z.object({
  metadata: z.object({
    name: z.string().min(1),
    uid: z.string().default(''),
    labels: z.record(z.string(), z.string()).nullish(),
    annotations: z.record(z.string(), z.string()).nullish(),
    deletionTimestamp: maybeTime,
  }),
  // A newborn Application has no status at all, or one without the parts not computed yet.
  status: z
    .object({
      sync: z
        .object({
          status: z.enum(SYNC_STATUSES).or(z.literal('')).nullish(),
          revision,
          comparedTo: z.object({ source: source.nullish() }).nullish(),
        })
        .nullish(),
      health: z
        .object({ status: z.enum(HEALTH_STATUSES).or(z.literal('')).nullish(), message })
        .nullish(),
      reconciledAt: maybeTime,
      operationState: operationState.nullish(),
      conditions: z.array(z.object({ type: z.string(), message })).nullish(),
      resources: z
        .array(
          z.object({
            kind: z.string().default(''),
            name: z.string().default(''),
            status: z.string().nullish(),
            health: z.object({ status: z.string().nullish(), message }).nullish(),
            hook: z.boolean().nullish(),
          }),
        )
        .nullish(),
    })
    .nullish(),
});

type RawApplication = z.infer<typeof application>;
type RawOperation = z.infer<typeof operationState>;

/** Checks and cuts an Application as the API server sends it. */
export function extractObservation(object: unknown): Extraction {
  const parsed = application.safeParse(object);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return {
      ok: false,
      name: readObjectName(object),
      message: issue === undefined ? 'unreadable' : `${issue.path.join('.')}: ${issue.message}`,
    };
  }
  return { ok: true, observation: condense(parsed.data) };
}

/** The object's name when at least that much can be read. */
export function readObjectName(object: unknown): string | null {
  const named = z.object({ metadata: z.object({ name: z.string().min(1) }) }).safeParse(object);
  return named.success ? named.data.metadata.name : null;
}

function condense({ metadata, status }: RawApplication): Observation {
  const compared = status?.sync?.comparedTo?.source;
  const options = metadata.annotations?.[SYNC_OPTIONS] ?? '';
  return {
    application: metadata.name,
    uid: metadata.uid,
    storeId: metadata.labels?.[STORE_LABEL] ?? null,
    deletingSince: metadata.deletionTimestamp,
    guarded: options.split(',').some((option) => option.trim() === 'Prune=false'),
    // Argo CD leaves these empty until it has looked for the first time.
    sync: status?.sync?.status || 'Unknown',
    comparedRevision: status?.sync?.revision ?? null,
    source:
      compared === undefined || compared === null
        ? null
        : { path: compared.path ?? '', valueFiles: compared.helm?.valueFiles ?? [] },
    health: status?.health?.status || 'Unknown',
    healthMessage: status?.health?.message ?? '',
    reconciledAt: status?.reconciledAt ?? null,
    operation:
      status?.operationState === undefined || status.operationState === null
        ? null
        : condenseOperation(status.operationState),
    conditions: (status?.conditions ?? []).slice(0, LISTED_AT_MOST),
    troubled: (status?.resources ?? [])
      .filter(
        (resource) =>
          resource.hook !== true &&
          ((resource.status ?? 'Synced') !== 'Synced' ||
            (resource.health?.status ?? 'Healthy') !== 'Healthy'),
      )
      .slice(0, LISTED_AT_MOST)
      .map((resource) => ({
        kind: resource.kind,
        name: resource.name,
        sync: resource.status ?? null,
        health: resource.health?.status ?? null,
        message: resource.health?.message ?? '',
      })),
  };
}

function condenseOperation(state: RawOperation): SyncOperation {
  const resources = state.syncResult?.resources ?? [];
  const shorten = (resource: (typeof resources)[number]): SyncedObject => ({
    kind: resource.kind,
    name: resource.name,
    phase: resource.hookPhase ?? null,
    message: resource.message,
  });
  return {
    phase: state.phase,
    message: state.message,
    startedAt: state.startedAt,
    finishedAt: state.finishedAt,
    retryCount: state.retryCount ?? 0,
    revision: state.operation?.sync?.revision ?? null,
    syncedRevision: state.syncResult?.revision ?? null,
    hooks: resources
      .filter((resource) => (resource.hookType ?? '') !== '')
      .slice(0, LISTED_AT_MOST)
      .map(shorten),
    failures: resources
      .filter(
        (resource) =>
          resource.status === 'SyncFailed' ||
          resource.hookPhase === 'Failed' ||
          resource.hookPhase === 'Error',
      )
      .slice(0, LISTED_AT_MOST)
      .map(shorten),
  };
}
