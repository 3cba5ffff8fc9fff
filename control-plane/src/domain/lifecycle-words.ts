/** Argo CD's state of affairs in plain words: what a sync is doing, what is wrong with a store. */
import type { Observation, SyncOperation } from './observation.ts';
import type { StoreProblem } from './store.ts';

const HOOKS: Readonly<Record<string, string>> = {
  secrets: 'making the shop’s passwords',
  setup: 'setting up the shop',
  migrate: 'preparing the database',
};

/** What a running sync is at, from Argo CD's own message. */
export function describeProgress(operation: SyncOperation): string {
  if (operation.phase === 'Terminating') return 'Argo CD is stopping the sync';
  if (operation.finishedAt !== null)
    return `a try failed, Argo CD tries again (attempt ${operation.retryCount + 1})`;
  const waiting = / ?waiting for ([a-z ]+) of (?:hook )?[^/\s]*\/([A-Za-z]+)\/([^\s,]+)/.exec(
    operation.message,
  );
  if (waiting === null) return 'creating what the shop is made of';
  const [, what = '', kind = '', name = ''] = waiting;
  if (what.startsWith('deletion')) return `removing ${kind} ${name}`;
  switch (kind) {
    case 'Job':
      return HOOKS[name] ?? `running the job ${name}`;
    case 'StatefulSet':
      return /redis|cache/.test(name) ? 'starting the cache' : 'starting the database';
    case 'Deployment':
      return 'starting the web server';
    case 'PersistentVolumeClaim':
      return 'waiting for storage';
    case 'Ingress':
      return 'waiting for the shop’s address';
    default:
      return `waiting for ${kind} ${name}`;
  }
}

/** What is wrong with a store as far as its Application alone can tell. */
export function describeTrouble(observation: Observation): StoreProblem {
  const { operation } = observation;
  if (operation !== null && (operation.phase === 'Failed' || operation.phase === 'Error')) {
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

/** The end of a long message: there is what went wrong; before it is how Argo CD got there. */
export function cutEnd(text: string, most = 400): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= most ? line : `…${line.slice(1 - most)}`;
}
