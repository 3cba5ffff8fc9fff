import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  archiveName,
  findImagesToBuild,
  planImages,
  readImageSource,
  readImageSources,
  type ImageSource,
  type PlannedImage,
} from './image-sources.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'image-sources-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

function describeImage(image: string, needs: string[] = [], sourceHash = 'hash'): ImageSource {
  const runs = image.startsWith('localhost/');
  return { folder: image, image, needs, archives: [], hasPrepare: false, runs, sourceHash };
}

function keyOf(planned: readonly PlannedImage[], image: string): string {
  return planned.find((candidate) => candidate.image === image)?.key ?? 'none';
}

const chain = (debianHash: string): ImageSource[] => [
  describeImage('localhost/shopyard/shop:1.0.0', ['base/php:8']),
  describeImage('base/php:8', ['base/debian:13']),
  describeImage('base/debian:13', [], debianHash),
  describeImage('localhost/shopyard/pause:1'),
];

test('orders images after what they need', () => {
  expect(planImages(chain('a')).map(({ image }) => image)).toEqual([
    'base/debian:13',
    'base/php:8',
    'localhost/shopyard/shop:1.0.0',
    'localhost/shopyard/pause:1',
  ]);
});

test('a change at the bottom changes the key of all that stands on it, and of nothing else', () => {
  const before = planImages(chain('a'));
  const after = planImages(chain('b'));
  for (const image of ['base/debian:13', 'base/php:8', 'localhost/shopyard/shop:1.0.0']) {
    expect(keyOf(after, image)).not.toBe(keyOf(before, image));
  }
  const pause = 'localhost/shopyard/pause:1';
  expect(keyOf(after, pause)).toBe(keyOf(before, pause));
});

test('says which image needs what no folder makes, and finds circles', () => {
  expect(() => planImages([describeImage('a:1', ['b:1'])])).toThrow('a:1 needs b:1');
  expect(() => planImages([describeImage('a:1', ['b:1']), describeImage('b:1', ['a:1'])])).toThrow(
    'a:1 → b:1 → a:1',
  );
});

test('builds what has no archive, and of what it needs only what is not stored', () => {
  const planned = planImages(chain('a'));
  const names = (images: PlannedImage[]): string[] => images.map(({ image }) => image);
  const none = (): boolean => false;
  expect(names(findImagesToBuild(planned, none, none))).toHaveLength(4);
  expect(names(findImagesToBuild(planned, none, ({ image }) => image === 'base/php:8'))).toEqual([
    'localhost/shopyard/shop:1.0.0',
    'localhost/shopyard/pause:1',
  ]);
  expect(findImagesToBuild(planned, () => true, none)).toEqual([]);
});

test('names an archive for the image and its key', () => {
  const [first] = planImages([describeImage('localhost/shopyard/pause:1')]);
  expect(first && archiveName(first)).toMatch(/^pause-1-[0-9a-f]{12}\.oci\.tar$/);
});

async function writeImage(name: string, description: unknown): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  await writeFile(join(path, 'image.json'), JSON.stringify(description));
  await writeFile(join(path, 'Dockerfile'), 'FROM scratch\n');
  return path;
}

test('reads image folders; content, names and the executable bit are all part of the hash', async () => {
  const path = await writeImage('shop', { name: 'shop', version: '1.0.0' });
  await writeImage('debian', { image: 'docker.io/library/debian:13' });
  await mkdir(join(folder, 'not-an-image'));
  const sources = await readImageSources([folder, join(folder, 'missing')], {});
  expect(sources.map(({ image, runs }) => [image, runs])).toEqual([
    ['docker.io/library/debian:13', false],
    ['localhost/shopyard/shop:1.0.0', true],
  ]);

  const hashes = new Set<string>();
  const addHash = async (): Promise<void> => {
    hashes.add((await readImageSource(path, {})).sourceHash);
  };
  await addHash();
  await addHash();
  expect(hashes.size).toBe(1);
  await writeFile(join(path, 'start'), '#!/bin/sh\n');
  await addHash();
  await chmod(join(path, 'start'), 0o755);
  await addHash();
  await writeFile(join(path, 'start'), '#!/bin/bash\n');
  await addHash();
  expect(hashes.size).toBe(4);
  await mkdir(join(path, 'node_modules'));
  await writeFile(join(path, 'node_modules', 'left-behind.js'), '');
  await addHash();
  expect(hashes.size).toBe(4);
  await mkdir(join(path, 'programs'));
  await writeFile(join(path, 'programs', 'deeper.js'), '');
  await addHash();
  expect(hashes.size).toBe(5);
});

test('takes archives that a setting names, and refuses one that is not there', async () => {
  const path = await writeImage('shop', {
    name: 'shop',
    version: '1.0.0',
    archives: [{ setting: 'SHOP_ZIP', file: 'shop.zip' }],
  });
  const zip = join(folder, 'download.zip');
  await writeFile(zip, 'zip');
  const without = await readImageSource(path, {});
  const withArchive = await readImageSource(path, { SHOP_ZIP: zip });
  expect(without.archives).toEqual([]);
  expect(withArchive.archives).toMatchObject([{ file: 'shop.zip', path: zip }]);
  expect(withArchive.sourceHash).not.toBe(without.sourceHash);
  await expect(readImageSource(path, { SHOP_ZIP: '/no/such.zip' })).rejects.toThrow(
    'SHOP_ZIP names a file that is not there: /no/such.zip',
  );
});

test('refuses a description that names no image', async () => {
  const path = await writeImage('odd', { name: 'odd' });
  await expect(readImageSource(path, {})).rejects.toThrow('neither an image nor a name');
});
