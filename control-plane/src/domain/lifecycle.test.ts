import { describe, expect, test } from 'vitest';
import {
  ANSWER_AWAITED_MS,
  GUARD_TOLERATED_MS,
  PASSED_OVER_MOST_MS,
  PASSED_OVER_MS,
  REMOVAL_EXPECTED_MS,
  STUCK_AFTER_MS,
  TROUBLE_TOLERATED_MS,
  judgeStore,
  type Circumstances,
  type StoreFacts,
  type Verdict,
} from './lifecycle.ts';
import { hashStoreId, type StoreProblem } from './store.ts';
import type { Observation, SyncOperation } from './observation.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const before = (ms: number): Date => new Date(NOW.getTime() - ms);
const ID = 'st_aaaaaaaaaaaaaaaa';
const VALUES = `/clusters/lab/stores/${hashStoreId(ID)}/abc123-shop/values-1.0.0.yaml`;
/** Commits of the branch by place; the store's is the tenth. */
const COMMITS: Readonly<Record<string, number>> = { nine: 9, ten: 10, eleven: 11 };
const DIAGNOSIS: StoreProblem = { code: 'image_pull', message: 'No such image.', hint: null };

type Changes = Omit<Partial<StoreFacts>, 'operation'> & {
  readonly operation?: Partial<StoreFacts['operation']>;
};

function store(changes: Changes = {}): StoreFacts {
  return {
    id: ID,
    cluster: 'lab',
    application: 'abc123-shop',
    chart: 'woocommerce',
    chartVersion: '1.0.0',
    generation: 3,
    suspended: false,
    purgeAt: null,
    drifted: false,
    status: 'provisioning',
    stage: 'committed',
    detail: null,
    problem: null,
    commitPosition: 10,
    deadlineAt: new Date(NOW.getTime() + 60_000),
    updatedAt: before(1000),
    removingSince: null,
    ...changes,
    operation: {
      id: 'op_a',
      kind: 'create',
      action: 'create',
      state: 'waiting',
      committedAt: before(2000),
      ...changes.operation,
    },
  };
}

const readyStore = (changes: Changes = {}): StoreFacts =>
  store({ status: 'ready', stage: 'ready', operation: { state: 'done' }, ...changes });

const leavingStore = (action: 'release' | 'remove', changes: Changes = {}): StoreFacts =>
  store({
    status: 'deleting',
    stage: action === 'release' ? 'releasing' : 'removing',
    ...changes,
    operation: { kind: 'delete', action, ...changes.operation },
  });

function sync(changes: Partial<SyncOperation> = {}): SyncOperation {
  return {
    phase: 'Succeeded',
    message: 'successfully synced (all tasks run)',
    startedAt: before(30_000),
    finishedAt: before(5000),
    retryCount: 0,
    revision: 'ten',
    syncedRevision: 'ten',
    hooks: [],
    failures: [],
    ...changes,
  };
}

/** An Application that is live at the store's commit. */
function seen(changes: Partial<Observation> = {}): Observation {
  return {
    application: 'abc123-shop',
    uid: 'u',
    storeId: ID,
    deletingSince: null,
    guarded: true,
    sync: 'Synced',
    comparedRevision: 'ten',
    source: { path: 'charts/woocommerce/1.0.0', valueFiles: [VALUES] },
    health: 'Healthy',
    healthMessage: '',
    reconciledAt: before(4000),
    operation: sync(),
    conditions: [],
    troubled: [],
    ...changes,
  };
}

const LIVE_GENERATION = {
  configMap: 3,
  setup: {
    name: 'setup',
    generation: 3,
    state: 'complete' as const,
    scheduled: false,
    message: '',
  },
};

function judge(
  facts: StoreFacts,
  observation: Observation | 'absent' | 'unknown',
  changes: Partial<Circumstances> = {},
): Verdict {
  const verdict = judgeStore(facts, {
    now: NOW,
    sighting:
      typeof observation === 'string' ? { kind: observation } : { kind: 'present', observation },
    shard: null,
    positionOf: (sha) => COMMITS[sha],
    answers: {},
    troubleSince: null,
    silence: null,
    ...changes,
  });
  if (verdict === null) throw new Error('no verdict');
  return verdict;
}

const confirmed = { answers: { generation: LIVE_GENERATION } };

