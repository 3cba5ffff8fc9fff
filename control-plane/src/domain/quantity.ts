/** Amounts in Kubernetes's notation (`500m`, `1Gi`): what there is, what there will be, how much more. */

const UNITS = ['', 'Ki', 'Mi', 'Gi', 'Ti'] as const;

/** Thousandths for processors, bytes times a thousand for sizes; null for what is neither. */
function readAmount(text: string): number | null {
  const [, number, unit = ''] = /^(\d+)(m|Ki|Mi|Gi|Ti)?$/.exec(text) ?? [];
  if (number === undefined) return null;
  if (unit === 'm') return Number(number);
  return Number(number) * 1024 ** UNITS.indexOf(unit as (typeof UNITS)[number]) * 1000;
}

/** `+700m`, `−2Gi`; null where both are the same, or one is no amount. */
export function describeDifference(before: string, after: string): string | null {
  const [from, to] = [readAmount(before), readAmount(after)];
  if (from === null || to === null || from === to) return null;
  const sign = to > from ? '+' : '−';
  return `${sign}${writeAmount(Math.abs(to - from), /i$/.test(before) || /i$/.test(after))}`;
}

function writeAmount(thousandths: number, isSize: boolean): string {
  if (!isSize) return thousandths % 1000 === 0 ? String(thousandths / 1000) : `${thousandths}m`;
  let amount = thousandths / 1000;
  let unit = 0;
  while (amount > 0 && amount % 1024 === 0 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${amount}${UNITS[unit] ?? ''}`;
}
