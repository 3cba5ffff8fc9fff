/**
 * `kind:up` without Docker: what it would run, in full, and how it runs it. Docker, Kind and curl are
 * stand-ins here that record how they were called; no cluster is made.
 */
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { TOP } from '../../control-plane/src/templates.ts';
import { traefikCrdsPath } from '../lab/programs.ts';
import { versions } from '../lab/versions.ts';
import { layOutKind } from './layout.ts';
import { chooseForgeAddress, planImages } from './plan.ts';
import { bringDown, bringUp, showDown, showUp } from './run.ts';

const main = join(import.meta.dirname, 'main.ts');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shopyard-kind-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The golden file, with this machine's paths named. */
function matchGolden(name: string, text: string): void {
  const named = text.replaceAll(TOP, '{checkout}/').replaceAll('/no/such/kind', '{kind}');
  const file = join(import.meta.dirname, 'golden', name);
  if (process.env.GOLDEN_UPDATE === '1') writeFileSync(file, named);
  expect(named).toBe(readFileSync(file, 'utf8'));
}

test('a dry run prints every command, for a machine that has nothing', async () => {
  matchGolden('up.txt', await showUp('/no/such/kind', {}));
  matchGolden('down.txt', showDown('/no/such/kind'));
  expect(existsSync('/no/such/kind')).toBe(false);
});

test('versions are the lab’s', async () => {
  const printed = await showUp('/no/such/kind', {});
  expect(printed).toContain(`/argo-cd/v${versions.argocd}/manifests/install.yaml`);
  expect(printed).toContain(`traefik:v${versions.traefik}`);
  expect(printed).toContain(`/traefik/traefik/v${versions.traefik}/${traefikCrdsPath}`);
});

test.each([
  ['is not here', ''],
  ['is here but does not answer', '#!/bin/sh\nexit 1\n'],
])('Docker that %s is one sentence that points to the lab', (said, docker) => {
  const bin = mkdtempSync(join(folder, 'bin-'));
  if (docker !== '') writeFileSync(join(bin, 'docker'), docker, { mode: 0o755 });
  for (const command of ['up', 'down']) {
    const result = spawnSync(process.execPath, [main, command], {
      encoding: 'utf8',
      env: { PATH: bin, HOME: folder, SHOPYARD_KIND_DIR: join(bin, 'kind') },
    });
    expect(result).toMatchObject({ status: 1, stdout: '' });
    expect(result.stderr.trim().split('\n')).toEqual([expect.stringContaining(said)]);
    expect(result.stderr).toContain('npm run lab:up');
  }
  expect(existsSync(join(bin, 'kind'))).toBe(false);
});

test('what it does not know it refuses', () => {
  const result = spawnSync(process.execPath, [main, 'sideways'], { encoding: 'utf8' });
  expect(result.status).toBe(2);
  expect(result.stderr).toContain('Usage:');
});

