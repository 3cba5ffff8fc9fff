import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeKubeconfig } from '../../test/support/kubeconfig.ts';
import { readConfig } from './config.ts';
import type { Part } from './parts/list.ts';

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
    SHOPYARD_PUBLIC_URL: 'nowhere',
  });
  expect(result.ok).toBe(false);
  const names = result.ok ? [] : result.problems.map((problem) => problem.split(':')[0]).sort();
  expect(names).toEqual([
    'DATABASE_URL',
    'PORT',
    'SHOPYARD_BOOTSTRAP_TOKEN',
    'SHOPYARD_FORGE_PORT',
    'SHOPYARD_PUBLIC_URL',
  ]);
});

test('without a name it is the practice cluster, never one that is merely found', () => {
  const result = readConfig({ SHOPYARD_LAB_DIR: join(folder, 'none'), KUBECONFIG: kubeconfig });
  expect(result).toMatchObject({
    ok: true,
    config: {
      clusters: [
        { name: 'practice', kind: 'practice', access: { kind: 'practice' }, scheme: 'http' },
      ],
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

test('Kind by name must be up, and brings its own settings', () => {
  const dir = join(folder, 'kind');
  const env = { SHOPYARD_KIND_DIR: dir, SHOPYARD_CLUSTER: 'kind' };
  expect(readConfig(env)).toEqual({
    ok: false,
    problems: ['SHOPYARD_CLUSTER: Kind is not up. Start it with: npm run kind:up'],
  });
  mkdirSync(dir);
  const kubeconfig = join(dir, 'absent');
  writeFileSync(
    join(dir, 'connection.json'),
    JSON.stringify({ SHOPYARD_KUBECONFIG: kubeconfig, SHOPYARD_CLUSTER_NAME: 'kind' }),
  );
  const result = readConfig(env);
  expect(result.ok ? [] : result.problems).toEqual([expect.stringContaining(kubeconfig)]);
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
      clusters: [{ name: 'lab', kind: 'lab', port: 8088 }],
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

test('a Loki is asked by its address; what goes with it does not go alone', () => {
  const env = { SHOPYARD_CLUSTER: kubeconfig, SHOPYARD_LOKI_URL: 'https://loki.test/x' };
  expect(readConfig({ ...env, SHOPYARD_LOKI_TENANT: 'shops' })).toMatchObject({
    ok: true,
    config: {
      clusters: [
        { loki: { url: 'https://loki.test/x', tenant: 'shops', user: null, tokenFile: null } },
      ],
    },
  });
  expect(readConfig({ ...env, SHOPYARD_LOKI_URL: 'https://me:secret@loki.test' })).toMatchObject({
    ok: false,
    problems: [expect.stringMatching(/^SHOPYARD_LOKI_URL: .*without a credential/)],
  });
  expect(
    readConfig({ SHOPYARD_CLUSTER: kubeconfig, SHOPYARD_LOKI_TOKEN_FILE: '/run/token' }),
  ).toMatchObject({
    ok: false,
    problems: ['SHOPYARD_LOKI_TOKEN_FILE: set it together with SHOPYARD_LOKI_URL.'],
  });
});

test('a part on its own is told all at once what it must share with the others', () => {
  const problemsOf = (parts: readonly Part[], env: Readonly<Record<string, string>> = {}) => {
    const result = readConfig({ SHOPYARD_LAB_DIR: join(folder, 'none'), ...env }, new Set(parts));
    return result.ok ? [] : result.problems.map((problem) => problem.split(':')[0]);
  };
  expect(problemsOf(['api'])).toEqual([
    'DATABASE_URL',
    'SHOPYARD_REPOSITORY_URL',
    'SHOPYARD_FORGE_READ_PASSWORD',
    'SHOPYARD_AUTH_SECRET',
    'SHOPYARD_PUBLIC_URL',
    'SHOPYARD_PORTAL_SECRET',
    'SHOPYARD_CLUSTER',
  ]);
  expect(problemsOf(['writer'])).toEqual([
    'DATABASE_URL',
    'SHOPYARD_REPOSITORY_URL',
    'SHOPYARD_FORGE_WRITE_PASSWORD',
  ]);
  expect(problemsOf(['observer'])).toEqual([
    'DATABASE_URL',
    'SHOPYARD_REPOSITORY_URL',
    'SHOPYARD_CLUSTER',
  ]);
  expect(problemsOf(['portal'])).toEqual([
    'SHOPYARD_PUBLIC_URL',
    'SHOPYARD_API_URL',
    'SHOPYARD_PORTAL_SECRET',
  ]);
  expect(problemsOf(['forge'])).toEqual([
    'SHOPYARD_FORGE_WRITE_PASSWORD',
    'SHOPYARD_FORGE_READ_PASSWORD',
  ]);
  expect(problemsOf(['api', 'portal', 'writer', 'observer', 'forge'])).toEqual([]);
  const mails = { SHOPYARD_SMTP_URL: 'smtp://127.0.0.1:1', SHOPYARD_MAIL_FROM: 'a@example.com' };
  expect(problemsOf(['observer'], mails)).toContain('SHOPYARD_PUBLIC_URL');
});

test('a writer needs no kubeconfig; an observer’s must be there', () => {
  const env = {
    SHOPYARD_LAB_DIR: join(folder, 'none'),
    SHOPYARD_CLUSTER: join(folder, 'absent'),
    DATABASE_URL: 'postgres://somewhere/shopyard',
    SHOPYARD_REPOSITORY_URL: 'http://git.example/shopyard.git',
    SHOPYARD_FORGE_WRITE_PASSWORD: 'a-password-for-tests',
  };
  expect(readConfig(env, new Set(['writer']))).toMatchObject({ ok: true });
  expect(readConfig(env, new Set(['observer']))).toMatchObject({
    ok: false,
    problems: [expect.stringContaining('ENOENT')],
  });
});

describe('the forge', () => {
  const problemsOf = (env: Readonly<Record<string, string>>, parts?: readonly Part[]) => {
    const settings = { SHOPYARD_LAB_DIR: join(folder, 'none'), ...env };
    const result = readConfig(settings, parts && new Set(parts));
    return result.ok ? [] : result.problems;
  };
  const gitea = {
    SHOPYARD_FORGE: 'gitea',
    SHOPYARD_REPOSITORY_URL: 'https://git.example.com/shops/cluster.git',
  };

  test('Gitea needs an address of a repository and one token', () => {
    expect(problemsOf({ ...gitea, SHOPYARD_FORGE_TOKEN: 'secret' })).toEqual([]);
    expect(problemsOf({ SHOPYARD_FORGE: 'gitea' })).toEqual([
      expect.stringMatching(/^SHOPYARD_REPOSITORY_URL: name the repository at Gitea, .*\.$/),
      expect.stringMatching(/^SHOPYARD_FORGE_TOKEN: .*\.$/),
    ]);
    const local = { ...gitea, SHOPYARD_REPOSITORY_URL: 'http://127.0.0.1:8081/shopyard.git' };
    expect(problemsOf({ ...local, SHOPYARD_FORGE_TOKEN: 'secret' })).toHaveLength(1);
    const both = { SHOPYARD_FORGE_TOKEN: 'secret', SHOPYARD_FORGE_TOKEN_FILE: kubeconfig };
    expect(problemsOf({ ...gitea, ...both })).toHaveLength(1);
  });

  test('a token’s file must be there and hold something', () => {
    const file = join(folder, 'token');
    const env = { ...gitea, SHOPYARD_FORGE_TOKEN_FILE: file };
    expect(problemsOf(env)).toEqual([
      expect.stringMatching(/^SHOPYARD_FORGE_TOKEN_FILE: ENOENT.*\.$/),
    ]);
    writeFileSync(file, '\n');
    expect(problemsOf(env)).toEqual([`SHOPYARD_FORGE_TOKEN_FILE: ${file} is empty.`]);
    writeFileSync(file, 'secret\n');
    expect(problemsOf(env)).toEqual([]);
  });

  test('GitHub takes a token or an App, and our commits by push', () => {
    const github = {
      SHOPYARD_FORGE: 'github',
      SHOPYARD_REPOSITORY_URL: 'https://github.com/shops/cluster.git',
      SHOPYARD_FORGE_TOKEN: 'secret',
    };
    expect(problemsOf(github)).toEqual([]);
    expect(problemsOf({ ...github, SHOPYARD_GITHUB_COMMITS: 'api' })).toEqual([
      expect.stringMatching(/^SHOPYARD_GITHUB_COMMITS: /),
    ]);
    expect(problemsOf({ ...github, SHOPYARD_GITHUB_APP_ID: '4711' })).toEqual([
      expect.stringMatching(/^SHOPYARD_FORGE_TOKEN: /),
    ]);
  });

  test('our own git server takes no settings of another forge', () => {
    const others = {
      SHOPYARD_FORGE_TOKEN: 'secret',
      SHOPYARD_FORGE_API_URL: 'https://git.example.com/api/v1',
      SHOPYARD_GITHUB_APP_ID: '1',
      SHOPYARD_GITHUB_COMMITS: 'api',
    };
    expect(problemsOf(others).map((problem) => problem.split(':')[0])).toEqual([
      'SHOPYARD_GITHUB_APP_ID',
      'SHOPYARD_GITHUB_COMMITS',
      'SHOPYARD_FORGE_TOKEN',
      'SHOPYARD_FORGE_API_URL',
    ]);
  });

  test('parts of their own need what they use of it, and no git server', () => {
    const shared = { ...gitea, DATABASE_URL: 'postgres://somewhere/shopyard' };
    expect(problemsOf(shared, ['writer'])).toEqual([
      expect.stringContaining('SHOPYARD_FORGE_TOKEN: '),
    ]);
    expect(problemsOf({ ...shared, SHOPYARD_FORGE_TOKEN: 'secret' }, ['writer'])).toEqual([]);
    expect(problemsOf({ ...shared, SHOPYARD_CLUSTER: kubeconfig }, ['observer'])).toEqual([]);
    expect(problemsOf(gitea, ['forge'])).toEqual([expect.stringContaining('SHOPYARD_FORGE: ')]);
  });
});
