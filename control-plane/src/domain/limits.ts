/** How many stores a tenant may have and how fast one may ask for them. Operators are exempt. */

/** The window that "creates per minute" means, in milliseconds. */
export const RATE_WINDOW_MS = 60_000;

export type LimitCheck =
  | { readonly kind: 'within' }
  | { readonly kind: 'full'; readonly limit: number }
  | { readonly kind: 'too-fast'; readonly limit: number; readonly retryAfterSeconds: number };

/**
 * Checks one more create.
 * @param usage.stores the tenant's stores that are not deleted
 * @param usage.creates when this principal's creates of the last minute were accepted, newest first
 */
export function checkLimits(
  limits: { readonly storeLimit: number; readonly createsPerMinute: number },
  usage: { readonly stores: number; readonly creates: readonly Date[] },
  now: Date,
): LimitCheck {
  if (usage.stores >= limits.storeLimit) return { kind: 'full', limit: limits.storeLimit };
  const limit = limits.createsPerMinute;
  const recent = usage.creates.filter((at) => now.getTime() - at.getTime() < RATE_WINDOW_MS);
  if (recent.length < limit) return { kind: 'within' };
  // The slot that frees first is the oldest of the newest `limit`.
  const freeing = limit > 0 ? recent[limit - 1] : undefined;
  const wait =
    freeing === undefined ? RATE_WINDOW_MS : RATE_WINDOW_MS - (now.getTime() - freeing.getTime());
  return { kind: 'too-fast', limit, retryAfterSeconds: Math.max(1, Math.ceil(wait / 1000)) };
}
