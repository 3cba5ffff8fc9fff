import { describe, expect, test } from 'vitest';
import type { StageEntry, Store } from './shapes.ts';
import {
  describeState,
  describeStatus,
  isClosed,
  isToBeDeleted,
  layOutSteps,
} from './store-words.ts';

const STORE: Store = {
  id: 'st_1',
  name: 'lantern',
  tenant: 'north',
  type: 'woocommerce',
  chartVersion: '1.2.0',
  upgradeTo: null,
  plan: 'small',
  options: {},
  cluster: 'main',
  disconnected: false,
  namespace: 'store-abc123-lantern',
  url: 'https://lantern.example.com',
  status: 'provisioning',
  stage: 'syncing',
  detail: 'starting the database',
  suspended: false,
  purgeAt: null,
  protected: false,
  drifted: false,
  review: null,
  generation: 1,
  commit: null,
  createdAt: '2026-11-21T14:00:00Z',
  readyAt: null,
  error: null,
};

function entry(stage: StageEntry['stage'], startedAt: string, finishedAt: string | null) {
  return { stage, startedAt, finishedAt, deadlineAt: null, commit: null };
}

describe('words', () => {
  test('a first build is Building, a later change is Changing', () => {
    expect(describeStatus(STORE)).toEqual({ label: 'Building', tone: 'wait' });
    expect(describeStatus({ ...STORE, readyAt: '2026-11-20T00:00:00Z' }).label).toBe('Changing');
  });

  test('of a cluster that is not connected it is never simply ready', () => {
    const away: Store = { ...STORE, status: 'ready', stage: 'ready', disconnected: true };
    expect(describeStatus(away)).toEqual({ label: 'Not connected', tone: 'bad' });
    expect(describeState(away)).toBe('the cluster “main” is not connected; last known: ready');
    expect(describeStatus({ ...away, status: 'deleted' }).label).toBe('Deleted');
  });

  test('a shop whose delete waits for a review runs on: it is neither closed nor deleted', () => {
    const purgeAt = '2026-12-01T00:00:00Z';
    const waiting: Store = { ...STORE, status: 'ready', stage: 'review', suspended: true, purgeAt };
    expect([isToBeDeleted(waiting), isClosed(waiting)]).toEqual([true, false]);
    expect(describeStatus(waiting).label).toBe('Ready');
    const kept: Store = { ...waiting, status: 'suspended', stage: 'kept' };
    expect([isToBeDeleted(kept), isClosed(kept)]).toEqual([false, true]);
    expect(isClosed({ ...STORE, suspended: true })).toBe(true);
  });

  test('what is waited for comes before the name of the step', () => {
    expect(describeState(STORE)).toBe('starting the database');
    expect(describeState({ ...STORE, detail: null })).toBe('creating what the shop is made of');
  });

  test('what is wrong comes before everything; a ready shop needs no words', () => {
    const error = { code: 'x', message: 'The image cannot be pulled.', hint: null };
    expect(describeState({ ...STORE, status: 'failed', error })).toBe(
      'The image cannot be pulled.',
    );
    expect(describeState({ ...STORE, status: 'ready', stage: 'ready', detail: null })).toBeNull();
  });
});

describe('layOutSteps', () => {
  const walked = [
    entry('requested', '2026-11-21T14:00:00Z', '2026-11-21T14:00:01Z'),
    entry('committed', '2026-11-21T14:00:01Z', '2026-11-21T14:00:02Z'),
    entry('syncing', '2026-11-21T14:00:02Z', null),
  ];

  test('what is ahead is shown, what went past unseen is not called done', () => {
    expect(layOutSteps(walked, STORE).map(({ stage, state }) => [stage, state])).toEqual([
      ['requested', 'done'],
      ['committed', 'done'],
      ['seen', 'skipped'],
      ['syncing', 'now'],
      ['setup', 'next'],
      ['verifying', 'next'],
      ['ready', 'next'],
    ]);
  });

  test('a failed change stops where it stood', () => {
    expect(
      layOutSteps(walked, { ...STORE, status: 'failed' }).find(({ state }) => state === 'failed')
        ?.stage,
    ).toBe('syncing');
  });

  test('a delete walks its own way', () => {
    const steps = layOutSteps([entry('requested', '2026-11-21T14:00:00Z', null)], {
      ...STORE,
      status: 'deleting',
      stage: 'releasing',
    });
    expect(steps.map(({ stage }) => stage)).toEqual([
      'requested',
      'releasing',
      'removing',
      'purging',
      'gone',
    ]);
    expect(steps[1]?.state).toBe('now');
  });

  test('a review is a step of those changes alone that have one', () => {
    const stages = (store: Parameters<typeof layOutSteps>[1]) =>
      layOutSteps([], store).map(({ stage }) => stage);
    expect(stages(STORE)).not.toContain('review');
    expect(stages({ ...STORE, stage: 'review' })[1]).toBe('review');
  });

  test('a shop that is suspended ends so, and says so in its own words', () => {
    const steps = layOutSteps(walked, { ...STORE, suspended: true });
    expect(steps.map(({ title }) => title)).toEqual([
      'Requested',
      'Committed to git',
      'Picked up by Argo CD',
      'Stopping the parts',
      'Checking that nothing runs',
      'Suspended',
    ]);
  });

  test('what is deleted and kept shows how long the way still is', () => {
    const kept = { ...STORE, status: 'suspended', stage: 'kept', suspended: true } as const;
    const steps = layOutSteps([], { ...kept, purgeAt: '2026-12-01T00:00:00Z' });
    expect(steps.map(({ stage, state }) => [stage, state])).toContainEqual(['kept', 'now']);
    expect(steps.at(-1)?.state).toBe('next');
    expect(describeStatus({ ...kept, readyAt: null, purgeAt: '2026-12-01T00:00:00Z' }).label).toBe(
      'Deleted, data kept',
    );
  });
});
