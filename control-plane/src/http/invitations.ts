/**
 * The routes of invitations. Owners (and operators) make them; whoever has the link looks at one and
 * accepts it: signed in as who was invited, or as somebody new with a name and a password.
 */
import {
  acceptInvitation,
  cancelInvitation,
  createInvitation,
  findInvitation,
  listInvitations,
  type Acceptance,
  type Guest,
  type InvitationRow,
} from '../accounts/invitations.ts';
import { describeInvitation, linkToInvitation } from '../accounts/mails.ts';
import { nameMembership } from '../accounts/people.ts';
import { turnSession } from '../accounts/sessions.ts';
import type { Accounts } from '../accounts/settings.ts';
import {
  AcceptInvitation,
  CreateInvitation,
  InvitationAnswer,
  InvitationList,
  InvitationPreview,
  SignedIn,
  TenantQuery,
  type Role,
} from '../contract.ts';
import { describeAct, type Actor } from '../db/acts.ts';
import { appendAudit } from '../db/audit.ts';
import type { Db, Tx } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import { PLATFORM_TENANT, type TenantRef } from '../db/tenants.ts';
import type { Clock, Ids } from '../domain/ids.ts';
import { describeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Authenticator } from './auth.ts';
import { callAuth } from './call-auth.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';
import { ownsEnough } from './members.ts';
import { route, type Route } from './route.ts';
import { findSignedIn, headersOf } from './sign-in.ts';
import { chooseTenant } from './tenant-choice.ts';

const BODY = ['malformed_json', 'unsupported_media_type', 'invalid_request'] as const;

export type InvitationOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly accounts: Accounts;
  readonly authenticator: Authenticator;
};

