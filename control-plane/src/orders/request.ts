/**
 * GETs to a shop through the cluster's Ingress: the address is the operator's, the shop is picked by
 * the Host header. Bounded in time and size; redirects are not followed.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { PlatformError, describeError } from '../errors.ts';

export type ShopRequest = {
  /** Where the Ingress listens. */
  readonly ingress: URL;
  /** The shop's public origin. */
  readonly origin: URL;
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
};

const LARGEST = 4 * 1024 * 1024;

/** The JSON of a 200. Throws the errors that types.ts names. */
export async function getJson(request: ShopRequest): Promise<unknown> {
  let status: number;
  let text: string;
  try {
    ({ status, text } = await get(request));
  } catch (error) {
    throw new PlatformError(
      'shop_unreachable',
      `The shop did not answer: ${describeError(error)}`,
      {
        retryable: true,
        cause: error,
      },
    );
  }
  if (status === 401 || status === 403)
    throw new PlatformError('shop_refused', `The shop refused the platform’s key (${status}).`);
  if (status >= 500)
    throw new PlatformError('shop_unreachable', `The shop answered with an error (${status}).`, {
      retryable: true,
    });
  const body = status === 200 ? parseJson(text) : undefined;
  if (body === undefined)
    throw new PlatformError(
      'orders_unavailable',
      `The shop does not answer as its engine’s API does (${status}).`,
    );
  return body;
}

async function get(request: ShopRequest): Promise<{ status: number; text: string }> {
  const { ingress, origin, signal } = request;
  const isSecure = ingress.protocol === 'https:';
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const sent = (isSecure ? https : http).request(
    {
      host: ingress.hostname.replace(/^\[|\]$/g, ''),
      port: ingress.port === '' ? (isSecure ? 443 : 80) : Number(ingress.port),
      path: request.path,
      headers: { ...request.headers, host: origin.host, accept: 'application/json' },
      ...(isSecure ? { servername: origin.hostname } : {}),
      agent: false,
      signal,
    },
    resolve,
  );
  sent.on('error', reject);
  sent.end();
  const response = await promise;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LARGEST) {
      response.destroy();
      throw new Error(`more than ${LARGEST} bytes`);
    }
    chunks.push(chunk);
  }
  if (!response.complete) throw new Error('the answer was cut short');
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
