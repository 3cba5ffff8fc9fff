/**
 * Invitations: an owner's (or operator's) word that somebody of an address may join. The link
 * carries a secret of 256 bits; only its hash is kept. An operator's invitation goes to the tenant
 * `platform` and makes an operator.
 */
import { randomBytes } from 'node:crypto';
import type { Db, Tx } from '../db/open.ts';
import { hashToken } from '../db/tokens.ts';
import type { Role } from '../contract.ts';
import type { Ids } from '../domain/ids.ts';
import { addPerson } from './add-person.ts';
import { addMember, isMember } from './members.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const VALID_DAYS = 7;

export type InvitationRow = {
  readonly id: string;
  readonly email: string;
  readonly role: Role;
  readonly tenantId: string;
  readonly tenant: string;
  readonly invitedBy: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
};

/** Whether somebody of that address is waited for. */
export async function hasInvitation(db: Db, email: string, now: Date): Promise<boolean> {
  const row = await selectPending(db, now)
    .where('i.email', '=', email.toLowerCase())
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Those of a tenant that wait, newest first. */
export async function listInvitations(
  db: Db,
  tenantId: string,
  now: Date,
): Promise<readonly InvitationRow[]> {
  return selectPending(db, now)
    .where('i.tenantId', '=', tenantId)
    .orderBy('i.createdAt', 'desc')
    .orderBy('i.id')
    .limit(1000)
    .execute();
}

function selectPending(db: Db | Tx, now: Date) {
  return db
    .selectFrom('invitations as i')
    .innerJoin('tenants as t', 't.id', 'i.tenantId')
    .leftJoin('users as u', 'u.id', 'i.inviterId')
    .select([
      'i.id',
      'i.email',
      'i.role',
      'i.tenantId',
      't.slug as tenant',
      'u.name as invitedBy',
      'i.createdAt',
      'i.expiresAt',
    ])
    .where('i.status', '=', 'pending')
    .where('i.expiresAt', '>', now);
}

/** Makes an invitation; an earlier one of the same address into the same tenant is void then. */
export async function createInvitation(
  tx: Tx,
  ids: Ids,
  wanted: {
    readonly tenantId: string;
    readonly email: string;
    readonly role: Role;
    readonly inviterId: string | null;
    readonly now: Date;
  },
): Promise<
  | { readonly kind: 'made'; readonly invitation: InvitationRow; readonly secret: string }
  | { readonly kind: 'already-member' }
> {
  const { tenantId, email, role, inviterId, now } = wanted;
  if (await isMember(tx, { tenantId, email, role })) return { kind: 'already-member' };
  await tx
    .updateTable('invitations')
    .set({ status: 'canceled' })
    .where('tenantId', '=', tenantId)
    .where('email', '=', email)
    .where('status', '=', 'pending')
    .execute();
  const secret = randomBytes(32).toString('base64url');
  const id = ids.account('inv');
  await tx
    .insertInto('invitations')
    .values({
      id,
      tenantId,
      email,
      role,
      inviterId,
      secretHash: hashToken(secret),
      createdAt: now,
      expiresAt: new Date(now.getTime() + VALID_DAYS * DAY_MS),
    })
    .execute();
  const invitation = await selectPending(tx, now).where('i.id', '=', id).executeTakeFirstOrThrow();
  return { kind: 'made', invitation, secret };
}

/** Takes an invitation back; null when the tenant has none of that id that waits. */
export async function cancelInvitation(
  tx: Tx,
  tenantId: string,
  id: string,
): Promise<{ readonly email: string; readonly role: Role } | null> {
  const row = await tx
    .updateTable('invitations')
    .set({ status: 'canceled' })
    .where('id', '=', id)
    .where('tenantId', '=', tenantId)
    .where('status', '=', 'pending')
    .returning(['email', 'role'])
    .executeTakeFirst();
  return row ?? null;
}

/** gone: used, taken back or too old. */
export type Found<T> =
  | { readonly kind: 'found'; readonly invitation: T }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'gone' };

export async function findInvitation(
  db: Db,
  secret: string,
  now: Date,
): Promise<Found<InvitationRow & { readonly tenantName: string; readonly hasAccount: boolean }>> {
  const row = await db
    .selectFrom('invitations as i')
    .innerJoin('tenants as t', 't.id', 'i.tenantId')
    .leftJoin('users as u', 'u.id', 'i.inviterId')
    .leftJoin('users as p', 'p.email', 'i.email')
    .select([
      'i.id',
      'i.email',
      'i.role',
      'i.status',
      'i.tenantId',
      't.slug as tenant',
      't.name as tenantName',
      'u.name as invitedBy',
      'i.createdAt',
      'i.expiresAt',
      'p.id as personId',
    ])
    .where('i.secretHash', '=', hashToken(secret))
    .executeTakeFirst();
  if (row === undefined) return { kind: 'unknown' };
  const { status, personId, ...invitation } = row;
  if (status !== 'pending' || invitation.expiresAt <= now) return { kind: 'gone' };
  return { kind: 'found', invitation: { ...invitation, hasAccount: personId !== null } };
}

/** Who accepts: somebody who is signed in, or somebody new. */
export type Guest =
  | { readonly kind: 'known'; readonly userId: string }
  | { readonly kind: 'new'; readonly name: string; readonly passwordHash: string };

export type Acceptance =
  | {
      readonly kind: 'accepted';
      readonly userId: string;
      readonly name: string;
      readonly invitation: {
        readonly id: string;
        readonly tenantId: string;
        readonly email: string;
        readonly role: Role;
      };
    }
  | { readonly kind: 'unknown' | 'gone' | 'other-recipient' | 'has-account' | 'owns-enough' };

/** Makes somebody a member by their invitation. Of two at once, one does. */
export async function acceptInvitation(
  tx: Tx,
  ids: Ids,
  secret: string,
  guest: Guest,
  options: { readonly now: Date; readonly tenantsPerUser: number },
): Promise<Acceptance> {
  const invitation = await tx
    .selectFrom('invitations')
    .select(['id', 'tenantId', 'email', 'role', 'status', 'expiresAt'])
    .where('secretHash', '=', hashToken(secret))
    .forUpdate()
    .executeTakeFirst();
  if (invitation === undefined) return { kind: 'unknown' };
  if (invitation.status !== 'pending' || invitation.expiresAt <= options.now)
    return { kind: 'gone' };
  const { email, role, tenantId } = invitation;
  const account = await tx
    .selectFrom('users')
    .select(['id', 'name'])
    .where('email', '=', email)
    .executeTakeFirst();
  if (guest.kind === 'known' && account?.id !== guest.userId) return { kind: 'other-recipient' };
  if (guest.kind === 'new' && account !== undefined) return { kind: 'has-account' };
  const person =
    guest.kind === 'new'
      ? {
          name: guest.name,
          ...(await addPerson(tx, ids, {
            email,
            name: guest.name,
            operator: false,
            passwordHash: guest.passwordHash,
          })),
        }
      : account;
  if (person === undefined) throw new Error('Whoever accepts is somebody.');
  const added = await addMember(tx, ids, { tenantId, userId: person.id, role }, options);
  if (added === 'owns-enough') return { kind: 'owns-enough' };
  await tx
    .updateTable('invitations')
    .set({ status: 'accepted' })
    .where('id', '=', invitation.id)
    .execute();
  return {
    kind: 'accepted',
    userId: person.id,
    name: person.name,
    invitation: { id: invitation.id, tenantId, email, role },
  };
}
