/** Lists by day. Days are those of UTC, as the exact times are: the same for everybody who looks. */

export type Day<Item> = { readonly day: string; readonly items: readonly Item[] };

/** Splits a list that is in order of time where the day changes. */
export function splitByDay<Item extends { readonly at: string }>(
  items: readonly Item[],
): Day<Item>[] {
  const days: { day: string; items: Item[] }[] = [];
  for (const item of items) {
    const day = item.at.slice(0, 10);
    const last = days.at(-1);
    if (last?.day === day) last.items.push(item);
    else days.push({ day, items: [item] });
  }
  return days;
}

const FORMAT = new Intl.DateTimeFormat('en-GB', {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
});

/** “Saturday, 21 November 2026”. */
export function describeDay(day: string): string {
  const parts = new Map(
    FORMAT.formatToParts(new Date(`${day}T00:00:00Z`)).map(({ type, value }) => [type, value]),
  );
  const [weekday = '', date = '', month = '', year = ''] = (
    ['weekday', 'day', 'month', 'year'] as const
  ).map((type) => parts.get(type));
  return `${weekday}, ${date} ${month} ${year}`;
}
