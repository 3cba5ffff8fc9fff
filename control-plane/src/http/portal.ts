/**
 * The portal's pages on the API's own address: SvelteKit's Node handler, mounted before anything
 * reads a body. The portal reaches the API over HTTP like any other client, with its visitor's
 * cookies; what it says of the visitor's address is believed because of a secret that only this
 * process and its portal know.
 */
import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import type { Context } from 'koa';

/** The folder of a built portal, as adapter-node leaves it. */
export const PORTAL_BUILD = join(import.meta.dirname, '../../../portal/build');

/** Headers by which the mount tells the handler of the public address. */
const PROTOCOL = 'x-shopyard-protocol';
const HOST = 'x-shopyard-host';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

export type PortalMount = (ctx: Context) => Promise<void>;

/** Whether a path is the API's or a probe's; everything else is the portal's. */
export function isApiPath(path: string): boolean {
  return /^\/(api|healthz|readyz|metrics)(\/|$)/.test(path);
}

/**
 * Loads the built portal; null when it has not been built.
 * @param options.publicUrl the origin that browsers see
 * @param options.apiUrl where the portal's own requests go
 * @param options.secret sent by the portal as X-Shopyard-Portal
 */
export async function loadPortal(options: {
  readonly folder: string;
  readonly publicUrl: string;
  readonly apiUrl: string;
  readonly secret: string;
}): Promise<PortalMount | null> {
  const file = join(options.folder, 'handler.js');
  if (!existsSync(file)) return null;
  // The handler reads its settings from the environment when it is imported.
  Object.assign(process.env, {
    PROTOCOL_HEADER: PROTOCOL,
    HOST_HEADER: HOST,
    SHOPYARD_API_URL: options.apiUrl,
    SHOPYARD_PORTAL_SECRET: options.secret,
  });
  const { handler } = (await import(pathToFileURL(file).href)) as {
    readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  };
  const address = new URL(options.publicUrl);
  return async (ctx) => {
    if (isOtherNameOf(address, ctx.host)) {
      // Cookies and forms belong to one origin: the one that everything else names.
      ctx.status = 307;
      ctx.set('Location', `${address.origin}${ctx.url}`);
      return;
    }
    ctx.respond = false;
    ctx.status = 200;
    ctx.req.headers[PROTOCOL] = address.protocol.slice(0, -1);
    ctx.req.headers[HOST] = address.host;
    ctx.set({
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'same-origin',
      'X-Frame-Options': 'DENY',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=()',
      ...(address.protocol === 'https:'
        ? { 'Strict-Transport-Security': 'max-age=31536000; includeSubDomains' }
        : {}),
    });
    handler(ctx.req, ctx.res);
    // A visitor who leaves early is no error.
    await finished(ctx.res).catch(() => undefined);
  };
}

/** Whether this is the same loopback address under another of its names. */
function isOtherNameOf(address: URL, host: string): boolean {
  if (host === address.host || !LOOPBACK.has(address.hostname)) return false;
  const [, name = '', port = ''] = /^(.*?)(?::(\d+))?$/.exec(host) ?? [];
  return LOOPBACK.has(name) && port === address.port;
}
