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
  const next = nextCreateAt(limits.createsPerMinute, usage.creates, now);
  if (next === null) return { kind: 'within' };
  const seconds = Math.ceil((next.getTime() - now.getTime()) / 1000);
  return {
    kind: 'too-fast',
    limit: limits.createsPerMinute,
    retryAfterSeconds: Math.max(1, seconds),
  };
}

/**
 * When the next create is within the rate; null: at once.
 * @param creates when those of the last minute were accepted, newest first
 */
export function nextCreateAt(
  createsPerMinute: number,
  creates: readonly Date[],
  now: Date,
): Date | null {
  const recent = creates.filter((at) => now.getTime() - at.getTime() < RATE_WINDOW_MS);
  if (recent.length < createsPerMinute) return null;
  // The slot that frees first is the oldest of the newest so many.
  const freeing = createsPerMinute > 0 ? recent[createsPerMinute - 1] : undefined;
  return new Date((freeing ?? now).getTime() + RATE_WINDOW_MS);
}
