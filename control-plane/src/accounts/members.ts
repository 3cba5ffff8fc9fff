/**
 * Members of a tenant: owners, members, viewers. The tenant `platform` has operators instead: they
 * are people with a mark, not members. A tenant that has owners keeps one, the platform an operator;
 * who changes either holds the tenant's row, so that two at once cannot both go.
 */
import { sql } from 'kysely';
import type { Db, Tx } from '../db/open.ts';
import { PLATFORM_TENANT } from '../db/tenants.ts';
import type { Role } from '../contract.ts';
import type { Ids } from '../domain/ids.ts';

export type MemberRow = {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly role: Role;
  readonly joinedAt: Date;
};

export type TenantRow = { readonly id: string; readonly slug: string };

export async function listMembers(db: Db | Tx, tenant: TenantRow): Promise<readonly MemberRow[]> {
  return tenant.slug === PLATFORM_TENANT
    ? db
        .selectFrom('users')
        .select(['id', 'name', 'email', 'createdAt as joinedAt'])
        .select(sql.lit<Role>('operator').as('role'))
        .where('operator', '=', true)
        .orderBy('name')
        .orderBy('id')
        .limit(1000)
        .execute()
    : db
        .selectFrom('members as m')
        .innerJoin('users as u', 'u.id', 'm.userId')
        .select(['u.id', 'u.name', 'u.email', 'm.role', 'm.createdAt as joinedAt'])
        .where('m.tenantId', '=', tenant.id)
        .orderBy('u.name')
        .orderBy('u.id')
        .limit(1000)
        .execute();
}

/** Whether somebody of that address is what the invitation would make them. */
export async function isMember(
  tx: Tx,
  wanted: { readonly tenantId: string; readonly email: string; readonly role: Role },
): Promise<boolean> {
  const people = tx.selectFrom('users as u').select('u.id').where('u.email', '=', wanted.email);
  const row =
    wanted.role === 'operator'
      ? await people.where('u.operator', '=', true).executeTakeFirst()
      : await people
          .innerJoin('members as m', 'm.userId', 'u.id')
          .where('m.tenantId', '=', wanted.tenantId)
          .executeTakeFirst();
  return row !== undefined;
}

/** Makes somebody a member, or an operator. Who is in the tenant already stays what they are. */
export async function addMember(
  tx: Tx,
  ids: Ids,
  member: { readonly tenantId: string; readonly userId: string; readonly role: Role },
  options: { readonly now: Date; readonly tenantsPerUser: number },
): Promise<'added' | 'owns-enough'> {
  const { tenantId, userId, role } = member;
  if (role === 'operator') {
    await tx
      .updateTable('users')
      .set({ operator: true, updatedAt: options.now })
      .where('id', '=', userId)
      .execute();
    return 'added';
  }
  if (role === 'owner' && (await ownsEnough(tx, userId, options.tenantsPerUser)))
    return 'owns-enough';
  await tx
    .insertInto('members')
    .values({ id: ids.account('mem'), tenantId, userId, role, createdAt: options.now })
    .onConflict((conflict) => conflict.columns(['userId', 'tenantId']).doNothing())
    .execute();
  return 'added';
}

/** Whether one more tenant would be one too many; operators may own any number. */
async function ownsEnough(tx: Tx, userId: string, most: number): Promise<boolean> {
  const person = await tx
    .selectFrom('users')
    .select('operator')
    .where('id', '=', userId)
    // Two at once would both be the last one allowed.
    .forUpdate()
    .executeTakeFirst();
  if (person?.operator === true) return false;
  const { count } = await tx
    .selectFrom('members')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('userId', '=', userId)
    .where('role', '=', 'owner')
    .executeTakeFirstOrThrow();
  return count >= most;
}

export type MemberChange =
  | { readonly kind: 'done'; readonly member: MemberRow; readonly before: Role }
  | { readonly kind: 'not-found' | 'last-owner' | 'owns-enough' | 'platform' };

/** Gives a member another role. */
export async function changeMember(
  tx: Tx,
  tenant: TenantRow,
  userId: string,
  role: Exclude<Role, 'operator'>,
  options: { readonly tenantsPerUser: number },
): Promise<MemberChange> {
  const found = await takeMember(tx, tenant, userId);
  if (found === null) return { kind: 'not-found' };
  if (tenant.slug === PLATFORM_TENANT) return { kind: 'platform' };
  const { member, isLast } = found;
  if (member.role === role) return { kind: 'done', member, before: role };
  if (isLast) return { kind: 'last-owner' };
  if (role === 'owner' && (await ownsEnough(tx, userId, options.tenantsPerUser)))
    return { kind: 'owns-enough' };
  await tx
    .updateTable('members')
    .set({ role })
    .where('tenantId', '=', tenant.id)
    .where('userId', '=', userId)
    .execute();
  return { kind: 'done', member: { ...member, role }, before: member.role };
}

/** Puts somebody out: their tokens for the tenant are revoked, their account stays. */
export async function removeMember(
  tx: Tx,
  tenant: TenantRow,
  userId: string,
  now: Date,
): Promise<MemberChange> {
  const found = await takeMember(tx, tenant, userId);
  if (found === null) return { kind: 'not-found' };
  if (found.isLast) return { kind: 'last-owner' };
  if (tenant.slug === PLATFORM_TENANT)
    await tx
      .updateTable('users')
      .set({ operator: false, updatedAt: now })
      .where('id', '=', userId)
      .execute();
  else
    await tx
      .deleteFrom('members')
      .where('tenantId', '=', tenant.id)
      .where('userId', '=', userId)
      .execute();
  await tx
    .updateTable('tokens')
    .set({ revokedAt: now })
    .where('userId', '=', userId)
    .where('tenantId', '=', tenant.id)
    .where('revokedAt', 'is', null)
    .execute();
  await tx
    .updateTable('sessions')
    .set({ activeTenantId: null })
    .where('userId', '=', userId)
    .where('activeTenantId', '=', tenant.id)
    .execute();
  return { kind: 'done', member: found.member, before: found.member.role };
}

/** The member, with the tenant held until the transaction ends. */
async function takeMember(
  tx: Tx,
  tenant: TenantRow,
  userId: string,
): Promise<{ readonly member: MemberRow; readonly isLast: boolean } | null> {
  await tx
    .selectFrom('tenants')
    .select('id')
    .where('id', '=', tenant.id)
    .forNoKeyUpdate()
    .execute();
  const members = await listMembers(tx, tenant);
  const member = members.find((one) => one.id === userId);
  if (member === undefined) return null;
  const leaders = members.filter((one) => one.role === 'owner' || one.role === 'operator');
  return { member, isLast: leaders.length === 1 && leaders[0] === member };
}
