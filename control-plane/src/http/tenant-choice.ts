/** The tenant a request is about: the caller's own, or the one an operator names. */
import type { Db } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import { findTenant, type TenantRef } from '../db/tenants.ts';
import { invalidRequest, notFound } from './problem.ts';

export async function chooseTenant(
  db: Db,
  principal: Principal,
  named: string | undefined,
): Promise<TenantRef> {
  const own = { id: principal.tenantId, slug: principal.tenant };
  if (named === undefined) return own;
  if (principal.role !== 'operator')
    throw invalidRequest([{ field: 'tenant', message: 'Only operators name a tenant.' }]);
  const tenant = named === own.slug ? own : await findTenant(db, named);
  if (tenant === null) throw notFound();
  return tenant;
}
