/**
 * The pages by which a server is set up, where they are no commands: values, manifests, units and
 * figures, held to the chart, the settings, install.sh and the plans that they speak of.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { builtProgram } from '../../bootstrap/lab/parts.ts';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { readClusterFile } from '../../control-plane/src/cluster-file.ts';
import { readClusterList } from '../../control-plane/src/clusters.ts';
import { Environment, readConfig } from '../../control-plane/src/config.ts';
import { APP_ROLE } from '../../control-plane/src/db/roles.ts';
import { TOP } from '../../control-plane/src/templates.ts';
import { findHelm, readManifests, runHelm } from '../../templates/charts/render-chart.ts';
import { PAGES, type Block } from './pages.ts';

const CHART = 'bootstrap/charts/shopyard';
const read = (path: string): string => readFileSync(join(TOP, path), 'utf8');
const blocksOf = (page: string): readonly Block[] =>
  PAGES.find(({ path }) => path === `docs/runbooks/${page}`)?.blocks ?? [];

/** The block that says in its first line which file it is. */
function findFile(page: string, file: string): string {
  const block = blocksOf(page).find(({ text }) => text.startsWith(`# ${file}`));
  if (block === undefined) throw new Error(`${page} has no ${file}`);
  return block.text;
}

const SecretKey = z.object({ name: z.string(), key: z.string() });
const Values = z.looseObject({
  access: z.object({ create: z.literal(false) }),
  settings: z.record(z.string(), z.string()),
  secrets: z.record(z.string(), SecretKey),
  secretFiles: z.string(),
  clusters: z.tuple([z.looseObject({ webhook: z.looseObject({ secretFile: z.string() }) })]),
});

const Database = z.object({
  spec: z.looseObject({
    postgresql: z.object({ parameters: z.object({ max_connections: z.coerce.number() }) }),
    bootstrap: z.object({
      initdb: z.looseObject({ owner: z.string(), postInitSQL: z.array(z.string()) }),
    }),
  }),
});

const Role = z.looseObject({
  replicas: z.number().optional(),
  autoscale: z.object({ max: z.number() }).nullish(),
});
const Roles = z.looseObject({ roles: z.record(z.string(), Role) });

const commands = blocksOf('first-server.md')
  .filter(({ language }) => language === 'sh')
  .map(({ text }) => text)
  .join('\n');

