/** Tenants: found by slug. Operators make them (accounts/tenants.ts); the platform's own is always there. */
import type { Db, Tx } from './open.ts';

/** The operators' own tenant, and the default for what they create. */
export const PLATFORM_TENANT = 'platform';

export type TenantRef = { readonly id: string; readonly slug: string };

export async function findTenant(db: Db | Tx, slug: string): Promise<TenantRef | null> {
  const row = await db
    .selectFrom('tenants')
    .select(['id', 'slug'])
    .where('slug', '=', slug)
    .executeTakeFirst();
  return row ?? null;
}

/** What a tenant that is made now may do. */
export type TenantLimits = { readonly storeLimit: number; readonly createsPerMinute: number };

/** Finds the tenant or makes it; of two at once, one makes it and both find it. */
export async function ensureTenant(
  db: Db | Tx,
  slug: string,
  options: { readonly makeId: () => string },
): Promise<TenantRef> {
  for (;;) {
    const found = await findTenant(db, slug);
    if (found !== null) return found;
    // No row back: the slug, or once in a billion the id, was taken meanwhile.
    const made = await db
      .insertInto('tenants')
      .values({ id: options.makeId(), slug, name: slug })
      .onConflict((conflict) => conflict.doNothing())
      .returning(['id', 'slug'])
      .executeTakeFirst();
    if (made !== undefined) return made;
  }
}
