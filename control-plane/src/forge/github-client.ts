/**
 * The way to GitHub's API: one place for the credential, deadlines, GitHub's limits, and for putting
 * its refusals into our words. A refusal that a caller expects comes back as a value; everything else
 * is thrown as the port says (forge/types.ts). Redirects are refused, and nothing thrown from here
 * holds a request, and so no token.
 */
import { Octokit } from '@octokit/rest';
import { describeError, PlatformError } from '../errors.ts';
import { createAddressCheck } from '../git/remote-address.ts';
import { readLimited } from '../limit-body.ts';
import {
  CONTENT_REQUESTS,
  createBudget,
  describeLimited,
  PATIENCE_MS,
  type Time,
} from './github-budget.ts';
import {
  createTokenSource,
  type GithubCredential,
  type InstallationToken,
  type TokenSource,
} from './github-credential.ts';

export type GithubClient = {
  readonly octokit: Octokit;
  readonly tokens: TokenSource;
  /** Asks; refusals with one of these statuses are answers, others are thrown. */
  ask<T>(
    call: (octokit: Octokit) => Promise<{ readonly data: T }>,
    expected?: readonly number[],
  ): Promise<GithubAnswer<T>>;
  /** Asks, and takes no refusal for an answer. */
  demand<T>(call: (octokit: Octokit) => Promise<{ readonly data: T }>): Promise<T>;
  /** Asks by GraphQL, whose refusals are answers like any other. */
  query<T>(text: string, variables: Readonly<Record<string, unknown>>): Promise<GraphqlAnswer<T>>;
};

type GithubAnswer<T> =
  | { readonly kind: 'ok'; readonly data: T }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string };

type GraphqlAnswer<T> =
  | { readonly kind: 'ok'; readonly data: T }
  | { readonly kind: 'refused'; readonly type: string; readonly reason: string };

type GithubClientOptions = {
  readonly apiUrl: string;
  /** `owner/name`, for what is said to people. */
  readonly repository: string;
  readonly credential: GithubCredential;
  readonly time: Time;
};

const DEADLINE_MS = 30_000;
/** Answers are pages of at most a hundred pull requests. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** How often a request is repeated that GitHub was too busy for. */
const REPEATS = 2;
/** What GitHub's documents say to wait when it says nothing itself. */
const UNSAID_WAIT_MS = 60_000;

export function createGithubClient(options: GithubClientOptions): GithubClient {
  const { apiUrl, repository, credential, time } = options;
  const content = createBudget('changes', CONTENT_REQUESTS, time);
  const bare = connect(apiUrl);
  const octokit = connect(apiUrl);
  const exchange = async (
    statement: string,
    installationId: string,
  ): Promise<InstallationToken> => {
    try {
      const { data } = await bare.rest.apps.createInstallationAccessToken({
        installation_id: Number(installationId),
        headers: { authorization: `Bearer ${statement}` },
      });
      return {
        token: data.token,
        expiresAt: new Date(data.expires_at),
        permissions: data.permissions as Readonly<Record<string, string>>,
      };
    } catch (error) {
      throw describeExchange(error, repository, time);
    }
  };
  const tokens = createTokenSource(credential, exchange, () => new Date(time.now()));
  let blockedUntil = 0;

  octokit.hook.wrap('request', async (request, description) => {
    let isReplaced = false;
    for (let repeat = 0; ;) {
      const wait = blockedUntil - time.now();
      if (wait > PATIENCE_MS) throw describeLimited('requests', wait);
      if (wait > 0) await time.sleep(wait);
      if (description.method !== 'GET') await content.take();
      description.headers.authorization = `Bearer ${await tokens.get()}`;
      try {
        return await request(description);
      } catch (error) {
        const pause = readPause(error, time);
        if (pause !== null) {
          blockedUntil = Math.max(blockedUntil, time.now() + pause);
          if (repeat === REPEATS) throw describeLimited('requests', pause);
          repeat += 1;
        } else if (readStatus(error) === 401 && !isReplaced && tokens.replace()) isReplaced = true;
        else throw error;
      }
    }
  });

  const ask: GithubClient['ask'] = async (call, expected = []) => {
    try {
      const { data } = await call(octokit);
      return { kind: 'ok', data };
    } catch (error) {
      const status = readStatus(error);
      if (status !== null && expected.includes(status))
        return { kind: 'refused', status, reason: readReason(error) };
      throw describeFailure(error, repository);
    }
  };
  return {
    octokit,
    tokens,
    ask,
    async demand(call) {
      const answer = await ask(call);
      if (answer.kind === 'refused') throw new Error('a refusal nobody expected is thrown');
      return answer.data;
    },
    async query<T>(text: string, variables: Readonly<Record<string, unknown>>) {
      try {
        return { kind: 'ok', data: await octokit.graphql<T>(text, { ...variables }) };
      } catch (error) {
        const refusal = readGraphqlRefusal(error);
        if (refusal === null) throw describeFailure(error, repository);
        if (refusal.type === 'RATE_LIMITED') throw describeLimited('requests', UNSAID_WAIT_MS);
        return { kind: 'refused', ...refusal };
      }
    },
  };
}

