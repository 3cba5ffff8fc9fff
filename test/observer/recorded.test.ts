/**
 * What Argo CD 3.5.7 and Kubernetes 1.34 really said, recorded from the lab: each object is read,
 * and each trouble is named in plain words.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { diagnose, type Evidence } from '../../control-plane/src/domain/diagnosis.ts';
import { describeProgress } from '../../control-plane/src/domain/lifecycle-words.ts';
import {
  extractObservation,
  type Observation,
} from '../../control-plane/src/domain/observation.ts';
import {
  extractClaim,
  extractEvent,
  extractJob,
  extractNamespace,
  extractPod,
} from '../../control-plane/src/domain/observation-workload.ts';

function readFixture(path: string): unknown {
  return JSON.parse(readFileSync(new URL(`fixtures/${path}.json`, import.meta.url), 'utf8'));
}

function readApplication(name: string): Observation {
  const extraction = extractObservation(readFixture(`applications/${name}`));
  if (!extraction.ok) throw new Error(extraction.message);
  return extraction.observation;
}

function readNamespace(name: string): Evidence {
  const recorded = readFixture(`namespaces/${name}`) as Record<
    'pods' | 'jobs' | 'claims' | 'events',
    unknown[]
  > & { namespace: unknown };
  const read = <T>(objects: unknown[], extract: (object: unknown) => T | null): T[] =>
    objects.map((object) => {
      const facts = extract(object);
      if (facts === null) throw new Error(`unreadable: ${JSON.stringify(object)}`);
      return facts;
    });
  const events = read(recorded.events, extractEvent);
  return {
    now: new Date(Math.max(0, ...events.map(({ at }) => at.getTime()))),
    observation: null,
    shard: null,
    namespace: extractNamespace(recorded.namespace),
    pods: read(recorded.pods, extractPod),
    jobs: read(recorded.jobs, extractJob),
    claims: read(recorded.claims, extractClaim),
    events,
  };
}

const nowhere: Evidence = {
  now: new Date('2026-11-21T12:05:30Z'),
  observation: null,
  shard: null,
  namespace: null,
  pods: [],
  jobs: [],
  claims: [],
  events: [],
};

describe('an Application', () => {
  test('that is synced and healthy', () => {
    expect(readApplication('ok')).toMatchObject({
      application: 'h4-ok',
      storeId: 'st_aaaaaaaaaaaaaaaa',
      deletingSince: null,
      guarded: false,
      sync: 'Synced',
      health: 'Healthy',
      source: { path: 'charts/ok/1.0.0', valueFiles: ['/v/good.yaml'] },
      operation: { phase: 'Succeeded', failures: [], hooks: [] },
      conditions: [],
      troubled: [],
    });
    const { operation, comparedRevision } = readApplication('ok');
    expect(operation?.syncedRevision).toMatch(/^[0-9a-f]{40}$/);
    expect(comparedRevision).toBe(operation?.syncedRevision);
  });

  test('of a store just after a sync, with its hooks', () => {
    const { operation, health, sync } = readApplication('store');
    expect({ health, sync, phase: operation?.phase }).toEqual({
      health: 'Progressing',
      sync: 'OutOfSync',
      phase: 'Succeeded',
    });
    expect(
      operation?.hooks.map(({ kind, name, phase }) => `${kind}/${name} ${phase ?? ''}`),
    ).toEqual(['Job/secrets Succeeded', 'Job/setup Succeeded']);
  });

  test('of a store in its set-up, told in words', () => {
    const { operation, guarded, deletingSince } = readApplication('running');
    expect(guarded).toBe(true);
    expect(deletingSince).toBeNull();
    expect(operation?.phase).toBe('Running');
    expect(operation === null ? '' : describeProgress(operation)).toBe('setting up the shop');
  });

  test('between two tries, told in words', () => {
    const { operation } = readApplication('retrying');
    expect(operation === null ? '' : describeProgress(operation)).toMatch(
      /^a try failed, Argo CD tries again \(attempt \d\)$/,
    );
  });

  test('on its way out', () => {
    expect(readApplication('deleting').deletingSince).toBeInstanceOf(Date);
  });

  test('that is guarded against deletion', () => {
    expect(readApplication('shard').guarded).toBe(true);
  });

  test.each([
    ['schema', 'values_invalid', /'\/plan': value must be one of 'small', 'medium'$/],
    ['values', 'render_failed', /none\.yaml: no such file or directory$/],
    ['path', 'chart_missing', /charts\/none\/1\.0\.0/],
    ['repo', 'repository_unreachable', /connection refused$/],
    ['denied', 'project_denies', /ClusterRole is not permitted in project h4-tenant/],
    ['invalid', 'sync_failed', /^Argo CD could not apply Deployment web: .*unmarshal bool/],
    ['hook', 'sync_failed', /^Argo CD could not apply Job setup: Job has reached/],
    ['retrying', 'sync_failed', /^Argo CD could not apply StatefulSet database: StatefulSet\.apps/],
    ['timeout', 'sync_timeout', /took too long/],
    ['credentials', 'repository_unreachable', /: fatal: could not read Username for [^:]+:\/\//],
    ['project', 'invalid_application', /does not exist/],
  ])('in trouble: %s', (name, code, message) => {
    const problem = diagnose({ ...nowhere, observation: readApplication(name) });
    expect(problem?.code).toBe(code);
    expect(problem?.message).toMatch(message);
  });

  test('of a shard speaks for a store whose own Application is not there yet', () => {
    expect(diagnose({ ...nowhere, shard: readApplication('repo') })?.code).toBe(
      'repository_unreachable',
    );
  });

  test.each(['ok', 'store', 'shard'])('that is well has no problem: %s', (name) => {
    const observation = readApplication(name);
    const now = observation.operation?.startedAt ?? nowhere.now;
    expect(diagnose({ ...nowhere, now, observation })).toBeNull();
  });
});

describe('a namespace', () => {
  test.each([
    ['image', 'image_pull', /^The image localhost\/shopyard\/nosuch:9\.9\.9 cannot be pulled: /],
    ['schedule', 'unschedulable', /^No node has processor time and memory for the pod web\.$/],
    ['setup', 'setup_failed', /^The set-up job failed: the database does not answer: Connection/],
    ['crash', 'crash_loop', /keeps ending \(restarted \d+ times\): wp-config\.php: no salts$/],
    ['quota', 'quota_exceeded', /requests\.memory: 0 of 64Mi used, 128Mi more needed\.$/],
    ['claim', 'volume_pending', /"nosuch" not found$/],
    ['config', 'container_settings', /secret "store-admin" not found$/],
    ['mount', 'volume_mount', /secret "store-admin" not found$/],
    ['pss', 'admission_denied', /violates PodSecurity/],
    ['gone', 'namespace_terminating', /shopyard\.dev\/test in 1 resource instances$/],
  ])('in trouble: %s', (name, code, message) => {
    const problem = diagnose(readNamespace(name));
    expect(problem?.code).toBe(code);
    expect(problem?.message).toMatch(message);
  });

  test('shows the cause, not what follows from it', () => {
    const evidence = { ...readNamespace('image'), observation: readApplication('hook') };
    expect(diagnose(evidence)?.code).toBe('image_pull');
  });

  test('does not hold an old event against a store', () => {
    const quota = readNamespace('quota');
    const later = new Date(quota.now.getTime() + 11 * 60_000);
    expect(diagnose({ ...quota, now: later })?.code).toBeUndefined();
  });
});

test('what cannot be read says which and why', () => {
  const whole = readFixture('applications/ok') as { status: object };
  expect(extractObservation({ ...whole, status: { sync: 5 } })).toMatchObject({
    ok: false,
    name: 'h4-ok',
  });
  expect(extractObservation({ kind: 'Application' })).toMatchObject({ ok: false, name: null });
  expect(extractObservation('<html>')).toMatchObject({ ok: false, name: null });
  expect(extractObservation({ ...whole, status: undefined })).toMatchObject({
    ok: true,
    observation: { sync: 'Unknown', health: 'Unknown', operation: null },
  });
});
