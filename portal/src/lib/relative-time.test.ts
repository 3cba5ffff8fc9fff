import { describe, expect, test } from 'vitest';
import { describeAge, describeDuration, describeExact } from './relative-time.ts';

const NOW = new Date('2026-11-21T14:05:09Z');
const before = (seconds: number) => new Date(NOW.getTime() - seconds * 1000);

describe('describeDuration', () => {
  test.each([
    [0, '< 1 s'],
    [999, '< 1 s'],
    [40_000, '40 s'],
    [60_000, '1 min'],
    [80_900, '1 min 20 s'],
    [3 * 3_600_000, '3 h'],
    [3 * 3_600_000 + 5 * 60_000, '3 h 5 min'],
    [86_400_000, '1 day'],
    [12 * 86_400_000 + 1, '12 days'],
    [-5, '< 1 s'],
  ])('%i ms is %s', (ms, words) => expect(describeDuration(ms)).toBe(words));
});

describe('describeAge', () => {
  test.each([
    [2, 'just now'],
    [-3, 'just now'],
    [59, '59 s ago'],
    [60, '1 min ago'],
    [7199, '1 h ago'],
    [86_400, '1 day ago'],
    [70 * 86_400, '2 months ago'],
    [800 * 86_400, '2 years ago'],
    [-120, 'in 2 min'],
    [1 - 7 * 86_400, 'in 7 days'],
    [-6.4 * 86_400, 'in 6 days'],
    [10 - 86_400, 'in 1 day'],
  ])('%i seconds before now is %s', (seconds, words) =>
    expect(describeAge(before(seconds), NOW)).toBe(words),
  );
});

test('describeExact says the day and the second in UTC', () => {
  expect(describeExact(NOW)).toBe('21 Nov 2026, 14:05:09 UTC');
});
