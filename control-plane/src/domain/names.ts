/** Names people choose: which are taken as they are, and what is said about the others. */
import type { StoreName } from './store.ts';

/** 63 (DNS label) less `store-`, the 6-character tenant id, `-`, and room for generated suffixes. */
export const STORE_NAME_MAX = 40;

const RESERVED = new Set(
  (
    'admin api app apps argocd assets auth blog cdn cluster control-plane dashboard default dev ' +
    'docs ftp git grafana help imap internal kube localhost login mail metrics ns1 ns2 operator ' +
    'ops platform pop portal prometheus root shopyard smtp static status store support system ' +
    'test traefik www'
  ).split(' '),
);

export type NameCheck =
  | { readonly ok: true; readonly name: StoreName }
  | { readonly ok: false; readonly message: string };

/** Checks a store's name: a DNS label of ours, not reserved. Never changes what was typed. */
export function checkStoreName(input: string): NameCheck {
  const no = (message: string): NameCheck => ({ ok: false, message });
  if (input === '') return no('A name is needed.');
  if (input.length > STORE_NAME_MAX)
    return no(`At most ${STORE_NAME_MAX} characters; this has ${input.length}.`);
  const others = [...new Set(input.match(/[^a-z0-9-]/gu))].map(nameCharacter);
  if (others.length > 0)
    return no(`Only lower-case letters (a to z), digits and hyphens; not ${others.join(', ')}.`);
  if (!/^[a-z]/.test(input)) return no('It must begin with a letter.');
  if (input.endsWith('-')) return no('It must not end with a hyphen.');
  if (input.includes('--')) return no('No two hyphens in a row.');
  if (RESERVED.has(input) || input.startsWith('kube-')) return no(`“${input}” is reserved.`);
  return { ok: true, name: input as StoreName };
}

/** A character as a sentence can show it. */
function nameCharacter(character: string): string {
  if (/\p{Z}/u.test(character)) return 'a space';
  return /[\p{C}\p{M}]/u.test(character) ? 'a sign that cannot be shown' : `“${character}”`;
}

/** Checks a merchant's own domain: an ASCII host name (punycode for others) of two labels or more. */
export function checkDomain(input: string): { ok: true } | { ok: false; message: string } {
  if (input.length > 253) return { ok: false, message: 'At most 253 characters.' };
  if (!/^[a-z0-9.-]+$/.test(input)) {
    const ascii = findAscii(input);
    return {
      ok: false,
      message:
        ascii === null
          ? 'A host name such as shop.example.com: lower-case letters, digits, hyphens and dots.'
          : `Written for machines it is ${ascii}: take that.`,
    };
  }
  const labels = input.split('.');
  if (labels.length < 2) return { ok: false, message: 'A domain has at least one dot.' };
  for (const label of labels)
    if (label.length > 63 || !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(label))
      return { ok: false, message: `“${label}” is not a valid part of a host name.` };
  if (/^\d+$/.test(labels.at(-1) ?? ''))
    return { ok: false, message: 'An address in digits is not a domain.' };
  return { ok: true };
}

/** A host name as machines write it, e.g. xn--bcher-kva.example; null: it is none. */
function findAscii(input: string): string | null {
  if (!/^[\p{L}\p{M}\p{N}.-]+$/u.test(input)) return null;
  const url = URL.parse(`http://${input}`);
  return url === null || url.hostname === '' ? null : url.hostname;
}

/** Checks a tenant's slug, as operators write it. */
export function checkTenantSlug(input: string): { ok: true } | { ok: false; message: string } {
  return /^[a-z][a-z0-9-]{0,38}[a-z0-9]$/.test(input)
    ? { ok: true }
    : {
        ok: false,
        message: '2 to 40 lower-case letters, digits and hyphens, beginning with a letter.',
      };
}