describe('live', () => {
  test('when every condition holds', () => {
    expect(judge(store(), seen(), confirmed)).toMatchObject({
      status: 'ready',
      stage: 'ready',
      detail: null,
      problem: null,
      end: 'done',
      ask: [],
    });
  });

  test('at a later commit too', () => {
    const observation = seen({ operation: sync({ syncedRevision: 'eleven' }) });
    expect(judge(store(), observation, confirmed).status).toBe('ready');
  });

  test.each<[string, Partial<Observation>]>([
    ['an older commit was applied', { operation: sync({ syncedRevision: 'nine' }) }],
    ['nothing was applied', { operation: null }],
    ['an unknown commit was applied', { operation: sync({ syncedRevision: 'twelve' }) }],
    ['the sync still runs', { operation: sync({ phase: 'Running', finishedAt: null }) }],
    ['a try failed and another follows', { operation: sync({ phase: 'Running' }) }],
    ['it is OutOfSync', { sync: 'OutOfSync' }],
    ['it could not be compared', { sync: 'Unknown' }],
    ['it is Progressing', { health: 'Progressing' }],
    ['it is Degraded', { health: 'Degraded' }],
    ['it was compared before the sync ended', { reconciledAt: before(6000) }],
    ['it was never compared', { reconciledAt: null }],
    [
      'another chart was compared',
      { source: { path: 'charts/woocommerce/0.9.0', valueFiles: [VALUES] } },
    ],
    [
      'other values were compared',
      { source: { path: 'charts/woocommerce/1.0.0', valueFiles: ['/x.yaml'] } },
    ],
    [
      'more values were compared',
      { source: { path: 'charts/woocommerce/1.0.0', valueFiles: [VALUES, '/x.yaml'] } },
    ],
    ['it is being deleted', { deletingSince: before(1000) }],
  ])('not while %s', (_, changes) => {
    const verdict = judge(store(), seen(changes), confirmed);
    expect(verdict).toMatchObject({ status: 'provisioning', end: null });
    expect(verdict.detail).not.toBeNull();
  });

  test.each([
    ['the ConfigMap is of another generation', { ...LIVE_GENERATION, configMap: 2 }],
    ['there is no ConfigMap', { ...LIVE_GENERATION, configMap: null }],
    ['there is no set-up job', { ...LIVE_GENERATION, setup: null }],
    [
      'the set-up job is of another generation',
      { ...LIVE_GENERATION, setup: { ...LIVE_GENERATION.setup, generation: 2 } },
    ],
    [
      'the set-up job runs',
      { ...LIVE_GENERATION, setup: { ...LIVE_GENERATION.setup, state: 'running' as const } },
    ],
    [
      'the set-up job failed',
      { ...LIVE_GENERATION, setup: { ...LIVE_GENERATION.setup, state: 'failed' as const } },
    ],
  ])('not while %s', (_, generation) => {
    expect(judge(store(), seen(), { answers: { generation } })).toMatchObject({
      status: 'provisioning',
      stage: 'verifying',
      end: null,
      ask: ['generation'],
    });
  });

  test('asks for the generation only when all the rest holds', () => {
    expect(judge(store(), seen()).ask).toEqual(['generation']);
    expect(judge(store(), seen({ health: 'Progressing' })).ask).toEqual([]);
  });

  test('names a commit that it does not know', () => {
    const observation = seen({ operation: sync({ syncedRevision: 'twelve' }) });
    expect(judge(store(), observation).unknownRevision).toBe('twelve');
  });
});

