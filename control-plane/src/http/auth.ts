/**
 * Who is calling: a bearer token or a session's cookie, believed for a few seconds. And what they
 * may: the policies, and that a browser acts with its cookie only for pages of ours.
 */
import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import type { Auth } from '../accounts/auth.ts';
import { findPrincipals, type Principal } from '../db/principals.ts';
import { hashToken } from '../db/tokens.ts';
import type { Db } from '../db/open.ts';
import type { Clock } from '../domain/ids.ts';
import { callAuth } from './call-auth.ts';
import { RequestProblem } from './problem.ts';
import type { Method } from './route.ts';

/**
 * Who may use a route. A route says one of these or it cannot be registered.
 * anyone: nothing needed. known: a session or a token. user: a person with a session, also one who
 * is in no tenant. reader: every role. writer: all but viewers. owner, operator: these and those
 * above. Which tenant's things a caller sees is not a matter of routes: the queries decide.
 */
export type Policy = 'anyone' | 'known' | 'user' | 'reader' | 'writer' | 'owner' | 'operator';

const ROLES: Readonly<Record<Exclude<Policy, 'anyone'>, readonly Principal['role'][]>> = {
  known: ['operator', 'owner', 'member', 'viewer', 'guest'],
  user: ['operator', 'owner', 'member', 'viewer', 'guest'],
  reader: ['operator', 'owner', 'member', 'viewer'],
  writer: ['operator', 'owner', 'member'],
  owner: ['operator', 'owner'],
  operator: ['operator'],
};

/** How long a password that was asked for again counts, in milliseconds. */
export const RECENT_MS = 5 * 60 * 1000;

/** Throws a 401 or 403 unless the caller may. */
export function checkAllowed(
  rule: { readonly policy: Policy; readonly recent?: boolean; readonly method: Method },
  principal: Principal | null,
  now: Date,
): asserts principal is Principal {
  if (principal === null)
    throw unauthorized('Sign in, or send a token as “Authorization: Bearer shop_…”.', '');
  const { policy } = rule;
  if (policy !== 'anyone') {
    if (policy === 'user' && principal.kind !== 'user')
      throw new RequestProblem('forbidden', 'This is for people who signed in, not for tokens.');
    if (!ROLES[policy].includes(principal.role))
      throw new RequestProblem(
        'forbidden',
        principal.role === 'guest'
          ? 'You are in no tenant yet.'
          : `Your role (${principal.role}) may not do this.`,
      );
  }
  const scope = rule.method === 'GET' ? 'read' : 'write';
  if (!principal.scopes.includes(scope))
    throw new RequestProblem('forbidden', `This token may not ${scope}.`);
  if (rule.recent === true && !isRecent(principal, now))
    throw new RequestProblem(
      'confirmation_needed',
      principal.kind === 'user'
        ? 'Your password is needed again for this.'
        : 'This needs a person’s password: a token cannot do it.',
      { hint: 'POST /api/confirm with the password, then try again within five minutes.' },
    );
}

export function isRecent(principal: Principal, now: Date): boolean {
  const { confirmedAt } = principal;
  return confirmedAt !== null && now.getTime() - confirmedAt.getTime() < RECENT_MS;
}

/** How long an answer about a credential is believed, in milliseconds: revoking takes this long. */
const REMEMBERED_MS = 4000;
const REMEMBERED_MOST = 10_000;

export type Authenticator = {
  /**
   * The caller; null when nothing was shown or the session is over. Throws a 401 for a token that
   * does not stand.
   * @param options.fresh asks the database
   */
  identify(ctx: Context, options?: { readonly fresh?: boolean }): Promise<Principal | null>;
  /** Looks anew at everything that this person showed. */
  forget(userId: string): void;
  /**
   * The same for somebody who has just changed for whom they act: other processes remember them too,
   * so their browser says for as long as that that it is to be looked at anew.
   */
  renew(ctx: Context, userId: string): void;
};

/** What a browser shows for a while after its person became somebody else. */
const RENEWED = 'shopyard.renewed';

