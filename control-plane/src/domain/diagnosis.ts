/**
 * Why a store is stuck, in plain words with what to do about it: from its Application, and from the
 * pods, Jobs, claims and events of its namespace. Pure. The order of the rules is the order of
 * causes: an image that cannot be pulled is why a set-up Job fails, not the other way round.
 */
import { cutEnd, describeTrouble, isOutOfTime, unwrap } from './lifecycle-words.ts';
import type { Observation } from './observation.ts';
import type {
  ClaimFacts,
  ContainerFacts,
  EventFacts,
  JobFacts,
  NamespaceFacts,
  PodFacts,
} from './observation-workload.ts';
import type { StoreProblem } from './store.ts';

export type Evidence = {
  readonly now: Date;
  /** null: there is no Application. */
  readonly observation: Observation | null;
  /** The Application that applies this store's folder; null: there is none. */
  readonly shard: Observation | null;
  /** null: there is no namespace. */
  readonly namespace: NamespaceFacts | null;
  readonly pods: readonly PodFacts[];
  readonly jobs: readonly JobFacts[];
  readonly claims: readonly ClaimFacts[];
  readonly events: readonly EventFacts[];
};

/** Events older than this tell of something that is over. */
const EVENT_COUNTS_MS = 10 * 60_000;

/** The first cause that the evidence shows; null when it shows none. */
export function diagnose(all: Evidence): StoreProblem | null {
  // What runs by the clock may fail and run again: it is no reason for a store to be stuck.
  const scheduled = new Set(all.jobs.filter((job) => job.scheduled).map((job) => job.name));
  const evidence: Evidence = {
    ...all,
    jobs: all.jobs.filter((job) => !job.scheduled),
    pods: all.pods.filter((pod) => pod.job === null || !scheduled.has(pod.job)),
  };
  return (
    diagnoseRemoval(evidence) ??
    diagnoseImages(evidence) ??
    diagnoseQuota(evidence) ??
    diagnoseAdmission(evidence) ??
    diagnoseClaims(evidence) ??
    diagnoseScheduling(evidence) ??
    diagnoseContainerSettings(evidence) ??
    diagnoseLostPods(evidence) ??
    diagnoseSetup(evidence) ??
    diagnoseCrashes(evidence) ??
    diagnoseMounts(evidence) ??
    diagnoseArgoCd(evidence.observation ?? evidence.shard, evidence.now) ??
    diagnoseProbes(evidence)
  );
}

const problem = (code: string, message: string, hint: string | null): StoreProblem => ({
  code,
  message,
  hint,
});

function* eachContainer(
  pods: readonly PodFacts[],
): Generator<{ readonly pod: PodFacts; readonly container: ContainerFacts }> {
  for (const pod of pods)
    if (!pod.deleting) for (const container of pod.containers) yield { pod, container };
}

/** The newest event that passes, if it is recent. */
function findEvent(
  { events, now }: Evidence,
  matches: (event: EventFacts) => boolean,
): EventFacts | null {
  let newest: EventFacts | null = null;
  for (const event of events)
    if (
      now.getTime() - event.at.getTime() <= EVENT_COUNTS_MS &&
      (newest === null || event.at > newest.at) &&
      matches(event)
    )
      newest = event;
  return newest;
}

/** Whether what the event's object failed to make was made after all. */
function isOvercome(event: EventFacts, pods: readonly PodFacts[]): boolean {
  const owner = event.about.slice(event.about.indexOf('/') + 1);
  return pods.some(
    ({ name, job, createdAt }) =>
      (job === owner || name.startsWith(`${owner}-`)) && createdAt >= event.at,
  );
}

function diagnoseRemoval({ namespace, observation }: Evidence): StoreProblem | null {
  if (namespace !== null && namespace.deletingSince !== null)
    return problem(
      'namespace_terminating',
      namespace.remaining.length === 0
        ? `The namespace ${namespace.name} is being removed and not gone yet.`
        : `The namespace ${namespace.name} cannot go yet: ${cutEnd(namespace.remaining.join(' '))}`,
      'Something in it holds a finalizer; it goes when whoever owns that finalizer has acted.',
    );
  if (observation === null || observation.deletingSince === null) return null;
  const failed = observation.conditions.find(({ type }) => type === 'DeletionError');
  if (failed !== undefined)
    return problem(
      'deletion_error',
      `Argo CD cannot remove the shop: ${cutEnd(failed.message)}`,
      'Argo CD goes on trying.',
    );
  return observation.operation?.phase === 'Running'
    ? problem(
        'deletion_waits_for_sync',
        'Argo CD finishes a running sync before it removes the shop.',
        'It stops by itself at Argo CD’s sync time-out; an operator can terminate it in Argo CD.',
      )
    : null;
}

