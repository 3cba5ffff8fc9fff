/**
 * A stand-in for the Ingress of a cluster with one shop behind it: a real HTTP server that answers
 * as the engines' API references say (WooCommerce REST v3, Medusa 2 admin). It is not a shop: that
 * real shops answer like this is tested where there are some.
 */
import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ShopServer = {
  readonly url: string;
  /** What was asked: the Host header and the path with its query. */
  readonly asked: { readonly host: string | undefined; readonly url: string }[];
  close(): Promise<void>;
};

export async function startShopServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<ShopServer> {
  const asked: { host: string | undefined; url: string }[] = [];
  const server = createServer((request, response) => {
    asked.push({ host: request.headers.host, url: request.url ?? '' });
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' });
  response.end(JSON.stringify(body));
}

/** Checks a request as WooCommerce does over plain http, from what arrived; the consumer's key. */
export function verifySignature(request: IncomingMessage, secret: string): string | null {
  const url = new URL(request.url ?? '', `http://${request.headers.host ?? ''}`);
  const given = url.searchParams.get('oauth_signature');
  url.searchParams.delete('oauth_signature');
  const encode = (text: string): string =>
    encodeURIComponent(text).replace(
      /[!'()*]/g,
      (char) => '%' + char.charCodeAt(0).toString(16).toUpperCase(),
    );
  const names = [...new Set(url.searchParams.keys())].sort();
  const pairs = names.map((name) => {
    const value = encode(url.searchParams.get(name) ?? '');
    return `${encode(encode(name))}%3D${encode(value)}`;
  });
  const base = `GET&${encode(url.origin + url.pathname)}&${pairs.join('%26')}`;
  const wanted = createHmac('sha256', `${secret}&`).update(base).digest('base64');
  const age = Date.now() / 1000 - Number(url.searchParams.get('oauth_timestamp'));
  const isFresh = Math.abs(age) < 15 * 60 && url.searchParams.has('oauth_nonce');
  return given === wanted && isFresh ? url.searchParams.get('oauth_consumer_key') : null;
}

export function wooCommerceOrder(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 727,
    number: '727',
    status: 'processing',
    currency: 'EUR',
    total: '29.35',
    date_created_gmt: '2026-11-20T22:28:02',
    billing: { first_name: 'John', last_name: 'Doe' },
    ...changes,
  };
}

export function medusaOrder(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'order_01JDK3W0Y8Q4Z1',
    display_id: 12,
    created_at: '2026-11-20T22:28:02.123Z',
    total: 29.35,
    currency_code: 'eur',
    status: 'pending',
    email: 'john@example.com',
    ...changes,
  };
}
