import { expect, test } from 'vitest';
import { startOfDays, summarizeOrders, type ShopOrder } from './orders.ts';

const now = new Date('2026-11-21T15:30:00Z');

function order(at: string, changes: Partial<ShopOrder> = {}): ShopOrder {
  return {
    number: at,
    at: new Date(at),
    total: '10.00',
    currency: 'EUR',
    status: 'processing',
    customer: null,
    counts: true,
    ...changes,
  };
}

test('every day has an entry, today last', () => {
  const { days, currency, recent } = summarizeOrders([], { now, days: 3 });
  expect(days.map((day) => day.date)).toEqual(['2026-11-19', '2026-11-20', '2026-11-21']);
  expect(days.every((day) => day.orders === 0 && day.revenue === 0)).toBe(true);
  expect(currency).toBeNull();
  expect(recent).toEqual([]);
  expect(startOfDays(now, 3)).toEqual(new Date('2026-11-19T00:00:00Z'));
});

test('sums without losing a cent; only what counts, only the main currency', () => {
  const { days, currency } = summarizeOrders(
    [
      ...Array.from({ length: 10 }, () => order('2026-11-20T23:59:59Z', { total: '0.10' })),
      order('2026-11-21T00:00:00Z', { total: '7.005' }),
      order('2026-11-21T01:00:00Z', { total: '99', status: 'cancelled', counts: false }),
      order('2026-11-21T02:00:00Z', { total: '5', currency: 'USD' }),
      order('2026-11-21T03:00:00Z', { total: '-1.5' }),
      order('2026-11-21T04:00:00Z', { total: 'plenty' }),
      order('2026-11-18T23:59:59Z'),
    ],
    { now, days: 3 },
  );
  expect(currency).toBe('EUR');
  expect(days).toEqual([
    { date: '2026-11-19', orders: 0, revenue: 0 },
    { date: '2026-11-20', orders: 10, revenue: 1 },
    { date: '2026-11-21', orders: 4, revenue: 5.505 },
  ]);
});

test('the newest twenty are listed, newest first', () => {
  const orders = Array.from({ length: 25 }, (_, hour) =>
    order(new Date(now.getTime() - hour * 3_600_000).toISOString()),
  );
  const { recent } = summarizeOrders(orders.toReversed(), { now, days: 3 });
  expect(recent).toHaveLength(20);
  expect(recent[0]?.at).toEqual(now);
});
