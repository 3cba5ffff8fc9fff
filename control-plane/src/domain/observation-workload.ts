/**
 * What is kept of the objects inside a store's namespace (pods, Jobs, claims, events, the namespace
 * itself), read on demand when a store is stuck or about to count as live. Unreadable objects are
 * left out of the list they came in: a diagnosis is made from what can be read.
 */
import { z } from 'zod';

/** The container, in the pod's own order of starting, with why it is not running. */
export type ContainerFacts = {
  readonly name: string;
  readonly image: string;
  readonly ready: boolean;
  readonly restarts: number;
  readonly state: 'running' | 'waiting' | 'ended';
  /** `ImagePullBackOff`, `CrashLoopBackOff`, … while it waits. */
  readonly waiting: { readonly reason: string; readonly message: string } | null;
  /** The newest end of this container, if it ever ended. */
  readonly ended: {
    readonly reason: string;
    readonly message: string;
    readonly exitCode: number;
  } | null;
};

export type PodFacts = {
  readonly name: string;
  readonly phase: string;
  /** Name of the Job that made it. */
  readonly job: string | null;
  /** Label `app.kubernetes.io/component`. */
  readonly component: string | null;
  readonly createdAt: Date;
  /** When a node took it; null: none has. */
  readonly startedAt: Date | null;
  readonly deleting: boolean;
  /** Why the scheduler finds no node; null when it did. */
  readonly unschedulable: string | null;
  readonly containers: readonly ContainerFacts[];
};

export type JobFacts = {
  readonly name: string;
  /** Label `shopyard.dev/generation`. */
  readonly generation: number | null;
  readonly state: 'running' | 'complete' | 'failed';
  /** Made by a CronJob. */
  readonly scheduled: boolean;
  /** `BackoffLimitExceeded: …` when failed. */
  readonly message: string;
};

export type ClaimFacts = {
  readonly name: string;
  readonly phase: string;
  readonly storageClass: string | null;
};

export type EventFacts = {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  /** `<Kind>/<name>` the event is about. */
  readonly about: string;
  readonly at: Date;
  /** How often it happened. */
  readonly count: number;
};

/** One limit of a ResourceQuota, in Kubernetes's notation (`500m`, `1Gi`). */
export type QuotaFacts = {
  readonly resource: string;
  readonly used: string;
  readonly hard: string;
};

export type NamespaceFacts = {
  readonly name: string;
  readonly deletingSince: Date | null;
  /** What still holds a namespace that is going away, in Kubernetes's words. */
  readonly remaining: readonly string[];
};

/** Which generation is in the cluster: the tracked ConfigMap and the set-up Job. */
export type GenerationFacts = {
  readonly configMap: number | null;
  readonly setup: JobFacts | null;
};

const GENERATION_LABEL = 'shopyard.dev/generation';

const text = z
  .string()
  .nullish()
  .transform((value) => (value ?? '').slice(0, 2000));
const time = z.iso.datetime({ offset: true }).transform((value) => new Date(value));
const conditions = z
  .array(z.object({ type: z.string(), status: z.string(), reason: text, message: text }))
  .nullish()
  .transform((list) => list ?? []);

const ended = z.object({ exitCode: z.number(), reason: text, message: text }).nullish();
const containerStatus = z.object({
  name: z.string(),
  image: text,
  ready: z.boolean().default(false),
  restartCount: z.number().default(0),
  state: z
    .object({
      waiting: z.object({ reason: text, message: text }).nullish(),
      running: z.object({}).nullish(),
      terminated: ended,
    })
    .nullish(),
  lastState: z.object({ terminated: ended }).nullish(),
});

const pod = z.object({
  metadata: z.object({
    name: z.string(),
    creationTimestamp: time,
    deletionTimestamp: z.string().nullish(),
    labels: z.record(z.string(), z.string()).nullish(),
  }),
  status: z
    .object({
      phase: text,
      startTime: time.nullish(),
      conditions,
      initContainerStatuses: z.array(containerStatus).nullish(),
      containerStatuses: z.array(containerStatus).nullish(),
    })
    .nullish(),
});

export function extractPod(object: unknown): PodFacts | null {
  const parsed = pod.safeParse(object);
  if (!parsed.success) return null;
  const { metadata, status } = parsed.data;
  const scheduled = status?.conditions.find((condition) => condition.type === 'PodScheduled');
  return {
    name: metadata.name,
    phase: status?.phase ?? '',
    job: metadata.labels?.['batch.kubernetes.io/job-name'] ?? metadata.labels?.['job-name'] ?? null,
    component: metadata.labels?.['app.kubernetes.io/component'] ?? null,
    createdAt: metadata.creationTimestamp,
    startedAt: status?.startTime ?? null,
    deleting: (metadata.deletionTimestamp ?? null) !== null,
    unschedulable: scheduled?.status === 'False' ? scheduled.message : null,
    containers: [
      ...(status?.initContainerStatuses ?? []),
      ...(status?.containerStatuses ?? []),
    ].map((container) => ({
      name: container.name,
      image: container.image,
      ready: container.ready,
      restarts: container.restartCount,
      state: describeState(container.state),
      waiting: container.state?.waiting ?? null,
      ended: container.state?.terminated ?? container.lastState?.terminated ?? null,
    })),
  };
}