export function createAuthenticator(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly auth: Auth;
  /** Where browsers believe the API to be. */
  readonly publicUrl: string;
}): Authenticator {
  const { db, clock, auth } = options;
  const secure = options.publicUrl.startsWith('https://') ? '; Secure' : '';
  /** Raised with each forgetting: what was asked for before it is not remembered after it. */
  let forgettings = 0;
  const remembered = new Map<string, { principal: Principal | null; until: number }>();

  async function remember(
    key: string,
    fresh: boolean,
    find: () => Promise<Principal | null>,
  ): Promise<Principal | null> {
    const now = clock().getTime();
    const known = remembered.get(key);
    if (!fresh && known !== undefined && known.until > now) return known.principal;
    const before = forgettings;
    const principal = await find();
    if (before !== forgettings) return principal;
    if (remembered.size >= REMEMBERED_MOST) remembered.clear();
    remembered.set(key, { principal, until: now + REMEMBERED_MS });
    return principal;
  }

  async function identifyToken(authorization: string, fresh: boolean): Promise<Principal> {
    const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization)?.[1];
    if (token === undefined)
      throw unauthorized('Send a token as “Authorization: Bearer shop_…”.', '');
    const hash = hashToken(token);
    const principal = await remember(`token ${hash}`, fresh, async () => {
      const [found] = await findPrincipals(db, { tokenHashes: [hash] }, clock());
      return found ?? null;
    });
    if (principal === null)
      throw unauthorized(
        'The token is unknown, revoked or has expired.',
        ', error="invalid_token"',
      );
    return principal;
  }

  /** The signature is better-auth's to check; a session that is used stays alive. */
  async function identifySession(ctx: Context, value: string, fresh: boolean) {
    const hash = createHash('sha256').update(value).digest('hex');
    return remember(`cookie ${hash}`, fresh, async () => {
      const { response, headers } = await callAuth(() =>
        auth.api.getSession({
          headers: new Headers({ cookie: ctx.get('Cookie') }),
          returnHeaders: true,
        }),
      );
      if (response === null) return null;
      ctx.append('Set-Cookie', headers.getSetCookie());
      const [found] = await findPrincipals(db, { sessions: [response.session.id] }, clock());
      return found ?? null;
    });
  }

  function forget(userId: string): void {
    forgettings += 1;
    for (const [key, { principal }] of remembered)
      if (principal?.userId === userId) remembered.delete(key);
  }

  return {
    async identify(ctx, { fresh = false } = {}) {
      const authorization = ctx.get('Authorization');
      if (authorization !== '') return identifyToken(authorization, fresh);
      const cookies = ctx.get('Cookie');
      const session = /(?:^|; *)(?:__Secure-)?shopyard\.session_token=([^;]+)/.exec(cookies)?.[1];
      if (session === undefined) return null;
      return identifySession(ctx, session, fresh || cookies.includes(`${RENEWED}=`));
    },
    forget,
    renew(ctx, userId) {
      forget(userId);
      const seconds = REMEMBERED_MS / 1000 + 1;
      ctx.append(
        'Set-Cookie',
        `${RENEWED}=1; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`,
      );
    },
  };
}

/**
 * Refuses what another site's page makes a browser send. A request with a token carries nothing
 * that a browser adds by itself; any other that changes something must come from our own pages.
 */
export function checkOrigin(ctx: Context, method: Method, origins: readonly string[]): void {
  if (method === 'GET' || ctx.get('Authorization') !== '') return;
  const origin = ctx.get('Origin');
  if (origin === '' ? ctx.get('Cookie') === '' : origins.includes(origin)) return;
  throw new RequestProblem(
    'origin_refused',
    origin === ''
      ? 'A request with a cookie names the page it comes from (the header Origin).'
      : `Pages of ${origin} may not do this.`,
  );
}

function unauthorized(message: string, parameters: string): RequestProblem {
  return new RequestProblem('unauthorized', message, {
    headers: { 'WWW-Authenticate': `Bearer realm="shopyard"${parameters}` },
  });
}
