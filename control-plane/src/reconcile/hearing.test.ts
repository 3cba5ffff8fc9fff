import { expect, test } from 'vitest';
import { describeSilence } from './hearing.ts';

const now = new Date('2026-01-02T12:00:00Z');
const ago = (seconds: number): Date => new Date(now.getTime() - seconds * 1_000);

test.each([
  ['heard a minute ago', { complete: true, heardAt: ago(60), trouble: null }, null],
  ['interrupted a moment ago', { complete: true, heardAt: ago(5), trouble: 'cut' }, null],
  [
    'never heard',
    { complete: false, heardAt: null, trouble: 'connect ECONNREFUSED' },
    'The cluster has not told of its Applications yet (connect ECONNREFUSED).',
  ],
  [
    'not heard for four minutes',
    { complete: true, heardAt: ago(240), trouble: null },
    'The cluster has said nothing since 2026-01-02T11:56:00.000Z.',
  ],
])('%s', (_what, watch, says) => {
  expect(describeSilence(watch, now)).toBe(says);
});
