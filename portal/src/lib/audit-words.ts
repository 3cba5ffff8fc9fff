/**
 * The record in words: what somebody did, as one would say it. Pure. An act that this page has not
 * been told of is shown by its name, never left out.
 */
import { ROLE_WORDS } from './role-words.ts';
import type { AuditEntry } from './shapes.ts';

type Detail = AuditEntry['detail'];

/** Acts by name, in the order they are offered as a filter. `{…}` stands for what is on record. */
const ACTS: Readonly<Record<string, string>> = {
  'sign-in': 'Signed in',
  'sign-in-failed': 'Failed to sign in',
  'sign-out': 'Signed out',
  'sign-up': 'Made an account',
  'session.end': 'Signed a browser out',
  'password.change': 'Changed their password',
  'password.reset': 'Set a new password by a link',
  'password-link': 'Made a password link for {email}',
  'store.create': 'Made {store}',
  'store.update': 'Changed {store}',
  'store.retry': 'Retried {store}',
  'store.delete': 'Deleted {store}',
  reveal: 'Revealed the admin login of {store}',
  'token.create': 'Made the API token {name}',
  'token.revoke': 'Revoked the API token {name}',
  'invitation.create': 'Invited {email} as {role}',
  'invitation.cancel': 'Withdrew the invitation of {email}',
  'invitation.accept': 'Accepted an invitation as {role}',
  'member.change': 'Made {email} {role}',
  'member.remove': 'Removed {email}',
  'tenant.create': 'Made the tenant {name}',
  limits: 'Changed the limits of {tenant}',
};

/** What stands for what is not on record. */
const GENERAL: Readonly<Record<string, string>> = {
  store: 'a store',
  email: 'somebody',
  role: 'a role',
  name: 'something',
  tenant: 'a tenant',
};

/** What one can filter by. */
export const ACTIONS: readonly { readonly action: string; readonly title: string }[] =
  Object.entries(ACTS).map(([action, words]) => ({
    action,
    title: fill(words.replace(/ ((as|for|of) \{\w+\}|\{name\})$/, ''), {}),
  }));

/** “Invited ada@example.com as member”. */
export function describeAct(entry: AuditEntry): string {
  const words = ACTS[entry.action];
  if (words === undefined) return entry.action;
  const values: Readonly<Record<string, string | null>> = {
    store: entry.store === null ? null : (entry.store.name ?? entry.store.id),
    tenant: entry.tenant,
    email: readText(entry.detail, 'email'),
    name: readText(entry.detail, 'name'),
    role: describeRole(readText(entry.detail, 'role')),
  };
  return fill(words, values);
}

function fill(words: string, values: Readonly<Record<string, string | null>>): string {
  return words.replace(/\{(\w+)\}/g, (_, part: string) => values[part] ?? GENERAL[part] ?? part);
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
