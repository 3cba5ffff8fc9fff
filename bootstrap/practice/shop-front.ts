/**
 * What a practice store shows to a visitor: one page that says what it is not. The store is found by
 * the host name of its address, as an ingress controller would find it; 404 while it is not ready, and
 * 503 while it is suspended: its Ingress stays, with nobody behind it.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PlatformError } from '../../control-plane/src/errors.ts';

export type PracticeShop = {
  readonly name: string;
  readonly state: 'ready' | 'suspended' | 'absent';
};

export type ShopFront = { readonly port: number; stop(): Promise<void> };

/** @param port 0 is any free one */
export async function startShopFront(
  port: number,
  findShop: (host: string) => PracticeShop | null,
): Promise<ShopFront> {
  const server = createServer((request, response) => {
    const host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
    const [status, page] = answer(findShop(host));
    response.writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      'cache-control': 'no-store',
    });
    response.end(request.method === 'HEAD' ? undefined : page);
  });
  return { port: await listen(server, port), stop: () => close(server) };
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(explain(error, port)));
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

function explain(error: NodeJS.ErrnoException, port: number): Error {
  if (error.code !== 'EADDRINUSE') return error;
  return new PlatformError('port_taken', `Port ${port} on 127.0.0.1 is taken.`, {
    hint: 'Practice shops answer there: set SHOPYARD_STORE_PORT to a free port, or stop what listens there.',
    field: 'SHOPYARD_STORE_PORT',
    cause: error,
  });
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

function answer(shop: PracticeShop | null): [status: number, page: string] {
  if (shop === null || shop.state === 'absent')
    return [404, render('No shop here', ['There is no practice shop of this name that is ready.'])];
  if (shop.state === 'suspended') return [503, render(shop.name, ['This shop is suspended.'])];
  const page = render(shop.name, [
    'This is a practice shop. Nothing is for sale here, and nobody can sign in.',
    'On a real cluster this address leads to a shop of its own: a catalogue with a sample product, a cart and a checkout.',
  ]);
  return [200, page];
}

function render(title: string, paragraphs: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${escape(title)} · practice</title>
<style>
  body { font: 1.0625rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1.5rem }
  p:first-of-type { font-size: 0.875rem; letter-spacing: 0.04em }
</style>
<p>Practice cluster</p>
<h1>${escape(title)}</h1>
${paragraphs.map((text) => `<p>${escape(text)}</p>`).join('\n')}
</html>
`;
}

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
