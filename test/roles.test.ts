/**
 * A control plane in parts: each role a process of its own on one Postgres and one git server, as
 * `--role` starts them, with the practice cluster beside them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startPracticeCluster } from '../bootstrap/practice/cluster.ts';
import { createLogger } from '../control-plane/src/logger.ts';
import {
  ApiClient,
  startControlPlaneProcess,
  type ControlPlaneProcess,
} from './support/control-plane-process.ts';
import { findFreePort } from './support/free-port.ts';
import { createTestDatabase } from './support/postgres.ts';

const TOKEN = 'roles-test-operator-token';
const READ_PASSWORD = 'roles-test-read-password';
const WRITE_PASSWORD = 'roles-test-write-password';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const cleanup = new AsyncDisposableStack();
const parts = new Map<string, ControlPlaneProcess>();
let folder: string;
let shared: Record<string, string>;
let api: ApiClient;

/** What each role is told besides what it shares with the others: no more than it needs. */
const OWN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  forge: {
    SHOPYARD_FORGE_READ_PASSWORD: READ_PASSWORD,
    SHOPYARD_FORGE_WRITE_PASSWORD: WRITE_PASSWORD,
  },
  writer: { SHOPYARD_FORGE_WRITE_PASSWORD: WRITE_PASSWORD },
  observer: {},
  api: {
    SHOPYARD_FORGE_READ_PASSWORD: READ_PASSWORD,
    SHOPYARD_AUTH_SECRET: 'roles-test-auth-secret-of-some-length',
    SHOPYARD_PUBLIC_URL: 'http://shops.test',
    SHOPYARD_PORTAL_SECRET: 'roles-test-portal-secret',
    SHOPYARD_BOOTSTRAP_TOKEN: TOKEN,
  },
};

async function start(role: string, name = role): Promise<ControlPlaneProcess> {
  const part = await startControlPlaneProcess({
    args: ['--role', role],
    env: {
      ...shared,
      ...OWN[role],
      SHOPYARD_DATA_DIR: join(folder, name),
      SHOPYARD_LOG_LEVEL: 'warn',
    },
    port: await findFreePort(),
    log: join(folder, `${name}.log`),
  });
  parts.set(name, part);
  return part;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-roles-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const database = await createTestDatabase();
  cleanup.defer(() => database.close());
  const forgePort = String(await findFreePort());
  const repositoryUrl = `http://127.0.0.1:${forgePort}/shopyard.git`;
  shared = { SHOPYARD_LAB_DIR: join(folder, 'no-lab'), SHOPYARD_FORGE_PORT: forgePort };
  cleanup.defer(async () => {
    await Promise.all([...parts.values()].map((part) => part.stop()));
  });
  await start('forge');
  const webhookSecret = 'roles-test-webhook-secret';
  const practice = await startPracticeCluster({
    dir: join(folder, 'practice'),
    cluster: 'practice',
    repository: { url: repositoryUrl, username: 'reader', password: READ_PASSWORD, branch: 'main' },
    webhookSecret,
    speed: 15,
    logger: createLogger('silent'),
  });
  cleanup.defer(() => practice.stop());
  shared = {
    ...shared,
    DATABASE_URL: database.url,
    SHOPYARD_CLUSTER: practice.kubeconfig,
    SHOPYARD_CLUSTER_NAME: 'practice',
    SHOPYARD_STORE_SCHEME: 'http',
    SHOPYARD_REPOSITORY_URL: repositoryUrl,
    SHOPYARD_ARGOCD_WEBHOOK_URL: practice.webhookUrl,
    SHOPYARD_ARGOCD_WEBHOOK_SECRET: webhookSecret,
  };
  api = new ApiClient((await start('api')).url, TOKEN);
  await Promise.all([start('writer'), start('observer')]);
});
afterAll(() => cleanup.disposeAsync());

const readyAt = (generation: number) => (store: { status: string; generation: number }) =>
  store.status === 'ready' && store.generation === generation;

test('a whole store life, with each part in a process of its own', async () => {
  const { store } = await api.create({ name: 'apart', type: 'woocommerce' });
  await api.waitFor(store.id, 'ready', readyAt(1));
  await api.change(store.id, { plan: 'medium' });
  await api.waitFor(store.id, 'ready again', readyAt(2));

  // What pages show of the repository comes through the API's own mirror of it.
  const changes = await api.call('GET', `/api/stores/${store.id}/changes`);
  const { changes: listed } = changes.body as { changes: { sha: string; subject: string }[] };
  expect(listed).toHaveLength(2);
  const shown = await api.call('GET', `/api/changes/${listed[0]?.sha ?? ''}`);
  expect(shown.status).toBe(200);
  const { files } = shown.body as { files: { path: string; before: string; after: string }[] };
  expect(files.map((file) => file.path)).toContainEqual(expect.stringMatching(/store\.yaml$/));
  const preview = await api.call('POST', `/api/stores/${store.id}/preview`, { plan: 'small' });
  expect(preview.status).toBe(200);
  expect((preview.body as { files: unknown[] }).files).not.toEqual([]);

  await api.delete(store.id);
  await api.waitFor(store.id, 'gone', ({ status }) => status === 'deleted');
});

test('each says on its own port how it is, by the checks of its role', async () => {
  const checksOf = async (name: string): Promise<string[]> => {
    const response = await fetch(`${parts.get(name)?.url ?? ''}/readyz`);
    const { checks } = (await response.json()) as { checks: { name: string }[] };
    return checks.map((check) => check.name).sort();
  };
  expect(await checksOf('forge')).toEqual(['forge']);
  expect(await checksOf('api')).toEqual(['database']);
  expect(await checksOf('writer')).toEqual(['conductor', 'database', 'reviews', 'writer']);
  expect(await checksOf('observer')).toEqual(['database', 'observer', 'watch']);
  const metricsOf = async (name: string): Promise<string> =>
    (await fetch(`${parts.get(name)?.url ?? ''}/metrics`)).text();
  expect(await metricsOf('writer')).toContain('http_request_duration_seconds');
  expect(await metricsOf('observer')).toMatch(/provisioning_duration_seconds_count\{.*\} 1/);
  expect(await metricsOf('api')).toContain('stores_total');
  // The API is not where it does not run.
  expect((await fetch(`${parts.get('writer')?.url ?? ''}/api/stores`)).status).toBe(404);
});

test('a writer that is killed is replaced by one that stands by', async () => {
  const second = await start('writer', 'writer-2');
  await expect
    .poll(async () => (await fetch(`${second.url}/readyz`)).status, {
      message: 'standing by is no trouble',
    })
    .toBe(200);
  await parts.get('writer')?.kill();
  const { store } = await api.create({ name: 'taken-over', type: 'woocommerce' });
  await api.waitFor(store.id, 'ready', readyAt(1));
});
