/** A shop's orders, whatever engine they come from, and what a page shows of them. Pure. */

export type ShopOrder = {
  readonly number: string;
  readonly at: Date;
  /** In whole units of the currency, as a decimal: `12.50`. */
  readonly total: string;
  /** ISO 4217, upper case. */
  readonly currency: string;
  /** The engine's own word. */
  readonly status: string;
  readonly customer: string | null;
  /** False for what was never paid or was taken back: it is no revenue. */
  readonly counts: boolean;
};

/** An order that the platform itself placed, as the shop then has it. */
export type PlacedOrder = Pick<ShopOrder, 'number' | 'total' | 'currency'>;

export type OrderSummary = {
  /** The one that most orders are in; revenue is of these alone. */
  readonly currency: string | null;
  /** One entry a day (UTC), oldest first, today last. */
  readonly days: readonly {
    readonly date: string;
    readonly orders: number;
    readonly revenue: number;
  }[];
  /** The newest, newest first. */
  readonly recent: readonly ShopOrder[];
};

const DAY_MS = 24 * 60 * 60 * 1000;
const RECENT = 20;
/** Fractions of a unit that sums are made in: no currency has smaller ones. */
const SCALE = 10_000;

/** The first moment of the days that a summary covers. */
export function startOfDays(now: Date, days: number): Date {
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  return new Date(today - (days - 1) * DAY_MS);
}

export function summarizeOrders(
  orders: readonly ShopOrder[],
  options: { readonly now: Date; readonly days: number },
): OrderSummary {
  const currency = findMainCurrency(orders);
  const start = startOfDays(options.now, options.days).getTime();
  const days = Array.from({ length: options.days }, (_, index) => ({
    date: new Date(start + index * DAY_MS).toISOString().slice(0, 10),
    orders: 0,
    amount: 0n,
  }));
  for (const order of orders) {
    const day = days[Math.floor((order.at.getTime() - start) / DAY_MS)];
    if (day === undefined || !order.counts) continue;
    day.orders += 1;
    if (order.currency === currency) day.amount += readAmount(order.total);
  }
  return {
    currency,
    days: days.map(({ date, orders: count, amount }) => ({
      date,
      orders: count,
      revenue: Number(amount) / SCALE,
    })),
    recent: orders.toSorted((a, b) => b.at.getTime() - a.at.getTime()).slice(0, RECENT),
  };
}

function findMainCurrency(orders: readonly ShopOrder[]): string | null {
  const counts = new Map<string, number>();
  for (const { currency } of orders) counts.set(currency, (counts.get(currency) ?? 0) + 1);
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  return most?.[0] ?? null;
}

/** A decimal in ten-thousandths; 0 for what is none. */
function readAmount(total: string): bigint {
  const [, sign = '', whole = '0', fraction = ''] =
    /^(-?)(\d{1,15})(?:\.(\d+))?$/.exec(total) ?? [];
  const amount = BigInt(whole) * BigInt(SCALE) + BigInt(fraction.slice(0, 4).padEnd(4, '0'));
  return sign === '-' ? -amount : amount;
}
