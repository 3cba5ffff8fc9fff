/** The routes of API tokens: operators make and revoke them. */
import { CreateToken, TokenAnswer } from '../contract.ts';
import type { Db } from '../db/open.ts';
import { ensureTenant, PLATFORM_TENANT, type TenantLimits } from '../db/tenants.ts';
import { createToken, deleteToken } from '../db/tokens.ts';
import type { Clock, Ids } from '../domain/ids.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';
import { route, type Route } from './route.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

export function tokenRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly limits: TenantLimits;
}): Route[] {
  const { db, clock, ids, limits } = options;
  return [
    route({
      method: 'POST',
      path: '/api/tokens',
      policy: 'operator',
      summary: 'Make a token for a tenant; its text is shown this once',
      body: CreateToken,
      answers: { 201: TokenAnswer },
      problems: ['idempotency_key_unsupported', 'malformed_json', 'invalid_request'],
      handle: async ({ body, idempotencyKey }) => {
        if (idempotencyKey !== null)
          throw new RequestProblem(
            'idempotency_key_unsupported',
            'A token is shown once and kept nowhere, so its answer cannot be given again.',
          );
        const slug = body.tenant ?? PLATFORM_TENANT;
        if (body.role === 'operator' && slug !== PLATFORM_TENANT)
          throw invalidRequest([
            { field: 'role', message: `Operators belong to the tenant ${PLATFORM_TENANT}.` },
          ]);
        const expiresAt =
          body.expiresInDays === undefined
            ? null
            : new Date(clock().getTime() + body.expiresInDays * DAY_MS);
        const { role, name } = body;
        const made = await db.transaction().execute(async (tx) => {
          const tenant = await ensureTenant(tx, slug, { makeId: ids.tenant, limits });
          return createToken(tx, ids, { tenantId: tenant.id, role, name, expiresAt });
        });
        return {
          status: 201,
          body: {
            ...made,
            name,
            role,
            tenant: slug,
            expiresAt: expiresAt?.toISOString() ?? null,
          } satisfies TokenAnswer,
        };
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/tokens/{id}',
      policy: 'operator',
      summary: 'Revoke a token; its event streams end within seconds',
      answers: { 204: 'empty' },
      problems: ['not_found'],
      handle: async ({ params }) => {
        const { id = '' } = params;
        if (!/^tok_[a-z0-9]{1,32}$/.test(id) || !(await deleteToken(db, id))) throw notFound();
        return { status: 204, body: '' };
      },
    }),
  ];
}
