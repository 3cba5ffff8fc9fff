/** The routes of API tokens: people make their own, operators make any. */
import { CreateToken, TenantQuery, TokenAnswer, TokenList, type Role } from '../contract.ts';
import { describeAct } from '../db/acts.ts';
import { appendAudit } from '../db/audit.ts';
import type { Db } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import { PLATFORM_TENANT } from '../db/tenants.ts';
import { createToken, listTokens, revokeToken, type TokenScope } from '../db/tokens.ts';
import type { Clock, Ids } from '../domain/ids.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';
import { route, type Route } from './route.ts';
import { chooseOwner } from './tenant-choice.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** The roles a token may be given by somebody of a role: none above their own. */
const GIVES: Readonly<Record<Principal['role'], readonly Role[]>> = {
  operator: ['operator', 'owner', 'member', 'viewer'],
  owner: ['owner', 'member', 'viewer'],
  member: ['member', 'viewer'],
  viewer: ['viewer'],
  guest: [],
};

export function tokenRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
}): Route[] {
  const { db, clock, ids } = options;
  return [
    route({
      method: 'GET',
      path: '/api/tokens',
      policy: 'writer',
      summary: 'List your tokens, newest first; operators see every tenant’s',
      query: TenantQuery,
      answers: { 200: TokenList },
      problems: ['invalid_request'],
      handle: async ({ principal, query }) => {
        if (query.tenant !== undefined && principal.role !== 'operator')
          throw invalidRequest([{ field: 'tenant', message: 'Only operators name a tenant.' }]);
        const rows = await listTokens(db, scopeOf(principal, query.tenant), clock());
        return {
          status: 200,
          body: {
            tokens: rows.map((row) => ({
              ...row,
              createdAt: row.createdAt.toISOString(),
              expiresAt: row.expiresAt?.toISOString() ?? null,
            })),
          } satisfies TokenList,
        };
      },
    }),
    route({
      method: 'POST',
      path: '/api/tokens',
      policy: 'writer',
      summary: 'Make a token; its text is shown this once',
      body: CreateToken,
      answers: { 201: TokenAnswer },
      problems: [
        'idempotency_key_unsupported',
        'malformed_json',
        'unsupported_media_type',
        'invalid_request',
      ],
      handle: async (call) => {
        const { body, principal, idempotencyKey } = call;
        if (idempotencyKey !== null)
          throw new RequestProblem(
            'idempotency_key_unsupported',
            'A token is shown once and kept nowhere, so its answer cannot be given again.',
          );
        // A token that ends could live on in another: only the platform's own make others.
        if (principal.kind === 'token' && principal.role !== 'operator')
          throw new RequestProblem('forbidden', 'Sign in: a token makes no tokens.');
        const { name, scopes } = body;
        const isOperator = principal.role === 'operator';
        if (body.tenant !== undefined && !isOperator)
          throw invalidRequest([{ field: 'tenant', message: 'Only operators name a tenant.' }]);
        const { id: tenantId, slug } = await chooseOwner(db, principal, body.tenant);
        const role = body.role ?? chooseRole(principal, slug);
        if (!GIVES[principal.role].includes(role))
          throw invalidRequest([{ field: 'role', message: 'At most your own role.' }]);
        if (role === 'operator' && slug !== PLATFORM_TENANT)
          throw invalidRequest([
            { field: 'role', message: `Operators belong to the tenant ${PLATFORM_TENANT}.` },
          ]);
        const expiresAt =
          body.expiresInDays === undefined
            ? null
            : new Date(clock().getTime() + body.expiresInDays * DAY_MS);
        // What an operator makes for a tenant is the tenant's: it does not end with the operator.
        const userId = slug === principal.tenant ? principal.userId : null;
        const made = await db.transaction().execute(async (tx) => {
          const token = { tenantId, role, name, expiresAt, userId, scopes };
          const made = await createToken(tx, ids, token);
          const detail = {
            token: made.id,
            name,
            role,
            scopes,
            expiresAt: expiresAt?.toISOString() ?? null,
          };
          const act = { action: 'token.create', tenantId, detail };
          await appendAudit(tx, [describeAct(call, act, clock())]);
          return made;
        });
        return {
          status: 201,
          body: {
            ...made,
            name,
            role,
            scopes,
            tenant: slug,
            expiresAt: expiresAt?.toISOString() ?? null,
          } satisfies TokenAnswer,
        };
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/tokens/{id}',
      policy: 'writer',
      summary: 'Revoke a token; its event streams end within seconds',
      answers: { 204: 'empty' },
      problems: ['not_found'],
      handle: async (call) => {
        const { params, principal } = call;
        const { id = '' } = params;
        if (!/^tok_[a-z0-9]{1,32}$/.test(id)) throw notFound();
        await db.transaction().execute(async (tx) => {
          const now = clock();
          const revoked = await revokeToken(tx, scopeOf(principal, undefined), id, now);
          if (revoked === null) throw notFound();
          const { name, tenantId } = revoked;
          const act = { action: 'token.revoke', tenantId, detail: { token: id, name } };
          await appendAudit(tx, [describeAct(call, act, now)]);
        });
        return { status: 204, body: '' };
      },
    }),
  ];
}

function chooseRole(principal: Principal, slug: string): Role {
  if (principal.role === 'guest') return 'viewer';
  return principal.role === 'operator' && slug !== PLATFORM_TENANT ? 'owner' : principal.role;
}

function scopeOf(principal: Principal, tenant: string | undefined): TokenScope {
  if (principal.role === 'operator') return { kind: 'all', tenant: tenant ?? null };
  return principal.userId === null
    ? { kind: 'itself', id: principal.id }
    : { kind: 'own', tenantId: principal.tenantId, userId: principal.userId };
}
