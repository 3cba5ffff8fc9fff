/**
 * Reading a body. JSON's size, type and syntax are settled here; its fields are the schemas' matter.
 * A raw one is for handlers that must see the very bytes.
 */
import type { IncomingMessage } from 'node:http';
import { bodyParser } from '@koa/bodyparser';
import type { Context } from 'koa';
import { RequestProblem } from './problem.ts';

/** The largest body taken, in bytes. */
export const BODY_MAX = 64 * 1024;

/** How much of a body that is too large is read before the answer, so that the client sees it. */
const DRAIN_MAX = 1024 * 1024;
const DRAIN_MS = 2000;

const parse = bodyParser({
  enableTypes: ['json'],
  jsonLimit: BODY_MAX,
  // What JSON it is (`null`, a number) is the schemas' matter.
  jsonStrict: false,
  // Whether it says JSON has been checked by then.
  detectJSON: () => true,
});

/** The parsed body; an empty one is `undefined`. Throws 400, 413 or 415. */
export async function readBody(ctx: Context): Promise<unknown> {
  const length = Number(ctx.get('Content-Length'));
  if (length > BODY_MAX) throw await tooLarge(ctx);
  const hasBody = length > 0 || ctx.get('Transfer-Encoding') !== '';
  if (!hasBody) return undefined;
  if (ctx.is('application/json') === false)
    throw new RequestProblem(
      'unsupported_media_type',
      'Send the body as “Content-Type: application/json”.',
    );
  try {
    await parse(ctx, () => Promise.resolve());
  } catch (error) {
    if (hasStatus(error, 413)) throw await tooLarge(ctx);
    if (hasStatus(error, 415))
      throw new RequestProblem('unsupported_media_type', 'This encoding is not supported.');
    throw new RequestProblem('malformed_json', 'The body cannot be read as JSON.');
  }
  return ctx.request.body;
}

/**
 * The bytes of a body, at most so many, arriving in at most so long; more than that is never held.
 * Throws 413, or 408 for one that is slow or never ends.
 */
export async function readRawBody(
  ctx: Context,
  limits: { readonly most: number; readonly ms: number },
): Promise<Buffer> {
  if (Number(ctx.get('Content-Length')) > limits.most) throw await tooLarge(ctx, limits.most);
  const request = ctx.req;
  const chunks: Buffer[] = [];
  const outcome = await new Promise<'whole' | 'large' | 'slow'>((resolve) => {
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limits.most) done('large');
      else chunks.push(chunk);
    };
    const whole = (): void => done('whole');
    // A client that went away will read no answer: any will do.
    const gone = (): void => done('slow');
    const timer = setTimeout(gone, limits.ms);
    const done = (how: 'whole' | 'large' | 'slow'): void => {
      clearTimeout(timer);
      request.off('data', take).off('end', whole).off('close', gone);
      request.pause();
      resolve(how);
    };
    request.on('data', take).on('end', whole).on('close', gone);
  });
  if (outcome === 'large') throw await tooLarge(ctx, limits.most);
  if (outcome === 'slow')
    throw new RequestProblem('body_too_slow', 'The body did not arrive in time.', {
      headers: { Connection: 'close' },
    });
  return Buffer.concat(chunks);
}

/** Before a refusal that does not depend on the body: the headers for it, once it may be answered. */
export async function leaveUnread(ctx: Context): Promise<Readonly<Record<string, string>>> {
  await drain(ctx.req);
  return { Connection: 'close' };
}

function hasStatus(error: unknown, status: number): boolean {
  return error instanceof Error && 'status' in error && error.status === status;
}

/** The connection ends with the answer: what the client still sends is not worth reading. */
async function tooLarge(ctx: Context, most = BODY_MAX): Promise<RequestProblem> {
  await drain(ctx.req);
  return new RequestProblem('body_too_large', `At most ${most} bytes.`, {
    headers: { Connection: 'close' },
  });
}

/** Reads on for a while: a client that is still sending would not see an answer before a reset. */
function drain(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let read = 0;
    const count = (chunk: Buffer) => {
      read += chunk.length;
      if (read > DRAIN_MAX) done();
    };
    const done = () => {
      clearTimeout(timer);
      request.off('data', count).off('end', done).off('close', done);
      request.pause();
      resolve();
    };
    const timer = setTimeout(done, DRAIN_MS);
    if (request.readableEnded || request.destroyed) done();
    else request.on('data', count).on('end', done).on('close', done).resume();
  });
}
