/** What comes from elsewhere is named so that it cannot change behind our back. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { minimumGo } from '../bootstrap/lab/versions.ts';

const TOP = join(import.meta.dirname, '..');
const read = (path: string): Promise<string> => readFile(join(TOP, path), 'utf8');

test('workflows use actions by commit, with the version beside it', async () => {
  const Workflow = z.looseObject({ permissions: z.record(z.string(), z.string()) });
  const files = await readdir(join(TOP, '.github/workflows'));
  expect(files).not.toEqual([]);
  for (const file of files) {
    const text = await read(`.github/workflows/${file}`);
    expect(Workflow.parse(parse(text)).permissions, file).toEqual({ contents: 'read' });
    const uses = text.match(/^\s*-? ?uses: .*$/gm) ?? [];
    expect(uses, file).not.toEqual([]);
    for (const line of uses)
      expect(line, file).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+(\.\d+)*$/);
  }
});

test('workflows have a Go that is new enough for the lab, whatever a runner has of its own', async () => {
  const text = await read('.github/workflows/ci.yml');
  const versions = [...text.matchAll(/go-version: '(.*)'/g)].map(([, version]) => version);
  expect(versions).not.toEqual([]);
  for (const version of versions) expect(version).toBe(`~${minimumGo}`);
});

test('every package of the lock file has its checksum and no address', async () => {
  const Package = z.looseObject({
    integrity: z.string().optional(),
    resolved: z.string().optional(),
    link: z.boolean().optional(),
  });
  const { packages } = z
    .looseObject({ packages: z.record(z.string(), Package) })
    .parse(JSON.parse(await read('package-lock.json')));
  const fetched = Object.entries(packages).filter(
    ([path, { link }]) => path.includes('node_modules/') && link !== true,
  );
  expect(fetched.length).toBeGreaterThan(100);
  for (const [path, { integrity, resolved }] of fetched) {
    expect(integrity, path).toMatch(/^sha512-/);
    expect(resolved, path).toBeUndefined();
  }
});

const Renovate = z.looseObject({
  customManagers: z.array(
    z.looseObject({
      managerFilePatterns: z.array(z.string()),
      matchStrings: z.array(z.string()),
    }),
  ),
});

/** What the marked lines of some files name, and what Renovate's rules for them find. */
async function readMarked(files: readonly string[]) {
  const { customManagers } = Renovate.parse(JSON.parse(await read('renovate.json')));
  const texts = await Promise.all(files.map(async (file) => [file, await read(file)] as const));
  const found = texts.flatMap(([file, text]) =>
    customManagers
      .filter(({ managerFilePatterns }) =>
        managerFilePatterns.some((one) =>
          one.startsWith('/') ? new RegExp(one.slice(1, -1)).test(file) : one === file,
        ),
      )
      .flatMap(({ matchStrings }) => matchStrings)
      .flatMap((pattern) => [...text.matchAll(new RegExp(pattern, 'g'))]),
  );
  const marked = texts.flatMap(([, text]) => [...text.matchAll(/(?:\/\/|#) renovate: (\S+)/g)]);
  return {
    found: found.map(({ groups }) => groups?.depName).sort(),
    marked: marked.map(([, name]) => name).sort(),
  };
}

test.each([
  ['what the lab is made of', ['bootstrap/lab/versions.ts']],
  ['what workflows install', ['.github/workflows/ci.yml']],
])('Renovate finds each version that is marked for it, once: %s', async (_what, files) => {
  const { found, marked } = await readMarked(files);
  expect(marked).not.toEqual([]);
  expect(found).toEqual(marked);
});

test('Renovate finds the chart of every add-on, and images that they name', async () => {
  const { customManagers } = Renovate.parse(JSON.parse(await read('renovate.json')));
  for (const name of await readdir(join(TOP, 'clusters/platform'))) {
    const text = await read(`clusters/platform/${name}`);
    const found = customManagers
      .filter(({ managerFilePatterns }) =>
        managerFilePatterns.some(
          (one) =>
            one.startsWith('/') && new RegExp(one.slice(1, -1)).test(`clusters/platform/${name}`),
        ),
      )
      .flatMap(({ matchStrings }) => matchStrings)
      .flatMap((pattern) => [...text.matchAll(new RegExp(pattern, 'g'))])
      .map(({ groups }) => groups?.currentValue);
    const pinned = text.match(/^\s+(- )?(chart|image): \S+$/gm) ?? [];
    expect(found.length, name).toBe(pinned.length);
    for (const version of found) expect(version, name).toMatch(/^v?\d+\.\d+\.\d+$/);
  }
});
