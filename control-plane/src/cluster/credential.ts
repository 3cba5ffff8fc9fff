/** When what a kubeconfig shows to an API server ends: its token's `exp`, its certificate's notAfter. */
import type { User } from '@kubernetes/client-node';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/**
 * Of a token and a certificate the one that ends first counts. null: it does not end, or is fetched
 * anew by itself (a file in the pod, a command, a provider).
 * @throws when a certificate cannot be read
 */
export async function findCredentialEnd(user: User): Promise<Date | null> {
  if (user.authProvider || user.exec) return null;
  const ends = [
    user.token ? readTokenEnd(user.token) : null,
    user.certFile || user.certData ? await readCertificateEnd(user) : null,
  ].filter((end) => end !== null);
  return ends.length === 0 ? null : new Date(Math.min(...ends));
}

/** A token may be anything: only a JWT says when it ends. In milliseconds. */
function readTokenEnd(token: string): number | null {
  const [, payload = '', signature] = token.split('.');
  if (signature === undefined) return null;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const { exp } = claims as { readonly exp?: unknown };
    const end = typeof exp === 'number' ? new Date(exp * 1_000).getTime() : NaN;
    return Number.isNaN(end) ? null : end;
  } catch {
    return null;
  }
}

/** Read anew each time, as a connection does. In milliseconds. */
async function readCertificateEnd({ certFile, certData }: User): Promise<number> {
  const content = certFile ? await readFile(certFile) : Buffer.from(certData ?? '', 'base64');
  return new X509Certificate(content).validToDate.getTime();
}
