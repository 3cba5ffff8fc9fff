/**
 * What stands in a store's namespace while it is played: pods, Jobs, claims, events, quota, logs and
 * the two Secrets, as the control plane would find them. Nothing runs; whatever a person may read
 * says that this is practice.
 */
import { randomBytes, randomInt } from 'node:crypto';
import type { Part, Release } from './release.ts';
import { formatTime, LOG_FIELD, type KubeObject, type ObjectTable } from './table.ts';

const NODE = 'practice-node';
const NOTE = '(practice cluster: nothing really runs)';
/** As long as a real API server keeps them. */
const EVENTS_KEPT_MS = 3_600_000;
const LETTERS = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const SUFFIX = 'bcdfghjklmnpqrstvwxz2456789';

/** What a pod is at. */
type PodState = 'starting' | 'running' | 'succeeded' | 'failed' | 'unpullable' | 'crashing';

export class Workload {
  readonly #table: ObjectTable;
  readonly #now: () => Date;
  readonly namespace: string;
  readonly #release: Release;
  readonly #core: string;
  readonly #jobs: string;

  constructor(options: {
    readonly table: ObjectTable;
    readonly now: () => Date;
    readonly namespace: string;
    readonly release: Release;
  }) {
    this.#table = options.table;
    this.#now = options.now;
    this.#release = options.release;
    this.namespace = options.namespace;
    this.#core = `/api/v1/namespaces/${options.namespace}`;
    this.#jobs = `/apis/batch/v1/namespaces/${options.namespace}/jobs`;
  }

