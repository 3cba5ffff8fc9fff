/** The contract on real Argo CD, in the lab; needs the port of the lab's repository for itself. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { connectCluster } from '../../control-plane/src/cluster/connection.ts';
import { loadPolicies } from '../../control-plane/src/policies.ts';
import { testContract } from '../contract/contract.ts';
import { openSubject } from '../contract/subject.ts';
import { kubectl } from './lab.ts';

const connectionSchema = z.object({
  SHOPYARD_CLUSTER_NAME: z.string(),
  SHOPYARD_KUBECONFIG: z.string(),
  SHOPYARD_FORGE_PORT: z.coerce.number(),
  SHOPYARD_FORGE_READ_PASSWORD: z.string(),
  SHOPYARD_FORGE_WRITE_PASSWORD: z.string(),
  SHOPYARD_ARGOCD_WEBHOOK_URL: z.string(),
  SHOPYARD_ARGOCD_WEBHOOK_SECRET: z.string(),
});

testContract(async () => {
  // What another test's repository had installed.
  await kubectl('delete', 'application', 'shopyard-policies', '-n', 'argocd', '--ignore-not-found');
  for (const { name } of (await loadPolicies()).policies)
    await kubectl(
      'delete', 'validatingadmissionpolicies,validatingadmissionpolicybindings', `shopyard-${name}`, '--ignore-not-found',
    ); // prettier-ignore
  const file = join(resolveLabPaths(process.env).lab, 'connection.json');
  const lab = connectionSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  return openSubject({
    cluster: lab.SHOPYARD_CLUSTER_NAME,
    forge: {
      port: lab.SHOPYARD_FORGE_PORT,
      readPassword: lab.SHOPYARD_FORGE_READ_PASSWORD,
      writePassword: lab.SHOPYARD_FORGE_WRITE_PASSWORD,
    },
    allow: (seconds) => 2_000 * seconds,
    start: () =>
      Promise.resolve({
        connection: connectCluster(lab.SHOPYARD_KUBECONFIG),
        webhookUrl: lab.SHOPYARD_ARGOCD_WEBHOOK_URL,
        webhookSecret: lab.SHOPYARD_ARGOCD_WEBHOOK_SECRET,
        stop: () => Promise.resolve(),
      }),
  });
});