/** Secrets that the page's commands make: `namespace/name` → its keys. */
const made = new Map(
  [...commands.matchAll(/kubectl -n (\S+) create secret generic (\S+)((?:\\\n|[^\n])*)/g)].map(
    ([, namespace = '', name = '', rest = '']) => [
      `${namespace}/${name}`,
      [...rest.matchAll(/--from-(?:literal|file)=([\w-]+)/g)].map(([, key = '']) => key),
    ],
  ),
);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shopyard-first-server-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the first server', () => {
  const text = findFile('first-server.md', 'shopyard.yaml');
  const values = Values.parse(parse(text));

  test('its values are what the chart takes', async () => {
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(
      JSON.parse(read(`${CHART}/values.schema.json`)) as object,
    );
    const defaults = parse(read(`${CHART}/values.yaml`)) as object;
    validate({ ...defaults, ...values });
    expect(validate.errors).toBeNull();
    const helm = findHelm();
    if (helm === undefined) return;
    const args = ['template', 'shopyard', join(TOP, CHART), '--namespace', 'shopyard-system'];
    const rendered = await runHelm(helm, [...args, '--kube-version', '1.34.4'], values);
    const names = readManifests(rendered).map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    for (const name of ['Ingress/shopyard', 'Deployment/shopyard-api'])
      expect(names).toContain(name);
    // What bootstrap/access/observer.yaml made is not Helm's to take over.
    expect(names).not.toContain('ServiceAccount/shopyard-observer');
  });

  test('each Secret that they name is made before, with those keys', () => {
    const database = z
      .object({ metadata: z.object({ name: z.string(), namespace: z.string() }) })
      .parse(parse(findFile('first-server.md', 'database.yaml'))).metadata;
    const all = new Map(made).set(`${database.namespace}/${database.name}-app`, ['uri']);
    const files = all.get(`shopyard-system/${values.secretFiles}`);
    const missing = Object.entries(values.secrets).filter(
      ([, { name, key }]) => all.get(`shopyard-system/${name}`)?.includes(key) !== true,
    );
    expect(missing).toEqual([]);
    const token = values.settings['SHOPYARD_FORGE_TOKEN_FILE']?.split('/').at(-1);
    expect(files?.sort()).toEqual([values.clusters[0].webhook.secretFile, token].sort());
    // Nothing is made that nobody asks for.
    const asked = Object.values(values.secrets).map(({ key }) => key);
    expect(made.get('shopyard-system/shopyard')?.filter((key) => !asked.includes(key))).toEqual([]);
  });

  test('their cluster is one, with what install.sh settled', () => {
    const list = join(folder, 'clusters.yaml');
    writeFileSync(list, JSON.stringify(values.clusters));
    writeFileSync(join(folder, values.clusters[0].webhook.secretFile), 'secret');
    const result = readClusterList(list, { relays: true });
    if (!result.ok) throw new Error(result.problems.join('\n'));
    const [cluster] = result.clusters;
    const dryRun = blocksOf('first-server.md').find(({ text }) => text.includes('install.sh'));
    const { stdout } = spawnSync('bash', ['--norc', '-c', dryRun?.text ?? ''], {
      ...{ cwd: TOP, encoding: 'utf8' },
      env: { PATH: process.env['PATH'], SHOPYARD_K3S_DIR: '/no/such/state' },
    });
    const settings = join(folder, 'cluster.yaml');
    writeFileSync(settings, /cluster\.yaml <<'END'\n([^]*?)END\n/.exec(stdout)?.[1] ?? 'none');
    const { platform, ingressAnnotations } = readClusterFile(settings);
    expect(platform.certManager).toBeDefined();
    expect(cluster).toMatchObject({
      platform: { certManager: platform.certManager },
      values: { ingressAnnotations },
    });
    for (const line of [
      `SHOPYARD_CLUSTER_NAME=${cluster?.name ?? ''}`,
      `SHOPYARD_BASE_DOMAIN=${cluster?.baseDomain ?? ''}`,
      `SHOPYARD_REPOSITORY_URL=${values.settings['SHOPYARD_REPOSITORY_URL'] ?? ''}`,
      `SHOPYARD_ADMIN_EMAIL=${values.settings['SHOPYARD_ADMIN_EMAIL'] ?? ''}`,
    ])
      expect(stdout).toContain(`\n${line}\n`);
  });

  test('the backups’ Secret is where the add-on takes it from, with the keys that charts read', () => {
    const { backup } = z
      .looseObject({ backup: z.object({ s3: z.looseObject({ secretName: z.string() }) }) })
      .parse(values.clusters[0]);
    const keys = made.get(`shopyard-secrets/${backup.s3.secretName}`);
    expect(keys?.sort()).toEqual(['access-key-id', 'password', 'secret-access-key']);
    expect(read('clusters/platform/external-secrets.manifests.yaml.hbs')).toContain(
      'remoteNamespace: shopyard-secrets',
    );
  });

  test('its Postgres is the add-on’s, and has the control plane’s role', () => {
    const addOn = read('clusters/platform/cloudnative-pg.yaml.hbs');
    const find = (pattern: RegExp): string => pattern.exec(addOn)?.[1] ?? 'nothing';
    expect(commands).toContain(
      `helm upgrade --install ${find(/kind: Application\nmetadata:\n {2}name: (\S+)/)} ` +
        `${find(/chart: (\S+)/)} --repo ${find(/repoURL: (\S+)/)}`,
    );
    expect(commands).toContain(`--version ${find(/targetRevision: (\S+)/)} `);
    expect(commands).toContain(`--namespace ${find(/destination:\n.*\n {4}namespace: (\S+)/)} `);
    const { owner, postInitSQL } = Database.parse(
      parse(findFile('first-server.md', 'database.yaml')),
    ).spec.bootstrap.initdb;
    expect(postInitSQL).toEqual([
      `create role ${APP_ROLE} nologin`,
      `grant ${APP_ROLE} to ${owner}`,
    ]);
  });

  test('its Postgres lets in every pod of a scaled and updated control plane', () => {
    const defaults = Roles.parse(parse(read(`${CHART}/values.yaml`))).roles;
    const scaled = Roles.parse(parse(read(`${CHART}/values-production.yaml`))).roles;
    const counts = ['api', 'writer', 'observer'].map(
      (role) => (scaled[role]?.autoscale?.max ?? defaults[role]?.replicas ?? Number.NaN) + 1,
    );
    const each = Environment.shape.SHOPYARD_DATABASE_CONNECTIONS.parse(undefined);
    const pods = counts.reduce((sum, count) => sum + count);
    const { parameters } = Database.parse(parse(findFile('first-server.md', 'database.yaml'))).spec
      .postgresql;
    // Postgres keeps three for its administrators; a start migrates by two of its own.
    expect(parameters.max_connections).toBeGreaterThanOrEqual(pods * each + 5);
    expect(read(`${CHART}/README.md`)).toContain(`${parameters.max_connections} for`);
  });
});