describe('where pods find the git server', () => {
  const networks = JSON.stringify([
    { Subnet: 'fc00:f853:ccd:e793::/64', Gateway: 'fc00:f853:ccd:e793::1' },
    { Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' },
  ]);

  test('the gateway, where it is an address of this machine', () => {
    const own = ['127.0.0.1', '172.18.0.1'];
    const address = { listens: '172.18.0.1', seenAs: '172.18.0.1' };
    expect(chooseForgeAddress(networks, own)).toEqual(address);
  });
  test('else by the name that Docker Desktop gives this machine', () => {
    const address = { listens: '127.0.0.1', seenAs: 'host.docker.internal' };
    expect(chooseForgeAddress(networks, ['127.0.0.1'])).toEqual(address);
  });
  test('nowhere without an IPv4 gateway', () => {
    expect(chooseForgeAddress('[{"Subnet":"fc00::/64","Gateway":"fc00::1"}]', [])).toBeNull();
    expect(chooseForgeAddress('null', [])).toBeNull();
  });
});

test('an archive that was given is put into a copy of the image’s folder', () => {
  const archives = [{ path: '/given/woocommerce.zip', file: 'woocommerce.zip' }];
  const image = { image: 'localhost/shopyard/shop:1.0.0', folder: '/source/shop', archives };
  const buildArgs = ['WOOCOMMERCE_ZIP_SHA256=abc'];
  const { commands } = planImages([{ ...image, buildArgs }], layOutKind('/kind'));
  const context = '/kind/contexts/localhost-shopyard-shop-1.0.0';
  expect(commands.map(({ program, args }) => [program, ...args].join(' '))).toEqual([
    `rm -rf ${context}`,
    'mkdir -p /kind/contexts',
    `cp -R /source/shop ${context}`,
    `cp /given/woocommerce.zip ${context}/archives/woocommerce.zip`,
    `docker build --tag localhost/shopyard/shop:1.0.0 --build-arg WOOCOMMERCE_ZIP_SHA256=abc ${context}`,
  ]);
});

describe('with stand-ins for Docker, Kind and curl', () => {
  const manifest = 'what upstream publishes';
  const checksum = createHash('sha256').update(manifest).digest('hex');
  const checksums = { argocdInstallSha256: checksum, traefikCrdsSha256: checksum };
  let root: string;
  let calls: () => string[];
  let input: () => string;

  beforeEach(() => {
    const bin = mkdtempSync(join(folder, 'bin-'));
    root = join(bin, 'state', 'kind');
    const record = (name: string, script: string): void => {
      writeFileSync(
        join(bin, name),
        `#!/bin/sh\necho "${name} $*" >>'${bin}/calls'\ncat >>'${bin}/input'\n${script}`,
      );
      chmodSync(join(bin, name), 0o755);
    };
    record(
      'docker',
      `case "$*" in
  *'network inspect'*) echo '[{"Gateway":"127.0.0.1"}]' ;;
  *'create token'*) echo the-observers-token ;;
esac`,
    );
    record(
      'kind',
      `case "$1 $2" in
  'get clusters') if [ -f '${bin}/made' ]; then echo shopyard; fi ;;
  'create cluster')
    touch '${bin}/made'
    echo '{"clusters":[{"name":"kind-shopyard","cluster":{"server":"https://127.0.0.1:1"}}]}' >'${root}/kubeconfig' ;;
  'delete cluster') rm -f '${bin}/made' ;;
esac`,
    );
    record(
      'curl',
      `while [ "$1" != -o ]; do shift; done
printf '%s' '${manifest}' >"$2"`,
    );
    mkdirSync(root, { recursive: true });
    vi.stubEnv('PATH', `${bin}:${process.env.PATH ?? ''}`);
    vi.spyOn(console, 'log').mockReturnValue();
    const read = (name: string): string => readFileSync(join(bin, name), 'utf8');
    calls = () => read('calls').trim().split('\n');
    input = () => read('input');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  test('it comes up, twice, with one cluster made and the same passwords', async () => {
    await bringUp(root, {}, checksums);
    const first = calls();
    const connection = readFileSync(join(root, 'connection.json'), 'utf8');
    await bringUp(root, {}, checksums);
    const second = calls().slice(first.length);
    expect(first.filter((call) => call.startsWith('kind create cluster'))).toHaveLength(1);
    const expected = first.map((call) =>
      call.startsWith('kind create cluster')
        ? `kind export kubeconfig --name shopyard --kubeconfig ${root}/kubeconfig`
        : call,
    );
    expect(second).toEqual(expected);
    expect(readFileSync(join(root, 'connection.json'), 'utf8')).toBe(connection);

    const settings = JSON.parse(connection) as Record<string, string>;
    expect(settings).toMatchObject({
      SHOPYARD_CLUSTER_NAME: 'kind',
      SHOPYARD_FORGE_HOST: '127.0.0.1',
      SHOPYARD_REPOSITORY_URL: 'http://127.0.0.1:8081/shopyard.git',
    });
    for (const file of ['connection.json', 'secrets.json', 'observer.kubeconfig'])
      expect(statSync(join(root, file)).mode & 0o077).toBe(0);
    expect(parse(readFileSync(join(root, 'observer.kubeconfig'), 'utf8'))).toMatchObject({
      clusters: [{ name: 'kind-shopyard', cluster: { server: 'https://127.0.0.1:1' } }],
      users: [{ user: { token: 'the-observers-token' } }],
    });

    const secret = settings.SHOPYARD_FORGE_READ_PASSWORD ?? '';
    expect(secret).toHaveLength(48);
    expect(input()).toContain(Buffer.from(secret).toString('base64'));
    expect(input()).toContain(manifest);
    for (const form of [secret, Buffer.from(secret).toString('base64')])
      expect(calls().join('\n')).not.toContain(form);
  });

  test.each([
    ['Argo CD’s manifest', 'argocd-install.yaml', 'argocdInstallSha256'],
    ['Traefik’s CRDs', 'traefik-crds.yaml', 'traefikCrdsSha256'],
  ] as const)('another file than %s is not applied', async (_, file, key) => {
    const meant = { ...checksums, [key]: versions[key] };
    await expect(bringUp(root, {}, meant)).rejects.toThrow(
      `${file} is not the file that was meant: its SHA-256 is ${checksum}`,
    );
    expect(calls().at(-1)).toMatch(/^curl /);
    expect(existsSync(join(root, 'connection.json'))).toBe(false);
  });

  test('it goes down, also when there is nothing', async () => {
    await bringUp(root, {}, checksums);
    await bringDown(root);
    expect(readdirSync(root)).toEqual([]);
    await bringDown(root);
    expect(calls().at(-1)).toContain('kind delete cluster --name shopyard');
  });
});
