/** The routes of a tenant's members: owners see, change and remove them; everybody may leave. */
import { createPasswordLink } from '../accounts/password-link.ts';
import {
  changeMember,
  listMembers,
  removeMember,
  type MemberChange,
  type MemberRow,
} from '../accounts/members.ts';
import type { Accounts } from '../accounts/settings.ts';
import { ChangeMember, MemberAnswer, MemberList, PasswordLink, TenantQuery } from '../contract.ts';
import { describeAct, recordAct } from '../db/acts.ts';
import { appendAudit } from '../db/audit.ts';
import type { Db } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import type { Clock } from '../domain/ids.ts';
import type { Authenticator } from './auth.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';
import { route, type Route } from './route.ts';
import { chooseTenant } from './tenant-choice.ts';

export function memberRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly accounts: Accounts;
  readonly authenticator: Authenticator;
}): Route[] {
  const { db, clock, accounts, authenticator } = options;
  return [
    route({
      method: 'GET',
      path: '/api/members',
      policy: 'owner',
      summary: 'List the tenant’s members; of the tenant platform, the operators',
      query: TenantQuery,
      answers: { 200: MemberList },
      problems: ['invalid_request', 'not_found'],
      handle: async ({ principal, query }) => {
        const tenant = await chooseTenant(db, principal, query.tenant);
        const members = await listMembers(db, tenant);
        return {
          status: 200,
          body: { members: members.map((one) => viewMember(one, principal)) } satisfies MemberList,
        };
      },
    }),
    route({
      method: 'PATCH',
      path: '/api/members/{id}',
      policy: 'owner',
      summary: 'Give a member another role',
      body: ChangeMember,
      query: TenantQuery,
      answers: { 200: MemberAnswer },
      problems: [
        'malformed_json',
        'unsupported_media_type',
        'invalid_request',
        'not_found',
        'last_owner',
        'tenant_limit',
      ],
      handle: async (call) => {
        const { principal, body, query } = call;
        const tenant = await chooseTenant(db, principal, query.tenant);
        const id = readPersonId(call.params);
        const outcome = await db.transaction().execute(async (tx) => {
          const changed = await changeMember(tx, tenant, id, body.role, accounts);
          if (changed.kind === 'done' && changed.before !== body.role)
            await appendAudit(tx, [
              describeAct(
                call,
                {
                  action: 'member.change',
                  tenantId: tenant.id,
                  detail: { ...nameMember(changed.member), before: changed.before },
                },
                clock(),
              ),
            ]);
          return changed;
        });
        const member = settle(outcome);
        authenticator.forget(id);
        return {
          status: 200,
          body: { member: viewMember(member, principal) } satisfies MemberAnswer,
        };
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/members/{id}',
      policy: 'reader',
      summary:
        'Put a member out, or leave by your own id; their tokens for the tenant end, their account stays',
      query: TenantQuery,
      answers: { 204: 'empty' },
      problems: ['invalid_request', 'not_found', 'last_owner'],
      handle: async (call) => {
        const { principal } = call;
        const tenant = await chooseTenant(db, principal, call.query.tenant);
        const id = readPersonId(call.params);
        const isLeaving = principal.kind === 'user' && principal.id === id;
        if (!isLeaving && principal.role !== 'owner' && principal.role !== 'operator')
          throw new RequestProblem('forbidden', 'Owners put others out; you may leave yourself.');
        const outcome = await db.transaction().execute(async (tx) => {
          const now = clock();
          const removed = await removeMember(tx, tenant, id, now);
          if (removed.kind === 'done')
            await appendAudit(tx, [
              describeAct(
                call,
                {
                  action: isLeaving ? 'member.leave' : 'member.remove',
                  tenantId: tenant.id,
                  detail: nameMember(removed.member),
                },
                now,
              ),
            ]);
          return removed;
        });
        settle(outcome);
        authenticator.forget(id);
        return { status: 204, body: '' };
      },
    }),
    route({
      method: 'POST',
      path: '/api/members/{id}/password-link',
      policy: 'operator',
      summary: 'Make a link to choose a new password, to be handed over',
      query: TenantQuery,
      answers: { 201: PasswordLink },
      problems: ['invalid_request', 'not_found'],
      handle: async (call) => {
        const tenant = await chooseTenant(db, call.principal, call.query.tenant);
        const id = readPersonId(call.params);
        const member = (await listMembers(db, tenant)).find((one) => one.id === id);
        if (member === undefined) throw notFound();
        const made = await createPasswordLink(accounts, id);
        await recordAct({ db, clock }, call, {
          action: 'password-link',
          tenantId: tenant.id,
          detail: nameMember(member),
        });
        return {
          status: 201,
          body: { link: made.link, expiresAt: made.expiresAt.toISOString() } satisfies PasswordLink,
        };
      },
    }),
  ];
}

/** An id that cannot be one of ours is nobody's: the same 404. */
function readPersonId({ id = '' }: Readonly<Record<string, string>>): string {
  if (!/^usr_[a-z0-9]{1,32}$/.test(id)) throw notFound();
  return id;
}

function nameMember({ id, email, role }: MemberRow) {
  return { member: id, email, role };
}

function viewMember(row: MemberRow, principal: Principal): MemberAnswer['member'] {
  return { ...row, self: row.id === principal.userId, joinedAt: row.joinedAt.toISOString() };
}

function settle(outcome: MemberChange): MemberRow {
  switch (outcome.kind) {
    case 'done':
      return outcome.member;
    case 'not-found':
      throw notFound();
    case 'platform':
      throw invalidRequest([
        { field: 'role', message: 'The platform has operators and nobody else.' },
      ]);
    case 'last-owner':
      throw new RequestProblem('last_owner', 'Nobody would be left to look after it.', {
        hint: 'Make somebody else an owner first.',
      });
    case 'owns-enough':
      throw ownsEnough();
  }
}

export function ownsEnough(): RequestProblem {
  return new RequestProblem('tenant_limit', 'They own all the tenants that somebody may own.');
}
