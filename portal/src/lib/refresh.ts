/** Loading again what a page shows, unasked: it may never cost the page. */
import { invalidate, refreshAll } from '$app/navigation';
import { askApi } from './api.ts';

const needs = new Set<`/api/${string}`>();

/**
 * Of a page that cannot do without what the API may not have for a while, as the repository's files:
 * until the returned function is called, that is asked for before the page is loaded again.
 */
export function need(path: `/api/${string}`): () => void {
  needs.add(path);
  return () => void needs.delete(path);
}

/**
 * Loads again what depends on `key`, or everything. A load that fails puts an error page in the
 * place of what somebody reads, or has the browser load all of it anew, which fails as well. So the
 * API is asked first, for what the page needs too: while it is away or failing nothing is loaded, and
 * the answer is false. Somebody whose session has ended goes to the sign-in.
 */
export async function refresh(key?: string): Promise<boolean> {
  const paths = ['/api/me', ...needs] as const;
  const answers = await Promise.all(paths.map((path) => askApi<unknown>(fetch, path)));
  if (answers.some(({ ok, status }) => !ok && (status >= 500 || status === 429))) return false;
  // A page that is being left ends the load.
  await (key === undefined ? refreshAll() : invalidate(key)).catch(() => undefined);
  return true;
}