describe('a change on its way', () => {
  const running = (message: string, hooks: SyncOperation['hooks'] = []): Observation =>
    seen({
      operation: sync({ phase: 'Running', finishedAt: null, message, hooks }),
      sync: 'OutOfSync',
    });
  const setup = { kind: 'Job', name: 'setup', phase: 'Running', message: '' };

  test.each<[Observation | 'absent', string, string]>([
    ['absent', 'committed', 'waiting for Argo CD to see the commit'],
    [seen({ operation: null, sync: 'OutOfSync' }), 'seen', 'waiting for Argo CD to start the sync'],
    [
      running('waiting for healthy state of apps/StatefulSet/database'),
      'syncing',
      'starting the database',
    ],
    [
      running('waiting for healthy state of apps/Deployment/web and 2 more resources'),
      'syncing',
      'starting the web server',
    ],
    [
      running('waiting for completion of hook batch/Job/secrets'),
      'syncing',
      'making the shop’s passwords',
    ],
    [
      running('waiting for completion of hook batch/Job/setup', [setup]),
      'setup',
      'setting up the shop',
    ],
    [
      running('waiting for healthy state of /PersistentVolumeClaim/uploads'),
      'syncing',
      'waiting for storage',
    ],
    [running('one or more tasks are running'), 'syncing', 'creating what the shop is made of'],
    [seen({ health: 'Progressing' }), 'verifying', 'waiting for the shop to come up'],
  ])('is told in words (%#)', (observation, stage, detail) => {
    expect(judge(store(), observation)).toMatchObject({ status: 'provisioning', stage, detail });
  });

  test('never goes back a stage', () => {
    expect(judge(store({ stage: 'setup' }), 'absent').stage).toBe('setup');
  });

  test('says that an earlier sync is in the way', () => {
    const observation = seen({
      operation: sync({
        phase: 'Running',
        finishedAt: null,
        syncedRevision: 'nine',
        message: 'waiting for completion of hook batch/Job/setup',
      }),
    });
    expect(judge(store(), observation).detail).toBe(
      'Argo CD is still busy with an earlier change: setting up the shop',
    );
  });

  test('of a store that lives is seen when its commit was compared', () => {
    const update = store({ operation: { kind: 'update', action: 'update' } });
    const old = sync({ syncedRevision: 'nine' });
    expect(judge(update, seen({ operation: old, comparedRevision: 'nine' })).stage).toBe(
      'committed',
    );
    expect(judge(update, seen({ operation: old, comparedRevision: 'ten' })).stage).toBe('seen');
  });

  test('is the writer’s while it is queued', () => {
    const queued = store({ stage: 'requested', detail: 'x', operation: { state: 'queued' } });
    expect(judge(queued, seen(), confirmed)).toMatchObject({
      status: 'provisioning',
      stage: 'requested',
      detail: 'x',
      end: null,
    });
  });

  test('that shows nothing new is looked into', () => {
    const quiet = store({ updatedAt: before(STUCK_AFTER_MS) });
    expect(judge(quiet, 'absent')).toMatchObject({ ask: ['diagnosis'], problem: null });
    expect(judge(quiet, 'absent', { answers: { diagnosis: DIAGNOSIS } })).toMatchObject({
      status: 'provisioning',
      problem: DIAGNOSIS,
    });
  });
});

