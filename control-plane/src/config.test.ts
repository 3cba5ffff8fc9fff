import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeKubeconfig } from '../../test/support/kubeconfig.ts';
import { readConfig } from './config.ts';

let folder: string;
let kubeconfig: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shopyard-config-'));
  kubeconfig = join(folder, 'kubeconfig');
  writeKubeconfig(kubeconfig, 'http://127.0.0.1:9');
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
      expect.stringMatching(/^SHOPYARD_CLUSTER: The kubeconfig .*absent cannot be read: ENOENT/),
    ],
  });
});

test.each([
  ['empty', '', 'cannot be read'],
  ['no YAML', '{', 'cannot be read'],
  ['something else', 'hello', 'names no current cluster'],
  ['without a current context', '{"apiVersion":"v1","kind":"Config"}', 'names no current cluster'],
])('one sentence about a kubeconfig that is %s', (_what, text, says) => {
  const damaged = join(folder, 'damaged');
  writeFileSync(damaged, text);
  const result = readConfig({ SHOPYARD_CLUSTER: damaged });
  const problems = result.ok ? [] : result.problems;
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(/^SHOPYARD_CLUSTER: [^\n]*\.$/);
  expect(problems[0]).toContain(`${damaged} ${says}`);
});

test.each(['nonsense', 'ftp://cluster.example.com'])('an API server at %s is none', (server) => {
  const damaged = join(folder, 'damaged');
  writeKubeconfig(damaged, server);
  expect(readConfig({ SHOPYARD_CLUSTER: damaged })).toMatchObject({
    ok: false,
    problems: [expect.stringContaining(`SHOPYARD_CLUSTER: The kubeconfig ${damaged} has no`)],
  });
});

test('says what is wrong with a number', () => {
  const settings = { SHOPYARD_CLUSTER: 'practice', PORT: 'http', SHOPYARD_STORE_LIMIT: '0' };
  expect(readConfig(settings)).toEqual({
    ok: false,
    problems: ['PORT: This must be a number.', 'SHOPYARD_STORE_LIMIT: This must be at least 1.'],
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
