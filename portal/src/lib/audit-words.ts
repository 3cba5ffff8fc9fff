/**
 * The record in words: what somebody did, as one would say it. Pure. An act that this page has not
 * been told of is shown by its name, never left out.
 */
import { ROLE_WORDS } from './role-words.ts';
import type { AuditEntry } from './shapes.ts';

type Detail = AuditEntry['detail'];

/**
 * Acts by name, in the order they are offered as a filter: in general, and with what is on record
 * in the place of `{…}`.
 */
const ACTS: Readonly<Record<string, readonly [general: string, words: string]>> = {
  'store.create': ['Made a store', 'Made the store {store}'],
  'store.update': ['Changed a store', 'Changed the store {store}'],
  'store.retry': ['Retried a store', 'Retried the store {store}'],
  'store.suspend': ['Suspended a store', 'Suspended the store {store}'],
  'store.resume': ['Resumed a store', 'Resumed the store {store}'],
  'store.upgrade': ['Upgraded a store', 'Upgraded the store {store}'],
  'store.rollback': ['Rolled a store back', 'Rolled the store {store} back'],
  'store.repair': ['Restored a store’s files', 'Restored the files of {store}'],
  'store.protect': ['Changed a store’s protection', 'Changed the protection of {store}'],
  'store.delete': ['Deleted a store', 'Deleted the store {store}'],
  'store.came-back': [
    'Found a deleted store on the branch again',
    'Found the deleted store {store} on the branch again',
  ],
  'store.test_order': ['Placed a test order', 'Placed a test order in {store}'],
  reveal: ['Revealed an admin login', 'Revealed the admin login of {store}'],
  'sign-in': ['Signed in', 'Signed in'],
  'sign-in-failed': ['Failed to sign in', 'Failed to sign in'],
  'sign-out': ['Signed out', 'Signed out'],
  'sign-up': ['Made an account', 'Made an account'],
  'session.end': ['Signed a browser out', 'Signed a browser out'],
  'password.change': ['Changed a password', 'Changed their password'],
  'password.reset': ['Set a password by a link', 'Set a new password by a link'],
  'password-link': ['Made a password link', 'Made a password link for {email}'],
  'token.create': ['Made an API token', 'Made the API token {name}'],
  'token.revoke': ['Revoked an API token', 'Revoked the API token {name}'],
  'invitation.create': ['Invited somebody', 'Invited {email} as {role}'],
  'invitation.cancel': ['Withdrew an invitation', 'Withdrew the invitation of {email}'],
  'invitation.accept': ['Accepted an invitation', 'Accepted an invitation as {role}'],
  'member.change': ['Changed a role', 'Gave {email} the role {role}'],
  'member.remove': ['Removed a member', 'Removed {email}'],
  'member.leave': ['Left the organisation', 'Left the organisation'],
  'tenant.create': ['Made a tenant', 'Made the tenant {name}'],
  limits: ['Changed limits', 'Changed the limits of {tenant}'],
  'audit.export': ['Exported the record', 'Exported the record'],
};

/** What one can filter by. */
export const ACTIONS: readonly { readonly action: string; readonly title: string }[] =
  Object.entries(ACTS).map(([action, [title]]) => ({ action, title }));

/** “Invited ada@example.com as member”; in general words when that is not on record. */
export function describeAct(entry: AuditEntry): string {
  const [general, words] = ACTS[entry.action] ?? [entry.action, entry.action];
  const values: Readonly<Record<string, string | null>> = {
    store: entry.store === null ? null : (entry.store.name ?? entry.store.id),
    tenant: entry.tenant,
    email: readText(entry.detail, 'email'),
    name: readText(entry.detail, 'name'),
    role: describeRole(readText(entry.detail, 'role')),
  };
  const parts = [...words.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => values[name] ?? null);
  if (parts.includes(null)) return general;
  return words.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
}

/** Who did it, as they were called then. */
export function describeActor({ by }: Pick<AuditEntry, 'by'>): string {
  if (by.name !== null && by.name !== '') return by.name;
  if (by.kind === 'system') return 'The platform';
  return by.kind === 'anonymous' ? 'Somebody not signed in' : (by.id ?? 'Unknown');
}

/** What else is on record, as pairs to show. */
export function listDetail(detail: Detail): { readonly name: string; readonly value: string }[] {
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => ({
      name,
      value:
        typeof value === 'string'
          ? value
          : Array.isArray(value)
            ? value.join(', ')
            : JSON.stringify(value),
    }));
}

function readText(detail: Detail, name: string): string | null {
  const value = detail[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

function describeRole(role: string | null): string | null {
  const words: Readonly<Record<string, { readonly title: string } | undefined>> = ROLE_WORDS;
  return role === null ? null : (words[role]?.title.toLowerCase() ?? role);
}
