/** The portal in a process of its own, as `--role portal` starts it, and an API that it asks. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readLog, startControlPlaneProcess } from '../support/control-plane-process.ts';
import { findFreePort } from '../support/free-port.ts';
import { writeKubeconfig } from '../support/kubeconfig.ts';
import { createTestDatabase } from '../support/postgres.ts';

const cleanup = new AsyncDisposableStack();
let portal: string;
let password: string;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-portal-apart-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const database = await createTestDatabase();
  cleanup.defer(() => database.close());
  const kubeconfig = join(folder, 'kubeconfig');
  writeKubeconfig(kubeconfig, 'http://127.0.0.1:9'); // nothing is read of a cluster here
  const [apiPort, portalPort] = [await findFreePort(), await findFreePort()];
  portal = `http://127.0.0.1:${String(portalPort)}`;
  const shared = {
    SHOPYARD_LAB_DIR: join(folder, 'no-lab'),
    SHOPYARD_PUBLIC_URL: portal,
    SHOPYARD_PORTAL_SECRET: 'portal-apart-test-secret',
  };
  const start = async (role: string, port: number, env: Readonly<Record<string, string>>) => {
    const log = join(folder, `${role}.log`);
    const args = ['--role', role];
    const started = await startControlPlaneProcess({ args, env: { ...shared, ...env }, port, log });
    cleanup.defer(async () => {
      await started.stop();
    });
    return log;
  };
  const log = await start('api,forge', apiPort, {
    SHOPYARD_DATA_DIR: join(folder, 'api'),
    DATABASE_URL: database.url,
    SHOPYARD_CLUSTER: kubeconfig,
    SHOPYARD_FORGE_PORT: String(await findFreePort()),
    SHOPYARD_FORGE_WRITE_PASSWORD: 'portal-apart-write-password',
    SHOPYARD_AUTH_SECRET: 'portal-apart-auth-secret-of-some-length',
  });
  const signIn = /with the password (\S+) /;
  password = signIn.exec(await readLog(log, signIn))?.[1] ?? '';
  await start('portal', portalPort, {
    SHOPYARD_API_URL: `http://127.0.0.1:${String(apiPort)}`,
  });
});
afterAll(() => cleanup.disposeAsync());

test('signs somebody in and shows their pages, without a database of its own', async () => {
  const refused = await fetch(`${portal}/stores`, { redirect: 'manual' });
  expect(refused.headers.get('Location')).toMatch(/\/sign-in\?to=%2Fstores$/);
  const signedIn = await fetch(`${portal}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { Origin: portal },
    body: new URLSearchParams({ email: 'operator@shopyard.local', password }),
  });
  const cookie = signedIn.headers
    .getSetCookie()
    .map((one) => one.split(';')[0])
    .join('; ');
  const page = await fetch(`${portal}/stores`, { headers: { Cookie: cookie } });
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('<title>Stores · Shopyard');
});

test('it says whether it reaches its API; the API itself is not there', async () => {
  await expect
    .poll(async (): Promise<unknown> => (await fetch(`${portal}/readyz`)).json())
    .toEqual({ ready: true, checks: [{ name: 'api', ready: true, message: null }] });
  expect((await fetch(`${portal}/api/stores`)).status).toBe(404);
});
