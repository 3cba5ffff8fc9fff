/**
 * Calls to a forge's REST API: one place for its credential, deadlines, size limits, and what an
 * answer that is no success means in the words of the port (types.ts). Redirects are refused: a
 * credential goes to the address it was given for and nowhere else, and it is in no error.
 */
import type { z } from 'zod';
import { PlatformError } from '../errors.ts';
import { createAddressCheck } from '../git/remote-address.ts';
import { WRITER_AGENT } from '../git/transport.ts';
import { readLimited, TooLarge } from '../limit-body.ts';
import type { ReadToken } from './credential.ts';

export type ForgeHttpOptions = {
  /** Base of all paths, without a slash at its end. */
  readonly apiUrl: string;
  /** What the forge is called, for people. */
  readonly name: string;
  readonly readToken: ReadToken;
  /** The header that carries the token. */
  readonly authorize: (token: string) => string;
  /** What somebody can do whose credential is refused. */
  readonly deniedHint: string;
  /** Until the answer is complete; default 20 s. */
  readonly timeoutMs?: number;
};

export type ForgeRequest = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** After the base; its parts encoded. */
  readonly path: string;
  readonly body?: object;
  /** Statuses that are answers to this question, and no failure. */
  readonly also?: readonly number[];
  readonly signal?: AbortSignal | undefined;
};

export type ForgeAnswer = {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; null when the body is empty or no JSON. */
  readonly body: unknown;
};

export type ForgeHttp = (request: ForgeRequest) => Promise<ForgeAnswer>;

const MAX_BYTES = 16 * 1024 * 1024;
const MAX_MESSAGE = 300;

/** Each call throws PlatformError with a code of the port unless the answer is 2xx or expected. */
export function createForgeHttp(options: ForgeHttpOptions): ForgeHttp {
  const { apiUrl, name, timeoutMs = 20_000 } = options;
  const { host } = new URL(apiUrl);
  const checkAddress = createAddressCheck(new URL(apiUrl));
  return async ({ method, path, body, also = [], signal }) => {
    await checkAddress();
    const token = await options.readToken();
    const deadline = AbortSignal.timeout(timeoutMs);
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${apiUrl}${path}`, {
        method,
        headers: {
          'user-agent': WRITER_AGENT,
          accept: 'application/json',
          authorization: options.authorize(token),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'manual',
        signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
      });
      text = await readLimited(response.body, MAX_BYTES);
    } catch (error) {
      const why =
        error instanceof Error && error.name === 'TimeoutError'
          ? 'did not answer in time'
          : error instanceof TooLarge
            ? `answered more than ${String(MAX_BYTES)} bytes`
            : 'cannot be reached';
      throw new PlatformError('forge_unreachable', `${name} at ${host} ${why}`, {
        retryable: true,
        cause: error,
      });
    }
    const { status, headers } = response;
    // What a refusal says is shown to people; the token is not.
    const isRefusal = !response.ok;
    const shown = isRefusal && token !== '' ? text.replaceAll(token, '…') : text;
    const answer = { status, headers, body: parseJson(shown) };
    if (!isRefusal || also.includes(status)) return answer;
    const said = describeAnswer(answer);
    throw nameFailure({ status, said, who: `${name} at ${host}`, hint: options.deniedHint });
  };
}

/** What a forge says in an answer that is no success; empty when it says nothing. */
export function describeAnswer({ body }: ForgeAnswer): string {
  const message =
    typeof body === 'object' && body !== null && 'message' in body ? body.message : null;
  return typeof message === 'string'
    ? message.replaceAll(/\s+/g, ' ').trim().slice(0, MAX_MESSAGE)
    : '';
}

/** Reads an answer's body. Throws `forge_failed` when it is not what the API documents. */
export function parseAnswer<T>(schema: z.ZodType<T>, { body }: ForgeAnswer, what: string): T {
  return readValue(schema, body, what);
}

/** Reads a part of an answer, likewise. */
export function readValue<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PlatformError(
    'forge_failed',
    `the forge's answer is no ${what}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
    { retryable: true },
  );
}

function nameFailure(failure: {
  readonly status: number;
  readonly said: string;
  readonly who: string;
  readonly hint: string;
}): PlatformError {
  const { status, said, who, hint } = failure;
  const because = said === '' ? '' : `: ${said}`;
  if (status === 401)
    return new PlatformError('forge_denied', `${who} refused our credential${because}`, { hint });
  if (status === 403)
    return new PlatformError('forge_denied', `${who} does not allow this${because}`, { hint });
  if (status === 404 || status === 410)
    return new PlatformError('forge_missing', `${who} has nothing at this address${because}`, {
      hint: 'Check SHOPYARD_REPOSITORY_URL, and that our account may see the repository.',
    });
  if (status === 429)
    return new PlatformError('forge_limited', `${who} wants fewer requests${because}`, {
      retryable: true,
    });
  if (status >= 300 && status < 400)
    return new PlatformError('forge_refused', `${who} redirects elsewhere`, {
      hint: 'Set the address it redirects to; credentials do not follow redirects.',
    });
  if (status >= 500 || status === 408)
    return new PlatformError('forge_failed', `${who} answered ${String(status)}${because}`, {
      retryable: true,
    });
  return new PlatformError('forge_refused', `${who} refused (${String(status)})${because}`, {
    hint: 'Its message says what is in the way.',
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
