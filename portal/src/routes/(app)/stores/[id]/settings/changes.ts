import { readOptions } from '#lib/option-fields.ts';

/** What can be changed about a store, one form each, and what of a form's fields the API is sent. */

type Fields = Readonly<Record<string, string>>;

const CHANGES = {
  plan: ({ plan = '' }: Fields) => ({ plan }),
  /** Empty is the address that came with the shop. */
  domain: ({ domain = '' }: Fields) => ({ domain: domain === '' ? null : domain }),
  options: (fields: Fields) => ({ options: readOptions(fields, fields['type'] ?? '') }),
} as const;

export type ChangeName = keyof typeof CHANGES;

/** Which form it was, and its change; a form that names none is the plan's, which the API refuses. */
export function readChange(fields: Fields): { readonly name: ChangeName; readonly change: object } {
  const name =
    Object.keys(CHANGES).find((one): one is ChangeName => one === fields['change']) ?? 'plan';
  return { name, change: CHANGES[name](fields) };
}
