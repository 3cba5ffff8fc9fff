/**
 * Requests to a shop through the cluster's Ingress: the address is the operator's, the shop is picked
 * by the Host header. Bounded in time and size; redirects are not followed.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { PlatformError, describeError } from '../errors.ts';
import type { ShopAnswer, ShopRequest } from './types.ts';

export type ShopAddress = {
  /** Where the Ingress listens. */
  readonly ingress: URL;
  /** The shop's public origin. */
  readonly origin: URL;
  readonly signal: AbortSignal;
};

const LARGEST = 4 * 1024 * 1024;
const LONGEST_WORDS = 300;

/** The JSON of a 2xx. Throws the errors that types.ts names. */
export async function askShop(address: ShopAddress, request: ShopRequest): Promise<ShopAnswer> {
  let answer: http.IncomingMessage;
  let text: string;
  try {
    answer = await send(address, request);
    text = await readText(answer);
  } catch (error) {
    throw new PlatformError(
      'shop_unreachable',
      `The shop did not answer: ${describeError(error)}`,
      { retryable: true, cause: error },
    );
  }
  const status = answer.statusCode ?? 0;
  const body = parseJson(text);
  const words = findWords(body);
  if (status === 401 || status === 403)
    throw new PlatformError(
      'shop_refused',
      `The shop refused the platform’s key (${status})${words === null ? '' : `: “${words}”`}.`,
    );
  if (status >= 500)
    throw new PlatformError('shop_unreachable', `The shop answered with an error (${status}).`, {
      retryable: true,
    });
  if (status >= 400 && words !== null)
    throw new PlatformError('shop_declined', `The shop says (${status}): “${words}”.`, {
      cause: findCode(body),
    });
  if (status < 200 || status >= 300 || body === undefined)
    throw new PlatformError(
      'shop_unknown',
      `The shop does not answer as its engine’s API does (${status}).`,
      { cause: findCode(body) },
    );
  return { ...readHeaders(answer), body };
}

async function send(
  { ingress, origin, signal }: ShopAddress,
  { method = 'GET', path, headers = {}, body }: ShopRequest,
): Promise<http.IncomingMessage> {
  const isSecure = ingress.protocol === 'https:';
  const content = body === undefined ? null : Buffer.from(JSON.stringify(body));
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const sent = (isSecure ? https : http).request(
    {
      method,
      host: ingress.hostname.replace(/^\[|\]$/g, ''),
      port: ingress.port === '' ? (isSecure ? 443 : 80) : Number(ingress.port),
      path,
      headers: {
        ...headers,
        ...(content === null
          ? {}
          : { 'content-type': 'application/json', 'content-length': content.length }),
        host: origin.host,
        accept: 'application/json',
      },
      ...(isSecure ? { servername: origin.hostname } : {}),
      agent: false,
      signal,
    },
    resolve,
  );
  sent.on('error', reject);
  sent.end(content ?? undefined);
  return promise;
}

async function readText(response: http.IncomingMessage): Promise<string> {
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
  return Buffer.concat(chunks).toString('utf8');
}

function readHeaders(answer: http.IncomingMessage): Pick<ShopAnswer, 'headers' | 'cookies'> {
  const headers: Record<string, string> = {};
  for (const [name, values = []] of Object.entries(answer.headersDistinct))
    if (values[0] !== undefined) headers[name] = values[0];
  const cookies = (answer.headers['set-cookie'] ?? []).map((one) => one.split(';', 1)[0] ?? '');
  return { headers, cookies };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A refusal's name in the shop's own API. */
function findCode(body: unknown): string | undefined {
  if (body === null || typeof body !== 'object' || !('code' in body)) return undefined;
  return typeof body.code === 'string' ? body.code : undefined;
}

/** What a refusal says to people; some shops write it as HTML. */
function findWords(body: unknown): string | null {
  if (body === null || typeof body !== 'object' || !('message' in body)) return null;
  if (typeof body.message !== 'string') return null;
  const words = body.message
    .replace(/<[^>]*>/g, '')
    .replace(/&quot;/g, '"')
    .replace(/&#0?39;/g, '’')
    .replace(/&amp;/g, '&')
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .replace(/\.$/, '');
  return words === '' ? null : words.slice(0, LONGEST_WORDS);
}
