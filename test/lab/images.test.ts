/**
 * `npm run images -- --push` against a real registry (Debian's), with the lab's builder and what the
 * lab has of base images: pushed by digest, left alone when it is there, never replaced; listed where
 * syft is installed.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { TOP } from '../../control-plane/src/templates.ts';
import { findPrograms } from '../support/debian-programs.ts';
import { findFreePort } from '../support/free-port.ts';

const programs = await findPrograms('docker-registry', ['docker-registry']);
const IMAGE = 'shops/redis';
const hasSyft = (process.env['PATH'] ?? '')
  .split(delimiter)
  .some((one) => existsSync(join(one, 'syft')));

let folder: string;
let registry: ChildProcess | null = null;
let address: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  if (typeof programs === 'string') return;
  folder = await mkdtemp(join(tmpdir(), 'shopyard-registry-'));
  address = `127.0.0.1:${await findFreePort()}`;
  const images = join(folder, 'images');
  await mkdir(images);
  const config = join(folder, 'config.yml');
  await writeFile(
    config,
    `version: 0.1\nstorage: { filesystem: { rootdirectory: ${images} } }\nhttp: { addr: '${address}' }\n`,
  );
  registry = spawn(programs['docker-registry'], ['serve', config], { stdio: 'ignore' });
  await vi.waitFor(async () => expect((await fetch(`http://${address}/v2/`)).status).toBe(200), {
    timeout: 30_000,
  });
  // The lab's bases are in a storage of its own; a registry on the loopback has no certificate.
  const storage = join(resolveLabPaths(process.env).images, 'storage');
  const storageConfig = join(folder, 'storage.conf');
  await writeFile(
    storageConfig,
    `[storage]\ndriver = "overlay"\ngraphroot = "${storage}/root"\nrunroot = "${storage}/run"\n`,
  );
  const registries = join(folder, 'registries.conf');
  await writeFile(registries, `[[registry]]\nlocation = "${address}"\ninsecure = true\n`);
  env = {
    ...process.env,
    BUILDAH_ISOLATION: 'chroot',
    CONTAINERS_STORAGE_CONF: storageConfig,
    CONTAINERS_REGISTRIES_CONF: registries,
  };
});

afterAll(async () => {
  if (registry === null) return;
  registry.kill();
  await once(registry, 'exit');
  await buildah('rmi', `${address}/${IMAGE}:1.0.0`);
  await rm(folder, { recursive: true });
});

async function buildah(...args: string[]): Promise<string> {
  return (await promisify(execFile)('buildah', args, { env })).stdout;
}

async function push(): Promise<string> {
  const main = join(TOP, 'bootstrap/images/main.ts');
  const args = [main, '--push', `${address}/shops`, '--only', 'redis'];
  if (!hasSyft) args.push('--no-bill');
  const { stdout } = await promisify(execFile)(process.execPath, [...args, '--with', 'buildah'], {
    env,
  });
  return stdout;
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8')) as unknown;
}

async function askDigest(): Promise<string | null> {
  const answer = await fetch(`http://${address}/v2/${IMAGE}/manifests/1.0.0`, {
    method: 'HEAD',
    headers: { Accept: 'application/vnd.oci.image.manifest.v1+json' },
  });
  return answer.headers.get('docker-content-digest');
}

test('an image is pushed once, and named by the digest that the registry has', async (context) => {
  if (typeof programs === 'string') return context.skip(programs);
  const first = await push();
  const digest = await askDigest();
  expect(digest).toMatch(/^sha256:/);
  expect(first).toContain(`${address}/${IMAGE}:1.0.0@${digest ?? ''}`);
  const folder = join(TOP, '.artefacts/images');
  const bill = hasSyft ? join(folder, 'redis-1.0.0.cdx.json') : null;
  expect(await readJson(join(folder, 'pushed.json'))).toEqual([
    { image: `${address}/${IMAGE}:1.0.0`, digest, bill },
  ]);
  if (bill !== null)
    expect(await readJson(bill)).toMatchObject({
      bomFormat: 'CycloneDX',
      metadata: { component: { version: digest } },
      components: expect.arrayContaining([
        expect.objectContaining({ type: 'library', name: 'redis-server' }),
      ]) as unknown,
    });

  expect(await push()).toContain('is there already, made from the same sources');
  expect(await askDigest()).toBe(digest);
});

test('a version made from other sources is never replaced', async (context) => {
  if (typeof programs === 'string') return context.skip(programs);
  // Somebody pushed theirs meanwhile.
  const image = `${address}/${IMAGE}:1.0.0`;
  const container = (await buildah('from', '--pull-never', image)).trim();
  await buildah('config', '--label', 'dev.shopyard.sources=others', container);
  await buildah('commit', '--rm', '--quiet', container, image);
  await buildah('push', '--quiet', image);
  const digest = await askDigest();
  await expect(push()).rejects.toMatchObject({
    stderr: expect.stringContaining('A version is never replaced') as unknown,
  });
  expect(await askDigest()).toBe(digest);
});
