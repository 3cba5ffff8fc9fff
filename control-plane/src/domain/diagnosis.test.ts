/** What the recordings (test/observer) do not hold: which evidence counts when pods are gone. */
import { describe, expect, test } from 'vitest';
import { diagnose, type Evidence } from './diagnosis.ts';
import type { Observation } from './observation.ts';
import type { EventFacts, JobFacts, PodFacts } from './observation-workload.ts';

const NOW = new Date('2026-11-21T12:03:10Z');
const before = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);

const stopped: Observation = {
  application: 'abc123-shop',
  uid: 'u',
  storeId: 'st_aaaaaaaaaaaaaaaa',
  deletingSince: null,
  guarded: true,
  sync: 'OutOfSync',
  comparedRevision: 'ten',
  source: null,
  health: 'Healthy',
  healthMessage: '',
  reconciledAt: before(1),
  operation: {
    phase: 'Failed',
    message: 'Operation terminated, triggered by controller sync timeout (retried 1 times).',
    startedAt: before(188),
    finishedAt: before(2),
    retryCount: 1,
    revision: 'ten',
    syncedRevision: 'ten',
    hooks: [],
    failures: [{ kind: 'Job', name: 'secrets', phase: 'Failed', message: 'Terminated' }],
  },
  conditions: [],
  troubled: [],
};

const pullFailed = (at: Date): EventFacts => ({
  type: 'Warning',
  reason: 'Failed',
  message: 'Failed to pull image "shops/nosuch:9.9.9": shops/nosuch:9.9.9: not found',
  about: 'Pod/secrets-x7k2p',
  at,
  count: 3,
});

const lateJob: JobFacts = {
  name: 'secrets',
  generation: 1,
  state: 'failed',
  scheduled: false,
  message: 'DeadlineExceeded: Job was active longer than specified deadline',
};

function evidence(changes: Partial<Evidence>): Evidence {
  return {
    now: NOW,
    observation: stopped,
    shard: null,
    namespace: { name: 'store-abc123-shop', deletingSince: null, remaining: [] },
    pods: [],
    jobs: [],
    claims: [],
    events: [],
    ...changes,
  };
}

describe('when time ran out and the pods are gone', () => {
  test('their events tell of the image', () => {
    expect(diagnose(evidence({ events: [pullFailed(before(20))] }))).toMatchObject({
      code: 'image_pull',
      message: 'The image shops/nosuch:9.9.9 cannot be pulled: there is no such image.',
    });
    expect(diagnose(evidence({ jobs: [lateJob], events: [pullFailed(before(20))] }))?.code).toBe(
      'image_pull',
    );
  });

  test('so do they while the pod is told to go and still there', () => {
    const leaving: PodFacts = {
      name: 'secrets-x7k2p',
      phase: 'Pending',
      job: 'secrets',
      component: null,
      createdAt: before(180),
      startedAt: before(180),
      deleting: true,
      unschedulable: null,
      containers: [],
    };
    expect(diagnose(evidence({ pods: [leaving], events: [pullFailed(before(20))] }))?.code).toBe(
      'image_pull',
    );
  });

  test('events from before this sync do not', () => {
    expect(diagnose(evidence({ events: [pullFailed(before(200))] }))?.code).toBe('sync_timeout');
  });

  test('nor do they once the image was pulled', () => {
    const pulled = {
      ...pullFailed(before(10)),
      reason: 'Pulled',
      message: 'Successfully pulled image "shops/nosuch:9.9.9" in 2.1s',
    };
    expect(diagnose(evidence({ events: [pullFailed(before(20)), pulled] }))?.code).toBe(
      'sync_timeout',
    );
  });

  test('a Job that left no word is said to have taken too long', () => {
    expect(diagnose(evidence({ jobs: [lateJob] }))).toMatchObject({
      code: 'job_timeout',
      message: 'The job that makes the shop’s passwords took too long and was stopped.',
    });
  });
});

test('what cannot be rendered is told without Argo CD’s wrapping', () => {
  const message =
    'Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = Manifest generation error (cached): YAML parse error on shop/templates/web.yaml\nUse --debug flag to render out invalid YAML';
  const observation = { ...stopped, conditions: [{ type: 'ComparisonError', message }] };
  expect(diagnose(evidence({ observation }))?.message).toBe(
    'Argo CD cannot render the store: YAML parse error on shop/templates/web.yaml Use --debug flag to render out invalid YAML',
  );
});