describe('failed', () => {
  const late = store({ deadlineAt: NOW, stage: 'syncing' });
  const gaveUp = seen({
    sync: 'OutOfSync',
    operation: sync({
      phase: 'Failed',
      message: 'one or more objects failed to apply (retried 5 times).',
    }),
  });

  test('at the deadline, with what was waited for', () => {
    const verdict = judge(late, 'absent');
    expect(verdict).toMatchObject({ status: 'failed', stage: 'syncing', end: 'failed' });
    expect(verdict.problem?.message).toContain('waiting for Argo CD to see the commit');
  });

  test('with the diagnosis where there is one', () => {
    const quiet = { ...late, updatedAt: before(STUCK_AFTER_MS) };
    expect(judge(quiet, 'absent', { answers: { diagnosis: DIAGNOSIS } }).problem).toEqual(
      DIAGNOSIS,
    );
  });

  test('at the deadline also when the cluster cannot be watched', () => {
    expect(judge(late, 'unknown')).toMatchObject({ status: 'failed', end: 'failed' });
  });

  test('with the cluster’s silence as the reason, when that is all that is known', () => {
    const silence = 'The cluster has said nothing since noon.';
    for (const seen of ['unknown', 'absent'] as const)
      expect(judge(late, seen, { silence }).problem).toMatchObject({
        code: 'cluster_silent',
        message: expect.stringContaining(silence) as string,
      });
  });

  test('not at the deadline if it is live just then', () => {
    expect(judge(late, seen(), confirmed).status).toBe('ready');
  });

  test('not while all it lacks is an answer, unless none comes', () => {
    expect(judge(late, seen())).toMatchObject({ status: 'provisioning', ask: ['generation'] });
    const longAgo = { ...late, deadlineAt: before(ANSWER_AWAITED_MS) };
    expect(judge(longAgo, seen()).status).toBe('failed');
  });

  test('in the queue leaves the operation to the writer', () => {
    expect(
      judge({ ...late, operation: { ...late.operation, state: 'queued' } }, 'absent'),
    ).toMatchObject({ status: 'failed', end: null });
  });

  test('at once when Argo CD gave up on this commit', () => {
    const verdict = judge(store(), gaveUp);
    expect(verdict).toMatchObject({ status: 'failed', end: 'failed' });
    expect(verdict.problem?.message).toContain('failed to apply');
  });

  test('not by a sync of an earlier commit', () => {
    const observation = { ...gaveUp, operation: sync({ phase: 'Failed', syncedRevision: 'nine' }) };
    expect(judge(store(), observation).status).toBe('provisioning');
  });

  // As recorded in the lab: the Job's deadline, a second try, Argo CD's time-out.
  describe('keeps the reason when time runs out', () => {
    const outOfTime = (code: string): StoreProblem => ({ code, message: 'Too long.', hint: null });
    const at = (phase: SyncOperation['phase'], message: string): Observation =>
      seen({
        sync: 'OutOfSync',
        operation: sync({ phase, message, finishedAt: phase === 'Failed' ? before(0) : null }),
      });
    const IMAGE = at('Running', 'waiting for completion of hook batch/Job/secrets');
    const RETRYING = at(
      'Running',
      'one or more synchronization tasks completed unsuccessfully. Retrying attempt #1 at 3:49PM.',
    );
    const STOPPED = at(
      'Failed',
      'Operation terminated, triggered by controller sync timeout (retried 1 times).',
    );

    /** The store after each verdict in turn. */
    function follow(
      ...steps: readonly (readonly [Observation, StoreProblem | null | undefined])[]
    ): StoreFacts {
      let facts = store({ stage: 'syncing', updatedAt: before(STUCK_AFTER_MS) });
      for (const [observation, diagnosis] of steps) {
        const { status, stage, detail, problem } = judge(facts, observation, {
          answers: diagnosis === undefined ? {} : { diagnosis },
        });
        facts = { ...facts, status, stage, detail, problem };
      }
      return facts;
    }

    test('of a Job, then of the sync', () => {
      const failed = follow(
        [IMAGE, DIAGNOSIS],
        [RETRYING, outOfTime('job_timeout')],
        [STOPPED, DIAGNOSIS],
        [STOPPED, outOfTime('sync_timeout')],
        [STOPPED, outOfTime('sync_timeout')],
      );
      expect(failed).toMatchObject({ status: 'failed', problem: DIAGNOSIS });
    });

    test('also before the cluster has answered', () => {
      expect(follow([IMAGE, DIAGNOSIS], [STOPPED, undefined]).problem).toEqual(DIAGNOSIS);
    });

    test('but not one that has passed', () => {
      expect(
        follow([IMAGE, DIAGNOSIS], [IMAGE, null], [STOPPED, outOfTime('sync_timeout')]).problem,
      ).toEqual(outOfTime('sync_timeout'));
      expect(follow([STOPPED, undefined]).problem?.code).toBe('sync_timeout');
    });

    test('and takes a new reason for an old one', () => {
      const quota: StoreProblem = { code: 'quota_exceeded', message: 'Full.', hint: null };
      expect(follow([IMAGE, DIAGNOSIS], [IMAGE, quota]).problem).toEqual(quota);
      expect(follow([STOPPED, outOfTime('sync_timeout')], [STOPPED, quota]).problem).toEqual(quota);
    });
  });

  test('stays until it is live, then is ready', () => {
    const failed = store({ status: 'failed', problem: DIAGNOSIS, operation: { state: 'failed' } });
    expect(judge(failed, seen({ health: 'Progressing' }))).toMatchObject({
      status: 'failed',
      problem: DIAGNOSIS,
      end: null,
    });
    expect(judge(failed, seen(), confirmed)).toMatchObject({
      status: 'ready',
      problem: null,
      end: 'done',
    });
  });
});

