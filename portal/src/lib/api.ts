/**
 * The control plane's API as the portal speaks it: the same in a load, in a form action and in the
 * browser, always over HTTP with the visitor's own cookie. Shapes come from the contract; there is
 * no other way to data. `readApi` is for what a page cannot do without, `askApi` for what it can
 * and for everything that changes something.
 */
import { error, redirect } from '@sveltejs/kit';
import type { ProblemDetails } from '../../../control-plane/src/contract.ts';

export type Fetch = typeof globalThis.fetch;

export type ApiAnswer<T> =
  | { readonly ok: true; readonly status: number; readonly data: T }
  | { readonly ok: false; readonly status: number; readonly problem: Problem };

/** What went wrong, as far as a person needs to know. */
export type Problem = {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  /** Field → what is wrong with it. */
  readonly fields: Readonly<Record<string, string>>;
  /** Seconds until it is worth trying again. */
  readonly retryAfter: number | null;
  /** When it is our fault: the request's id, as in the log. */
  readonly request: string | null;
};

/** Asks the API; every answer comes back as a value. Without a body: GET. */
export async function askApi<T>(
  fetch: Fetch,
  path: `/api/${string}`,
  send?: {
    readonly method: 'POST' | 'PATCH' | 'PUT' | 'DELETE';
    readonly body?: unknown;
    /** The same key twice is the same request once. */
    readonly idempotencyKey?: string;
    readonly signal?: AbortSignal;
  },
): Promise<ApiAnswer<T>> {
  let response: Response;
  try {
    response = await fetch(path, {
      method: send?.method ?? 'GET',
      headers: {
        Accept: 'application/json',
        ...(send?.body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(send?.idempotencyKey === undefined ? {} : { 'Idempotency-Key': send.idempotencyKey }),
      },
      ...(send?.signal === undefined ? {} : { signal: send.signal }),
      ...(send?.body === undefined ? {} : { body: JSON.stringify(send.body) }),
    });
  } catch {
    return { ok: false, status: 503, problem: UNREACHABLE };
  }
  const text = await response.text().catch(() => '');
  const body = parseJson(text);
  if (response.ok) return { ok: true, status: response.status, data: body as T };
  return {
    ok: false,
    status: response.status,
    problem: readProblem(body, response.status, response.headers.get('Retry-After')),
  };
}

/** Reads what a page cannot do without: ends in its error page, or at the sign-in, when refused. */
export async function readApi<T>(
  fetch: Fetch,
  path: `/api/${string}`,
  here: URL | null = null,
): Promise<T> {
  const answer = await askApi<T>(fetch, path);
  if (answer.ok) return answer.data;
  if (answer.status === 401) redirect(303, pathOfSignIn(here));
  return refuse(answer.status, answer.problem);
}

/** The error page for a problem. */
export function refuse(status: number, problem: Problem): never {
  error(status, problem.message, {
    ...(problem.hint === null ? {} : { hint: problem.hint }),
    ...(problem.request === null ? {} : { request: problem.request }),
  });
}

/** The sign-in page, with the way back. */
export function pathOfSignIn(here: URL | null): string {
  if (here === null) return '/sign-in';
  const to = here.pathname + here.search.replace(/[?&]x-sveltekit-[^&]*/g, '');
  return to === '/' ? '/sign-in' : `/sign-in?to=${encodeURIComponent(to)}`;
}

/** The answer, or, when none has come within so many milliseconds, that none came. */
export function answerWithin<T>(
  ms: number,
  answer: ApiAnswer<T> | Promise<ApiAnswer<T>>,
): Promise<ApiAnswer<T>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<ApiAnswer<T>>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false, status: 503, problem: UNREACHABLE }), ms);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

const UNREACHABLE: Problem = {
  code: 'unreachable',
  message: 'Shopyard does not answer.',
  hint: 'Your shops are not affected. Try again in a moment.',
  fields: {},
  retryAfter: null,
  request: null,
};

/** Our own problem details, or what better-auth and proxies answer instead. */
export function readProblem(body: unknown, status: number, retryAfter: string | null): Problem {
  const given = (
    typeof body === 'object' && body !== null ? body : {}
  ) as Partial<ProblemDetails> & {
    readonly message?: string;
  };
  const fields: Record<string, string> = {};
  for (const { field, message } of given.errors ?? []) fields[field] ??= message;
  const seconds = Number(retryAfter ?? Number.NaN);
  return {
    code: given.code ?? `http_${status}`,
    message: given.detail ?? given.message ?? `The request was refused (${status}).`,
    hint: given.hint ?? null,
    fields,
    retryAfter: Number.isFinite(seconds) ? seconds : null,
    // Of use when it is our fault: the log has more under it.
    request: status >= 500 ? (given.instance ?? null) : null,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
