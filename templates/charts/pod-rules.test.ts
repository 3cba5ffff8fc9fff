import { expect, test } from 'vitest';
import { findFaults, findShortages } from './pod-rules.ts';
import type { Manifest } from './render-chart.ts';

test('what a pod lacks of the restricted standard is found', () => {
  expect(findFaults({ containers: [{ name: 'c', image: 'i' }] })).toEqual([
    'may run as root',
    'no seccomp profile',
    'c: may escalate privileges',
    'c: writes to its root',
    'c: keeps capabilities',
    'c: has no requests of cpu',
    'c: has no requests of memory',
    'c: has no limits of cpu',
    'c: has no limits of memory',
  ]);
});

const amounts = { cpu: '100m', memory: '64Mi' };
const make = (kind: string, name: string, spec: Manifest['spec'] = {}): Manifest => {
  const template = {
    metadata: { labels: {} },
    spec: {
      containers: [{ name: 'c', image: 'i', resources: { requests: amounts, limits: amounts } }],
    },
  };
  return {
    apiVersion: 'v1',
    kind,
    metadata: { name },
    spec: {
      ...spec,
      ...(kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template }),
    },
  };
};
const quota = (changes: Record<string, string> = {}): Manifest => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name: 'plan' },
  spec: {
    hard: {
      pods: '5',
      'requests.cpu': '500m',
      'limits.cpu': '500m',
      'requests.memory': '320Mi',
      'limits.memory': '320Mi',
      ...changes,
    },
  },
});

test('a quota that is just enough is enough: a rolling update’s further pod, a Job twice, a CronJob', () => {
  const workloads = [
    make('Deployment', 'web'),
    make('Job', 'setup'),
    make('CronJob', 'restore', { suspend: true }),
  ];
  expect(findShortages([quota(), ...workloads])).toEqual([]);
  expect(findShortages([quota({ pods: '4', 'limits.memory': '319Mi' }), ...workloads])).toEqual([
    'pods: 5 needed, 4 allowed',
    `limits.memory: ${320 * 2 ** 20} needed, ${319 * 2 ** 20} allowed`,
  ]);
});

test('a Deployment counts as large as its autoscaler may make it', () => {
  const web = make('Deployment', 'web', { strategy: { type: 'Recreate' } });
  const autoscaler: Manifest = {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web' },
    spec: { maxReplicas: 6, scaleTargetRef: { name: 'web' } },
  };
  expect(findShortages([quota(), web])).toEqual([]);
  expect(findShortages([quota(), web, autoscaler])).toContain('pods: 6 needed, 5 allowed');
});

test('a suspended store’s workloads need nothing, whatever a rolling update would add', () => {
  const asleep = [
    make('Deployment', 'web', { replicas: 0 }),
    make('StatefulSet', 'database', { replicas: 0 }),
  ];
  expect(findShortages([quota({ pods: '0', 'limits.memory': '0' }), ...asleep])).toEqual([]);
});

test('claims count by number and size', () => {
  const claim: Manifest = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'uploads' },
    spec: { resources: { requests: { storage: '1Gi' } } },
  };
  expect(
    findShortages([quota({ persistentvolumeclaims: '1', 'requests.storage': '1Gi' }), claim]),
  ).toEqual([]);
  expect(findShortages([quota({ 'requests.storage': '1023Mi' }), claim])).toEqual([
    'persistentvolumeclaims: 1 needed, 0 allowed',
    `requests.storage: ${2 ** 30} needed, ${1023 * 2 ** 20} allowed`,
  ]);
});
