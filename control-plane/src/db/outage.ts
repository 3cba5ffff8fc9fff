/** Telling the database's absence from everything else that can fail. */

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  // Postgres: a transaction that did nothing for too long, shutting down, starting up, too many
  // connections, disk full.
  '25P03',
  '57P01',
  '57P02',
  '57P03',
  '53100',
  '53300',
]);

/** Whether the failure is the database's absence, as pg tells it. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'string')
    return UNREACHABLE.has(error.code) || error.code.startsWith('08');
  return /Connection terminated|timeout exceeded when trying to connect|not queryable|pool after calling end|driver has already been destroyed/.test(
    error.message,
  );
}
