import { expect, test } from 'vitest';
import { readPeriod } from './audit-period.ts';

test('both days are included', () =>
  expect(readPeriod({ from: '2026-11-20', to: '2026-11-21' })).toEqual({
    from: '2026-11-20T00:00:00.000Z',
    to: '2026-11-22T00:00:00.000Z',
  }));

test('what is no day is no end', () =>
  expect(readPeriod({ from: 'yesterday', to: '2026-13-40' })).toEqual({}));
