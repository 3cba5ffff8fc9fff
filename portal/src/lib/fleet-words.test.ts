import { expect, test } from 'vitest';
import { countStores, isSilent, layOutStates } from './fleet-words.ts';

const COUNTS = {
  provisioning: 2,
  ready: 40,
  degraded: 0,
  failed: 1,
  rejected: 0,
  suspended: 3,
  deleting: 0,
};

test('tells the states that are there, the good news first, and counts them all', () => {
  expect(layOutStates(COUNTS).map(({ word, count }) => `${count} ${word}`)).toEqual([
    '40 ready',
    '2 building',
    '1 failed',
    '3 suspended',
  ]);
  expect(countStores(COUNTS)).toBe(46);
});

test.each([
  ['2026-11-21T13:59:00Z', false],
  ['2026-11-21T13:57:00Z', true],
  [null, true],
])('heard at %s: silent is %s', (heardAt, silent) => {
  expect(isSilent(heardAt, new Date('2026-11-21T14:01:00Z'))).toBe(silent);
});