/** The first of GraphQL's errors, which come with status 200; null when it is another failure. */
function readGraphqlRefusal(error: unknown): { type: string; reason: string } | null {
  const errors: unknown = error instanceof Error && 'errors' in error ? error.errors : null;
  if (!Array.isArray(errors)) return null;
  const first = errors[0] as { type?: unknown; message?: unknown } | undefined;
  return {
    type: typeof first?.type === 'string' ? first.type : '',
    reason:
      typeof first?.message === 'string' ? first.message.slice(0, 500) : 'it does not say why',
  };
}

function connect(apiUrl: string): Octokit {
  return new Octokit({
    baseUrl: apiUrl,
    userAgent: 'shopyard',
    request: { fetch: createFetch(new URL(apiUrl)) },
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
  });
}

function ignore(): void {
  // What went wrong is thrown; there is nothing to say besides.
}

/** fetch with a deadline and a limit, to the one address and no other. */
function createFetch(apiUrl: URL): typeof fetch {
  const checkAddress = createAddressCheck(apiUrl);
  return async (input, init) => {
    const { origin } = new URL(input instanceof Request ? input.url : input);
    // An answer may name the next page's address: our credential does not go wherever it says.
    if (origin !== apiUrl.origin) throw describeElsewhere(apiUrl);
    await checkAddress();
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const given = init?.signal ?? null;
    const response = await fetch(input, {
      ...init,
      redirect: 'manual',
      signal: given === null ? deadline : AbortSignal.any([deadline, given]),
    });
    if (response.status >= 300 && response.status < 400 && response.status !== 304) {
      await response.body?.cancel();
      throw describeElsewhere(apiUrl);
    }
    return readAnswer(response);
  };
}

function describeElsewhere(apiUrl: URL): PlatformError {
  return new PlatformError('forge_refused', `${apiUrl.host} says it is somewhere else now`, {
    field: 'SHOPYARD_REPOSITORY_URL',
    hint: 'The repository was renamed or moved: set its new address. Credentials do not follow.',
  });
}

