/** Which tenants are suggested to an operator who types one's name. Pure. */
import type { TenantList } from './shapes.ts';

/** As many as one looks through. */
const MOST = 20;

/** Where the newest tenants are with this in their name or short name. */
export function pathOfTenants(typed: string) {
  const query = new URLSearchParams({ limit: String(MOST), ...(typed === '' ? {} : { q: typed }) });
  return `/api/tenants?${query.toString()}` as const;
}

/** Whether the API may know of others that fit, besides the page's list. */
export function wantsMore(known: TenantList, typed: string): boolean {
  return typed !== '' && known.next !== null && !known.tenants.some(({ slug }) => slug === typed);
}
