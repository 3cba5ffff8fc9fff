import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from './config.ts';

let folder: string;
let kubeconfig: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shopyard-config-'));
  kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, 'kind: Config');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('lists every problem at once, each naming its setting', () => {
  const result = readConfig({
    SHOPYARD_LAB_DIR: join(folder, 'none'),
    SHOPYARD_CLUSTER: kubeconfig,
    PORT: 'http',
    SHOPYARD_FORGE_PORT: '99999',
    DATABASE_URL: 'mysql://nowhere',
    SHOPYARD_BOOTSTRAP_TOKEN: 'short',
  });
  expect(result.ok).toBe(false);
  const names = result.ok ? [] : result.problems.map((problem) => problem.split(':')[0]).sort();
  expect(names).toEqual([
    'DATABASE_URL',
    'PORT',
    'SHOPYARD_BOOTSTRAP_TOKEN',
    'SHOPYARD_FORGE_PORT',
  ]);
});

test('without a name it is the practice cluster, never one that is merely found', () => {
  const result = readConfig({ SHOPYARD_LAB_DIR: join(folder, 'none'), KUBECONFIG: kubeconfig });
  expect(result).toMatchObject({
    ok: true,
    config: {
      clusterKind: 'practice',
      SHOPYARD_KUBECONFIG: null,
      SHOPYARD_CLUSTER_NAME: 'practice',
      SHOPYARD_STORE_SCHEME: 'http',
    },
  });
});

test('the lab by name must be up', () => {
  const result = readConfig({ SHOPYARD_LAB_DIR: join(folder, 'none'), SHOPYARD_CLUSTER: 'lab' });
  expect(result).toEqual({
    ok: false,
    problems: ['SHOPYARD_CLUSTER: the lab is not up. Start it with: npm run lab:up'],
  });
});

test('says which kubeconfig cannot be read', () => {
  const result = readConfig({ SHOPYARD_CLUSTER: join(folder, 'absent') });
  expect(result).toMatchObject({
    ok: false,
    problems: [
      `SHOPYARD_CLUSTER: the kubeconfig ${join(folder, 'absent')} cannot be read (ENOENT).`,
    ],
  });
});

test('takes the lab’s settings as defaults, which the environment overrides', () => {
  const lab = mkdtempSync(join(folder, 'lab-'));
  writeFileSync(
    join(lab, 'connection.json'),
    JSON.stringify({
      SHOPYARD_CLUSTER_NAME: 'lab',
      SHOPYARD_KUBECONFIG: kubeconfig,
      SHOPYARD_STORE_PORT: '8088',
      SHOPYARD_FORGE_PORT: '8081',
    }),
  );
  const result = readConfig({
    SHOPYARD_LAB_DIR: lab,
    SHOPYARD_CLUSTER: 'lab',
    SHOPYARD_FORGE_PORT: '9999',
  });
  expect(result).toMatchObject({
    ok: true,
    config: {
      SHOPYARD_CLUSTER_NAME: 'lab',
      SHOPYARD_STORE_PORT: 8088,
      SHOPYARD_FORGE_PORT: 9999,
      SHOPYARD_REPOSITORY_URL: 'http://127.0.0.1:9999/shopyard.git',
    },
  });
});

test('refuses one port for two servers and a webhook without its secret', () => {
  const result = readConfig({
    SHOPYARD_CLUSTER: kubeconfig,
    PORT: '9000',
    SHOPYARD_FORGE_PORT: '9000',
    SHOPYARD_ARGOCD_WEBHOOK_URL: 'http://127.0.0.1:1/api/webhook',
  });
  expect(result).toMatchObject({ ok: false, problems: { length: 2 } });
});