const PULL_REASONS = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
]);

const PULL_FAILURE = /^Failed to pull image "([^"]+)"/;

function diagnoseImages(evidence: Evidence): StoreProblem | null {
  for (const { container } of eachContainer(evidence.pods))
    if (container.waiting !== null && PULL_REASONS.has(container.waiting.reason))
      return explainPull(container.image, container.waiting.reason, container.waiting.message);
  // While a pull is tried again the container only says that it is being created.
  const event = findEvent(evidence, ({ about, message }) =>
    evidence.pods.some(
      (pod) =>
        about === `Pod/${pod.name}` &&
        !pod.deleting &&
        pod.containers.some(
          ({ image, ready, waiting }) =>
            waiting !== null && !ready && message.startsWith(`Failed to pull image "${image}"`),
        ),
    ),
  );
  const image = PULL_FAILURE.exec(event?.message ?? '')?.[1];
  return event === null || image === undefined ? null : explainPull(image, '', event.message);
}

function explainPull(image: string, reason: string, message: string): StoreProblem {
  const why = /not found|does not exist|manifest unknown/i.test(message)
    ? ': there is no such image'
    : /unauthorized|denied|forbidden|authentication|credential/i.test(message)
      ? ': the registry refuses access'
      : /no such host|dial tcp|timeout|connection refused|unreachable/i.test(message)
        ? ': the registry cannot be reached'
        : reason === 'InvalidImageName'
          ? ': its name is not valid'
          : '';
  return problem(
    'image_pull',
    `The image ${image} cannot be pulled${why}.`,
    'Make the image available to the cluster (name, tag, pull secret), then use Retry.',
  );
}

function diagnoseQuota(evidence: Evidence): StoreProblem | null {
  const event = findEvent(
    evidence,
    (one) => one.message.includes('exceeded quota') && !isOvercome(one, evidence.pods),
  );
  const failure = evidence.observation?.operation?.failures.find(({ message }) =>
    message.includes('exceeded quota'),
  );
  const text = event?.message ?? failure?.message;
  if (text === undefined) return null;
  const parts = /exceeded quota: [^,]+, requested: (.+?), used: (.+?), limited: (\S+)/s.exec(text);
  return problem(
    'quota_exceeded',
    parts === null
      ? `The shop's quota is used up: ${cutEnd(text)}`
      : `The shop's quota is used up: ${describeShortage(parts[1] ?? '', parts[2] ?? '', parts[3] ?? '')}.`,
    'Choose a larger plan, or wait until pods of the change before are gone.',
  );
}

/** `requests.memory=128Mi` lists → what is short, each with its figures. */
function describeShortage(requested: string, used: string, limited: string): string {
  const read = (list: string): Map<string, string> =>
    new Map(
      list.split(',').map((part) => {
        const at = part.indexOf('=');
        return [part.slice(0, at), part.slice(at + 1)];
      }),
    );
  const [needs, has, most] = [read(requested), read(used), read(limited)];
  const short = [...needs].filter(
    ([name, amount]) =>
      readQuantity(amount) + readQuantity(has.get(name) ?? '0') >
      readQuantity(most.get(name) ?? '0'),
  );
  return (short.length > 0 ? short : [...needs])
    .map(
      ([name, amount]) =>
        `${name}: ${has.get(name) ?? '0'} of ${most.get(name) ?? '0'} used, ${amount} more needed`,
    )
    .join('; ');
}

const UNITS: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** A Kubernetes quantity as a number; what cannot be read counts as nothing. */
function readQuantity(text: string): number {
  const parts = /^([\d.]+)([A-Za-z]*)$/.exec(text);
  return parts === null ? 0 : Number(parts[1]) * (UNITS[parts[2] ?? ''] ?? 0);
}

