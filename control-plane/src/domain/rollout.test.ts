import { describe, expect, test } from 'vitest';
import {
  commandRollout,
  explainLeftOut,
  judgeUnhealthy,
  judgeUpgrade,
  planRollout,
  type AskedStore,
  type RolloutFacts,
  type UpgradingStore,
} from './rollout.ts';
import { STORE_STATUSES } from './store.ts';

const old = { status: 'ready', chartVersion: '1.1.0' } as const;

test('only a ready store of an older version has a part', () => {
  const included = STORE_STATUSES.filter(
    (status) => explainLeftOut({ ...old, status }, '1.2.0') === null,
  );
  expect(included).toEqual(['ready']);
  expect(explainLeftOut({ ...old, chartVersion: '1.2.0' }, '1.2.0')).toContain('this version');
  expect(explainLeftOut({ ...old, chartVersion: '1.10.0' }, '1.2.0')).toContain('newer');
  expect(explainLeftOut({ ...old, status: 'provisioning' }, '1.2.0')).toContain('under way');
});

describe('an upgrade that is under way', () => {
  const judge = (changes: Partial<UpgradingStore>) =>
    judgeUpgrade(
      {
        status: 'provisioning',
        chartVersion: '1.2.0',
        operationState: 'waiting',
        isCurrent: true,
        currentState: 'waiting',
        ...changes,
      },
      '1.2.0',
    );

  test.each(['queued', 'held', 'review', 'waiting'] as const)('goes on while %s', (state) => {
    expect(judge({ operationState: state })).toBeNull();
    // A store may be ready while its pull request waits.
    expect(judge({ operationState: state, status: 'ready' })).toBeNull();
  });

  test('ends as its store is', () => {
    expect(judge({ operationState: 'done', status: 'ready' })?.state).toBe('upgraded');
    expect(judge({ operationState: 'done', status: 'degraded' })?.state).toBe('unhealthy');
    expect(judge({ operationState: 'failed', status: 'failed' })?.state).toBe('unhealthy');
    expect(judge({ operationState: 'rejected', status: 'ready' })?.state).toBe('left-out');
  });

  test('taken over by a change that has the version, is that change’s', () => {
    const taken = { isCurrent: false, operationState: 'superseded' } as const;
    expect(judge({ ...taken, status: 'provisioning' })).toBeNull();
    expect(judge({ ...taken, status: 'ready' })?.state).toBe('upgraded');
    expect(judge({ ...taken, status: 'failed' })?.state).toBe('unhealthy');
    expect(judge({ ...taken, status: 'suspended' })?.state).toBe('left-out');
    expect(judge({ ...taken, status: 'deleting' })?.state).toBe('left-out');
  });

  test('that was live before its owner changed the store, went well', () => {
    const changed = { isCurrent: false, operationState: 'done', status: 'failed' } as const;
    expect(judge(changed)?.state).toBe('upgraded');
  });

  test('rolled back by somebody, is no part of it any more', () => {
    const back = { isCurrent: false, chartVersion: '1.1.0', status: 'ready' } as const;
    expect(judge({ ...back, operationState: 'superseded' })?.state).toBe('left-out');
  });

  test.each(['queued', 'held', 'review'] as const)(
    'goes on while what took it over is %s: the row is ahead of the branch',
    (currentState) => {
      const taken = { isCurrent: false, operationState: 'superseded', currentState } as const;
      expect(judge({ ...taken, status: 'ready' })).toBeNull();
      // A rollback of an upgrade that is stuck.
      expect(judge({ ...taken, chartVersion: '1.1.0' })).toBeNull();
      // What the upgrade came to before stays so.
      expect(judge({ ...taken, operationState: 'done' })?.state).toBe('upgraded');
      expect(judge({ ...taken, operationState: 'rejected' })?.state).toBe('left-out');
    },
  );
});

