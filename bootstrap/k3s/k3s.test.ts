/**
 * The k3s script as far as it goes without a server: its text, what it would run, what it refuses,
 * and two runs with stand-ins for k3s, systemctl, curl and the like, which record how they were
 * called.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { readClusterFile } from '../../control-plane/src/cluster-file.ts';
import { Environment, readConfig } from '../../control-plane/src/config.ts';
import { renderRootManifest } from '../../control-plane/src/render/cluster.ts';
import { loadTemplates, TOP } from '../../control-plane/src/templates.ts';
import { findPrograms } from '../../test/support/debian-programs.ts';
import { writeKubeconfig } from '../../test/support/kubeconfig.ts';
import { describeArgocdSettings } from '../lab/objects.ts';
import { readLabSettings } from '../lab/settings.ts';
import { versions } from '../lab/versions.ts';

const script = join(import.meta.dirname, 'install.sh');
const isUpdate = process.env.GOLDEN_UPDATE === '1';
const repository = 'https://git.example.com/shops/cluster.git';
const required = [
  ...['--domain', 'shops.example.com', '--email', 'ops@example.com', '--repository', repository],
  ...['--reader-token-file', '/secrets/reader'],
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shopyard-k3s-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function install(args: readonly string[], env: Record<string, string> = {}) {
  const paths = { PATH: process.env.PATH ?? '', HOME: folder };
  return spawnSync('bash', [script, ...args], { encoding: 'utf8', env: { ...paths, ...env } });
}

function matchFile(file: string, text: string): void {
  const path = join(import.meta.dirname, file);
  if (isUpdate) writeFileSync(path, text);
  expect(text).toBe(readFileSync(path, 'utf8'));
}

test('bash reads it', () => {
  expect(spawnSync('bash', ['-n', script], { encoding: 'utf8' })).toMatchObject({
    status: 0,
    stderr: '',
  });
});

test('shellcheck has nothing to say', async (context) => {
  const programs = await findPrograms('shellcheck', ['shellcheck']);
  if (typeof programs === 'string') {
    context.skip(programs);
    return;
  }
  expect(spawnSync(programs.shellcheck, [script], { encoding: 'utf8' })).toMatchObject({
    status: 0,
    stdout: '',
  });
}, 200_000);

test('Argo CD’s settings are the lab’s', () => {
  const settings = describeArgocdSettings(readLabSettings({}));
  const objects = settings.map((object) => stringify(object, { singleQuote: true })).join('---\n');
  const head = '# Made of bootstrap/lab/objects.ts by GOLDEN_UPDATE=1; a test compares.\n';
  matchFile('argocd-settings.yaml', head + objects);
});

test('a dry run prints every command and changes nothing', () => {
  const env = { SHOPYARD_K3S_DIR: '/no/such/state' };
  const plain = install([...required, '--dry-run'], env);
  expect(plain).toMatchObject({ status: 0, stderr: '' });
  const dns = ['--dns', 'cloudflare', '--dns-token-file', '/secrets/dns', '--acme', 'staging'];
  const wildcard = install([...required, ...dns, '--dry-run'], env);
  expect(wildcard).toMatchObject({ status: 0, stderr: '' });
  const name = (text: string): string => text.replaceAll(TOP, '{checkout}/');
  matchFile('golden/http01.txt', name(plain.stdout));
  matchFile('golden/dns01.txt', name(wildcard.stdout));
  expect(existsSync('/no/such/state')).toBe(false);
  expect(plain.stdout).toContain(`INSTALL_K3S_VERSION=${versions.k3s}`);
  expect(plain.stdout).toContain(`/argo-cd/v${versions.argocd}/manifests/install.yaml`);
});

test('a dry run says which files are not there yet', () => {
  const there = join(folder, 'reader');
  writeFileSync(there, 'token\n');
  const args = required.map((one) => one.replace('/secrets/reader', there));
  const dns = ['--dns', 'cloudflare', '--dns-token-file', `${folder}/none/dns`];
  const { stdout } = install([...args, ...dns, '--dry-run']);
  expect(stdout.match(/^.*not there yet.*$/gm)).toEqual([
    `# --dns-token-file ${folder}/none/dns (not there yet)`,
  ]);
});

test('the settings that it ends with are a control plane’s, once they are filled in', () => {
  const said = install([...required, '--cluster', 'north', '--branch', 'live', '--dry-run']).stdout;
  const kubeconfig = join(folder, 'observer.kubeconfig');
  const [token, settings] = [join(folder, 'forge-token'), join(folder, 'cluster.yaml')];
  writeKubeconfig(kubeconfig, 'https://shops.example.com:6443');
  writeFileSync(token, 'token\n');
  writeFileSync(settings, (/cluster\.yaml <<'END'\n([^]*?)END\n/.exec(said)?.[1] ?? '') + '\n');
  const filled: Record<string, string> = {
    SHOPYARD_PUBLIC_URL: 'https://shopyard.example.com',
    SHOPYARD_PROXIES: '1',
    SHOPYARD_CLUSTER: kubeconfig,
    SHOPYARD_CLUSTER_SETTINGS: settings,
    SHOPYARD_IMAGE_REGISTRY: 'registry.example.com/shopyard',
    SHOPYARD_FORGE_TOKEN_FILE: token,
    SHOPYARD_FORGE_WEBHOOK_SECRET: 'of sixteen or so characters',
    SHOPYARD_ARGOCD_WEBHOOK_URL: 'http://10.43.0.9/api/webhook',
    SHOPYARD_ARGOCD_WEBHOOK_SECRET: 'secret',
  };
  const lines = [...said.matchAll(/^(?:# )?(SHOPYARD_\w+)=(.*)$/gm)];
  const env = Object.fromEntries(
    lines.map(([, name = '', value = '']) => [
      name,
      value.includes('<') ? (filled[name] ?? '') : value,
    ]),
  );
  expect(Object.values(env)).not.toContain('');
  expect(Object.keys(env).filter((name) => !(name in Environment.shape))).toEqual([]);
  const result = readConfig(env);
  expect(result).toMatchObject({
    ok: true,
    config: {
      ...{ SHOPYARD_FORGE: 'gitea', SHOPYARD_BRANCH: 'live' },
      clusters: [
        {
          ...{ name: 'north', baseDomain: 'shops.example.com', scheme: 'https' },
          ...{ ingressUrl: 'https://shops.example.com', webhook: { secret: 'secret' } },
          platform: { certManager: { email: 'ops@example.com' } },
          values: { imageRegistry: 'registry.example.com/shopyard' },
        },
      ],
    },
  });
  const atGitHub = ['--repository', 'https://github.com/shops/cluster.git', '--dry-run'];
  expect(install([...required, ...atGitHub]).stdout).toContain('\nSHOPYARD_FORGE=github\n');
});

test.each([
  ['--domain', 'shops'],
  ['--domain', 'a.example.com|rm'],
  ['--email', 'nobody'],
  ['--repository', 'http://git.example.com/x.git'],
  ['--repository', 'https://user:secret@git.example.com/x.git'],
  ['--cluster', 'Main'],
  ['--branch', '-f'],
  ['--user', 'a b'],
  ['--acme', 'maybe'],
  ['--dns', 'somewhere'],
])('%s %s is refused by its name', (option, value) => {
  const result = install([...required, option, value, '--dry-run']);
  expect(result).toMatchObject({ status: 2, stdout: '' });
  expect(result.stderr).toMatch(new RegExp(`^${option}: `));
  expect(result.stderr).not.toContain('secret');
});

test('every problem is said at once, and files that are not there', () => {
  const none = install(['--dry-run']);
  for (const option of ['domain', 'email', 'repository', 'reader-token-file'])
    expect(none.stderr).toContain(`--${option}: `);
  const absent = install(required.map((one) => one.replace('/secrets', `${folder}/none`)));
  expect(absent.stderr).toContain(`--reader-token-file: ${folder}/none/reader is not there`);
  expect(install(['--token=abc']).stderr).toContain('--token: no such option.');
});

describe('with stand-ins for k3s, systemctl, curl and checksums', () => {
  const token = 'token-of-the-reader';
  let bin: string;
  let env: Record<string, string>;
  let args: string[];
  const read = (name: string): string => readFileSync(join(bin, name), 'utf8');

  beforeAll(() => {
    bin = mkdtempSync(join(folder, 'bin-'));
    const stand = (name: string, body: string): void =>
      writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >>'${bin}/calls'\n${body}\n`, {
        mode: 0o755,
      });
    stand(
      'k3s',
      `case "$*" in
  --version) [ -f '${bin}/installed' ] && echo 'k3s version ${versions.k3s} (x)' ;;
  'secrets-encrypt status') echo 'Encryption Status: Enabled' ;;
  *' -f -') cat >>'${bin}/applied' ;;
esac; true`,
    );
    stand('curl', `while [ "$1" != -o ]; do shift; done; echo "touch '${bin}/installed'" >"$2"`);
    stand('sha256sum', 'cat >/dev/null');
    stand('systemctl', '');
    stand('id', 'echo 0');
    writeFileSync(join(bin, 'reader'), `${token}\n`);
    mkdirSync(join(bin, 'root'));
    env = {
      PATH: `${bin}:${process.env.PATH ?? ''}`,
      SHOPYARD_K3S_DIR: join(bin, 'state'),
      SHOPYARD_K3S_ROOT: join(bin, 'root'),
    };
    args = required.map((one) => one.replace('/secrets', bin));
  });

  test('it may be run again: one installation, no restart', async () => {
    const first = install(args, env);
    expect(first).toMatchObject({ status: 0 });
    const calls = read('calls');
    expect(calls).toContain('raw.githubusercontent.com/k3s-io/k3s/');
    expect(read('applied')).toMatch(
      /^apiVersion: v1\nkind: Namespace\nmetadata:\n {2}name: argocd\n/,
    );
    expect(parse(read('root/etc/rancher/k3s/config.yaml.d/shopyard.yaml'))).toMatchObject({
      'secrets-encryption': true,
    });
    expect(parse(read('root/var/lib/rancher/k3s/server/audit-policy.yaml'))).toMatchObject({
      kind: 'Policy',
    });
    const manifests = 'root/var/lib/rancher/k3s/server/manifests';
    const traefik = parse(read(`${manifests}/shopyard-traefik.yaml`)) as {
      spec: { valuesContent: string };
    };
    expect(traefik).toMatchObject({ kind: 'HelmChartConfig', metadata: { name: 'traefik' } });
    expect(parse(traefik.spec.valuesContent)).toEqual({
      service: { spec: { externalTrafficPolicy: 'Local' } },
    });
    const secret = read('state/webhook.github.secret');
    expect(secret).toMatch(/^[0-9a-f]{48}$/);

    const { sources } = await loadTemplates();
    const root = { cluster: 'main', repositoryUrl: repository, branch: 'main' };
    const documents = (text: string): unknown[] =>
      parseAllDocuments(text).map((one) => one.toJS() as unknown);
    const rendered = documents(renderRootManifest(sources, root));
    // Texts that were applied follow each other without a mark between; the root came last.
    const applied = read('applied');
    const start = applied.lastIndexOf('# What an operator applies once');
    expect(documents(applied.slice(start))).toEqual(rendered);

    const second = install(args, env);
    expect(second).toMatchObject({ status: 0 });
    const again = read('calls').slice(calls.length);
    expect(again).not.toContain('/k3s-io/k3s/');
    expect(again).not.toContain('systemctl');
    expect(read('state/webhook.github.secret')).toBe(secret);
    for (const said of [read('calls'), first.stdout, first.stderr, second.stdout]) {
      expect(said).not.toContain('token-of-the');
      expect(said).not.toContain(secret);
    }
    expect(existsSync(join(bin, 'state/private'))).toBe(false);
  });

  test('the settings that it leaves are a cluster’s, with cert-manager on', () => {
    const path = join(bin, 'state/cluster.yaml');
    const ingressAnnotations = { 'cert-manager.io/cluster-issuer': 'letsencrypt' };
    expect(readClusterFile(path)).toMatchObject({
      platform: { certManager: { email: 'ops@example.com', acme: 'production', dns01: null } },
      ...{ ingressAnnotations, tlsSecret: null },
    });
    writeFileSync(join(bin, 'dns'), 'token-of-the-dns\n');
    const dns = ['--dns', 'cloudflare', '--dns-token-file', join(bin, 'dns'), '--acme', 'staging'];
    expect(install([...args, ...dns], env)).toMatchObject({ status: 0 });
    expect(readClusterFile(path)).toMatchObject({
      platform: { certManager: { acme: 'staging', dns01: 'cloudflare' } },
      ...{ ingressAnnotations, tlsSecret: '' },
    });
    expect(readFileSync(path, 'utf8')).not.toContain('token-of-the');
  });

  test('a changed setting restarts k3s, and nothing is downloaded for it', () => {
    writeFileSync(join(bin, 'root/etc/rancher/k3s/config.yaml.d/shopyard.yaml'), 'x: y\n');
    const before = read('calls').length;
    expect(install(args, env)).toMatchObject({ status: 0 });
    const calls = read('calls').slice(before);
    expect(calls).toContain('systemctl restart k3s');
    expect(calls).not.toContain('/k3s-io/k3s/');
  });
});
