/** The tenant a request is about: the caller's own, or the one an operator names; never a new one. */
import type { Db } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import { findTenant, PLATFORM_TENANT, type TenantRef } from '../db/tenants.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';

/** Whose members, invitations or settings are asked for. */
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

/**
 * Whose a new thing will be: what operators make without naming a tenant is the platform's. A name
 * that is mistyped must not make a tenant.
 */
export async function chooseOwner(
  db: Db,
  principal: Principal,
  named: string | undefined,
): Promise<TenantRef> {
  const own = { id: principal.tenantId, slug: principal.tenant };
  if (principal.role !== 'operator') return own;
  const slug = named ?? PLATFORM_TENANT;
  const tenant = slug === own.slug ? own : await findTenant(db, slug);
  if (tenant !== null) return tenant;
  const message = `There is no tenant ${slug}.`;
  throw new RequestProblem('invalid_request', message, {
    errors: [{ field: 'tenant', message }],
    hint: 'Make it first, under Tenants.',
  });
}
