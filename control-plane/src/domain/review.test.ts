import { expect, test } from 'vitest';
import { exampleStore } from '../../../test/support/example-store.ts';
import { nameReviewBranch, needsReview, readReviewBranch } from './review.ts';
import { OPERATION_KINDS } from './store.ts';

const within = (mode: 'never' | 'destructive' | 'always') =>
  OPERATION_KINDS.filter((kind) => needsReview(mode, { kind, exceedsLimits: false }));

test('a cluster has everything reviewed, what takes something away, or nothing', () => {
  expect(within('never')).toEqual([]);
  expect(within('destructive')).toEqual(['upgrade', 'rollback', 'delete']);
  expect(within('always')).toEqual(OPERATION_KINDS.filter((kind) => kind !== 'protect'));
});

test('what is more than a tenant may have counts among the destructive', () => {
  const create = { kind: 'create', exceedsLimits: true } as const;
  expect(needsReview('destructive', create)).toBe(true);
  expect(needsReview('never', create)).toBe(false);
});

test('a branch names its store and its operation, and is read back', () => {
  const branch = nameReviewBranch(exampleStore(), 'op_1a2b');
  expect(branch).toBe('store/abc123-shop/op_1a2b');
  expect(readReviewBranch(branch)).toBe('op_1a2b');
  expect(readReviewBranch('store/abc123-shop')).toBeNull();
  expect(readReviewBranch('feature/store/abc123-shop/op_1a2b')).toBeNull();
});
