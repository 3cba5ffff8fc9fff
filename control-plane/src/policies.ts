/** Reads the admission policies that are published with a cluster: `policies/policies.yaml` names them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { PlatformError } from './errors.ts';
import { TOP } from './templates.ts';

const PoliciesFile = z.strictObject({
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  policies: z.array(z.string().regex(/^[a-z0-9-]+$/)).min(1),
});

export type Policy = { readonly name: string; readonly content: string };

/** A published version is never changed: a change needs a new one. */
export type Policies = { readonly version: string; readonly policies: readonly Policy[] };

/** Throws when a file is missing or malformed. */
export async function loadPolicies(top: string = TOP): Promise<Policies> {
  const folder = join(top, 'policies');
  const file = join(folder, 'policies.yaml');
  const parsed = PoliciesFile.safeParse(parse(await readFile(file, 'utf8')));
  if (!parsed.success)
    throw new PlatformError('policies_malformed', `${file}: ${z.prettifyError(parsed.error)}`);
  const { version, policies: names } = parsed.data;
  const policies = await Promise.all(
    names.map(async (name): Promise<Policy> => {
      return { name, content: await readFile(join(folder, name, 'policy.yaml'), 'utf8') };
    }),
  );
  return { version, policies };
}
