/**
 * HTTP to a git remote: one place for credentials, deadlines, size limits and the refusal of
 * anything that is not git. Redirects are refused: a credential goes to the address it was given
 * for and nowhere else.
 */
import { buffer } from 'node:stream/consumers';
import type { HttpClient } from 'isomorphic-git';
import { PlatformError } from '../errors.ts';
import { createAddressCheck, parseRemoteUrl } from './remote-address.ts';
import { encodePacket, decodePackets, FLUSH_PACKET } from './pkt-line.ts';
import type { RemoteSettings } from './types.ts';

/** How our writer introduces itself. */
export const WRITER_AGENT = 'shopyard';

export type TransportLimits = {
  /** Until the answer is complete. */
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
};

export const DEFAULT_LIMITS: TransportLimits = {
  timeoutMs: 120_000,
  maxResponseBytes: 2 * 1024 * 1024 * 1024,
};

/** What the remote made of a push. */
export type PushReport =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'rejected'; readonly reason: string; readonly messages: string };

export type Transport = {
  /** For isomorphic-git, which fetches through it. */
  readonly http: HttpClient;
  readonly url: string;
  /**
   * Sends `old → new` with its pack; `ZERO_OID` and an empty buffer remove the ref. `permit` is
   * asked last, after whatever was waited for: when it throws, nothing was sent. Throws
   * `push_unknown` when the outcome cannot be known.
   */
  push(
    update: { ref: string; before: string; after: string; pack: Buffer },
    permit?: () => Promise<void>,
  ): Promise<PushReport>;
};

/** Checks the address before anything is sent to it. Throws PlatformError `remote_invalid`. */
export function createTransport(
  remote: RemoteSettings,
  options: { limits?: Partial<TransportLimits>; signal?: AbortSignal | undefined } = {},
): Transport {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const base = parseRemoteUrl(remote.url);
  const checkAddress = createAddressCheck(base);
  const authorize = async (): Promise<string> => {
    await checkAddress();
    const password = (await remote.renew?.()) ?? remote.password;
    return `Basic ${Buffer.from(`${remote.username}:${password}`).toString('base64')}`;
  };

  const send = async (request: {
    url: string;
    method: string;
    headers: Record<string, string>;
    authorization: string;
    body?: Buffer;
  }): Promise<Response> => {
    const deadline = AbortSignal.timeout(limits.timeoutMs);
    const signal =
      options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
    return await fetch(request.url, {
      method: request.method,
      headers: {
        'user-agent': WRITER_AGENT,
        ...request.headers,
        authorization: request.authorization,
      },
      ...(request.body === undefined ? {} : { body: new Uint8Array(request.body) }),
      redirect: 'manual',
      signal,
    });
  };

  const http: HttpClient = {
    async request({ url, method = 'GET', headers = {}, body }) {
      let response: Response;
      try {
        const bytes = body === undefined ? undefined : await buffer(body);
        response = await send({
          url,
          method,
          headers,
          authorization: await authorize(),
          ...(bytes === undefined ? {} : { body: bytes }),
        });
      } catch (error) {
        throw describeUnreachable(base, error);
      }
      refuseStatus(base, response);
      const type = response.headers.get('content-type') ?? '';
      if (!type.startsWith('application/x-git-')) throw refuseContent(base, type);
      return {
        url: response.url,
        method,
        statusCode: response.status,
        statusMessage: response.statusText,
        headers: Object.fromEntries(response.headers),
        body: limitBody(base, response.body, limits.maxResponseBytes),
      };
    },
  };

  return {
    http,
    url: base.href,
    async push({ ref, before, after, pack }, permit) {
      const command = `${before} ${after} ${ref}\0 report-status side-band-64k agent=${WRITER_AGENT}`;
      const body = Buffer.concat([encodePacket(command), FLUSH_PACKET, pack]);
      await remote.admitPush?.(options.signal);
      // What fails here has sent nothing.
      const authorization = await authorize();
      await permit?.();
      let response: Response;
      try {
        response = await send({
          url: `${base.href}/git-receive-pack`,
          method: 'POST',
          headers: {
            'content-type': 'application/x-git-receive-pack-request',
            accept: 'application/x-git-receive-pack-result',
          },
          authorization,
          body,
        });
      } catch (error) {
        if (isNeverSent(error)) throw describeUnreachable(base, error);
        throw describeUnknownPush('the connection was lost', error);
      }
      if (response.status >= 500) {
        await response.body?.cancel();
        throw describeUnknownPush(`the remote answered ${String(response.status)}`);
      }
      refuseStatus(base, response);
      try {
        const type = response.headers.get('content-type') ?? '';
        if (type !== 'application/x-git-receive-pack-result') throw refuseContent(base, type);
        const bytes = await buffer(limitBody(base, response.body, 1024 * 1024));
        return readReport(bytes, ref);
      } catch (error) {
        throw describeUnknownPush('its answer could not be read', error);
      }
    },
  };
}