const kubectl = [builtProgram(resolveLabPaths(process.env), 'kubernetes', 'kubectl')]
  .concat(['/usr/local/bin/kubectl', '/usr/bin/kubectl'])
  .find((path) => existsSync(path));

test.skipIf(kubectl === undefined)('the kubeconfig that is made by hand is one', () => {
  const block = blocksOf('first-server.md').find(
    ({ heading }) => heading === 'A control plane elsewhere',
  );
  const answers = `#!/bin/sh
case "$*" in
  *'get configmap kube-root-ca.crt'*) echo 'a certificate' ;;
  *'create token shopyard-observer'*) echo a-token ;;
  *'auth can-i'*) echo yes ;;
  *) '${kubectl ?? ''}' "$@" ;;
esac
`;
  writeFileSync(join(folder, 'kubectl'), answers, { mode: 0o755 });
  const script = block?.text.replace('<address>', '192.0.2.1') ?? 'false';
  const { status, stderr } = spawnSync('bash', ['--norc', '-euc', script], {
    ...{ cwd: folder, encoding: 'utf8' },
    env: { PATH: `${folder}:${process.env['PATH'] ?? ''}`, HOME: folder },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const path = join(folder, 'observer.kubeconfig');
  expect(parse(readFileSync(path, 'utf8'))).toMatchObject({
    'current-context': 'main',
    contexts: [{ name: 'main', context: { cluster: 'main', user: 'shopyard-observer' } }],
    clusters: [
      {
        name: 'main',
        cluster: {
          server: 'https://192.0.2.1:6443',
          'certificate-authority-data': Buffer.from('a certificate\n').toString('base64'),
        },
      },
    ],
    users: [{ name: 'shopyard-observer', user: { token: 'a-token' } }],
  });
  expect(readConfig({ SHOPYARD_CLUSTER: path })).toMatchObject({ ok: true });
});

describe('one process for good', () => {
  test('the unit starts what npm start does', () => {
    const unit = findFile('one-process.md', '/etc/systemd/system/shopyard.service');
    const find = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
    const { scripts } = z
      .looseObject({ scripts: z.looseObject({ prestart: z.string(), start: z.string() }) })
      .parse(JSON.parse(read('package.json')));
    expect(find('ExecStartPre')).toBe(`/usr/bin/env ${scripts.prestart}`);
    const [program = '', ...args] = find('ExecStart').split(' ');
    expect(['exec node', ...args].join(' ')).toBe(scripts.start);
    expect(existsSync(program.replace(find('WorkingDirectory'), TOP))).toBe(true);
    expect(read('control-plane/src/main.ts')).toContain(
      `process.exitCode = ${find('RestartPreventExitStatus')};`,
    );
  });

  test('its settings are settings', () => {
    const lines = findFile('one-process.md', '/etc/shopyard.env').matchAll(/^(\w+)=(.*)$/gm);
    const env = Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
    expect(Object.keys(env).length).toBeGreaterThan(3);
    expect(readConfig({ ...env, SHOPYARD_CLUSTER: 'practice' })).toMatchObject({ ok: true });
  });

  test('stores ask for as much as it says', () => {
    const Resources = z.object({
      resources: z.object({ requests: z.record(z.string(), z.string()) }),
    });
    const sum = (engine: string, parts: readonly string[], amount: 'cpu' | 'memory'): number => {
      const plans = parse(read(`templates/charts/${engine}/plans.yaml`)) as {
        readonly small: Readonly<Record<string, unknown>>;
      };
      return parts
        .map((part) => Resources.parse(plans.small[part]).resources.requests[amount] ?? '')
        .reduce((all, one) => all + Number(/^(\d+)(m|Mi)$/.exec(one)?.[1]), 0);
    };
    const page = PAGES.find(({ path }) => path.endsWith('/one-process.md'))?.prose ?? '';
    for (const [name, engine, parts] of [
      ['WooCommerce', 'woocommerce', ['web', 'database']],
      ['Medusa', 'medusa', ['web', 'backend', 'database', 'redis']],
    ] as const) {
      const row = new RegExp(`^\\| ${name} .*MiB.*$`, 'm').exec(page)?.[0] ?? '';
      const cells = row.split('|').map((cell) => cell.trim());
      expect(cells.slice(2, 4)).toEqual([
        `${sum(engine, parts, 'memory')} MiB`,
        String(sum(engine, parts, 'cpu') / 1000),
      ]);
      expect(cells[5]).toBe(String(parts.length));
    }
  });
});
