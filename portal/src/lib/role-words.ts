/** Roles in words: what somebody may do, said to those who give it. */
import type { Role } from './shapes.ts';

export const ROLE_WORDS: Readonly<Record<Role, { readonly title: string; readonly may: string }>> =
  {
    operator: { title: 'Operator', may: 'do everything, everywhere on this platform' },
    owner: { title: 'Owner', may: 'do everything here: stores, members, the record' },
    member: { title: 'Member', may: 'make, change and delete stores' },
    viewer: { title: 'Viewer', may: 'look, and change nothing' },
  };

/** The tenant of those who run the platform: it has operators, and nobody else does. */
export const PLATFORM = 'platform';

/** The roles that can be given in a tenant, the lesser ones first. */
export function listRolesOf(tenant: string): readonly Role[] {
  return tenant === PLATFORM ? ['operator'] : ['viewer', 'member', 'owner'];
}
