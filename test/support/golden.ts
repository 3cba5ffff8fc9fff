/**
 * Golden directories: the rendered tree must equal the folder, file for file; extra, missing and
 * different files fail. `npm run golden:update` writes the folder instead.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';

export async function expectGolden(
  folder: string,
  files: readonly { readonly path: string; readonly content: string }[],
): Promise<void> {
  if (process.env.GOLDEN_UPDATE === '1') {
    await rm(folder, { recursive: true, force: true });
    for (const { path, content } of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
    }
  }
  const expected: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      expected[path.slice(folder.length + 1)] = await readFile(path, 'utf8');
    }
  expect(Object.fromEntries(files.map(({ path, content }) => [path, content]))).toEqual(expected);
}