describe('a live store', () => {
  test('stays ready', () => {
    expect(judge(readyStore(), seen())).toMatchObject({
      status: 'ready',
      problem: null,
      ask: [],
      troubleSince: null,
    });
  });

  test('is degraded at once when Argo CD says so', () => {
    const observation = seen({
      health: 'Degraded',
      troubled: [
        {
          kind: 'Deployment',
          name: 'web',
          sync: 'Synced',
          health: 'Degraded',
          message: 'exceeded its progress deadline',
        },
      ],
    });
    const verdict = judge(readyStore(), observation);
    expect(verdict.status).toBe('degraded');
    expect(verdict.problem).toMatchObject({
      code: 'health_degraded',
      message: 'Deployment web is Degraded: exceeded its progress deadline',
    });
  });

  test.each<[string, Partial<Observation>]>([
    ['Progressing', { health: 'Progressing' }],
    ['Missing', { health: 'Missing' }],
    ['Unknown', { health: 'Unknown' }],
    ['OutOfSync', { sync: 'OutOfSync' }],
    ['another source', { source: { path: 'elsewhere', valueFiles: [] } }],
  ])('is not degraded by a short spell: %s', (_, changes) => {
    const first = judge(readyStore(), seen(changes));
    expect(first).toMatchObject({ status: 'ready', troubleSince: NOW, problem: null });
    expect(first.detail).not.toBeNull();
    const still = judge(readyStore(), seen(changes), {
      troubleSince: before(TROUBLE_TOLERATED_MS - 1),
    });
    expect(still.status).toBe('ready');
    const long = judge(readyStore(), seen(changes), { troubleSince: before(TROUBLE_TOLERATED_MS) });
    expect(long.status).toBe('degraded');
    expect(long.problem).not.toBeNull();
  });

  test('whose Application vanished is degraded, never deleted', () => {
    expect(judge(readyStore(), 'absent')).toMatchObject({
      status: 'degraded',
      problem: { code: 'application_missing' },
      next: null,
    });
  });

  test('says nothing while the cluster is not known', () => {
    expect(
      judgeStore(readyStore(), {
        now: NOW,
        sighting: { kind: 'unknown' },
        shard: null,
        positionOf: () => undefined,
        answers: {},
        troubleSince: null,
        silence: null,
      }),
    ).toBeNull();
  });

  test('that was degraded before we looked keeps its reason until there is a newer one', () => {
    const degraded = readyStore({ status: 'degraded', problem: DIAGNOSIS });
    const sick = seen({ health: 'Degraded' });
    expect(judge(degraded, sick).problem).toEqual(DIAGNOSIS);
    expect(judge(degraded, sick, { troubleSince: before(1000) }).problem?.code).toBe(
      'health_degraded',
    );
    const newer = { ...DIAGNOSIS, code: 'crash_loop' };
    expect(judge(degraded, sick, { answers: { diagnosis: newer } }).problem).toEqual(newer);
    expect(judge(degraded, 'absent', { answers: { diagnosis: newer } }).problem?.code).toBe(
      'application_missing',
    );
  });

  test('recovers at once', () => {
    expect(judge(readyStore({ status: 'degraded', problem: DIAGNOSIS }), seen())).toMatchObject({
      status: 'ready',
      problem: null,
      detail: null,
    });
  });
});

