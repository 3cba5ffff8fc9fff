import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeKubeconfig } from '../../test/support/kubeconfig.ts';
import { describeHome, readClusterList } from './clusters.ts';
import { readConfig } from './config.ts';
import { TOP } from './templates.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shopyard-clusters-'));
  writeFileSync(join(folder, 'secret'), 'a secret of Argo CD\n');
  writeKubeconfig(join(folder, 'kubeconfig'), 'http://127.0.0.1:9');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(text: string): string {
  const path = join(folder, `${crypto.randomUUID()}.yaml`);
  writeFileSync(path, text);
  return path;
}

function read(text: string, relays = true) {
  return readClusterList(write(text), { relays });
}

test('the example is one; paths are relative to it, secrets in files of their own', () => {
  const path = join(folder, 'several.yaml');
  copyFileSync(join(TOP, 'clusters/several.yaml'), path);
  writeFileSync(join(folder, 'north.webhook-secret'), 'a secret of the north\n');
  const list = readClusterList(path, { relays: true });
  expect(list).toMatchObject({
    ok: true,
    clusters: [
      {
        name: 'north',
        kind: 'kubeconfig',
        access: { kind: 'kubeconfig', path: join(folder, 'north.kubeconfig') },
        webhook: {
          url: 'https://argocd.north.example.com/api/webhook',
          secret: 'a secret of the north',
        },
        loki: {
          url: 'https://loki.example.com',
          tenant: 'north',
          user: null,
          tokenFile: join(folder, 'north.loki-token'),
        },
        argocdUrl: 'https://argocd.north.example.com',
        ingressUrl: 'https://ingress.north.example.com',
        labels: { region: 'eu' },
        capacity: 2000,
        review: 'destructive',
        retentionDays: 14,
        guard: { removals: 5, percent: 10, minutes: 10 },
        shardDigits: 2,
        values: { ingressClass: 'traefik', backup: { target: 'volume' } },
      },
      {
        name: 'south',
        webhook: null,
        loki: null,
        argocdUrl: null,
        ingressUrl: null,
        scheme: 'https',
        capacity: 500,
        review: 'never',
        retentionDays: 0,
        shardDigits: 1,
        values: { ingressClass: 'nginx', storageClass: 'fast' },
      },
    ],
  });
});

test('who does not tell Argo CDs of pushes needs none of their secrets', () => {
  const text = `
    - {name: a, inCluster: true, baseDomain: a.test, webhook: {url: 'http://a.test', secretFile: no}}`;
  expect(read(text, false)).toMatchObject({
    ok: true,
    clusters: [{ access: { kind: 'pod' }, webhook: null }],
  });
  expect(read(text)).toMatchObject({
    ok: false,
    problems: [expect.stringMatching(/: a: webhook\.secretFile: .*no cannot be read: ENOENT/)],
  });
});

test('a practice cluster lives on this machine and needs a port for its shops', () => {
  expect(read('[{name: one, practice: true, port: 8090}]')).toMatchObject({
    ok: true,
    clusters: [
      {
        kind: 'practice',
        access: { kind: 'practice' },
        baseDomain: 'localhost',
        scheme: 'http',
        port: 8090,
        ingressUrl: 'http://127.0.0.1:8090',
      },
    ],
  });
  expect(read('[{name: one, practice: true}]')).toMatchObject({
    problems: [expect.stringMatching(/: one: port: This is needed\.$/)],
  });
});

