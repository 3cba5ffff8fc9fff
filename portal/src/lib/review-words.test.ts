import { expect, test } from 'vitest';
import { isReviewedChange } from './review-words.ts';

test.each([
  ['never', false, false],
  ['destructive', false, true],
  ['always', true, true],
  [undefined, false, false],
] as const)('a cluster that reviews %s: an update %s, a rollback %s', (mode, update, rollback) => {
  expect(isReviewedChange(mode, 'create')).toBe(update);
  expect(isReviewedChange(mode, 'update')).toBe(update);
  expect(isReviewedChange(mode, 'rollback')).toBe(rollback);
});