describe('a store on its way out', () => {
  const gone = { answers: { presence: { application: false, namespace: null } } };
  const free = seen({ guarded: false });

  test('waits while the guard is seen', () => {
    expect(judge(leavingStore('release'), seen())).toMatchObject({
      stage: 'releasing',
      next: null,
    });
  });

  test('moves on when the guard is off, whatever the state of the shop', () => {
    const hanging = {
      ...free,
      sync: 'Unknown' as const,
      health: 'Degraded' as const,
      operation: sync({ phase: 'Running', finishedAt: null, syncedRevision: 'nine' }),
    };
    expect(judge(leavingStore('release'), hanging)).toMatchObject({
      stage: 'removing',
      next: 'remove',
    });
  });

  test('asks directly before it believes an absence', () => {
    expect(judge(leavingStore('release'), 'absent')).toMatchObject({
      next: null,
      ask: ['presence'],
    });
    expect(judge(leavingStore('release'), 'absent', gone).next).toBe('remove');
    const there = { answers: { presence: { application: true, namespace: null } } };
    expect(judge(leavingStore('release'), 'absent', there).next).toBeNull();
    expect(judge(leavingStore('remove'), 'absent', there).next).toBeNull();
  });

  test.each<[string, Partial<Observation>]>([
    ['has not compared our commit', { comparedRevision: 'nine', operation: null }],
    [
      'still applies an older one',
      { comparedRevision: 'ten', operation: sync({ phase: 'Running', syncedRevision: 'nine' }) },
    ],
    ['speaks of an unknown commit', { comparedRevision: 'twelve', operation: null }],
    ['has compared nothing', { comparedRevision: null, operation: null }],
  ])('waits while its shard %s', (_, changes) => {
    const shard = seen({ application: 'shopyard-shard-0', ...changes });
    expect(judge(leavingStore('release'), 'absent', { ...gone, shard }).next).toBeNull();
    expect(judge(leavingStore('remove'), 'absent', { ...gone, shard }).next).toBeNull();
  });

  test('goes on when its shard has caught up, or nothing was ever committed', () => {
    const shard = seen({ comparedRevision: 'eleven', operation: sync({ syncedRevision: 'nine' }) });
    expect(judge(leavingStore('remove'), 'absent', { ...gone, shard }).next).toBe('purge');
    const blank = leavingStore('release', { commitPosition: null });
    expect(
      judge(blank, 'absent', { ...gone, shard: seen({ comparedRevision: 'nine' }) }).next,
    ).toBe('remove');
  });

  test('is not purged before the namespace is gone', () => {
    const namespace = { name: 'store-abc123-shop', deletingSince: before(1000), remaining: [] };
    expect(
      judge(leavingStore('remove'), 'absent', {
        answers: { presence: { application: false, namespace } },
      }),
    ).toMatchObject({ next: null, ask: ['presence'] });
    expect(judge(leavingStore('remove'), 'absent', gone)).toMatchObject({
      stage: 'purging',
      next: 'purge',
    });
  });

  test('is not purged unless asked', () => {
    expect(judge(leavingStore('remove'), 'absent')).toMatchObject({
      next: null,
      ask: ['presence'],
    });
  });

  test('is released again if the guard is still on after its removal', () => {
    const old = {
      operation: { committedAt: before(GUARD_TOLERATED_MS + 1) },
    };
    expect(judge(leavingStore('remove'), seen()).next).toBeNull();
    expect(judge(leavingStore('remove', old), seen()).next).toBe('release');
    expect(judge(leavingStore('remove', old), seen({ deletingSince: before(1) })).next).toBeNull();
  });

  test('is not released again before its shard has read the removal: it would see no change', () => {
    const old = leavingStore('remove', {
      operation: { committedAt: before(GUARD_TOLERATED_MS + 1) },
    });
    const shard = seen({ application: 'shopyard-shard-0' });
    const behind = { ...shard, comparedRevision: 'nine' };
    expect(judge(old, seen(), { shard: behind }).next).toBeNull();
    expect(judge(old, seen(), { shard }).next).toBe('release');
  });

  describe('whose release Argo CD has passed over', () => {
    const waited = (ms: number, changes: Changes = {}): StoreFacts =>
      leavingStore('release', { ...changes, operation: { committedAt: before(ms) } });
    const shard = seen({
      application: 'shopyard-shard-0',
      operation: sync({ phase: 'Failed', syncedRevision: null }),
    });
    const judgeIt = (facts: StoreFacts, its: Observation | null = shard): Verdict =>
      judge(facts, seen(), { shard: its });

    test('has it committed anew, by way of a removal that does nothing yet', () => {
      expect(judgeIt(waited(PASSED_OVER_MS))).toMatchObject({ stage: 'releasing', next: null });
      expect(judgeIt(waited(PASSED_OVER_MS + 1))).toMatchObject({
        status: 'deleting',
        stage: 'removing',
        detail: 'Argo CD has passed over the release: committing it again',
        next: 'remove',
      });
      const removed = { operation: { committedAt: before(GUARD_TOLERATED_MS + 1) } };
      expect(judgeIt(leavingStore('remove', removed)).next).toBe('release');
    });

    test.each<[string, Observation | null]>([
      ['has not read it', { ...shard, comparedRevision: 'nine' }],
      ['tries again', { ...shard, operation: sync({ phase: 'Running' }) }],
      ['is not there', null],
    ])('waits while its shard %s', (_, its) => {
      expect(judgeIt(waited(PASSED_OVER_MS + 1), its)).toMatchObject({
        stage: 'releasing',
        next: null,
      });
    });

    test('waits while a person’s change of its files stands: that may be the guard', () => {
      expect(judgeIt(waited(PASSED_OVER_MS + 1, { drifted: true })).next).toBeNull();
    });
  });

  describe('whose removal Argo CD has passed over', () => {
    const waited = (ms: number, removingMs = ms + 1_000): StoreFacts =>
      leavingStore('remove', {
        removingSince: before(removingMs),
        operation: { committedAt: before(ms) },
      });
    const shard = seen({ application: 'shopyard-shard-0' });
    const next = (facts: StoreFacts, its: Observation | null = shard): string | null =>
      judge(facts, free, { shard: its }).next;

    test('has it committed anew', () => {
      expect(next(waited(PASSED_OVER_MS))).toBeNull();
      expect(next(waited(PASSED_OVER_MS + 1))).toBe('release');
    });

    test('has it so again after twice the time, and every quarter of an hour in the end', () => {
      expect(next(waited(PASSED_OVER_MS + 1, 3 * PASSED_OVER_MS))).toBeNull();
      expect(next(waited(2 * PASSED_OVER_MS + 1, 4 * PASSED_OVER_MS))).toBe('release');
      const day = 24 * 3_600_000;
      expect(next(waited(PASSED_OVER_MOST_MS, day))).toBeNull();
      expect(next(waited(PASSED_OVER_MOST_MS + 1, day))).toBe('release');
    });

    test.each<[string, Observation | null]>([
      ['has not read it', { ...shard, comparedRevision: 'nine', operation: null }],
      ['is at work', { ...shard, operation: sync({ phase: 'Running' }) }],
      ['is not there', null],
    ])('waits while its shard %s', (_, its) => {
      expect(next(waited(PASSED_OVER_MS + 1), its)).toBeNull();
    });

    test('is not removed again before its shard has read that the file is back', () => {
      const behind = { ...shard, comparedRevision: 'nine' };
      expect(judge(leavingStore('release'), free, { shard: behind })).toMatchObject({
        stage: 'releasing',
        next: null,
      });
      expect(judge(leavingStore('release'), free, { shard }).next).toBe('remove');
    });
  });

  test('that takes long says why and goes on waiting', () => {
    const old = {
      operation: { committedAt: before(REMOVAL_EXPECTED_MS + 1) },
    };
    const hanging = seen({
      deletingSince: before(150_000),
      operation: sync({
        phase: 'Running',
        finishedAt: null,
        message: 'waiting for completion of hook batch/Job/setup',
      }),
    });
    expect(
      judge(leavingStore('remove', old), hanging, { answers: { diagnosis: DIAGNOSIS } }),
    ).toMatchObject({
      status: 'deleting',
      detail: 'Argo CD finishes a running sync before it removes the shop: setting up the shop',
      problem: DIAGNOSIS,
      next: null,
      ask: ['diagnosis'],
    });
  });

  test.each(['unknown', 'absent', seen({ guarded: false })] as const)(
    'is left to the writer while its step is queued (%#)',
    (observation) => {
      const queued = leavingStore('remove', {
        operation: { state: 'queued' },
      });
      expect(() => judge(queued, observation)).toThrow('no verdict');
    },
  );
});

