import { expect, test } from 'vitest';
import { checkLimits } from './limits.ts';

const now = new Date('2026-01-01T00:01:00Z');
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);
const limits = { storeLimit: 3, createsPerMinute: 2 };

test('a tenant below both limits may go on', () => {
  expect(checkLimits(limits, { stores: 2, creates: [ago(1)] }, now)).toEqual({ kind: 'within' });
});

test('a full tenant is told its limit, whatever the rate', () => {
  expect(checkLimits(limits, { stores: 3, creates: [ago(1), ago(2)] }, now)).toEqual({
    kind: 'full',
    limit: 3,
  });
});

test('too fast: the wait ends when the slot that frees first is a minute old', () => {
  expect(checkLimits(limits, { stores: 0, creates: [ago(5), ago(20), ago(50)] }, now)).toEqual({
    kind: 'too-fast',
    limit: 2,
    retryAfterSeconds: 40,
  });
});

test('creates a minute ago no longer count', () => {
  expect(checkLimits(limits, { stores: 0, creates: [ago(5), ago(60)] }, now)).toEqual({
    kind: 'within',
  });
});

test('a limit of none lets nothing through', () => {
  expect(
    checkLimits({ storeLimit: 3, createsPerMinute: 0 }, { stores: 0, creates: [] }, now),
  ).toEqual({ kind: 'too-fast', limit: 0, retryAfterSeconds: 60 });
});
