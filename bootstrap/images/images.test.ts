/** What `npm run images` would run, and what it refuses; a real registry is in test/lab. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { TOP } from '../../control-plane/src/templates.ts';
import { builders, findDigest, isRegistry, planBuild } from './plan.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

function runImages(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const main = join(import.meta.dirname, 'main.ts');
  return promisify(execFile)(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: '' },
  });
}

test('a dry run prints what is asked, built, pushed, listed and scanned, and runs nothing', async () => {
  const { stdout } = await runImages(
    ...['--dry-run', '--push', 'registry.example.com/shops', '--only', 'redis'],
    ...['--with', 'docker'],
  );
  const image = 'registry.example.com/shops/redis:1.0.0';
  const bill = '{top}.artefacts/images/redis-1.0.0.cdx.json';
  expect(stdout.replaceAll(TOP, '{top}').replace(/sources=[0-9a-f]{64}/, 'sources={hash}')).toBe(
    [
      `# ${image}`,
      `docker pull --quiet ${image}`,
      `docker image inspect --format '{{index .Config.Labels "dev.shopyard.sources"}}' ${image}`,
      `docker build --tag ${image} --label dev.shopyard.sources={hash} {top}templates/images/redis`,
      `docker push --quiet ${image}`,
      `docker pull --quiet ${image}`,
      `docker image inspect --format '{{join .RepoDigests "\\n"}}' ${image}`,
      `syft scan 'registry:registry.example.com/shops/redis@<digest>' --quiet --output cyclonedx-json=${bill}`,
      `grype sbom:${bill} --quiet --only-fixed --fail-on critical`,
      '\n',
    ].join('\n'),
  );
});

test('all images are built when none is named, with either builder', async () => {
  const { stdout } = await runImages('--dry-run', '--with', 'buildah');
  const builds = stdout.split('\n').filter((line) => line.startsWith('buildah bud'));
  expect(builds.map((line) => /--tag \S+\/(\S+):/.exec(line)?.[1])).toEqual([
    ...['control-plane', 'mariadb', 'medusa-backend', 'medusa-storefront', 'postgres', 'redis'],
    'woocommerce',
  ]);
  expect(builds[0]).toContain(`--file ${join(TOP, 'bootstrap/image/Dockerfile')}`);
});

test.each([
  [['--push', 'Shops!'], /--push takes a registry and a folder in it.*“Shops!” is none/],
  [['--only', 'nginx'], /--only nginx: there is no such image; there are control-plane, mariadb/],
  [['--with', 'make'], /--with takes docker or buildah; “make” is neither/],
  [['--force'], /Unknown option '--force'[^]*Usage: npm run images/],
])('%j is refused in a sentence', async (args, words) => {
  await expect(runImages('--dry-run', ...args)).rejects.toMatchObject({
    stderr: expect.stringMatching(words) as unknown,
  });
});

test('archives and certificates of the machine reach the build and not the image', () => {
  const image = {
    ...{ image: 'localhost/shopyard/woocommerce:1.0.0', folder: '/src/woocommerce' },
    ...{ archives: [{ path: '/in/woo.zip', file: 'woocommerce.zip' }], buildArgs: ['A_SHA256=1'] },
  };
  const context = '/contexts/localhost-shopyard-woocommerce-1.0.0';
  expect(
    planBuild(builders.docker, image, '/contexts', '/etc/ca.pem').map(({ args }) => args),
  ).toEqual([
    ['-rf', context],
    ['-p', '/contexts'],
    ['-R', '/src/woocommerce', context],
    ['/in/woo.zip', `${context}/archives/woocommerce.zip`],
    [
      ...['build', '--tag', image.image, '--build-arg', 'A_SHA256=1'],
      ...['--secret', 'id=certificates,src=/etc/ca.pem', context],
    ],
  ]);
});

test.each([
  ['registry.example.com/shopyard', true],
  ['127.0.0.1:5000/shopyard', true],
  ['localhost', true],
  ['registry.example.com/shopyard:1', false],
  ['registry.example.com/shopyard/', false],
  ['https://registry.example.com', false],
  ['a b', false],
])('a registry: %s is %s', (word, is) => {
  expect(isRegistry(word)).toBe(is);
});

test('the digest is the one of this repository', () => {
  const image = 'registry.example.com:5000/shopyard/redis:1.0.0';
  const other = `sha256:${'cd'.repeat(32)}`;
  const printed = `elsewhere/redis@${other}\nregistry.example.com:5000/shopyard/redis@${DIGEST}\n`;
  expect(findDigest(printed, image)).toBe(DIGEST);
  expect(findDigest(`${DIGEST}\n`, image)).toBe(DIGEST);
  expect(findDigest(`elsewhere/redis@${other}`, image)).toBeNull();
  expect(findDigest('\n', image)).toBeNull();
});
