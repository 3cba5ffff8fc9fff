/**
 * What holds for the sources of the images that clusters run, without building them. The built images
 * are tried in the lab.
 */
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const folder = join(import.meta.dirname, '..', 'templates', 'images');
const images = (await readdir(folder, { withFileTypes: true }))
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

function read(...path: string[]): Promise<string> {
  return readFile(join(folder, ...path), 'utf8');
}

test.each(images)('%s starts from the image that it says it needs', async (image) => {
  const { needs } = JSON.parse(await read(image, 'image.json')) as { needs: string[] };
  const base = /^ARG BASE=(.+)$/m.exec(await read(image, 'Dockerfile'));
  expect(needs).toEqual([base?.[1]]);
});

test('every database image backs up and restores by the same programs', async () => {
  const databases = images.filter((image) => existsSync(join(folder, image, 'database-copy')));
  expect(databases).toEqual(['mariadb', 'postgres']);
  for (const program of ['backup', 'restore']) {
    const copies = new Set(await Promise.all(databases.map((image) => read(image, program))));
    expect(copies.size).toBe(1);
  }
});

test.each(images.filter((image) => existsSync(join(folder, image, 'package.json'))))(
  '%s names exact versions and no registry',
  async (image) => {
    const { dependencies, devDependencies } = JSON.parse(await read(image, 'package.json')) as {
      dependencies: Record<string, string>;
      devDependencies: Record<string, string>;
    };
    const versions = Object.values({ ...dependencies, ...devDependencies });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    expect(await read(image, 'package-lock.json')).not.toContain('"resolved"');
  },
);
