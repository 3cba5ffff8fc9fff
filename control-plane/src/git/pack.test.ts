import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chooseSeed, createRandom, runNativeGit } from '../forge/testing.ts';
import { encodeBlob, hashObject } from './objects.ts';
import type { GitObject } from './objects.ts';
import { encodePack, encodeSpliceDelta } from './pack.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'shopyard-pack-'));
  runNativeGit(['init', '--quiet', '--bare', dir]);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Has native git index the pack, and returns each object's id and size as it sees them. */
function readNatively(objects: readonly GitObject[]): Map<string, number> {
  const path = join(dir, 'objects', 'pack', `test-${String(objects.length)}.pack`);
  writeFileSync(path, encodePack(objects));
  runNativeGit(['-C', dir, 'index-pack', '--strict', path]);
  const list = runNativeGit(['-C', dir, 'verify-pack', '-v', path]);
  const sizes = new Map<string, number>();
  for (const line of list.split('\n')) {
    const match = /^([0-9a-f]{40}) \w+ +(\d+) /.exec(line);
    if (match?.[1] !== undefined) sizes.set(match[1], Number(match[2]));
  }
  return sizes;
}

test('native git reads objects of every size class', () => {
  const sizes = [0, 1, 15, 16, 2047, 2048, 4095, 4096, 4097, 65_535, 65_536, 300_000];
  const objects = sizes.map((size) =>
    encodeBlob(Buffer.alloc(size, `${String(size)}\xff`, 'latin1')),
  );
  const seen = readNatively(objects);
  expect([...seen]).toEqual(
    expect.arrayContaining(objects.map((object) => [object.oid, object.content.length])),
  );
  expect(seen.size).toBe(sizes.length);
});

test('native git resolves our deltas to the bytes we meant', () => {
  const seed = chooseSeed();
  const random = createRandom(seed);
  const randomBytes = (length: number): Buffer =>
    Buffer.from(Array.from({ length }, () => random(256)));
  // Each once, as in a pack of ours: splices may come to nothing, and give back their base.
  const objects = new Map<string, GitObject>();
  const add = (object: GitObject): void => {
    if (!objects.has(object.oid)) objects.set(object.oid, object);
  };
  for (let round = 0; round < 60; round += 1) {
    const base = encodeBlob(
      randomBytes(random(4) === 0 ? 70_000 + random(80_000) : 1 + random(3_000)),
    );
    const splices: { start: number; end: number; insert: Buffer }[] = [];
    let position = 0;
    for (let count = random(4); count >= 0; count -= 1) {
      const start = position + random(base.content.length - position + 1);
      const end = start + random(Math.min(200, base.content.length - start) + 1);
      splices.push({ start, end, insert: randomBytes(random(400)) });
      position = end;
    }
    const parts: Buffer[] = [];
    let copied = 0;
    for (const splice of splices) {
      parts.push(base.content.subarray(copied, splice.start), splice.insert);
      copied = splice.end;
    }
    const content = Buffer.concat([...parts, base.content.subarray(copied)]);
    const bytes = encodeSpliceDelta(base.content.length, splices);
    add(base);
    add({
      type: 'blob',
      oid: hashObject('blob', content),
      content,
      delta: { base: base.oid, bytes },
    });
  }
  const seen = readNatively([...objects.values()]);
  for (const oid of objects.keys()) expect(seen.has(oid), `seed ${String(seed)}`).toBe(true);
});