function describeState(state: z.infer<typeof containerStatus>['state']): ContainerFacts['state'] {
  if ((state?.running ?? null) !== null) return 'running';
  return (state?.terminated ?? null) === null ? 'waiting' : 'ended';
}

const job = z.object({
  metadata: z.object({
    name: z.string(),
    labels: z.record(z.string(), z.string()).nullish(),
    ownerReferences: z.array(z.object({ kind: z.string() })).nullish(),
  }),
  status: z.object({ conditions }).nullish(),
});

export function extractJob(object: unknown): JobFacts | null {
  const parsed = job.safeParse(object);
  if (!parsed.success) return null;
  const { metadata, status } = parsed.data;
  const holds = (type: string) =>
    status?.conditions.find((condition) => condition.type === type && condition.status === 'True');
  const failed = holds('Failed');
  return {
    name: metadata.name,
    generation: readGeneration(metadata.labels?.[GENERATION_LABEL]),
    state:
      failed !== undefined ? 'failed' : holds('Complete') !== undefined ? 'complete' : 'running',
    scheduled: (metadata.ownerReferences ?? []).some(({ kind }) => kind === 'CronJob'),
    message: failed === undefined ? '' : `${failed.reason}: ${failed.message}`,
  };
}

const generationConfigMap = z.object({ data: z.object({ generation: z.string() }) });

/** The generation that the tracked ConfigMap names; null when it names none. */
export function extractGeneration(object: unknown): number | null {
  const parsed = generationConfigMap.safeParse(object);
  return parsed.success ? readGeneration(parsed.data.data.generation) : null;
}

function readGeneration(value: string | undefined): number | null {
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : null;
}

const claim = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ storageClassName: z.string().nullish() }).nullish(),
  status: z.object({ phase: text }).nullish(),
});

export function extractClaim(object: unknown): ClaimFacts | null {
  const parsed = claim.safeParse(object);
  if (!parsed.success) return null;
  return {
    name: parsed.data.metadata.name,
    phase: parsed.data.status?.phase ?? '',
    storageClass: parsed.data.spec?.storageClassName ?? null,
  };
}

const event = z.object({
  type: text,
  reason: text,
  message: text,
  involvedObject: z.object({ kind: text, name: text }),
  count: z.number().nullish(),
  series: z.object({ count: z.number().nullish() }).nullish(),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
  metadata: z.object({ creationTimestamp: z.string().nullish() }),
});

export function extractEvent(object: unknown): EventFacts | null {
  const parsed = event.safeParse(object);
  if (!parsed.success) return null;
  const { data } = parsed;
  const at = new Date(
    data.lastTimestamp ?? data.eventTime ?? data.metadata.creationTimestamp ?? Number.NaN,
  );
  if (Number.isNaN(at.getTime())) return null;
  return {
    type: data.type,
    reason: data.reason,
    message: data.message,
    about: `${data.involvedObject.kind}/${data.involvedObject.name}`,
    at,
    count: data.count ?? data.series?.count ?? 1,
  };
}

const quota = z.object({
  status: z
    .object({
      hard: z.record(z.string(), z.string()).nullish(),
      used: z.record(z.string(), z.string()).nullish(),
    })
    .nullish(),
});

/** What a ResourceQuota allows and what of it is used, by resource. */
export function extractQuota(object: unknown): readonly QuotaFacts[] | null {
  const parsed = quota.safeParse(object);
  if (!parsed.success) return null;
  const { hard, used } = parsed.data.status ?? {};
  return Object.entries(hard ?? {}).map(([resource, limit]) => ({
    resource,
    used: used?.[resource] ?? '0',
    hard: limit,
  }));
}

const secret = z.object({ data: z.record(z.string(), z.base64()).nullish() });

/** The values of a Secret, decoded. */
export function extractSecret(object: unknown): Readonly<Record<string, string>> | null {
  const parsed = secret.safeParse(object);
  if (!parsed.success) return null;
  return Object.fromEntries(
    Object.entries(parsed.data.data ?? {}).map(([name, value]) => [
      name,
      Buffer.from(value, 'base64').toString('utf8'),
    ]),
  );
}

const namespace = z.object({
  metadata: z.object({ name: z.string(), deletionTimestamp: time.nullish() }),
  status: z.object({ conditions }).nullish(),
});

export function extractNamespace(object: unknown): NamespaceFacts | null {
  const parsed = namespace.safeParse(object);
  if (!parsed.success) return null;
  const remaining = new Set([
    'NamespaceContentRemaining',
    'NamespaceFinalizersRemaining',
    'NamespaceDeletionContentFailure',
    'NamespaceDeletionDiscoveryFailure',
  ]);
  return {
    name: parsed.data.metadata.name,
    deletingSince: parsed.data.metadata.deletionTimestamp ?? null,
    remaining: (parsed.data.status?.conditions ?? [])
      .filter((condition) => condition.status === 'True' && remaining.has(condition.type))
      .map((condition) => condition.message),
  };
}
