import { expect, test } from 'vitest';
import { countStores, describeRules, isSilent, layOutStates } from './fleet-words.ts';

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

test('a cluster’s labels and rules are one line', () => {
  const guard = { removals: 5, percent: 10, minutes: 10 };
  const rules = { labels: {}, review: 'never', retentionDays: 0, guard } as const;
  expect(describeRules(rules)).toBe(
    'Changes are committed at once; deleted data is not kept; more than 5 deletes in 10 minutes ' +
      '(or 10 % of the stores, if more) wait for a second operator',
  );
  const strict = { ...rules, labels: { zone: 'eu' }, review: 'always', retentionDays: 1 } as const;
  expect(describeRules(strict)).toMatch(/^zone=eu\. Every change is reviewed; .* kept 1 day;/);
});