describe('an unhealthy store', () => {
  const judge = (changes: Partial<AskedStore>) =>
    judgeUnhealthy(
      { status: 'ready', chartVersion: '1.2.0', currentState: 'done', ...changes },
      '1.2.0',
    );

  test('is so until it is well, or gone', () => {
    expect(judge({})).toEqual({ state: 'upgraded', reason: null });
    expect(judge({ chartVersion: '1.3.0' })?.state).toBe('upgraded');
    expect(judge({ status: 'deleting' })?.state).toBe('left-out');
    for (const status of ['failed', 'degraded', 'provisioning'] as const)
      expect(judge({ status })).toBeNull();
  });

  test('that is well on an older version was rolled back, not upgraded', () => {
    const back = { chartVersion: '1.1.0' } as const;
    expect(judge(back)).toEqual({ state: 'left-out', reason: 'It was rolled back.' });
    for (const status of ['failed', 'degraded', 'provisioning'] as const)
      expect(judge({ ...back, status })).toBeNull();
  });

  test.each(['queued', 'held', 'review'] as const)(
    'stays so while a change of it is %s: the row is ahead of the branch',
    (currentState) => {
      expect(judge({ currentState, chartVersion: '1.1.0' })).toBeNull();
      expect(judge({ currentState })).toBeNull();
      expect(judge({ currentState, status: 'deleting' })?.state).toBe('left-out');
    },
  );
});

describe('what a rollout does next', () => {
  const stores = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ ...old, storeId: `st_${index}` }));
  const plan = (changes: Partial<RolloutFacts>) =>
    planRollout({
      toVersion: '1.2.0',
      waveSize: 2,
      allowedUnhealthy: 0,
      offered: '1.2.0',
      upgrading: 0,
      unheard: 0,
      silent: [],
      unhealthy: 0,
      next: stores(5),
      ...changes,
    });

  test('a wave is as large as was asked for, whoever is left out on the way', () => {
    expect(plan({})).toEqual({ kind: 'wave', upgrade: ['st_0', 'st_1'], leaveOut: [] });
    const [first, ...rest] = stores(4);
    const asleep = { ...old, storeId: 'st_asleep', status: 'suspended' as const };
    const step = plan({ next: [asleep, ...(first === undefined ? [] : [first]), ...rest] });
    expect(step).toMatchObject({ kind: 'wave', upgrade: ['st_0', 'st_1'] });
    expect(step.kind === 'wave' && step.leaveOut.map(({ storeId }) => storeId)).toEqual([
      'st_asleep',
    ]);
  });

  test('it waits for a wave, and is done when nobody is left', () => {
    expect(plan({ upgrading: 1 })).toEqual({ kind: 'wait', reason: null });
    expect(plan({ upgrading: 1, next: [] })).toEqual({ kind: 'wait', reason: null });
    expect(plan({ next: [] })).toEqual({ kind: 'done' });
  });

  test('stores on a cluster that is not heard are waited for, when there are no others', () => {
    const silent = ['north'];
    const reason = 'Stores on clusters that are not heard are waited for: north.';
    expect(plan({ silent }).kind).toBe('wave');
    expect(plan({ silent, next: [] })).toEqual({ kind: 'wait', reason });
    expect(plan({ silent, upgrading: 2, unheard: 2 })).toEqual({ kind: 'wait', reason });
    expect(plan({ silent, upgrading: 2, unheard: 1 })).toEqual({ kind: 'wait', reason: null });
  });

  test('it stops at once when more are unhealthy than may be', () => {
    expect(plan({ unhealthy: 1, upgrading: 1 })).toMatchObject({ kind: 'stop' });
    expect(plan({ unhealthy: 1, next: [] })).toMatchObject({ kind: 'stop' });
    expect(plan({ unhealthy: 1, allowedUnhealthy: 1 }).kind).toBe('wave');
    expect(plan({ unhealthy: 2, allowedUnhealthy: 1 })).toMatchObject({ kind: 'stop' });
  });

  test('it goes on to no other version than it was begun with', () => {
    expect(plan({ offered: '1.3.0' })).toMatchObject({ kind: 'stop' });
    expect(plan({ offered: null })).toMatchObject({ kind: 'stop' });
    // What was upgraded was: there is nothing left to stop.
    expect(plan({ offered: '1.3.0', next: [] })).toEqual({ kind: 'done' });
  });
});

test('commands lead where they can', () => {
  expect(commandRollout('running', 'pause')).toEqual({ ok: true, state: 'paused' });
  expect(commandRollout('stopped', 'resume')).toEqual({ ok: true, state: 'running' });
  expect(commandRollout('paused', 'cancel')).toEqual({ ok: true, state: 'cancelled' });
  for (const state of ['done', 'cancelled'] as const)
    for (const command of ['pause', 'resume', 'cancel'] as const)
      expect(commandRollout(state, command).ok).toBe(false);
  expect(commandRollout('paused', 'pause').ok).toBe(false);
});
