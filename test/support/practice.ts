/**
 * A practice cluster with what it takes to work on it: a folder, a database and the ports of a
 * control plane, which is started as a process of its own. The API answers to `PRACTICE_TOKEN`.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPracticeCluster, type PracticeCluster } from '../../bootstrap/practice/cluster.ts';
import { READER } from '../../control-plane/src/forge/server.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import {
  ApiClient,
  startControlPlaneProcess,
  type ControlPlaneProcess,
} from './control-plane-process.ts';
import { findFreePort } from './free-port.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

export const PRACTICE_TOKEN = 'practice-test-operator-token';
const WEBHOOK_SECRET = 'practice-test-webhook-secret';
const READ_PASSWORD = 'practice-test-read-password';

type Started = Pick<Parameters<typeof startControlPlaneProcess>[0], 'fault' | 'top'> & {
  /** Besides what the practice cluster needs. */
  readonly env?: Readonly<Record<string, string>>;
};

export type Practice = {
  readonly folder: string;
  readonly database: TestDatabase;
  /** Another one after `restartCluster`. */
  readonly cluster: PracticeCluster;
  /** What a control plane on it is told. */
  readonly env: Readonly<Record<string, string>>;
  startControlPlane(
    options?: Started,
  ): Promise<{ readonly controlPlane: ControlPlaneProcess; readonly api: ApiClient }>;
  /** Ends the cluster without notice and starts it on what it kept. */
  restartCluster(): Promise<void>;
  /** Once no control plane runs on it. */
  close(): Promise<void>;
};

/**
 * @param options.speed how many times faster than real Argo CD's pace
 * @param options.token what its API server is asked with; default: one that does not end
 */
export async function openPractice(options: {
  readonly speed: number;
  readonly token?: string;
}): Promise<Practice> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-practice-'));
  await chmod(folder, 0o755);
  const [database, forgePort] = await Promise.all([createTestDatabase(), findFreePort()]);
  const startCluster = (): Promise<PracticeCluster> =>
    startPracticeCluster({
      dir: join(folder, 'practice'),
      cluster: 'main',
      repository: {
        url: `http://127.0.0.1:${forgePort}/shopyard.git`,
        username: READER,
        password: READ_PASSWORD,
        branch: 'main',
      },
      webhookSecret: WEBHOOK_SECRET,
      ...options,
      logger: createLogger('silent'),
    });
  let cluster = await startCluster();
  const describeEnv = (): Record<string, string> => ({
    SHOPYARD_CLUSTER: cluster.kubeconfig,
    SHOPYARD_DATA_DIR: join(folder, 'data'),
    SHOPYARD_LAB_DIR: join(folder, 'no-lab'),
    SHOPYARD_BOOTSTRAP_TOKEN: PRACTICE_TOKEN,
    SHOPYARD_FORGE_PORT: String(forgePort),
    SHOPYARD_FORGE_READ_PASSWORD: READ_PASSWORD,
    SHOPYARD_ARGOCD_WEBHOOK_URL: cluster.webhookUrl,
    SHOPYARD_ARGOCD_WEBHOOK_SECRET: WEBHOOK_SECRET,
    SHOPYARD_CREATES_PER_MINUTE: '100',
    SHOPYARD_LOG_LEVEL: 'warn',
    DATABASE_URL: database.url,
  });
  return {
    folder,
    database,
    get cluster() {
      return cluster;
    },
    get env() {
      return describeEnv();
    },
    async startControlPlane({ env = {}, ...rest } = {}) {
      const controlPlane = await startControlPlaneProcess({
        env: { ...describeEnv(), ...env },
        port: await findFreePort(),
        log: join(folder, 'control-plane.log'),
        ...rest,
      });
      return { controlPlane, api: new ApiClient(controlPlane.url, PRACTICE_TOKEN) };
    },
    async restartCluster() {
      await cluster.stop();
      cluster = await startCluster();
    },
    async close() {
      await cluster.stop();
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
