/** A period as two days, both included, and as the moments that the API asks for. Days of UTC. */
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** @returns the period's ends; an end that is no day is none */
export function readPeriod(filters: {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}): { from?: string; to?: string } {
  const from = readDay(filters.from);
  const to = readDay(filters.to);
  return {
    ...(from === null ? {} : { from: from.toISOString() }),
    ...(to === null ? {} : { to: new Date(to.getTime() + 24 * 3600 * 1000).toISOString() }),
  };
}

function readDay(text: string | undefined): Date | null {
  if (text === undefined || !DAY.test(text)) return null;
  const day = new Date(`${text}T00:00:00Z`);
  return Number.isNaN(day.getTime()) ? null : day;
}
