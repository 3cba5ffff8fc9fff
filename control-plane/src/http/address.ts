/** Where a request comes from, as far as it can be believed. */
import { timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { Context } from 'koa';

export type AddressOptions = {
  /** What the portal of this process shows when it names its visitor's address. */
  readonly portalSecret?: string | undefined;
  /** Reverse proxies in front, each of which adds to X-Forwarded-For; default none. */
  readonly proxies?: number | undefined;
};

/** The client's address. What a client says of itself counts only behind as many proxies. */
export function readAddress(ctx: Context, options: AddressOptions): string {
  const trusted = isOurPortal(ctx, options.portalSecret) ? 1 : (options.proxies ?? 0);
  const named =
    trusted === 0 ? undefined : ctx.get('X-Forwarded-For').split(',').at(-trusted)?.trim();
  const address =
    named !== undefined && isIP(named) !== 0 ? named : (ctx.req.socket.remoteAddress ?? '');
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}

function isOurPortal(ctx: Context, secret: string | undefined): boolean {
  const shown = Buffer.from(ctx.get('X-Shopyard-Portal'));
  const expected = Buffer.from(secret ?? '');
  return (
    expected.length > 0 && shown.length === expected.length && timingSafeEqual(shown, expected)
  );
}
