/**
 * What GitHub, Gitea or Forgejo tells us by webhook: somebody pushed, a pull request changed. It only
 * rings the writer, which looks for itself; when none come, the writer looks every half minute.
 *
 * Anybody can send here, so nothing is believed, and nothing parsed, before the signature over the
 * very bytes is right. What is read is bounded in size, time and number, so memory stays flat
 * whatever is sent. A body counts once: its hash is remembered, since the delivery's id, which the
 * signature does not cover, could be made up by whoever sends an old body again.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { z } from 'zod';
import { HookAnswer } from '../contract.ts';
import { rememberDelivery } from '../db/deliveries.ts';
import type { Db } from '../db/open.ts';
import type { Clock } from '../domain/ids.ts';
import type { CommitSha } from '../git/types.ts';
import { leaveUnread, readRawBody } from './body.ts';
import { notFound, RequestProblem } from './problem.ts';
import { route, type Route } from './route.ts';

export type ForgeHooks = {
  /** Shared with the forge; null: there are no webhooks. */
  readonly secret: string | null;
  /** The one that Argo CD follows. */
  readonly branch: string;
  /** Somebody pushed to it; null: they removed it. */
  readonly pushed: (after: CommitSha | null) => void;
  /** Something happened to a pull request. */
  readonly reviewed: (number: number | null) => void;
};

/** Larger ones are refused, and what they tell of is found by looking. Most are a few kilobytes. */
const HOOK_MAX = 5 * 1024 * 1024;
const HOOK_MS = 10_000;
/** Read at the same time, of whatever origin: together at most 40 MiB, and 80 while they are joined. */
const HOOKS_AT_ONCE = 8;
/** Of these by one address: whoever sends slowly there leaves room for others. */
const HOOKS_OF_ONE = 6;

const Push = z.object({
  ref: z.string().max(1_000),
  after: z.string().regex(/^[0-9a-f]{40}$/),
});
const PullRequestEvent = z.object({ number: z.int().positive() });

export function hookRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly hooks: ForgeHooks | null;
}): Route[] {
  const { db, clock, hooks } = options;
  const secret = hooks?.secret ?? null;
  /** Whose bodies are being read. */
  const reading: string[] = [];
  return [
    route({
      method: 'POST',
      path: '/api/hooks/forge',
      policy: 'anyone',
      raw: true,
      summary: 'Webhooks of the forge: JSON, signed with the shared secret (HMAC-SHA256)',
      answers: { 202: HookAnswer },
      problems: [
        'not_found',
        'signature_invalid',
        'delivery_repeated',
        'malformed_json',
        'body_too_large',
        'body_too_slow',
        'too_many_attempts',
      ],
      handle: async ({ ctx, address }) => {
        if (hooks === null || secret === null) throw notFound();
        const signature = readSignature(ctx);
        if (signature === null)
          throw new RequestProblem(
            'signature_invalid',
            'Sign the body with the shared secret (X-Hub-Signature-256 or X-Gitea-Signature).',
            { headers: await leaveUnread(ctx) },
          );
        const ofOne = reading.filter((one) => one === address).length;
        if (reading.length >= HOOKS_AT_ONCE || ofOne >= HOOKS_OF_ONE)
          throw new RequestProblem('too_many_attempts', 'Others are being read.', {
            headers: { 'Retry-After': '10', ...(await leaveUnread(ctx)) },
          });
        reading.push(address);
        let body: Buffer;
        try {
          body = await readRawBody(ctx, { most: HOOK_MAX, ms: HOOK_MS });
        } finally {
          reading.splice(reading.indexOf(address), 1);
        }
        const expected = createHmac('sha256', secret).update(body).digest();
        if (!timingSafeEqual(expected, signature))
          throw new RequestProblem('signature_invalid', 'This is not signed with our secret.');
        const event = readEvent(ctx);
        const told = readTold(event, parse(body), hooks.branch);
        const isNew = await rememberDelivery(db, {
          hash: createHash('sha256').update(body).digest('hex'),
          event,
          at: clock(),
        });
        if (!isNew)
          throw new RequestProblem('delivery_repeated', 'This very body was taken before.');
        if (told?.kind === 'pushed') hooks.pushed(told.after);
        if (told?.kind === 'reviewed') hooks.reviewed(told.number);
        return { status: 202, body: { taken: told !== null } satisfies HookAnswer };
      },
    }),
  ];
}

/** Gitea sends its own header and GitHub's; older ones only their own. */
function readSignature(ctx: Context): Buffer | null {
  const github = /^sha256=([0-9a-f]{64})$/i.exec(ctx.get('X-Hub-Signature-256'))?.[1];
  const given = github ?? (ctx.get('X-Forgejo-Signature') || ctx.get('X-Gitea-Signature'));
  return /^[0-9a-f]{64}$/i.test(given) ? Buffer.from(given, 'hex') : null;
}

function readEvent(ctx: Context): string {
  const given = ctx.get('X-GitHub-Event') || ctx.get('X-Forgejo-Event') || ctx.get('X-Gitea-Event');
  return /^[a-z_]{1,60}$/.test(given) ? given : 'unknown';
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new RequestProblem('malformed_json', 'Choose JSON as the webhook’s content type.');
  }
}

type Told =
  | { readonly kind: 'pushed'; readonly after: CommitSha | null }
  | { readonly kind: 'reviewed'; readonly number: number | null };

/** null: nothing that concerns us. */
function readTold(event: string, body: unknown, branch: string): Told | null {
  if (event === 'push') {
    const push = Push.safeParse(body);
    if (!push.success || push.data.ref !== `refs/heads/${branch}`) return null;
    const { after } = push.data;
    return { kind: 'pushed', after: /^0+$/.test(after) ? null : (after as CommitSha) };
  }
  if (!event.startsWith('pull_request')) return null;
  const number = PullRequestEvent.safeParse(body).data?.number ?? null;
  return { kind: 'reviewed', number };
}
