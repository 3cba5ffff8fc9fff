/** Argo CD's state of affairs in plain words: what a sync is doing, what is wrong with a store. */
import type { Observation, SyncOperation } from './observation.ts';
import type { StoreProblem } from './store.ts';

const HOOKS: Readonly<Record<string, string>> = {
  secrets: 'making the shop’s passwords',
  setup: 'setting up the shop',
  migrate: 'preparing the database',
};

const KINDS: Readonly<Record<string, string>> = {
  Namespace: 'making the namespace',
  LimitRange: 'setting the limits of the plan',
  ResourceQuota: 'setting the limits of the plan',
  NetworkPolicy: 'closing the network around the shop',
  StatefulSet: 'starting the database',
  Deployment: 'starting the web server',
  PersistentVolumeClaim: 'waiting for storage',
  Ingress: 'waiting for the shop’s address',
};

/** What a running sync is at, from Argo CD's own message. */
export function describeProgress(operation: SyncOperation): string {
  if (operation.phase === 'Terminating') return 'Argo CD is stopping the sync';
  if (operation.finishedAt !== null)
    return `a try failed, Argo CD tries again (attempt ${operation.retryCount + 1})`;
  if (operation.message.startsWith('Retrying'))
    return `Argo CD tries again (attempt ${operation.retryCount + 1})`;
  const waiting = /waiting for ([a-z ]+) of (?:hook )?[^/\s]*\/([A-Za-z]+)\/([^\s,]+)/.exec(
    operation.message,
  );
  if (waiting === null) return 'creating what the shop is made of';
  const [, what = '', kind = '', name = ''] = waiting;
  if (what.startsWith('deletion'))
    return kind === 'Job'
      ? 'clearing away the job of the change before'
      : `removing ${kind} ${name}`;
  if (kind === 'Job') return HOOKS[name] ?? `running the job ${name}`;
  if (kind === 'StatefulSet' && /redis|cache/.test(name)) return 'starting the cache';
  return KINDS[kind] ?? 'creating what the shop is made of';
}

/** What is wrong with a store as far as its Application alone can tell. */
export function describeTrouble(observation: Observation): StoreProblem {
  const { operation } = observation;
  // Between two tries a failed sync still counts as Running.
  if (operation !== null && operation.finishedAt !== null && operation.phase !== 'Succeeded') {
    if (isOutOfTime(operation))
      return {
        code: 'sync_timeout',
        message: 'Argo CD stopped the sync because it took too long.',
        hint: 'Use Retry once the cause is gone.',
      };
    const failure = operation.failures[0];
    return {
      code: 'sync_failed',
      message:
        failure === undefined
          ? `Argo CD could not apply the change: ${cutEnd(operation.message)}`
          : `Argo CD could not apply ${failure.kind} ${failure.name}: ${cutEnd(failure.message || operation.message)}`,
      hint: 'Put right what the message names, then use Retry.',
    };
  }
  const condition = observation.conditions.find(({ type }) => type.endsWith('Error'));
  if (condition !== undefined)
    return {
      code: 'argocd_error',
      message: `Argo CD reports: ${cutEnd(condition.message)}`,
      hint: null,
    };
  const resource = observation.troubled[0];
  if (observation.health !== 'Healthy')
    return {
      code: `health_${observation.health.toLowerCase()}`,
      message:
        resource === undefined || resource.health === null || resource.health === 'Healthy'
          ? `Argo CD reports the shop as ${observation.health}.`
          : `${resource.kind} ${resource.name} is ${resource.health}${resource.message === '' ? '.' : `: ${cutEnd(resource.message)}`}`,
      hint: null,
    };
  return {
    code: observation.sync === 'OutOfSync' ? 'out_of_sync' : 'not_compared',
    message:
      observation.sync === 'OutOfSync'
        ? `The cluster differs from git${resource === undefined ? '' : `: ${resource.kind} ${resource.name}`}.`
        : 'Argo CD cannot compare the cluster with git.',
    hint: null,
  };
}

/** Whether Argo CD stopped the sync at its own time-out. */
export function isOutOfTime(operation: SyncOperation): boolean {
  return /sync timeout/i.test(operation.message);
}

/** What went wrong, out of the wrapping that Argo CD puts around it. */
export function unwrap(text: string): string {
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  const mark = 'desc = ';
  const at = last.lastIndexOf(mark);
  return at === -1 ? last : last.slice(at + mark.length);
}

/** The end of a long message: there is what went wrong; before it is how Argo CD got there. */
export function cutEnd(text: string, most = 400): string {
  const line = text
    .replace(/error when (?:patching|creating|applying patch) "[^"]*": /g, '')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length <= most ? line : `…${line.slice(1 - most)}`;
}

/** Why a tenant's project is not in the cluster yet, from the root Application that brings it. */
export function explainUnseenTenant(cluster: string, root: Observation | null): StoreProblem {
  if (root === null)
    return {
      code: 'root_missing',
      message: `Argo CD on cluster ${cluster} does not follow the cluster repository.`,
      hint: `An operator has to apply clusters/${cluster}/root.yaml of the repository once.`,
    };
  if (root.conditions.some(({ type }) => type.endsWith('Error'))) return describeTrouble(root);
  return {
    code: 'project_missing',
    message: 'Argo CD has not made the tenant’s project yet.',
    hint: 'It follows the repository; look at the Application shopyard-root if this lasts.',
  };
}
