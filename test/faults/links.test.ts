/** Row 14: links and submodules where a store's files would go; nothing is written through them. */
import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { listShards } from '../../control-plane/src/render/paths.ts';
import { openYard, type Yard } from './yard.ts';

let yard: Yard;
beforeEach(async () => {
  yard = await openYard();
  await yard.startWriter();
  await yard.create('before');
  await yard.untilSettled();
});
afterEach(() => yard.close());

const PLANTED: Readonly<Record<string, () => Promise<unknown>>> = {
  'a symbolic link to a folder elsewhere': () =>
    yard.repository.commitAsPerson('Link the stores elsewhere', async (folder) => {
      const stores = join(folder, 'clusters/lab/stores');
      await rm(stores, { recursive: true });
      await symlink('../../charts', stores);
    }),
  'a symbolic link out of the repository': () =>
    yard.repository.commitAsPerson('Link the stores out', async (folder) => {
      const stores = join(folder, 'clusters/lab/stores');
      await rm(stores, { recursive: true });
      await symlink('/etc', stores);
    }),
  submodules: async () => {
    const tip = (await yard.repository.git('rev-parse', 'main')).trim();
    const changes = listShards(1).flatMap((shard) => [
      `D clusters/lab/apps/${shard}`,
      `M 160000 ${tip} clusters/lab/apps/${shard}`,
    ]);
    yard.repository.fastImport([
      'commit refs/heads/main',
      'committer Ada <ada@example.com> 1767225600 +0000',
      'data 0',
      `from ${tip}`,
      ...changes,
    ]);
  },
};

test.each(Object.keys(PLANTED))(
  'row 14: %s: the create fails alone, the tree stays',
  async (what) => {
    await PLANTED[what]?.();
    const tree = await yard.repository.git('ls-tree', '-r', 'main');
    const { operation } = await yard.create('through');
    await vi.waitFor(
      async () => {
        const row = await yard.api.db
          .selectFrom('operations')
          .select(['state', 'errorCode'])
          .where('id', '=', operation.id)
          .executeTakeFirstOrThrow();
        expect(row).toEqual({ state: 'failed', errorCode: 'unsafe_path' });
      },
      { timeout: 30_000 },
    );
    expect(await yard.repository.git('ls-tree', '-r', 'main')).toBe(tree);
  },
);