  get #labels(): Readonly<Record<string, string>> {
    const { chart, values } = this.#release;
    return {
      'app.kubernetes.io/name': chart,
      'app.kubernetes.io/part-of': 'shopyard',
      'shopyard.dev/store': values.store.id,
    };
  }

  hasImage(part: Part): boolean {
    const { available, values } = this.#release;
    return available.includes(values.images[part.image] ?? '');
  }

  #imageOf(part: Part): string {
    const { cluster, images } = this.#release.values;
    return `${cluster.imageRegistry}/${images[part.image] ?? part.image}`;
  }

  makeNamespace(): void {
    this.#table.put('/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: this.namespace,
        labels: {
          ...this.#labels,
          'kubernetes.io/metadata.name': this.namespace,
          'pod-security.kubernetes.io/enforce': 'restricted',
        },
        annotations: { 'shopyard.dev/practice': NOTE },
      },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    });
  }

  putGeneration(): void {
    this.#put('configmaps', 'v1', 'ConfigMap', 'shopyard-generation', {
      data: { generation: String(this.#release.values.store.generation) },
    });
  }

  /** Once made they stay: an earlier login goes on working. */
  makeSecrets(): void {
    const { hostname } = new URL(this.#release.values.url);
    const key = (): string => `practice_${randomBytes(20).toString('hex')}`;
    const secrets: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      'store-admin': {
        username: 'admin',
        password: `practice-${makeText(LETTERS, 20)}`,
        email: `admin@${hostname}`,
      },
      'store-api': Object.fromEntries(this.#release.apiKeys.map((name) => [name, key()])),
    };
    for (const [name, data] of Object.entries(secrets)) {
      if (this.#table.get(`${this.#core}/secrets`, name) !== undefined) continue;
      const coded = Object.entries(data).map(([field, text]) => [
        field,
        Buffer.from(text).toString('base64'),
      ]);
      this.#put('secrets', 'v1', 'Secret', name, {
        type: 'Opaque',
        data: Object.fromEntries(coded) as Record<string, string>,
      });
    }
  }

  /** Hard limits from the chart's plan; used is what the pods that stand ask for. */
  putQuota(): void {
    const { plans, values } = this.#release;
    const plan = plans[values.plan];
    const hard = { ...plan?.quota, persistentvolumeclaims: '4', pods: '20' };
    const pods = this.#table
      .list(`${this.#core}/pods`)
      .filter((pod) => (pod.status as { phase: string }).phase === 'Running');
    const claims = this.#table.list(`${this.#core}/persistentvolumeclaims`);
    const used = Object.fromEntries(
      Object.keys(hard).map((resource) => [
        resource,
        resource === 'pods'
          ? String(pods.length)
          : resource === 'persistentvolumeclaims'
            ? String(claims.length)
            : resource === 'requests.storage'
              ? sum(claims.map((claim) => readRequest(claim, 'storage')))
              : sum(pods.map((pod) => readRequest(pod, resource))),
      ]),
    );
    for (const { metadata } of this.#table.list(`${this.#core}/resourcequotas`))
      if (metadata.name !== `plan-${values.plan}`)
        this.#table.remove(`${this.#core}/resourcequotas`, metadata.name);
    this.#put('resourcequotas', 'v1', 'ResourceQuota', `plan-${values.plan}`, {
      spec: { hard },
      status: { hard, used },
    });
  }

  /** Replaces the part's pods; for a Job, makes it. */
  start(part: Part, canPull: boolean): void {
    this.stop(part);
    if (part.kind === 'Job') this.#putJob(part, { active: 1 });
    for (const [name, size] of Object.entries(part.claims ?? {})) this.#makeClaim(name, size);
    const { replicas = 1 } = this.#planOf(part);
    const pods = Array.from({ length: replicas }, (_, n) =>
      part.kind === 'StatefulSet'
        ? `${part.name}-${n}`
        : part.kind === 'Deployment'
          ? `${part.name}-${makeText(SUFFIX, 10)}-${makeText(SUFFIX, 5)}`
          : `${part.name}-${makeText(SUFFIX, 5)}`,
    );
    for (const pod of pods) {
      this.note(`${part.kind}/${part.name}`, 'Normal', 'SuccessfulCreate', `Created pod: ${pod}`);
      const where = `Successfully assigned ${this.namespace}/${pod} to ${NODE}`;
      this.note(`Pod/${pod}`, 'Normal', 'Scheduled', where);
      this.#putPod(part, pod, canPull ? 'starting' : 'unpullable');
    }
  }

  /** Takes the part's pods away; what they mounted stays. */
  stop(part: Pick<Part, 'name'>): void {
    for (const pod of this.podsOf(part)) this.#table.remove(`${this.#core}/pods`, pod);
  }

  /** Takes down what Argo CD prunes: pods with what owns them, and a StatefulSet's claims. */
  remove(kind: string, name: string): void {
    if (kind !== 'Deployment' && kind !== 'StatefulSet') return;
    this.stop({ name });
    const claims = `${this.#core}/persistentvolumeclaims`;
    if (kind === 'StatefulSet') this.#table.remove(claims, `data-${name}-0`);
  }

  /** Brings the part's pods into another state. */
  move(part: Part, state: PodState): void {
    for (const pod of this.podsOf(part)) this.#putPod(part, pod, state);
  }

  podsOf(part: Pick<Part, 'name'>): readonly string[] {
    return this.#table
      .list(`${this.#core}/pods`)
      .filter((pod) => pod.metadata.labels?.['app.kubernetes.io/component'] === part.name)
      .map(({ metadata }) => metadata.name);
  }

  hasJob(part: Part): boolean {
    return this.#table.get(this.#jobs, part.name) !== undefined;
  }

  removeJob(part: Part): void {
    this.stop(part);
    this.#table.remove(this.#jobs, part.name);
  }

  /** What a terminated sync leaves of its hooks: nothing that still ran. */
  endHooks(): void {
    for (const { metadata, status } of this.#table.list(this.#jobs))
      if ((status as { active?: number }).active !== undefined) {
        this.#table.remove(this.#jobs, metadata.name);
        for (const pod of this.#table.list(`${this.#core}/pods`))
          if (pod.metadata.labels?.['job-name'] === metadata.name)
            this.#table.remove(`${this.#core}/pods`, pod.metadata.name);
      }
  }

  /** @param failure why it failed; without it, it is complete */
  endJob(part: Part, failure?: string): void {
    const about = `Job/${part.name}`;
    const condition = { status: 'True', lastTransitionTime: formatTime(this.#now()) };
    this.move(part, failure === undefined ? 'succeeded' : 'failed');
    if (failure === undefined) {
      const message = 'Reached expected number of succeeded pods';
      const complete = { type: 'Complete', reason: 'CompletionsReached', message, ...condition };
      this.#putJob(part, { succeeded: 1, conditions: [complete] });
      this.note(about, 'Normal', 'Completed', 'Job completed');
    } else {
      const failed = { type: 'Failed', reason: 'DeadlineExceeded', message: failure, ...condition };
      this.#putJob(part, { failed: 1, conditions: [failed] });
      this.note(about, 'Warning', 'DeadlineExceeded', failure);
    }
  }

  #putJob(part: Part, status: Readonly<Record<string, unknown>>): void {
    const { generation } = this.#release.values.store;
    this.#table.put(this.#jobs, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name: part.name,
        namespace: this.namespace,
        labels: { ...this.#labels, 'shopyard.dev/generation': String(generation) },
      },
      status,
    });
  }

  /** An event; told again it counts up. */
  note(about: string, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const [kind = '', name = ''] = about.split('/');
    const path = `${this.#core}/events`;
    const at = formatTime(this.#now());
    const text = `${message} ${NOTE}`;
    const expired = formatTime(new Date(this.#now().getTime() - EVENTS_KEPT_MS));
    for (const old of this.#table.list(path))
      if (String(old.lastTimestamp) < expired) this.#table.remove(path, old.metadata.name);
    const again = this.#table
      .list(path)
      .find(
        (event) =>
          event.message === text &&
          (event.involvedObject as { name: string }).name === name &&
          event.reason === reason,
      );
    this.#put('events', 'v1', 'Event', again?.metadata.name ?? `${name}.${makeText(SUFFIX, 16)}`, {
      type,
      reason,
      message: text,
      involvedObject: { kind, name, namespace: this.namespace },
      count: ((again?.count as number | undefined) ?? 0) + 1,
      firstTimestamp: again?.firstTimestamp ?? at,
      lastTimestamp: at,
      source: { component: 'shopyard-practice' },
    });
  }

  #planOf(part: Part): { replicas?: number; resources?: unknown } {
    const { plans, values } = this.#release;
    if (part.kind === 'Job') return { resources: values.jobs[part.name] };
    return plans[values.plan]?.[part.name] ?? {};
  }

  #makeClaim(name: string, key: string): void {
    const path = `${this.#core}/persistentvolumeclaims`;
    if (this.#table.get(path, name) !== undefined) return;
    const { plans, values } = this.#release;
    const storage = plans[values.storagePlan]?.storage[key] ?? '1Gi';
    this.#put('persistentvolumeclaims', 'v1', 'PersistentVolumeClaim', name, {
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
      status: { phase: 'Bound', capacity: { storage } },
    });
  }

  #putPod(part: Part, name: string, state: PodState): void {
    const path = `${this.#core}/pods`;
    const before = this.#table.get(path, name);
    const known = before?.status as { containerStatuses?: { restartCount: number }[] } | undefined;
    const restarts = known?.containerStatuses?.[0]?.restartCount ?? 0;
    const image = this.#imageOf(part);
    const at = formatTime(this.#now());
    const isReady = state === 'running';
    const container = {
      name: part.container,
      image,
      ready: isReady,
      started: isReady,
      restartCount: state === 'crashing' ? restarts + 2 : restarts,
      state: describeState(state, image, at),
      ...(state === 'crashing'
        ? {
            lastState: {
              terminated: {
                exitCode: 255,
                reason: 'Error',
                message: `Fatal error: a fault that was switched on ${NOTE}`,
                finishedAt: at,
              },
            },
          }
        : {}),
    };
    this.#put('pods', 'v1', 'Pod', name, {
      labels: {
        'app.kubernetes.io/component': part.name,
        ...(part.kind === 'Job'
          ? { 'batch.kubernetes.io/job-name': part.name, 'job-name': part.name }
          : {}),
      },
      spec: {
        nodeName: NODE,
        containers: [
          { name: part.container, image, resources: this.#planOf(part).resources ?? {} },
        ],
      },
      status: {
        phase: PHASES[state],
        startTime: before?.metadata.creationTimestamp ?? at,
        conditions: [
          { type: 'PodScheduled', status: 'True' },
          { type: 'Ready', status: isReady ? 'True' : 'False' },
        ],
        containerStatuses: [container],
      },
      ...(state === 'starting' || state === 'unpullable'
        ? {}
        : {
            [LOG_FIELD]: {
              [part.container]: [
                `practice: made-up log of ${part.container}; a real cluster shows the container's own`,
                `${at} ${part.container}: started`,
                ...(state === 'succeeded' ? [`${at} ${part.container}: done`] : []),
                ...(state === 'crashing'
                  ? [`${at} a fault that was switched on ends this container`]
                  : []),
              ],
            },
          }),
    });
    this.#tell(part, name, state, image);
  }

  #tell(part: Part, pod: string, state: PodState, image: string): void {
    const note = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
      this.note(`Pod/${pod}`, type, reason, message);
    if (state === 'running' || state === 'succeeded') {
      note('Normal', 'Pulled', `Container image "${image}" already present on machine`);
      note('Normal', 'Started', `Started container ${part.container}`);
    } else if (state === 'unpullable') {
      note('Normal', 'Pulling', `Pulling image "${image}"`);
      note('Warning', 'Failed', `Failed to pull image "${image}": ${image}: not found`);
      note('Warning', 'Failed', 'Error: ImagePullBackOff');
    } else if (state === 'crashing')
      note('Warning', 'BackOff', `Back-off restarting failed container ${part.container}`);
  }

  #put(
    collection: string,
    apiVersion: string,
    kind: string,
    name: string,
    { labels, ...content }: Readonly<Record<string, unknown>>,
  ): void {
    const own = (labels ?? {}) as Readonly<Record<string, string>>;
    const object: KubeObject = {
      apiVersion,
      kind,
      metadata: { name, namespace: this.namespace, labels: { ...this.#labels, ...own } },
      ...content,
    };
    this.#table.put(`${this.#core}/${collection}`, object);
  }
}

/** Everything in a namespace, and the namespace. */
export function removeNamespace(table: ObjectTable, namespace: string): void {
  table.removeBeneath(`/api/v1/namespaces/${namespace}/`);
  table.removeBeneath(`/apis/batch/v1/namespaces/${namespace}/`);
  table.remove('/api/v1/namespaces', namespace);
}

const PHASES: Readonly<Record<PodState, string>> = {
  starting: 'Pending',
  unpullable: 'Pending',
  running: 'Running',
  crashing: 'Running',
  succeeded: 'Succeeded',
  failed: 'Failed',
};

function describeState(state: PodState, image: string, at: string): Record<string, unknown> {
  switch (state) {
    case 'starting':
      return { waiting: { reason: 'ContainerCreating' } };
    case 'unpullable':
      return {
        waiting: {
          reason: 'ImagePullBackOff',
          message: `Back-off pulling image "${image}": ErrImagePull: ${image}: not found ${NOTE}`,
        },
      };
    case 'running':
      return { running: { startedAt: at } };
    case 'crashing':
      return {
        waiting: {
          reason: 'CrashLoopBackOff',
          message: `back-off restarting failed container ${NOTE}`,
        },
      };
    case 'succeeded':
      return { terminated: { exitCode: 0, reason: 'Completed', finishedAt: at } };
    case 'failed':
      return { terminated: { exitCode: 1, reason: 'Error', finishedAt: at } };
  }
}

function makeText(letters: string, length: number): string {
  return Array.from({ length }, () => letters[randomInt(letters.length)]).join('');
}

/** `limits.memory` of a pod's containers, or a claim's `storage`. */
function readRequest(object: KubeObject, resource: string): string {
  type Amounts = Readonly<Record<string, string>>;
  type Spec = {
    readonly resources?: { readonly requests?: Amounts };
    readonly containers?: readonly {
      readonly resources: { readonly requests?: Amounts; readonly limits?: Amounts };
    }[];
  };
  const spec = object.spec as Spec;
  const [side = '', name = ''] = resource.split('.');
  const resources = spec.containers?.[0]?.resources;
  const amount =
    side === 'limits'
      ? resources?.limits?.[name]
      : side === 'requests'
        ? resources?.requests?.[name]
        : spec.resources?.requests?.[resource];
  return amount ?? '0';
}

/** Adds quantities such as `250m` or `1Gi`. */
function sum(amounts: readonly string[]): string {
  const units: Readonly<Record<string, number>> = { m: 1e-3, Mi: 2 ** 20, Gi: 2 ** 30 };
  let total = 0;
  for (const amount of amounts) {
    const [, digits = '0', unit = ''] = /^([\d.]+)(m|Mi|Gi)?$/.exec(amount) ?? [];
    total += Number(digits) * (units[unit] ?? 1);
  }
  if (total >= 2 ** 20) return `${Math.round(total / 2 ** 20)}Mi`;
  return Number.isInteger(total) ? String(total) : `${Math.round(total * 1_000)}m`;
}
