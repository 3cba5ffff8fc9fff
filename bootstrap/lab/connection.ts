/**
 * What the control plane is told about the lab: a file of environment settings, which it takes as
 * defaults. It holds passwords, so only its owner can read it.
 */
import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { ports, type LabLayout } from './layout.ts';

/** Passwords of one lab; made once, gone with it. */
export interface LabSecrets {
  readonly forgeReadPassword: string;
  readonly forgeWritePassword: string;
  readonly webhookSecret: string;
}

/** Reads the lab's passwords, or makes them. */
export async function ensureSecrets(layout: Pick<LabLayout, 'secrets'>): Promise<LabSecrets> {
  try {
    return JSON.parse(await readFile(layout.secrets, 'utf8')) as LabSecrets;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const secrets: LabSecrets = {
    forgeReadPassword: randomBytes(24).toString('hex'),
    forgeWritePassword: randomBytes(24).toString('hex'),
    webhookSecret: randomBytes(24).toString('hex'),
  };
  await writePrivateJson(layout.secrets, secrets);
  return secrets;
}

/** The cluster repository, as Argo CD reaches it. */
export const repositoryUrl = `http://127.0.0.1:${ports.forge}/shopyard.git`;

/** The settings, by the names of their environment variables. */
export function describeConnection(
  layout: Pick<LabLayout, 'observerKubeconfig'>,
  secrets: LabSecrets,
): Record<string, string> {
  const argocd = `http://127.0.0.1:${ports.argocdServer}`;
  return {
    SHOPYARD_CLUSTER_NAME: 'lab',
    SHOPYARD_KUBECONFIG: layout.observerKubeconfig,
    SHOPYARD_BASE_DOMAIN: 'localhost',
    SHOPYARD_STORE_SCHEME: 'http',
    SHOPYARD_STORE_PORT: String(ports.ingress),
    SHOPYARD_REPOSITORY_URL: repositoryUrl,
    SHOPYARD_FORGE_PORT: String(ports.forge),
    SHOPYARD_FORGE_READ_PASSWORD: secrets.forgeReadPassword,
    SHOPYARD_FORGE_WRITE_PASSWORD: secrets.forgeWritePassword,
    SHOPYARD_ARGOCD_WEBHOOK_URL: `${argocd}/api/webhook`,
    SHOPYARD_ARGOCD_WEBHOOK_SECRET: secrets.webhookSecret,
    SHOPYARD_ARGOCD_UI_URL: argocd,
  };
}

/** Writes a file that only its owner can read, whole or not at all. */
export async function writePrivateJson(path: string, content: unknown): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(content, null, 2) + '\n', { mode: 0o600 });
  await rename(`${path}.new`, path);
}
