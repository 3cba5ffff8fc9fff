/** The routes of tenants: operators list, make and limit them; where sign-up is open, anybody makes theirs. */
import { addMember } from '../accounts/members.ts';
import { changeTenant, createTenant, findTenantById, listTenants } from '../accounts/tenants.ts';
import {
  ChangeTenant,
  CreateTenant,
  TenantAnswer,
  TenantList,
  TenantListQuery,
  type Tenant,
} from '../contract.ts';
import { describeAct } from '../db/acts.ts';
import { appendAudit } from '../db/audit.ts';
import type { TenantLimits } from '../db/tenants.ts';
import { deliver, invite, type InvitationOptions } from './invitations.ts';
import { ownsEnough } from './members.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';
import { route, type Route } from './route.ts';

const BODY = ['malformed_json', 'unsupported_media_type', 'invalid_request'] as const;

export function tenantRoutes(
  options: InvitationOptions & { readonly limits: TenantLimits },
): Route[] {
  const { db, clock, ids, accounts, authenticator, limits } = options;
  return [
    route({
      method: 'GET',
      path: '/api/tenants',
      policy: 'operator',
      summary: 'List tenants, newest first',
      query: TenantListQuery,
      answers: { 200: TenantList },
      problems: ['invalid_request'],
      handle: async ({ query }) => {
        const page = await listTenants(db, query);
        if (page === 'bad-cursor')
          throw invalidRequest([{ field: 'cursor', message: 'This is not a cursor of ours.' }]);
        return { status: 200, body: page satisfies TenantList };
      },
    }),
    route({
      method: 'GET',
      path: '/api/tenants/{id}',
      policy: 'operator',
      summary: 'Show a tenant',
      answers: { 200: TenantAnswer },
      problems: ['not_found'],
      handle: async ({ params }) => {
        const tenant = await findTenantById(db, readTenantId(params));
        if (tenant === null) throw notFound();
        return { status: 200, body: { tenant, invitation: null } satisfies TenantAnswer };
      },
    }),
    route({
      method: 'POST',
      path: '/api/tenants',
      policy: 'known',
      summary: 'Make a tenant: operators for anybody; where sign-up is open, people for themselves',
      body: CreateTenant,
      answers: { 201: TenantAnswer },
      problems: [...BODY, 'slug_taken', 'tenant_limit'],
      handle: async (call) => {
        const { principal, body } = call;
        const isOperator = principal.role === 'operator';
        if (!isOperator && !(accounts.openSignUp && principal.kind === 'user'))
          throw new RequestProblem('forbidden', 'Operators make tenants: ask one.');
        if (!isOperator && body.ownerEmail !== undefined)
          throw invalidRequest([
            { field: 'ownerEmail', message: 'Only operators name an owner; it is you.' },
          ]);
        const { slug, name, ownerEmail } = body;
        const made = await db.transaction().execute(async (tx) => {
          const now = clock();
          const tenant = await createTenant(tx, { id: ids.tenant(), slug, name, ...limits });
          if (tenant === null)
            throw new RequestProblem('slug_taken', `There is a tenant ${slug}.`, {
              errors: [{ field: 'slug', message: 'This is taken.' }],
            });
          const owner = { tenantId: tenant.id, userId: principal.id, role: 'owner' } as const;
          const { tenantsPerUser } = accounts;
          if (
            !isOperator &&
            (await addMember(tx, ids, owner, { now, tenantsPerUser })) === 'owns-enough'
          )
            throw ownsEnough();
          const invited =
            ownerEmail === undefined
              ? null
              : await invite(tx, options, call, { tenant, email: ownerEmail, role: 'owner' });
          await appendAudit(tx, [
            describeAct(
              call,
              { action: 'tenant.create', tenantId: tenant.id, detail: { slug, name, ...limits } },
              now,
            ),
          ]);
          return { tenant: isOperator ? tenant : { ...tenant, members: 1 }, invited };
        });
        if (!isOperator) authenticator.renew(call.ctx, principal.id);
        return {
          status: 201,
          body: {
            tenant: made.tenant,
            invitation:
              made.invited === null ? null : await deliver(options, made.invited, call.log),
          } satisfies TenantAnswer,
        };
      },
    }),
    route({
      method: 'PATCH',
      path: '/api/tenants/{id}',
      policy: 'operator',
      summary: 'Change a tenant’s name or limits',
      body: ChangeTenant,
      answers: { 200: TenantAnswer },
      problems: [...BODY, 'not_found'],
      handle: async (call) => {
        const id = readTenantId(call.params);
        const changed = await db.transaction().execute(async (tx) => {
          const done = await changeTenant(tx, id, call.body);
          if (done === null) throw notFound();
          await appendAudit(tx, [
            describeAct(
              call,
              { action: 'limits', tenantId: id, detail: describeLimits(done.before, done.after) },
              clock(),
            ),
          ]);
          return done.after;
        });
        return {
          status: 200,
          body: { tenant: changed, invitation: null } satisfies TenantAnswer,
        };
      },
    }),
  ];
}

function readTenantId({ id = '' }: Readonly<Record<string, string>>): string {
  if (!/^[a-z0-9]{6}$/.test(id)) throw notFound();
  return id;
}

/** What changed, with what it was. */
function describeLimits(before: Tenant, after: Tenant): Record<string, string | number> {
  const detail: Record<string, string | number> = {};
  for (const field of ['name', 'storeLimit', 'createsPerMinute'] as const)
    if (before[field] !== after[field]) {
      detail[field] = after[field];
      detail[`${field}Before`] = before[field];
    }
  return detail;
}
