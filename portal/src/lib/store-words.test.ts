import { describe, expect, test } from 'vitest';
import type { StageEntry, Store } from './shapes.ts';
import { describeState, describeStatus, layOutSteps } from './store-words.ts';

const STORE: Store = {
  id: 'st_1',
  name: 'lantern',
  tenant: 'north',
  type: 'woocommerce',
  plan: 'small',
  cluster: 'main',
  namespace: 'store-abc123-lantern',
  url: 'https://lantern.example.com',
  status: 'provisioning',
  stage: 'syncing',
  detail: 'starting the database',
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
    expect(layOutSteps(walked, 'syncing', false).map(({ stage, state }) => [stage, state])).toEqual(
      [
        ['requested', 'done'],
        ['committed', 'done'],
        ['seen', 'skipped'],
        ['syncing', 'now'],
        ['setup', 'next'],
        ['verifying', 'next'],
        ['ready', 'next'],
      ],
    );
  });

  test('a failed change stops where it stood', () => {
    expect(
      layOutSteps(walked, 'syncing', true).find(({ state }) => state === 'failed')?.stage,
    ).toBe('syncing');
  });

  test('a delete walks its own way', () => {
    const steps = layOutSteps(
      [entry('requested', '2026-11-21T14:00:00Z', null)],
      'releasing',
      false,
    );
    expect(steps.map(({ stage }) => stage)).toEqual([
      'requested',
      'releasing',
      'removing',
      'purging',
      'gone',
    ]);
    expect(steps[1]?.state).toBe('now');
  });
});
