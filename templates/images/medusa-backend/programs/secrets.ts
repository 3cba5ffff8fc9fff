/**
 * The secret Job: makes each of the store's Secrets that is not there yet, and never touches one
 * that is. It asks the API server to create; "already exists" is the answer that leaves a Secret
 * alone, so two runs at once are safe and the Job needs no right to read, change or remove anything.
 *
 *   store-admin     username, password, email      the merchant's first login, shown on request
 *   store-api       secret_key, publishable_key    Medusa's keys: for the control plane, for the storefront
 *   store-internal  passwords of the database, of Redis and of the backups; what signs sessions
 *
 * Environment: SHOPYARD_NAMESPACE, SHOPYARD_STORE_ID, SHOPYARD_HOST.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { readVariable } from './environment.ts';

const account = '/var/run/secrets/kubernetes.io/serviceaccount';
const letters = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

function makeText(length: number): string {
  return Array.from({ length }, () => letters.charAt(randomInt(letters.length))).join('');
}

interface Answer {
  /** The API server's status; 0 when it was not reached. */
  readonly status: number;
  /** Why it refused, in its own words. A Secret that was made comes back whole and is dropped. */
  readonly reason: string;
}

function createSecret(
  namespace: string,
  name: string,
  stringData: Record<string, string>,
): Promise<Answer> {
  const labels = {
    'app.kubernetes.io/managed-by': 'shopyard-secrets-job',
    'shopyard.dev/store': readVariable('SHOPYARD_STORE_ID'),
  };
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: { name, labels },
    stringData,
  };
  return new Promise((resolve) => {
    const fail = (error: Error): void => resolve({ status: 0, reason: error.message });
    const call = request(
      {
        method: 'POST',
        host: readVariable('KUBERNETES_SERVICE_HOST'),
        port: readVariable('KUBERNETES_SERVICE_PORT'),
        path: `/api/v1/namespaces/${namespace}/secrets`,
        ca: readFileSync(`${account}/ca.crt`),
        headers: {
          Authorization: `Bearer ${readFileSync(`${account}/token`, 'utf8').trim()}`,
          'Content-Type': 'application/json',
        },
        timeout: 20_000,
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (part: string) => (text += part));
        answer.on('error', fail);
        answer.on('end', () => {
          const status = answer.statusCode ?? 0;
          resolve({ status, reason: status < 300 ? '' : readReason(text) });
        });
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer in 20 s')));
    call.on('error', fail);
    call.end(JSON.stringify(secret));
  });
}

function readReason(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? '';
  } catch {
    return text.slice(0, 200);
  }
}

async function makeSecret(
  namespace: string,
  name: string,
  data: Record<string, string>,
): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await pause(1000)) {
    const { status, reason } = await createSecret(namespace, name, data);
    if (status === 201) return console.log(`secrets: ${name} made`);
    if (status === 409) return console.log(`secrets: ${name} is there, left alone`);
    const isPassing = status === 0 || status === 429 || status >= 500;
    if (!isPassing || Date.now() >= deadline) {
      throw new Error(`${name} could not be made: ${status || 'no answer'} ${reason}`);
    }
  }
}

async function makeSecrets(): Promise<void> {
  const namespace = readVariable('SHOPYARD_NAMESPACE');
  await makeSecret(namespace, 'store-internal', {
    'database-password': makeText(32),
    'redis-password': makeText(32),
    'jwt-secret': makeText(64),
    'cookie-secret': makeText(64),
    'backup-password': makeText(32),
  });
  const email = `shopkeeper@${readVariable('SHOPYARD_HOST')}`;
  await makeSecret(namespace, 'store-admin', {
    username: email,
    password: makeText(24),
    email,
  });
  await makeSecret(namespace, 'store-api', {
    secret_key: `sk_${randomBytes(32).toString('hex')}`,
    publishable_key: `pk_${randomBytes(32).toString('hex')}`,
  });
}

makeSecrets().catch((error: unknown) => {
  console.error(`secrets: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
