/** A plan's numbers as people read them. Quantities are Kubernetes’ own: 250m, 512Mi, 5Gi. */

/** “a quarter CPU”, “1 CPU”, “2 CPUs”. */
export function describeCpu(quantity: string): string {
  const cores = quantity.endsWith('m') ? Number(quantity.slice(0, -1)) / 1000 : Number(quantity);
  if (!Number.isFinite(cores)) return quantity;
  return `${Number(cores.toFixed(2))} ${cores > 1 ? 'CPUs' : 'CPU'}`;
}

const UNITS = [
  ['Ki', 'KB'],
  ['Mi', 'MB'],
  ['Gi', 'GB'],
  ['Ti', 'TB'],
] as const;

/** “512 MB”, “5 GB”. */
export function describeBytes(quantity: string): string {
  const [, number = '', unit = ''] = /^([\d.]+)([KMGT]i)$/.exec(quantity) ?? [];
  const given = UNITS.findIndex(([symbol]) => symbol === unit);
  if (given === -1) return quantity;
  let size = Number(number);
  let index = given;
  for (; size >= 1024 && index < UNITS.length - 1; index++) size /= 1024;
  return `${Number(size.toFixed(1))} ${UNITS[index]?.[1] ?? ''}`;
}

/** A Kubernetes quantity as a number, for comparing two of one kind; null when it is not one. */
export function readQuantity(quantity: string): number | null {
  const [, number, unit = ''] = /^([\d.]+)(m|[KMGT]i?)?$/.exec(quantity) ?? [];
  const factor = FACTORS[unit];
  return number === undefined || factor === undefined ? null : Number(number) * factor;
}

const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};