test.each(['suspended', 'rejected', 'deleted'] as const)(
  'a %s store is not the observer’s',
  (status) => {
    expect(() => judge(store({ status }), seen(), confirmed)).toThrow('no verdict');
  },
);

describe('suspended', () => {
  const stopping = (changes: Changes = {}): StoreFacts =>
    store({ suspended: true, ...changes, operation: { kind: 'suspend', action: 'suspend' } });
  const withoutSetup = { answers: { generation: { configMap: 3, setup: null } } };

  test('when its generation is live; there is no set-up job to wait for', () => {
    expect(judge(stopping(), seen(), withoutSetup)).toMatchObject({
      status: 'suspended',
      stage: 'suspended',
      end: 'done',
      detail: null,
    });
  });

  test('also when Argo CD calls what is told not to run Suspended', () => {
    const observation = seen({ health: 'Suspended' });
    expect(judge(stopping(), observation, withoutSetup).status).toBe('suspended');
    expect(judge(store(), observation, confirmed).status).toBe('provisioning');
  });

  test('not before its generation is there', () => {
    const verdict = judge(stopping(), seen(), {
      answers: { generation: { configMap: 2, setup: LIVE_GENERATION.setup } },
    });
    expect(verdict).toMatchObject({ status: 'provisioning', stage: 'verifying', end: null });
    expect(judge(stopping(), seen({ health: 'Progressing' }), withoutSetup).detail).toBe(
      'waiting for what runs to stop; Argo CD reports Progressing',
    );
  });

  test('a job of the change before is no set-up of this one', () => {
    const observation = seen({
      operation: sync({
        phase: 'Running',
        finishedAt: null,
        hooks: [{ kind: 'Job', name: 'setup', phase: 'Running', message: '' }],
      }),
    });
    expect(judge(stopping(), observation).stage).toBe('syncing');
  });

  test('is left alone', () => {
    expect(
      judgeStore(stopping({ status: 'suspended', stage: 'suspended' }), {
        now: NOW,
        sighting: { kind: 'absent' },
        shard: null,
        positionOf: () => undefined,
        answers: {},
        troubleSince: null,
        silence: null,
      }),
    ).toBeNull();
  });

  test('started again it needs its set-up job as ever', () => {
    const resumed = store({ operation: { kind: 'resume', action: 'resume' } });
    expect(judge(resumed, seen(), withoutSetup).detail).toBe(
      'waiting for the set-up job of this change',
    );
    expect(judge(resumed, seen(), confirmed).status).toBe('ready');
  });
});