/** A pod or object that the API server's rules turn away. */
function diagnoseAdmission(evidence: Evidence): StoreProblem | null {
  const event = findEvent(
    evidence,
    (one) =>
      one.reason === 'FailedCreate' &&
      /violates PodSecurity|ValidatingAdmissionPolicy|admission webhook|is forbidden/.test(
        one.message,
      ) &&
      !isOvercome(one, evidence.pods),
  );
  return event === null
    ? null
    : problem(
        'admission_denied',
        `The cluster's rules refuse a pod of ${event.about}: ${event.message.slice(0, 300)}`,
        'The chart and the cluster’s policies disagree: this is for an operator.',
      );
}

function diagnoseClaims(evidence: Evidence): StoreProblem | null {
  const waiting = evidence.claims.find(({ phase }) => phase !== 'Bound');
  if (waiting === undefined) return null;
  if (waiting.phase === 'Lost')
    return problem(
      'volume_lost',
      `The volume behind ${waiting.name} is gone.`,
      'Restore the shop from a backup.',
    );
  const about = `PersistentVolumeClaim/${waiting.name}`;
  const event = findEvent(
    evidence,
    ({ about: subject, reason }) =>
      subject === about && (reason === 'ProvisioningFailed' || reason === 'FailedBinding'),
  );
  // Waiting for its first pod is how a claim begins; without a failure it is no cause.
  return event === null
    ? null
    : problem(
        'volume_pending',
        `Storage for ${waiting.name} is not made: ${cutEnd(event.message)}`,
        waiting.storageClass === null
          ? 'The cluster has no default storage class: name one in the cluster’s settings.'
          : `Look at the storage class ${waiting.storageClass}.`,
      );
}

function diagnoseScheduling({ pods }: Evidence): StoreProblem | null {
  const pod = pods.find(({ deleting, unschedulable }) => !deleting && unschedulable !== null);
  if (pod?.unschedulable === undefined || pod.unschedulable === null) return null;
  const text = pod.unschedulable;
  const lacks = [
    /Insufficient cpu/.test(text) ? 'processor time' : null,
    /Insufficient memory/.test(text) ? 'memory' : null,
    /Too many pods/.test(text) ? 'room for more pods' : null,
    /volume|PersistentVolumeClaim/i.test(text) ? 'a volume it can use' : null,
  ].filter((lack) => lack !== null);
  return problem(
    'unschedulable',
    lacks.length === 0
      ? `No node takes the pod ${pod.name}: ${cutEnd(text)}`
      : `No node has ${lacks.join(' and ')} for the pod ${pod.name}.`,
    /Insufficient|Too many pods/.test(text)
      ? 'Add a node, free some room, or choose a smaller plan. It goes on by itself.'
      : 'It goes on by itself once a node fits.',
  );
}

function diagnoseContainerSettings({ pods }: Evidence): StoreProblem | null {
  for (const { pod, container } of eachContainer(pods))
    if (
      container.waiting?.reason === 'CreateContainerConfigError' ||
      container.waiting?.reason === 'CreateContainerError' ||
      container.waiting?.reason === 'RunContainerError'
    )
      return problem(
        'container_settings',
        `The container ${container.name} of ${pod.name} cannot be made: ${cutEnd(container.waiting.message)}`,
        'A Secret or ConfigMap it names may be missing: this is for an operator.',
      );
  return null;
}

/**
 * A Job that runs out of time takes its pods along, and Argo CD takes the Job when it stops a sync:
 * what they waited for is then in their events alone, from when they are told to go.
 */
function diagnoseLostPods(evidence: Evidence): StoreProblem | null {
  const { jobs, pods } = evidence;
  const operation = evidence.observation?.operation ?? null;
  if (operation === null || !(isOutOfTime(operation) || jobs.some(isLate))) return null;
  const event = findEvent(
    evidence,
    ({ about, message, at }) =>
      at >= operation.startedAt &&
      about.startsWith('Pod/') &&
      PULL_FAILURE.test(message) &&
      !pods.some(({ name, deleting }) => !deleting && about === `Pod/${name}`),
  );
  const image = PULL_FAILURE.exec(event?.message ?? '')?.[1];
  if (event === null || image === undefined) return null;
  const isOver = evidence.events.some(
    ({ at, message }) =>
      at > event.at && message.startsWith(`Successfully pulled image "${image}"`),
  );
  return isOver ? null : explainPull(image, '', event.message);
}

