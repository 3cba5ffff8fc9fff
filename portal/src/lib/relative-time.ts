/** Times as people say them. `now` is handed in: pages tick it, tests hold it still. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long something took or has lasted: “40 s”, “1 min 20 s”, “3 h 5 min”, “12 days”. */
export function describeDuration(ms: number): string {
  const whole = Math.max(0, ms);
  if (whole < SECOND) return '< 1 s';
  if (whole < MINUTE) return `${Math.floor(whole / SECOND)} s`;
  if (whole < HOUR) return join(whole, MINUTE, 'min', SECOND, 's');
  if (whole < DAY) return join(whole, HOUR, 'h', MINUTE, 'min');
  const days = Math.floor(whole / DAY);
  return days === 1 ? '1 day' : `${days} days`;
}

/** How long ago something was, in one unit: “just now”, “5 min ago”, “3 days ago”; or “in 2 min”. */
export function describeAge(at: Date, now: Date): string {
  const ms = now.getTime() - at.getTime();
  // Two clocks never agree to the second.
  if (ms < 5 * SECOND && ms > -5 * SECOND) return 'just now';
  if (ms > 0) return `${describeSpan(ms)} ago`;
  // What ends in a week less a second ends in 7 days.
  return `in ${describeSpan(-ms + unitOf(-ms) / 2)}`;
}

/** The unit that a span is said in, to a day; months and years are rough as they are. */
function unitOf(ms: number): number {
  return [DAY, HOUR, MINUTE].find((unit) => ms >= unit) ?? SECOND;
}

/** A length of time in one unit: “5 min”, “3 h”, “12 days”, “2 years”. */
export function describeSpan(ms: number): string {
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h`;
  const days = Math.floor(ms / DAY);
  if (days < 60) return days === 1 ? '1 day' : `${days} days`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}

/** The exact time, for a hover: “21 Nov 2026, 14:05:09 UTC”. */
export function describeExact(at: Date): string {
  return `${describeDate(at)}, ${at.toISOString().slice(11, 19)} UTC`;
}

/** The day alone, in UTC: “21 Nov 2026”. */
export function describeDate(at: Date): string {
  const [, month = '', day = '', year = ''] =
    /^\w+, (\w+) (\d+), (\d+)/.exec(LONG.format(at)) ?? [];
  return `${day} ${month} ${year}`;
}

const LONG = new Intl.DateTimeFormat('en-US', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
});

function join(ms: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % big) / small);
  return `${Math.floor(ms / big)} ${bigName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`;
}