describe('kept', () => {
  const purgeAt = new Date(NOW.getTime() + 60_000);
  const retired = (changes: Changes = {}): StoreFacts =>
    store({
      status: 'suspended',
      stage: 'retiring',
      suspended: true,
      purgeAt,
      deadlineAt: null,
      ...changes,
      operation: { kind: 'delete', action: 'retire', ...changes.operation },
    });
  const live = { answers: { generation: { configMap: 3, setup: null } } };

  test('when nothing of it runs any more, until its time', () => {
    expect(judge(retired(), seen({ health: 'Progressing' }))).toMatchObject({
      status: 'suspended',
      stage: 'retiring',
      end: null,
    });
    expect(judge(retired(), seen(), live)).toMatchObject({
      status: 'suspended',
      stage: 'kept',
      detail: 'kept until 2026-11-21 12:01 UTC',
      end: null,
      next: null,
      judgeAgainAt: purgeAt,
    });
  });

  test('what it kept is not looked at again', () => {
    expect(judge(retired({ stage: 'kept' }), 'absent')).toMatchObject({
      stage: 'kept',
      next: null,
    });
  });

  test('a sync that was given up says so; the store is kept all the same', () => {
    const observation = seen({ operation: sync({ phase: 'Failed', message: 'no' }) });
    expect(judge(retired(), observation)).toMatchObject({
      status: 'suspended',
      stage: 'retiring',
      end: null,
      problem: { code: 'sync_failed' },
    });
  });

  test.each(['retiring', 'kept'] as const)('when its time is over it is released: %s', (stage) => {
    expect(judge(retired({ stage, purgeAt: NOW }), 'absent')).toMatchObject({
      status: 'deleting',
      stage: 'releasing',
      next: 'release',
      end: null,
    });
  });

  test.each(['retiring', 'kept'] as const)('not while its cluster is silent: %s', (stage) => {
    const due = retired({ stage, purgeAt: NOW, detail: 'kept until 2026-11-21 12:00 UTC' });
    const silence = 'The cluster has said nothing since 2026-11-21T11:50:00.000Z.';
    for (const sighting of [seen(), 'absent'] as const)
      expect(judge(due, sighting, { silence })).toMatchObject({
        status: 'suspended',
        stage,
        detail: due.detail,
        next: null,
        end: null,
      });
  });

  test('not while nothing is known of its cluster, nor before it is committed', () => {
    const none = {
      now: NOW,
      shard: null,
      positionOf: () => undefined,
      answers: {},
      troubleSince: null,
      silence: null,
    };
    expect(
      judgeStore(retired({ purgeAt: NOW }), { ...none, sighting: { kind: 'unknown' } }),
    ).toBeNull();
    for (const state of ['queued', 'held', 'review', 'failed'] as const)
      expect(
        judgeStore(retired({ purgeAt: NOW, operation: { state } }), {
          ...none,
          sighting: { kind: 'absent' },
        }),
      ).toBeNull();
  });
});

describe('a change that people have yet to agree to', () => {
  const asked = readyStore({
    stage: 'review',
    detail: 'waiting for its review',
    chartVersion: '1.2.0',
    operation: { kind: 'upgrade', action: 'upgrade', state: 'review' },
  });

  test('leaves stage and detail, while the store lives on as it is', () => {
    expect(judge(asked, seen())).toMatchObject({
      status: 'ready',
      stage: 'review',
      detail: 'waiting for its review',
    });
  });

  test('hides no trouble', () => {
    expect(judge(asked, 'absent')).toMatchObject({
      status: 'degraded',
      stage: 'review',
      detail: 'waiting for its review',
      problem: { code: 'application_missing' },
    });
  });
});
