/**
 * Logs out of a Loki, by its HTTP API (`series`, `query_range`). Its streams must carry the labels
 * `namespace`, `pod` and `container`, as the usual agents give them. A selector names each by its whole
 * value, quoted; and of what is answered only streams of that namespace are believed.
 *
 * Bounded in time, lines and bytes. Redirects are not followed, and the token is in no error.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { PlatformError, describeError } from '../errors.ts';
import { readLimited } from '../limit-body.ts';
import type { LogArchive, LogWriter } from './types.ts';

/** How a cluster's Loki is reached. */
export type LokiSettings = {
  /** What `/loki/api/v1` is under. */
  readonly url: string;
  /** Loki's own tenant, its X-Scope-OrgID; null: it has but one. */
  readonly tenant: string | null;
  /** Read anew for each question; null: no credential. */
  readonly tokenFile: string | null;
  /** With one the token is a password, without one it is a bearer's. */
  readonly user: string | null;
};

const LARGEST_ANSWER = 16 * 1024 * 1024;
/** Characters of the lines that are passed on; the last ones. */
const LONGEST_LOG = 1024 * 1024;
const MOST_WRITERS = 500;
const LONGEST_WORDS = 200;

const Labels = z.record(z.string(), z.string());
const Series = z.object({ data: z.array(Labels).nullish() });
const Streams = z.object({
  data: z.object({
    resultType: z.literal('streams'),
    result: z.array(
      z.object({
        stream: Labels,
        // A third element, if any, is metadata of the line.
        values: z.array(z.tuple([z.string().regex(/^\d+$/), z.string()]).rest(z.unknown())),
      }),
    ),
  }),
});

/** @param options.timeoutMs for one question; default 5 s */
export function createLokiLogs(
  settings: LokiSettings,
  options: { readonly clock: () => Date; readonly timeoutMs?: number },
): LogArchive {
  const { clock, timeoutMs = 5_000 } = options;

  const ask = async <T>(
    path: string,
    parameters: Readonly<Record<string, string>>,
    schema: z.ZodType<T>,
  ): Promise<T> => {
    const { token, headers } = await authorize(settings);
    const query = new URLSearchParams(parameters).toString();
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${settings.url.replace(/\/+$/, '')}/loki/api/v1/${path}?${query}`, {
        headers,
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await readLimited(response.body, LARGEST_ANSWER);
    } catch (error) {
      const isLate = error instanceof Error && error.name === 'TimeoutError';
      const why = error instanceof Error && error.cause !== undefined ? error.cause : error;
      throw describeTrouble(
        isLate ? 'Loki did not answer in time.' : `Loki did not answer: ${describeError(why)}.`,
        error,
      );
    }
    if (response.ok) {
      const parsed = schema.safeParse(parseJson(text));
      if (parsed.success) return parsed.data;
      throw describeTrouble('Loki answered with something else than its API does.');
    }
    const words = text.replaceAll(/\s+/g, ' ').trim().slice(0, LONGEST_WORDS);
    const said = token === null ? words : words.replaceAll(token, '…');
    const { status } = response;
    const answer = `(${status})${said === '' ? '' : `: “${said}”`}.`;
    if (status === 401 || status === 403)
      throw new PlatformError('logs_refused', `Loki does not let us look ${answer}`, {
        hint: 'An operator checks the token, the user and the tenant that are set for Loki.',
      });
    throw describeTrouble(`Loki answered with an error ${answer}`);
  };

  return {
    async listWriters(namespace, since) {
      const { data } = await ask(
        'series',
        { 'match[]': select({ namespace }), ...describePeriod(since, clock()) },
        Series,
      );
      const writers = new Map<string, LogWriter>();
      for (const { pod, container, ...labels } of data ?? [])
        if (labels['namespace'] === namespace && pod !== undefined && container !== undefined)
          writers.set(`${pod} ${container}`, { pod, container });
      return [...writers]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .slice(0, MOST_WRITERS)
        .map(([, writer]) => writer);
    },

    async readLines(namespace, { pod, container }, { lines, since }) {
      const { data } = await ask(
        'query_range',
        {
          query: select({ namespace, pod, container }),
          ...describePeriod(since, clock()),
          limit: String(lines),
          direction: 'backward',
        },
        Streams,
      );
      // What a container writes is in several streams: each label of a line makes one.
      const entries = data.result
        .filter(({ stream }) => stream['namespace'] === namespace)
        .flatMap(({ values }) => values.toReversed())
        .map(([at, line]) => ({ at: BigInt(at), line }))
        .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
      return cutStart(entries.slice(-lines).map(({ line }) => line.replace(/\n$/, '')));
    },
  };
}

/** A selector of whole values, quoted as Go does, which reads JSON's way of it. */
function select(labels: Readonly<Record<string, string>>): string {
  const matchers = Object.entries(labels).map(
    ([name, value]) => `${name}=${JSON.stringify(value)}`,
  );
  return `{${matchers.join(',')}}`;
}

/** In nanoseconds; the end is not part of it. */
function describePeriod(since: Date, now: Date): { readonly start: string; readonly end: string } {
  return { start: `${since.getTime()}000000`, end: `${now.getTime() + 1}000000` };
}

async function authorize(
  settings: LokiSettings,
): Promise<{ readonly token: string | null; readonly headers: Record<string, string> }> {
  const { tenant, user } = settings;
  const token = await readToken(settings);
  const credential =
    user === null
      ? `Bearer ${token ?? ''}`
      : `Basic ${Buffer.from(`${user}:${token ?? ''}`).toString('base64')}`;
  return {
    token,
    headers: {
      accept: 'application/json',
      ...(token === null ? {} : { authorization: credential }),
      ...(tenant === null ? {} : { 'x-scope-orgid': tenant }),
    },
  };
}

async function readToken({ tokenFile }: LokiSettings): Promise<string | null> {
  if (tokenFile === null) return null;
  const text = await readFile(tokenFile, 'utf8').catch((error: unknown) => {
    throw refuseToken(`cannot be read: ${describeError(error)}`);
  });
  // More than one line is no header.
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw refuseToken('holds no token');
  return token;
}

function refuseToken(problem: string): PlatformError {
  return new PlatformError('logs_refused', `The file of Loki’s token ${problem}.`, {
    hint: 'An operator puts the token into the file that the settings name.',
  });
}

function describeTrouble(message: string, cause?: unknown): PlatformError {
  return new PlatformError('logs_unreachable', message, {
    retryable: true,
    hint: 'An operator checks that Loki runs and that its address in the settings is right.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** What is too long loses its beginning. */
function cutStart(lines: readonly string[]): readonly string[] {
  let left = LONGEST_LOG;
  const first = lines.findLastIndex((line) => {
    left -= line.length + 1;
    return left < 0;
  });
  return lines.slice(first + 1);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
