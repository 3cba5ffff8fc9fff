import { expect, test } from 'vitest';
import { describeDifference } from './quantity.ts';

test.each([
  ['500m', '1200m', '+700m'],
  ['500m', '3', '+2500m'],
  ['2', '500m', '−1500m'],
  ['1', '3', '+2'],
  ['1280Mi', '2560Mi', '+1280Mi'],
  ['1280Mi', '3Gi', '+1792Mi'],
  ['4Gi', '30Gi', '+26Gi'],
  ['0', '500m', '+500m'],
  ['0', '4Gi', '+4Gi'],
  ['4Gi', '0', '−4Gi'],
  ['2Gi', '2048Mi', null],
  ['', '2Gi', null],
  ['a lot', '2Gi', null],
])('from %s to %s is %s', (before, after, difference) => {
  expect(describeDifference(before, after)).toBe(difference);
});
