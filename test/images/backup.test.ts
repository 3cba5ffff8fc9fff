/** What every database image shares: an image's build sees its own folder alone, so each has a copy. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const images = join(import.meta.dirname, '../../templates/images');

test.each(['backup', 'restore'])('%s is the same in every database image', async (program) => {
  const copies = (await readdir(images, { recursive: true })).filter((path) =>
    new RegExp(`^[^/]+/${program}$`).test(path),
  );
  expect(copies.length).toBeGreaterThan(1);
  const [first, ...others] = await Promise.all(
    copies.map((path) => readFile(join(images, path), 'utf8')),
  );
  for (const other of others) expect(other).toBe(first);
});