/** The whole answer: Octokit takes one that was cut off, or is no JSON, for an empty one. */
async function readAnswer(response: Response): Promise<Response> {
  const text = await readLimited(response.body, MAX_ANSWER_BYTES);
  if (response.ok && response.status !== 204 && !isJson(text))
    throw new PlatformError('forge_failed', 'GitHub answered something else than JSON', {
      retryable: true,
    });
  return new Response(text === '' ? null : text, response);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Octokit's errors have a status; one that it made up itself has no response. */
function readStatus(error: unknown): number | null {
  if (!(error instanceof Error) || !('status' in error) || !('response' in error)) return null;
  return typeof error.status === 'number' && error.response !== undefined ? error.status : null;
}

function readHeader(error: unknown, name: string): string | null {
  const response = error instanceof Error && 'response' in error ? error.response : null;
  const headers =
    typeof response === 'object' && response !== null && 'headers' in response
      ? response.headers
      : null;
  if (typeof headers !== 'object' || headers === null) return null;
  const value: unknown = (headers as Record<string, unknown>)[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

/** GitHub's own words, without the address of its documentation. */
function readReason(error: unknown): string {
  return describeError(error)
    .replace(/ - https?:\/\/\S+$/, '')
    .slice(0, 500);
}

/** How long GitHub wants to be left alone; null when that is not what is wrong. */
function readPause(error: unknown, time: Time): number | null {
  const status = readStatus(error);
  if (status !== 403 && status !== 429) return null;
  const after = Number(readHeader(error, 'retry-after') ?? Number.NaN);
  if (Number.isFinite(after)) return Math.max(after, 1) * 1_000;
  if (readHeader(error, 'x-ratelimit-remaining') === '0') {
    const reset = Number(readHeader(error, 'x-ratelimit-reset') ?? Number.NaN);
    if (Number.isFinite(reset)) return Math.max(reset * 1_000 - time.now(), 1_000);
  }
  return status === 429 || /secondary rate limit|rate limit exceeded/i.test(readReason(error))
    ? UNSAID_WAIT_MS
    : null;
}

function describeFailure(error: unknown, repository: string): unknown {
  const inner = error instanceof Error ? error.cause : undefined;
  if (error instanceof PlatformError) return error;
  if (inner instanceof PlatformError) return inner;
  const status = readStatus(error);
  if (status === null) return describeUnreachable(inner ?? error);
  const reason = readReason(error);
  if (status === 401)
    return new PlatformError('forge_denied', 'GitHub does not know our credential', {
      hint:
        'Give a token that stands (SHOPYARD_FORGE_TOKEN or SHOPYARD_FORGE_TOKEN_FILE), or check ' +
        'the App’s id, key and installation.',
    });
  if (status === 403) return describeForbidden(error, reason, repository);
  if (status === 404)
    return new PlatformError(
      'forge_missing',
      `GitHub has no repository ${repository}, or does not let our credential see it`,
      {
        field: 'SHOPYARD_REPOSITORY_URL',
        hint: `Check the address, and that the credential was given access to ${repository}.`,
      },
    );
  if (status >= 500 || status === 408)
    return new PlatformError('forge_failed', `GitHub answered ${String(status)}`, {
      retryable: true,
    });
  return new PlatformError('forge_refused', `GitHub will not: ${reason}`, {
    hint: `See the settings and rules of ${repository}.`,
  });
}

function describeForbidden(error: unknown, reason: string, repository: string): PlatformError {
  if (!/resource not accessible|must have|permission/i.test(reason))
    return new PlatformError('forge_refused', `GitHub will not: ${reason}`, {
      hint: `See the settings of ${repository}.`,
    });
  // `pull_requests=write`, several joined by commas, alternatives by semicolons.
  const needed = readHeader(error, 'x-accepted-github-permissions');
  const permission =
    needed === null ? 'a permission' : `the permission ${needed.replaceAll('=', ': ')}`;
  return new PlatformError(
    'forge_denied',
    `our credential lacks ${permission} on ${repository}: ${reason}`,
    { hint: `Give it ${permission} in its settings on GitHub, for ${repository}.` },
  );
}

function describeUnreachable(error: unknown): PlatformError {
  const isLate = error instanceof Error && error.name === 'TimeoutError';
  // What fetch says is only that it failed.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
  return new PlatformError(
    'forge_unreachable',
    isLate ? 'GitHub did not answer in time' : `GitHub cannot be reached${code}`,
    { retryable: true },
  );
}

function describeExchange(error: unknown, repository: string, time: Time): unknown {
  const pause = readPause(error, time);
  if (pause !== null) return describeLimited('requests', pause);
  if (readStatus(error) === 404)
    return new PlatformError('forge_denied', 'the GitHub App has no such installation', {
      field: 'SHOPYARD_GITHUB_APP_INSTALLATION_ID',
      hint: `Install the App on ${repository}; the number is in the installation’s address.`,
    });
  return describeFailure(error, repository);
}
