import { expect, test } from 'vitest';
import { mergeTrees } from './merge.ts';
import { encodeTreeEntry, hashObject } from './objects.ts';
import { changeTree, createEmptyFolder, createTreeReader, Folder } from './tree.ts';
import type { ObjectSource } from './tree.ts';

const objects = new Map<string, Buffer>();
const source: ObjectSource = {
  read: (_type, oid) => {
    const content = objects.get(oid);
    return content === undefined
      ? Promise.reject(new Error(`there is no object ${oid}`))
      : Promise.resolve(content);
  },
};

async function plant(files: Readonly<Record<string, string | null>>, on = createEmptyFolder()) {
  const changes = Object.entries(files).map(([path, content]) => ({ path, content }));
  const { root, objects: made } = await changeTree(on, changes, source);
  for (const { oid, content } of made) objects.set(oid, content);
  // As it is read from a repository.
  return new Folder(root.oid);
}

async function merge(
  changes: Record<'ours' | 'theirs', Record<string, string | null>>,
  start: Record<string, string> = { 'a/x': '1', 'a/y': '1', z: '1' },
) {
  const base = await plant(start);
  const ours = await plant(changes.ours, base);
  const theirs = await plant(changes.theirs, base);
  return { ours, result: await mergeTrees({ base, ours, theirs }, source) };
}

test('takes what only one side changed, added or removed', async () => {
  const { result } = await merge({
    ours: { 'a/x': '2', 'b/new': '2' },
    theirs: { 'a/y': null, 'c/new': '3', z: '3' },
  });
  if (result.kind !== 'merged') throw new Error('a conflict');
  const tree = createTreeReader(() => result.change.root, {
    read: async (type, oid) =>
      result.change.objects.find((object) => object.oid === oid)?.content ??
      (await source.read(type, oid)),
  });
  const read = async (path: string) => (await tree.read(path))?.toString();
  expect(await Promise.all(['a/x', 'a/y', 'b/new', 'c/new', 'z'].map(read))).toEqual([
    ...['2', undefined, '2', '3', '3'],
  ]);
});

test('a file that both sides changed is a conflict, unless they agree', async () => {
  const { result } = await merge({ ours: { z: '2', 'a/x': '2' }, theirs: { z: '3', 'a/x': '2' } });
  expect(result).toEqual({ kind: 'conflict', paths: ['z'] });
  const gone = await merge({ ours: { z: null }, theirs: { z: '3' } });
  expect(gone.result).toEqual({ kind: 'conflict', paths: ['z'] });
  const same = await merge({ ours: { z: '2' }, theirs: { z: '2' } });
  expect(same.result).toMatchObject({ kind: 'merged', change: { root: { oid: same.ours.oid } } });
});

test('a folder where the other side has a file is a conflict', async () => {
  const { result } = await merge({ ours: { b: '2' }, theirs: { 'b/c': '3' } });
  expect(result).toEqual({ kind: 'conflict', paths: ['b/c'] });
});

test('what is no plain file is refused', async () => {
  const base = await plant({ z: '1' });
  const target = Buffer.from('/etc/passwd');
  const oid = hashObject('blob', target);
  const link = encodeTreeEntry({ name: 'link', mode: '120000', oid });
  const file = (await base.load(source)).bytes;
  const bytes = Buffer.concat([link, file]);
  const theirs = hashObject('tree', bytes);
  objects.set(oid, target).set(theirs, bytes);
  await expect(
    mergeTrees({ base, ours: base, theirs: new Folder(theirs) }, source),
  ).rejects.toMatchObject({ code: 'unsafe_path' });
});