const isLate = ({ state, message }: JobFacts): boolean =>
  state === 'failed' && message.startsWith('DeadlineExceeded');

function diagnoseSetup({ jobs, pods }: Evidence): StoreProblem | null {
  const failed = jobs.find(({ state }) => state === 'failed');
  if (failed === undefined) return null;
  const last = lastWords(pods.filter(({ job }) => job === failed.name));
  const what =
    failed.name === 'setup'
      ? 'The set-up job'
      : failed.name === 'secrets'
        ? 'The job that makes the shop’s passwords'
        : `The job ${failed.name}`;
  if (last === null && isLate(failed))
    return problem(
      'job_timeout',
      `${what} took too long and was stopped.`,
      'Use Retry: the job can run again safely.',
    );
  return problem(
    failed.name === 'setup' ? 'setup_failed' : 'job_failed',
    `${what} failed${isLate(failed) ? ' (it took too long)' : ''}: ${last ?? cutEnd(failed.message)}`,
    'Use Retry: the job can run again safely. Its log has more.',
  );
}

/** What the newest ended container of these pods said last. */
function lastWords(pods: readonly PodFacts[]): string | null {
  const newest = pods.toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
  for (const pod of newest)
    for (const { ended } of pod.containers) {
      if (ended === null || ended.exitCode === 0) continue;
      if (ended.message.trim() !== '') return cutEnd(ended.message);
      return ended.reason === 'OOMKilled'
        ? 'it ran out of memory'
        : `it ended with exit code ${ended.exitCode}`;
    }
  return null;
}

