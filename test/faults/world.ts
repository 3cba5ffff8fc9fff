/**
 * A whole product in parts, as `--role` starts them: processes of the API, writers and observers on
 * one Postgres, one git server and one practice cluster, as many of each as wanted.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPracticeCluster, type PracticeCluster } from '../../bootstrap/practice/cluster.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';
import {
  startControlPlaneProcess,
  type ControlPlaneProcess,
} from '../support/control-plane-process.ts';
import { findFreePort } from '../support/free-port.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { resume } from './yard.ts';

/** What nobody but who needs it may ever see. */
export const SECRETS = {
  token: 'canary-operator-token-7f3a',
  authSecret: 'canary-auth-secret-of-some-length-91cc',
  portalSecret: 'canary-portal-secret-44e0',
  webhookSecret: 'canary-webhook-secret-b2d8',
  forgeHookSecret: 'canary-forge-hook-secret-0a6e',
  lokiToken: 'canary-loki-token-5d17',
  mailPassword: 'canary-mail-password-c93b',
} as const;

type Started = Parameters<typeof startControlPlaneProcess>[0];

export type World = {
  readonly folder: string;
  readonly database: TestDatabase;
  readonly repository: TestRepository;
  readonly practice: PracticeCluster;
  start(roles: string, options?: Pick<Started, 'env'>): Promise<ControlPlaneProcess>;
  /** Every whole line that any process wrote to its log, at its most talkative. */
  readLogs(): Promise<string>;
  close(): Promise<void>;
};

export async function openWorld(): Promise<World> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-world-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const database = await createTestDatabase();
  cleanup.defer(() => database.close());
  const repository = await createTestRepository();
  cleanup.defer(() => repository.close());
  const practice = await startPracticeCluster({
    dir: join(folder, 'practice'),
    cluster: 'practice',
    repository: repository.forge.readRemote,
    webhookSecret: SECRETS.webhookSecret,
    speed: 15,
    logger: createLogger('silent'),
  });
  cleanup.defer(() => practice.stop());
  const lokiToken = join(folder, 'loki-token');
  await writeFile(lokiToken, SECRETS.lokiToken);
  // Neither answers: what is said of that is where a credential would slip out.
  const nobody = `127.0.0.1:${await findFreePort()}`;
  const parts: ControlPlaneProcess[] = [];
  cleanup.defer(async () => {
    for (const part of parts) resume(part.pid);
    await Promise.all(parts.map((part) => part.stop()));
  });
  const running = cleanup.move();
  return {
    folder,
    database,
    repository,
    practice,
    async start(roles, { env } = { env: {} }) {
      const name = `${parts.length}-${roles.replaceAll(',', '-')}`;
      const part = await startControlPlaneProcess({
        args: ['--role', roles],
        env: {
          DATABASE_URL: database.url,
          SHOPYARD_REPOSITORY_URL: repository.forge.remote.url,
          SHOPYARD_FORGE_READ_PASSWORD: repository.forge.readRemote.password,
          SHOPYARD_FORGE_WRITE_PASSWORD: repository.forge.remote.password,
          SHOPYARD_CLUSTER: practice.kubeconfig,
          SHOPYARD_CLUSTER_NAME: 'practice',
          SHOPYARD_STORE_SCHEME: 'http',
          SHOPYARD_ARGOCD_WEBHOOK_URL: practice.webhookUrl,
          SHOPYARD_ARGOCD_WEBHOOK_SECRET: SECRETS.webhookSecret,
          SHOPYARD_AUTH_SECRET: SECRETS.authSecret,
          SHOPYARD_PORTAL_SECRET: SECRETS.portalSecret,
          SHOPYARD_PUBLIC_URL: 'http://shops.test',
          SHOPYARD_BOOTSTRAP_TOKEN: SECRETS.token,
          SHOPYARD_FORGE_WEBHOOK_SECRET: SECRETS.forgeHookSecret,
          SHOPYARD_LOKI_URL: `http://${nobody}`,
          SHOPYARD_LOKI_TOKEN_FILE: lokiToken,
          SHOPYARD_SMTP_URL: `smtp://shopyard:${SECRETS.mailPassword}@${nobody}`,
          SHOPYARD_MAIL_FROM: 'shopyard@shops.test',
          SHOPYARD_LAB_DIR: join(folder, 'no-lab'),
          SHOPYARD_DATA_DIR: join(folder, name),
          SHOPYARD_LOG_LEVEL: 'debug',
          ...env,
        },
        port: await findFreePort(),
        log: join(folder, `${name}.log`),
      });
      parts.push(part);
      return part;
    },
    async readLogs() {
      const names = (await readdir(folder)).filter((name) => name.endsWith('.log'));
      const logs = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
      // Of one that writes at this moment, or was killed, the last line may be half of one.
      return logs.map((text) => text.slice(0, text.lastIndexOf('\n') + 1)).join('');
    },
    close: () => running.disposeAsync(),
  };
}
