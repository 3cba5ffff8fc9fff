/** The switch for faults of a practice cluster that runs in another process, as its README says. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';

const kubeconfigSchema = z.object({
  clusters: z.tuple([z.object({ cluster: z.object({ server: z.string() }) })]),
  users: z.tuple([z.object({ user: z.object({ token: z.string() }) })]),
});

/** @param path after `/practice/faults`, e.g. `/shop/image` */
export async function callFaults(
  kubeconfig: string,
  method: 'GET' | 'PUT' | 'DELETE' | 'POST',
  path = '',
  options: { readonly withToken?: boolean } = {},
): Promise<{ status: number; body: unknown }> {
  const { clusters, users } = kubeconfigSchema.parse(parse(await readFile(kubeconfig, 'utf8')));
  const response = await fetch(`${clusters[0].cluster.server}/practice/faults${path}`, {
    method,
    headers: options.withToken === false ? {} : { authorization: `Bearer ${users[0].user.token}` },
  });
  return { status: response.status, body: await response.json() };
}
