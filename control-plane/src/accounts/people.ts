/** What is asked about people: who they are, where they belong, how much they may still do. */
import { sql } from 'kysely';
import type { Db } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import type { Membership, User } from '../contract.ts';
import { nextCreateAt, RATE_WINDOW_MS } from '../domain/limits.ts';

export async function findUser(db: Db, id: string): Promise<User | null> {
  const row = await db
    .selectFrom('users')
    .select(['id', 'name', 'email', 'operator'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/** @param email in lower case */
export async function findUserId(db: Db, email: string): Promise<string | null> {
  const row = await db
    .selectFrom('users')
    .select('id')
    .where('email', '=', email)
    .executeTakeFirst();
  return row?.id ?? null;
}

/** The tenants somebody is in, by name. */
export async function listMemberships(db: Db, userId: string): Promise<Membership[]> {
  const rows = await db
    .selectFrom('members as m')
    .innerJoin('tenants as t', 't.id', 'm.tenantId')
    .select(['t.id', 't.slug', 't.name', 'm.role'])
    .where('m.userId', '=', userId)
    .orderBy('t.slug')
    .execute();
  return rows.map(nameMembership);
}

/** A tenant that nobody named goes by its slug. */
export function nameMembership<T extends { readonly slug: string; readonly name: string }>(row: T) {
  return { ...row, name: row.name === '' ? row.slug : row.name };
}

export async function findTenantName(db: Db, id: string): Promise<string> {
  const row = await db
    .selectFrom('tenants')
    .select(['slug', 'name'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return nameMembership(row).name;
}

export async function hasPassword(db: Db, userId: string): Promise<boolean> {
  const row = await db
    .selectFrom('accounts')
    .select('id')
    .where('userId', '=', userId)
    .where('providerId', '=', 'credential')
    .executeTakeFirst();
  return row !== undefined;
}

export async function hasAnybodySignedIn(db: Db): Promise<boolean> {
  const row = await db
    .selectFrom('users')
    .select('id')
    .where('signedInAt', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

export type Allowance = {
  readonly storeLimit: number;
  readonly stores: number;
  readonly storesLeft: number;
  readonly createsPerMinute: number;
  readonly nextCreateAt: Date | null;
};

/** How many stores the tenant may still have, and when this caller may ask for the next. */
export async function readAllowance(db: Db, principal: Principal, now: Date): Promise<Allowance> {
  const since = new Date(now.getTime() - RATE_WINDOW_MS);
  const { rows } = await sql<{
    storeLimit: number;
    createsPerMinute: number;
    stores: number;
    creates: Date[] | null;
  }>`
    select t.store_limit, t.creates_per_minute,
      (select count(*) from stores s where s.tenant_id = t.id and s.status <> 'deleted') as stores,
      (select array_agg(o.created_at order by o.created_at desc) from operations o
        where o.kind = 'create' and o.created_at > ${since} and o.requested_by = any(array(
          select ${principal.userId ?? principal.id}
          union select k.id from tokens k where k.user_id = ${principal.userId}))) as creates
    from tenants t where t.id = ${principal.tenantId}
  `.execute(db);
  const row = rows[0];
  if (row === undefined) throw new Error(`There is no tenant ${principal.tenantId}.`);
  const { storeLimit, stores, createsPerMinute } = row;
  return {
    storeLimit,
    stores,
    storesLeft: Math.max(0, storeLimit - stores),
    createsPerMinute,
    nextCreateAt: nextCreateAt(createsPerMinute, row.creates ?? [], now),
  };
}
