/** Who is calling: bearer tokens, looked up by hash, remembered for a few seconds. */
import type { Db } from '../db/open.ts';
import type { Role } from '../contract.ts';
import { findPrincipal, hashToken, type Principal } from '../db/tokens.ts';
import type { Clock } from '../domain/ids.ts';
import { RequestProblem } from './problem.ts';

/**
 * Who may use a route. A route says one of these or it cannot be registered.
 * anyone: no token needed. reader: every token. writer: all but viewers. operator: operators.
 * Which tenant's things a caller sees is not a matter of routes: the queries decide.
 */
export type Policy = 'anyone' | 'reader' | 'writer' | 'operator';

const MAY: Readonly<Record<Exclude<Policy, 'anyone'>, readonly Role[]>> = {
  reader: ['operator', 'owner', 'member', 'viewer'],
  writer: ['operator', 'owner', 'member'],
  operator: ['operator'],
};

export function isAllowed(policy: Policy, role: Role | null): boolean {
  return policy === 'anyone' || (role !== null && MAY[policy].includes(role));
}

/** How long an answer about a token is believed, in milliseconds: revoking takes this long at most. */
const REMEMBERED_MS = 4000;
const REMEMBERED_MOST = 10_000;

export type Authenticator = (authorization: string | undefined) => Promise<Principal>;

/** Makes the function that turns an Authorization header into a principal, or throws a 401. */
export function createAuthenticator(options: {
  readonly db: Db;
  readonly clock: Clock;
}): Authenticator {
  const { db, clock } = options;
  const remembered = new Map<string, { principal: Principal | null; until: number }>();

  return async (authorization) => {
    const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1];
    if (token === undefined)
      throw unauthorized('Send a token as “Authorization: Bearer shop_…”.', '');
    const hash = hashToken(token);
    const now = clock();
    const known = remembered.get(hash);
    if (known !== undefined && known.until > now.getTime()) {
      if (known.principal !== null) return known.principal;
    } else {
      const principal = await findPrincipal(db, hash, now);
      if (remembered.size >= REMEMBERED_MOST) remembered.clear();
      remembered.set(hash, { principal, until: now.getTime() + REMEMBERED_MS });
      if (principal !== null) return principal;
    }
    throw unauthorized('The token is unknown, revoked or has expired.', ', error="invalid_token"');
  };
}

function unauthorized(message: string, parameters: string): RequestProblem {
  return new RequestProblem('unauthorized', message, {
    headers: { 'WWW-Authenticate': `Bearer realm="shopyard"${parameters}` },
  });
}
