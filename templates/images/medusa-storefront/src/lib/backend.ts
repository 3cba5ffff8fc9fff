/**
 * Calls to Medusa's store API, from the server only. A refusal (a variant that is sold out, a cart
 * that is gone) is an answer; a backend that cannot be reached or fails throws.
 */
import { readSettings } from './settings.ts';

export type Answer<Body> =
  | { readonly kind: 'done'; readonly body: Body }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string };

/** The backend is away or failed: the page says so, and nothing that the visitor did caused it. */
export class BackendAway extends Error {
  override readonly name = 'BackendAway';
}

/** Long enough for a check-out on a busy machine, short enough for a visitor. */
const timeoutMs = 20_000;

/** Asks the store API; `path` begins with `/store/`. */
export async function askBackend<Body>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Answer<Body>> {
  const { backendUrl, publishableKey } = readSettings();
  let response: Response;
  try {
    response = await fetch(backendUrl + path, {
      method,
      headers: {
        'x-publishable-api-key': publishableKey,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: 'no-store',
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    throw new BackendAway(`${method} ${path}: no answer`, { cause: error });
  }
  if (response.ok) return { kind: 'done', body: (await response.json()) as Body };
  const reason = await readReason(response);
  if (response.status >= 500 || response.status === 401) {
    throw new BackendAway(`${method} ${path}: ${response.status} ${reason}`);
  }
  return { kind: 'refused', status: response.status, reason };
}

/** As {@link askBackend}, where a refusal means that something is wrong with the shop itself. */
export async function demandOfBackend<Body>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Body> {
  const answer = await askBackend<Body>(method, path, body);
  if (answer.kind === 'done') return answer.body;
  throw new BackendAway(`${method} ${path}: ${answer.status} ${answer.reason}`);
}

async function readReason(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text.slice(0, 200);
  } catch {
    return text.slice(0, 200);
  }
}
