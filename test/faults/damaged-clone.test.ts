/**
 * Row 2: any file of the local clone is damaged anywhere, packed and loose; every read after it is
 * what the remote has, by the branch that is open and by one that starts on what is left.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { createRandom, META, startTestForge } from '../../control-plane/src/forge/testing.ts';
import type { Branch } from '../../control-plane/src/git/types.ts';
import { expectSound } from '../support/sound.ts';
import { announceSeed, chooseRounds, tally } from './tally.ts';

const ROUNDS = chooseRounds({ short: 15, full: 100 });

type Random = ReturnType<typeof createRandom>;

const DAMAGES: Readonly<Record<string, (bytes: Buffer, random: Random) => Buffer | null>> = {
  truncated: (bytes, random) => bytes.subarray(0, random(bytes.length)),
  zeroed: (bytes) => Buffer.alloc(bytes.length),
  'zeroed in part': (bytes, random) => {
    const start = random(bytes.length);
    return Buffer.from(bytes).fill(0, start, Math.min(bytes.length, start + 1 + random(64)));
  },
  'one bit turned': (bytes, random) => {
    const at = random(bytes.length);
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ (1 << random(8));
    return copy;
  },
  removed: () => null,
};

test(
  'row 2: whatever file of the clone is damaged, nothing wrong is read or written',
  { timeout: 600_000 },
  async ({ task }) => {
    const seed = announceSeed('damaged clones');
    const random = createRandom(seed);
    await using server = await startTestForge();
    const truth = new Map<string, string>();
    const push = async (branch: Branch, path: string, content: string): Promise<void> => {
      const batch = branch.begin();
      await batch.commit([{ path, content }], META);
      expect(await batch.push()).toMatchObject({ kind: 'pushed' });
      truth.set(path, content);
    };
    const expectTruth = async (branch: Branch, context: string): Promise<void> => {
      for (const [path, content] of truth)
        expect((await branch.tree.read(path))?.toString(), `${path}, ${context}`).toBe(content);
    };
    const dir = join(server.dir, 'clone');
    for (let round = 0; round < ROUNDS; round += 1) {
      const writer = await server.open();
      await push(writer, `a/${round % 20}`, `round ${round}\n${'x'.repeat(random(4_000))}`);
      const open = await server.open('clone');
      if (random(2) === 0) unpack(dir, server.forge.repositoryDir);
      const paths = listFiles(dir);
      const path = paths[random(paths.length)] ?? '';
      const names = Object.keys(DAMAGES);
      const name = names[random(names.length)] ?? '';
      const context = `seed ${seed}, round ${round}: ${relative(dir, path)} ${name}`;
      damage(path, DAMAGES[name], random);
      await expectTruth(open, `${context}, open`);
      const started = await server.open('clone');
      await expectTruth(started, `${context}, started`);
      await push(started, 'last', context);
    }
    await expectSound((args) => server.git(args));
    const files = server.git(['ls-tree', '-r', '--name-only', 'main']).trim().split('\n');
    expect(files.sort()).toEqual([...truth.keys()].sort());
    tally(task, { done: `${ROUNDS} damages`, seed });
  },
);

/** Takes the packs apart, as a clone by another program may have its objects. */
function unpack(dir: string, repository: string): void {
  const objects = join(dir, 'objects');
  const packs = join(objects, 'pack');
  for (const name of readdirSync(packs).filter((one) => one.endsWith('.pack'))) {
    const pack = readFileSync(join(packs, name));
    for (const suffix of ['.pack', '.idx', '.rev'])
      rmSync(join(packs, name.replace(/\.pack$/, suffix)), { force: true });
    // Of a clone with a damaged HEAD git would take nothing: only its objects are the clone's.
    spawnSync('git', ['--git-dir', repository, 'unpack-objects', '-q'], {
      input: pack,
      env: { ...process.env, GIT_OBJECT_DIRECTORY: objects },
    });
  }
}

function listFiles(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size > 0)
    .sort();
}

function damage(path: string, how: (typeof DAMAGES)[string] | undefined, random: Random): void {
  const bytes = how?.(readFileSync(path), random) ?? null;
  rmSync(path); // loose objects are read-only
  if (bytes !== null) writeFileSync(path, bytes);
}
