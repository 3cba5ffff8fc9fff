import { expect, test } from 'vitest';
import { describeDay, splitByDay } from './days.ts';

test('splits where the day changes, in the order given', () => {
  const at = (time: string) => ({ at: time });
  expect(
    splitByDay([
      at('2026-11-21T00:00:01.000Z'),
      at('2026-11-20T23:59:59.000Z'),
      at('2026-11-20T08:00:00.000Z'),
    ]),
  ).toEqual([
    { day: '2026-11-21', items: [at('2026-11-21T00:00:01.000Z')] },
    {
      day: '2026-11-20',
      items: [at('2026-11-20T23:59:59.000Z'), at('2026-11-20T08:00:00.000Z')],
    },
  ]);
  expect(splitByDay([])).toEqual([]);
});

test('names a day in full', () =>
  expect(describeDay('2026-11-01')).toBe('Sunday, 1 November 2026'));