function diagnoseCrashes({ pods }: Evidence): StoreProblem | null {
  for (const { pod, container } of eachContainer(pods)) {
    // Between two tries it is neither waiting nor running.
    const looping =
      container.waiting?.reason === 'CrashLoopBackOff' ||
      (container.restarts >= 2 && !container.ready && (container.ended?.exitCode ?? 0) !== 0);
    const starving = container.ended?.reason === 'OOMKilled' && !container.ready;
    if (!looping && !starving) continue;
    const last = lastWords([pod]);
    if (container.ended?.reason === 'OOMKilled')
      return problem(
        'out_of_memory',
        `The container ${container.name} of ${pod.name} runs out of memory (restarted ${times(container.restarts)}).`,
        'Choose a larger plan.',
      );
    return problem(
      'crash_loop',
      `The container ${container.name} of ${pod.name} keeps ending (restarted ${times(container.restarts)})${last === null ? '.' : `: ${last}`}`,
      'Its log says why.',
    );
  }
  return null;
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

function diagnoseMounts(evidence: Evidence): StoreProblem | null {
  const event = findEvent(
    evidence,
    ({ reason }) =>
      reason === 'FailedMount' ||
      reason === 'FailedAttachVolume' ||
      reason === 'FailedCreatePodSandBox',
  );
  if (event === null) return null;
  const starting = evidence.pods.some(
    ({ name, phase }) => phase === 'Pending' && event.about === `Pod/${name}`,
  );
  if (!starting) return null;
  return event.reason === 'FailedCreatePodSandBox'
    ? problem(
        'pod_network',
        `The node cannot start ${event.about}: ${cutEnd(event.message)}`,
        'The node’s container runtime or network is in trouble: this is for an operator.',
      )
    : problem(
        'volume_mount',
        `A volume of ${event.about} cannot be mounted: ${cutEnd(event.message)}`,
        null,
      );
}

/** What only Argo CD knows: rendering, permissions, the repository, its own time-outs. */
function diagnoseArgoCd(observation: Observation | null, now: Date): StoreProblem | null {
  if (observation === null) return null;
  for (const { type, message } of observation.conditions) {
    if (type === 'InvalidSpecError')
      return isDenied(message)
        ? deny(message)
        : problem(
            'invalid_application',
            `Argo CD refuses the Application: ${cutEnd(message)}`,
            'This is for an operator.',
          );
    if (type === 'ComparisonError' || type === 'UnknownError') return diagnoseComparison(message);
  }
  const { operation } = observation;
  if (operation !== null) {
    const text = operation.failures[0]?.message ?? operation.message;
    if (isDenied(text)) return deny(text);
    if (operation.finishedAt !== null && operation.phase !== 'Succeeded')
      return describeTrouble(observation);
  }
  const syncError = observation.conditions.find(({ type }) => type === 'SyncError');
  if (syncError !== undefined)
    return problem(
      'sync_failed',
      `Argo CD could not apply the change: ${cutEnd(syncError.message)}`,
      'Put right what the message names, then use Retry.',
    );
  if (observation.reconciledAt === null && operation === null)
    return problem(
      'argocd_silent',
      'Argo CD has not looked at this Application yet.',
      'If this lasts, Argo CD’s application controller is not running or is overloaded.',
    );
  if (
    operation?.phase === 'Running' &&
    operation.finishedAt === null &&
    now.getTime() - operation.startedAt.getTime() > EVENT_COUNTS_MS
  )
    return problem(
      'sync_hangs',
      `Argo CD's sync has been running for ${Math.round((now.getTime() - operation.startedAt.getTime()) / 60_000)} minutes: ${cutEnd(operation.message)}`,
      'It ends at Argo CD’s sync time-out; deleting the store works all the same.',
    );
  return null;
}

const isDenied = (message: string): boolean =>
  /not permitted in project|is not permitted|do not match any of the allowed destinations/.test(
    message,
  );

const deny = (message: string): StoreProblem =>
  problem(
    'project_denies',
    `The tenant's project does not allow this: ${cutEnd(message)}`,
    'The AppProject and the chart disagree: this is for an operator.',
  );

function diagnoseComparison(message: string): StoreProblem {
  if (/values don't meet the specifications of the schema/i.test(message))
    return problem(
      'values_invalid',
      `The chart refuses the store's values: ${cutEnd(message.replace(/^[\s\S]*?specifications of the schema\(s\)( in the following chart\(s\))?:?/i, ''))}`,
      'The values and the chart version disagree: this is for an operator.',
    );
  const reading =
    /failed to (list refs|fetch)|repository not (found|accessible)|authentication required|authorization failed|unable to resolve/i;
  if (reading.test(message))
    return problem(
      'repository_unreachable',
      `Argo CD cannot read the cluster repository: ${cutEnd(unwrap(message), 200)}`,
      'Look at the repository’s address and Argo CD’s credentials for it.',
    );
  if (/code = Unavailable|code = DeadlineExceeded/.test(message))
    return problem(
      'argocd_unavailable',
      'Argo CD’s repository server does not answer.',
      'It goes on by itself once Argo CD is well again.',
    );
  if (/app path does not exist/i.test(message))
    return problem(
      'chart_missing',
      `The chart of this store is not in the cluster repository: ${cutEnd(unwrap(message), 200)}`,
      'Somebody removed it: restore it in git.',
    );
  return problem(
    'render_failed',
    `Argo CD cannot render the store: ${cutEnd(message.replace(/^[^]*desc = (Manifest generation error \(cached\): )?/, ''))}`,
    'The chart or its values are at fault: this is for an operator.',
  );
}

/** A database or a shop that is new takes this long to answer without anything being wrong. */
const SLOW_START_MS = 60_000;

/** Running, but not ready for its users: the last and weakest evidence. */
function diagnoseProbes(evidence: Evidence): StoreProblem | null {
  const event = findEvent(evidence, ({ reason }) => reason === 'Unhealthy');
  if (event === null) return null;
  const unready = evidence.pods.find(
    ({ name, deleting, createdAt, containers }) =>
      !deleting &&
      event.about === `Pod/${name}` &&
      event.at.getTime() - createdAt.getTime() >= SLOW_START_MS &&
      containers.some(({ ready }) => !ready),
  );
  return unready === undefined
    ? null
    : problem(
        'not_answering',
        `${unready.name} runs but does not answer yet: ${cutEnd(event.message, 200)}`,
        'It may just be slow to start. Its log has more.',
      );
}