/** Errors of a request that never left: nothing can have been applied. */
function isNeverSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return (
    code === 'ECONNREFUSED' ||
    code === 'ENOTFOUND' ||
    code === 'EAI_AGAIN' ||
    code === 'EHOSTUNREACH'
  );
}

function describeUnreachable(base: URL, error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  const why =
    error instanceof Error && error.name === 'TimeoutError'
      ? 'did not answer in time'
      : 'cannot be reached';
  return new PlatformError('remote_unreachable', `the repository at ${base.host} ${why}`, {
    retryable: true,
    cause: error,
  });
}

function describeUnknownPush(why: string, cause?: unknown): PlatformError {
  return new PlatformError('push_unknown', `whether the push was applied is not known: ${why}`, {
    retryable: true,
    cause,
  });
}

function refuseStatus(base: URL, response: Response): void {
  const { status } = response;
  if (status === 200) return;
  void response.body?.cancel();
  if (status === 401 || status === 403) {
    throw new PlatformError(
      'remote_denied',
      `the repository at ${base.host} refused our credential`,
      {
        hint: 'Check the user and password or token, and that it may write to the branch.',
      },
    );
  }
  if (status === 404) {
    throw new PlatformError(
      'remote_missing',
      `there is no repository at ${base.host}${base.pathname}`,
    );
  }
  if (status >= 300 && status < 400) {
    throw new PlatformError(
      'remote_redirect',
      `the repository at ${base.host} redirects elsewhere`,
      {
        hint: 'Set the address it redirects to; credentials do not follow redirects.',
      },
    );
  }
  throw new PlatformError(
    'remote_failed',
    `the repository at ${base.host} answered ${String(status)}`,
    {
      retryable: status >= 500 || status === 408 || status === 429,
    },
  );
}

function refuseContent(base: URL, type: string): PlatformError {
  return new PlatformError(
    'git_protocol',
    `the server at ${base.host} answered ${type === '' ? 'without a content type' : type.slice(0, 60)} instead of git`,
    { retryable: true },
  );
}

async function* limitBody(
  base: URL,
  body: ReadableStream<Uint8Array> | null,
  limit: number,
): AsyncIterableIterator<Uint8Array> {
  if (body === null) return;
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > limit) {
        throw new PlatformError(
          'remote_failed',
          `the answer of ${base.host} is over ${String(limit)} bytes`,
        );
      }
      yield chunk;
    }
  } catch (error) {
    throw describeUnreachable(base, error);
  }
}

const SIDE_BAND_REPORT = 1;
const SIDE_BAND_MESSAGES = 2;
const SIDE_BAND_ERROR = 3;

/** Reads `unpack ok` and `ok <ref>` or their refusals, out of the side band when there is one. */
function readReport(bytes: Buffer, ref: string): PushReport {
  const outer = decodePackets(bytes);
  const usesSideBand = outer.some((packet) => (packet?.[0] ?? 0x20) <= SIDE_BAND_ERROR);
  let messages = '';
  let packets = outer;
  if (usesSideBand) {
    const report: Buffer[] = [];
    for (const packet of outer) {
      if (packet === null) continue;
      const band = packet[0];
      if (band === SIDE_BAND_REPORT) report.push(packet.subarray(1));
      else if (band === SIDE_BAND_MESSAGES || band === SIDE_BAND_ERROR)
        messages += packet.toString('utf8', 1);
    }
    packets = decodePackets(Buffer.concat(report));
  }
  const lines = packets
    .filter((packet) => packet !== null)
    .map((packet) => packet.toString('utf8').trim());
  const unpack = lines.find((line) => line.startsWith('unpack '));
  const result = lines.find((line) => line === `ok ${ref}` || line.startsWith(`ng ${ref} `));
  if (unpack === undefined || (result === undefined && unpack === 'unpack ok')) {
    throw new PlatformError('git_protocol', 'the answer to a push holds no report', {
      retryable: true,
    });
  }
  if (unpack !== 'unpack ok')
    return { kind: 'rejected', reason: unpack, messages: messages.trim() };
  if (result === `ok ${ref}`) return { kind: 'accepted' };
  return {
    kind: 'rejected',
    reason: result?.slice(`ng ${ref} `.length) ?? '',
    messages: messages.trim(),
  };
}
