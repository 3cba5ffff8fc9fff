/** Which browsers' pages may act with a cookie: those of our own origin. */

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * The origins that are ours. On a laptop the same server goes by several names: whoever listens on
 * loopback is all of them.
 */
export function listOwnOrigins(publicUrl: string): readonly string[] {
  const { protocol, hostname, port, origin } = new URL(publicUrl);
  if (!LOOPBACK.includes(hostname)) return [origin];
  return LOOPBACK.map((host) => `${protocol}//${host}${port === '' ? '' : `:${port}`}`);
}
