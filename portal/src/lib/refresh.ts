/** Loading again what a page shows, unasked: it may never cost the page. */
import { invalidate, refreshAll } from '$app/navigation';
import { askApi } from './api.ts';
import type { Me } from './shapes.ts';

/**
 * Loads again what depends on `key`, or everything. A load that fails puts an error page in the
 * place of what somebody reads, or has the browser load all of it anew, which fails as well. So the
 * API is asked first: while it is away or failing nothing is loaded, and the answer is false.
 * Somebody whose session has ended goes to the sign-in.
 */
export async function refresh(key?: string): Promise<boolean> {
  const answer = await askApi<Me>(fetch, '/api/me');
  if (!answer.ok && (answer.status >= 500 || answer.status === 429)) return false;
  // A page that is being left ends the load.
  await (key === undefined ? refreshAll() : invalidate(key)).catch(() => undefined);
  return true;
}