export function invitationRoutes(options: InvitationOptions): Route[] {
  const { db, clock, accounts, authenticator } = options;
  const { auth } = accounts;
  return [
    route({
      method: 'GET',
      path: '/api/invitations',
      policy: 'owner',
      summary: 'List the invitations that wait, newest first',
      query: TenantQuery,
      answers: { 200: InvitationList },
      problems: ['invalid_request', 'not_found'],
      handle: async ({ principal, query }) => {
        const tenant = await chooseTenant(db, principal, query.tenant);
        const rows = await listInvitations(db, tenant.id, clock());
        return {
          status: 200,
          body: { invitations: rows.map(viewInvitation) } satisfies InvitationList,
        };
      },
    }),
    route({
      method: 'POST',
      path: '/api/invitations',
      policy: 'owner',
      summary: 'Invite somebody; the link is shown this once, and mailed where mail is set up',
      body: CreateInvitation,
      answers: { 201: InvitationAnswer },
      problems: [...BODY, 'not_found', 'already_member'],
      handle: async (call) => {
        const { principal, body } = call;
        const tenant = await chooseTenant(db, principal, body.tenant);
        checkRole(tenant, body.role);
        const made = await db
          .transaction()
          .execute((tx) =>
            invite(tx, options, call, { tenant, email: body.email, role: body.role }),
          );
        return { status: 201, body: await deliver(options, made, call.log) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/invitations/{id}',
      policy: 'owner',
      summary: 'Take an invitation back',
      query: TenantQuery,
      answers: { 204: 'empty' },
      problems: ['invalid_request', 'not_found'],
      handle: async (call) => {
        const tenant = await chooseTenant(db, call.principal, call.query.tenant);
        const { id = '' } = call.params;
        if (!/^inv_[a-z0-9]{1,32}$/.test(id)) throw notFound();
        await db.transaction().execute(async (tx) => {
          const canceled = await cancelInvitation(tx, tenant.id, id);
          if (canceled === null) throw notFound();
          await appendAudit(tx, [
            describeAct(
              call,
              {
                action: 'invitation.cancel',
                tenantId: tenant.id,
                detail: { invitation: id, ...canceled },
              },
              clock(),
            ),
          ]);
        });
        return { status: 204, body: '' };
      },
    }),
    route({
      method: 'GET',
      path: '/api/invitations/{secret}/preview',
      policy: 'anyone',
      summary: 'What the link of an invitation leads to',
      answers: { 200: InvitationPreview },
      problems: ['not_found', 'link_invalid'],
      handle: async ({ params }) => {
        const found = await findInvitation(db, readSecret(params), clock());
        if (found.kind !== 'found') throw refuse(found.kind);
        const { invitation } = found;
        const { email, role, invitedBy, expiresAt, hasAccount, tenant: slug } = invitation;
        return {
          status: 200,
          body: {
            email,
            role,
            tenant: nameMembership({ slug, name: invitation.tenantName }),
            invitedBy,
            expiresAt: expiresAt.toISOString(),
            hasAccount,
          } satisfies InvitationPreview,
        };
      },
    }),
    route({
      method: 'POST',
      path: '/api/invitations/{secret}/accept',
      policy: 'anyone',
      summary: 'Accept: with an empty body when signed in, else with a name and a new password',
      body: AcceptInvitation,
      answers: { 200: SignedIn },
      problems: [
        ...BODY,
        'not_found',
        'link_invalid',
        'other_recipient',
        'email_taken',
        'tenant_limit',
      ],
      handle: async (call) => {
        const secret = readSecret(call.params);
        const caller = await authenticator.identify(call.ctx);
        // A link that leads nowhere is no reason to hash a password.
        const found = await findInvitation(db, secret, clock());
        if (found.kind !== 'found') throw refuse(found.kind);
        const guest = await readGuest(accounts, caller, call.body);
        const accepted = await db
          .transaction()
          .execute((tx) => accept(tx, options, call, { secret, guest, caller }));
        authenticator.renew(call.ctx, accepted.userId);
        if (guest.kind === 'new') {
          const { headers } = await callAuth(() =>
            auth.api.signInEmail({
              body: { email: accepted.invitation.email, password: call.body.password ?? '' },
              headers: headersOf(call),
              returnHeaders: true,
            }),
          );
          call.ctx.append('Set-Cookie', headers.getSetCookie());
        }
        return { status: 200, body: await findSignedIn(db, accepted.userId) };
      },
    }),
  ];
}

/** Operators belong to the platform, and nobody else does. */
export function checkRole(tenant: TenantRef, role: Role): void {
  if ((tenant.slug === PLATFORM_TENANT) !== (role === 'operator'))
    throw invalidRequest([
      {
        field: 'role',
        message:
          role === 'operator'
            ? `Operators are invited into the tenant ${PLATFORM_TENANT}.`
            : `The tenant ${PLATFORM_TENANT} has operators and nobody else.`,
      },
    ]);
}

type Made = { readonly invitation: InvitationRow; readonly secret: string };

/** Makes an invitation, on record. */
export async function invite(
  tx: Tx,
  { clock, ids }: InvitationOptions,
  call: Actor & { readonly principal: Principal },
  wanted: { readonly tenant: TenantRef; readonly email: string; readonly role: Role },
): Promise<Made> {
  const { tenant, email, role } = wanted;
  const now = clock();
  const made = await createInvitation(tx, ids, {
    tenantId: tenant.id,
    email,
    role,
    inviterId: call.principal.userId,
    now,
  });
  if (made.kind === 'already-member')
    throw new RequestProblem('already_member', `${email} is a member already.`);
  await appendAudit(tx, [
    describeAct(
      call,
      {
        action: 'invitation.create',
        tenantId: tenant.id,
        detail: { invitation: made.invitation.id, email, role },
      },
      now,
    ),
  ]);
  return made;
}

/** Sends the link where mail is set up. A mail that does not go out leaves the link to hand over. */
export async function deliver(
  { accounts }: InvitationOptions,
  { invitation, secret }: Made,
  log: Logger,
): Promise<InvitationAnswer> {
  const { mailer, publicUrl } = accounts;
  const link = linkToInvitation(publicUrl, secret);
  let mailed = false;
  try {
    await mailer?.send(describeInvitation({ ...invitation, to: invitation.email, link }));
    mailed = mailer !== null;
  } catch (error) {
    log.warn(
      { error: describeError(error), invitation: invitation.id },
      'an invitation could not be mailed',
    );
  }
  return { invitation: viewInvitation(invitation), link, mailed };
}

function readSecret({ secret = '' }: Readonly<Record<string, string>>): string {
  if (!/^[\w-]{43}$/.test(secret)) throw notFound();
  return secret;
}

async function readGuest(
  { auth }: Accounts,
  caller: Principal | null,
  { name, password }: AcceptInvitation,
): Promise<Guest> {
  if (caller?.kind === 'user') return { kind: 'known', userId: caller.id };
  if (name === undefined || password === undefined)
    throw invalidRequest(
      Object.entries({ name, password })
        .filter(([, value]) => value === undefined)
        .map(([field]) => ({ field, message: 'This is needed.' })),
    );
  const { password: hasher } = await auth.$context;
  return { kind: 'new', name, passwordHash: await hasher.hash(password) };
}

async function accept(
  tx: Tx,
  { clock, ids, accounts }: InvitationOptions,
  call: Actor,
  offer: { readonly secret: string; readonly guest: Guest; readonly caller: Principal | null },
): Promise<Extract<Acceptance, { kind: 'accepted' }>> {
  const { secret, guest, caller } = offer;
  const now = clock();
  const outcome = await acceptInvitation(tx, ids, secret, guest, {
    now,
    tenantsPerUser: accounts.tenantsPerUser,
  });
  // Thrown: nothing of it stays.
  if (outcome.kind !== 'accepted') throw refuse(outcome.kind);
  const { id, tenantId, email, role } = outcome.invitation;
  const sessionId = caller?.sessionId ?? null;
  if (sessionId !== null)
    await turnSession(tx, { id: sessionId, userId: outcome.userId }, tenantId);
  await appendAudit(tx, [
    describeAct(
      call,
      {
        action: 'invitation.accept',
        tenantId,
        by: { id: outcome.userId, name: outcome.name },
        detail: { invitation: id, email, role, newAccount: guest.kind === 'new' },
      },
      now,
    ),
  ]);
  return outcome;
}

function refuse(kind: Exclude<Acceptance['kind'], 'accepted'>): RequestProblem {
  switch (kind) {
    case 'unknown':
      return notFound();
    case 'gone':
      return new RequestProblem(
        'link_invalid',
        'The invitation was used, taken back or is too old.',
        {
          hint: 'Ask whoever invited you for a new one.',
        },
      );
    case 'other-recipient':
      return new RequestProblem('other_recipient', 'The invitation is for another address.', {
        hint: 'Sign out, then follow the link again.',
      });
    case 'has-account':
      return new RequestProblem('email_taken', 'You have an account: sign in, then accept.');
    case 'owns-enough':
      return ownsEnough();
  }
}

function viewInvitation(row: InvitationRow): InvitationAnswer['invitation'] {
  const { tenantId: _, createdAt, expiresAt, ...rest } = row;
  return { ...rest, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() };
}
