/**
 * Form actions: fields in, the API's answer out. The API checks every field by the contract, so
 * nothing is checked twice: what it refuses comes back beside what was typed.
 */
import { fail, type ActionFailure } from '@sveltejs/kit';
import type { Problem } from '#lib/api.ts';

export type FormFailure = {
  readonly problem: Problem;
  /** What was typed, never a password. */
  readonly values: Readonly<Record<string, string>>;
  /** Which form of the page it was. */
  readonly form: string;
};

/** The text fields of a form, trimmed. Files are not fields. */
export async function readFields(request: Request): Promise<Record<string, string>> {
  const fields: Record<string, string> = {};
  for (const [name, value] of await request.formData())
    if (typeof value === 'string') fields[name] = /password/i.test(name) ? value : value.trim();
  return fields;
}

/** The failure of an action: the page shows the form again, with the problem where it belongs. */
export function failForm(
  form: string,
  problem: Problem,
  values: Readonly<Record<string, string>> = {},
  status = 400,
): ActionFailure<FormFailure> {
  const shown = Object.entries(values).filter(([name]) => !/password/i.test(name));
  return fail(status, { form, problem, values: Object.fromEntries(shown) });
}

/** A problem that the portal itself finds, e.g. two passwords that differ. */
export function fieldProblem(field: string, message: string): Problem {
  return {
    code: 'invalid_request',
    message,
    hint: null,
    fields: { [field]: message },
    retryAfter: null,
    request: null,
  };
}

/** The fields of NewPasswordFields: the password, or that the two differ. */
export function readNewPassword(
  fields: Readonly<Record<string, string>>,
):
  | { readonly ok: true; readonly password: string }
  | { readonly ok: false; readonly problem: Problem } {
  const { newPassword = '', passwordAgain } = fields;
  return newPassword === passwordAgain
    ? { ok: true, password: newPassword }
    : { ok: false, problem: fieldProblem('passwordAgain', 'The two are not the same.') };
}