describe('every problem is told at once, with file, cluster and field', () => {
  test('of all clusters', () => {
    const list = read(`
      - {name: a, kubeconfig: k, baseDomain: a.test, retentionDays: 400, review: maybe, colour: red}
      - {name: b, baseDomain: b.test}
      - {kubeconfig: k, baseDomain: c.test}
      - {name: d, kubeconfig: k, inCluster: true, guard: {minutes: 0}}
      - {name: e, kubeconfig: k, baseDomain: e.test, webhook: {url: 'http://e.test', secret: s}}
      - just a word`);
    const problems = list.ok ? [] : list.problems;
    const told = problems.map((problem) => problem.replace(/^[^:]*\.yaml: /, ''));
    expect(told.sort()).toEqual([
      'a: colour: No such field.',
      'a: retentionDays: This must be at most 365.',
      'a: review: This must be one of: never, destructive, always.',
      'b: kubeconfig: Name one of kubeconfig, inCluster: true and practice: true.',
      'cluster 3: name: This is needed.',
      'cluster 6: This must be a JSON object, such as {"name": "tea"}.',
      'd: guard.minutes: This must be at least 1.',
      'e: webhook.secret: No such field.',
      'e: webhook.secretFile: This is needed.',
    ]);
  });

  test.each([
    ['', 'This must be a list of clusters.'],
    ['[]', 'This must be a list of clusters.'],
    ['clusters: []', 'This must be a list of clusters.'],
    ['[', 'cannot be read'],
  ])('of a file that is no list: %s', (text, says) => {
    const list = read(text);
    expect(list.ok ? [] : list.problems).toEqual([expect.stringContaining(says)]);
  });

  test('two of one name, two at one address', () => {
    expect(
      read(`
      - {name: a, kubeconfig: k, baseDomain: a.test}
      - {name: a, kubeconfig: k, baseDomain: b.test}
      - {name: c, kubeconfig: k, baseDomain: a.test, port: 443}
      - {name: d, kubeconfig: k, baseDomain: a.test, port: 8443}`),
    ).toMatchObject({
      problems: [
        expect.stringMatching(/: a: name: There are two of this name\.$/),
        expect.stringMatching(/: c: baseDomain: Stores of a have the same addresses\.$/),
      ],
    });
  });
});

describe('as a setting', () => {
  const env = (text: string) => ({ SHOPYARD_CLUSTERS: write(text) });
  const two = `
    - {name: a, kubeconfig: kubeconfig, baseDomain: a.test}
    - {name: b, kubeconfig: absent, baseDomain: b.test}`;

  test('it replaces the single cluster of the environment', () => {
    expect(readConfig(env(two))).toMatchObject({
      ok: true,
      config: { clusters: [{ name: 'a' }, { name: 'b' }] },
    });
    const both = readConfig({
      ...env(two),
      SHOPYARD_CLUSTER: 'practice',
      SHOPYARD_BASE_DOMAIN: 'shops.test',
    });
    expect(both.ok ? [] : both.problems).toEqual([
      'SHOPYARD_CLUSTER: is of a single cluster; with SHOPYARD_CLUSTERS its file says it.',
      'SHOPYARD_BASE_DOMAIN: is of a single cluster; with SHOPYARD_CLUSTERS its file says it.',
    ]);
  });

  test('its problems are among the others', () => {
    const result = readConfig({ ...env('[{name: A}]'), PORT: '9', SHOPYARD_FORGE_PORT: '9' });
    const problems = result.ok ? [] : result.problems;
    expect(problems).toHaveLength(2);
    expect(problems[0]).toMatch(/^SHOPYARD_CLUSTERS: .*\.yaml: A: name: a short name/);
    expect(problems[1]).toMatch(/^SHOPYARD_FORGE_PORT: /);
  });

  test('of several, one without its kubeconfig is no reason not to start; the only one is', () => {
    expect(readConfig(env(two)).ok).toBe(true);
    const only = readConfig(env('[{name: b, kubeconfig: absent, baseDomain: b.test}]'));
    expect(only).toMatchObject({
      ok: false,
      problems: [expect.stringMatching(/^SHOPYARD_CLUSTERS: The kubeconfig .*ENOENT/)],
    });
  });

  test('practice clusters are part of a process that runs everything', () => {
    const result = readConfig(
      { ...env('[{name: a, practice: true, port: 8090}]'), DATABASE_URL: 'postgres://x/y' },
      new Set(['observer']),
    );
    const problems = result.ok ? [] : result.problems;
    expect(problems).toContainEqual(expect.stringMatching(/^SHOPYARD_CLUSTERS: a kubeconfig/));
  });
});

test('the start says where stores are built, of every kind of cluster', () => {
  const list = read(`
- { name: north, kubeconfig: kubeconfig, baseDomain: shops.example.com }
- { name: south, practice: true, port: 8091 }
`);
  const north = list.ok ? list.clusters[0] : undefined;
  if (!list.ok || north === undefined) throw new Error('The list is not as it should be.');
  const lab = { ...north, name: 'lab', kind: 'lab', baseDomain: 'localhost' } as const;
  expect(
    [...list.clusters, { ...lab, scheme: 'http', port: 8088 } as const].map(describeHome),
  ).toEqual([
    'the cluster “north”: https://<store>.shops.example.com',
    'the practice cluster “south”: shops go through every step; nothing is running',
    'the lab, which is up: http://<store>.localhost:8088',
  ]);
});
