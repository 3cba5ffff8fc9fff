/**
 * Row 8: people commit to the branch, rewrite it and edit generated files while the writer writes.
 * What they did is kept, and known. How drift is shown and undone: test/drift.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRandom } from '../../control-plane/src/forge/testing.ts';
import { expectSound } from '../support/sound.ts';
import { announceSeed, chooseRounds, tally } from './tally.ts';
import { openYard, type Yard } from './yard.ts';

const ROUNDS = chooseRounds({ short: 4, full: 40 });

test(
  'row 8: commits of people in between the writer’s are kept, every one',
  { timeout: 600_000 },
  async ({ task }) => {
    const seed = announceSeed('commits of people');
    const random = createRandom(seed);
    const yard = await openYard();
    try {
      await yard.startWriter();
      await yard.create('first');
      await yard.untilSettled();
      const notes = new Map<string, string>();
      const shas: string[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const path = `notes/${round}.md`;
        const creates = Array.from({ length: 1 + random(4) }, (_, index) =>
          yard.create(`r${round}-${index}`),
        );
        const person = commitUntilFirst(yard, path, `round ${round}\n`);
        await Promise.all(creates);
        shas.push(await person);
        notes.set(path, `round ${round}\n`);
        await yard.untilSettled();
      }
      // The next one of ours makes the writer look at what came last.
      await yard.create('last');
      await yard.untilSettled();
      for (const [path, text] of notes)
        expect(await yard.repository.git('show', `main:${path}`)).toBe(text);
      const operations = await yard.expectExactlyOnce();
      const known = await yard.api.db
        .selectFrom('commits')
        .select('sha')
        .where('author', '=', 'Ada')
        .execute();
      expect(known.map((row) => row.sha).sort()).toEqual([...shas].sort());
      tally(task, { done: `${ROUNDS} commits of people among ${operations} creates`, seed });
    } finally {
      await yard.close();
    }
  },
);

/** A person pulls and pushes again when somebody was faster. */
async function commitUntilFirst(yard: Yard, path: string, text: string): Promise<string> {
  for (;;)
    try {
      return await yard.repository.commitAsPerson(`Add ${path}`, async (folder) => {
        await mkdir(join(folder, 'notes'), { recursive: true });
        await writeFile(join(folder, path), text);
      });
    } catch (error) {
      if (!/rejected|failed to push|cannot lock ref/.test(String(error))) throw error;
    }
}

test(
  'row 8: a branch that was force-pushed is gone on from, never pushed over',
  { timeout: 120_000 },
  async ({ task }) => {
    const yard = await openYard();
    try {
      await yard.startWriter();
      await yard.create('stays');
      await yard.untilSettled();
      const kept = (await yard.repository.git('rev-parse', 'main')).trim();
      await yard.create('cut');
      await yard.untilSettled();
      // Back to where it was, with a commit of somebody else's on it.
      yard.repository.fastImport([
        'commit refs/heads/main',
        'committer Ada <ada@example.com> 1767225600 +0000',
        'data 11',
        'Start again',
        `from ${kept}`,
        'M 100644 inline OWNERS',
        'data 4',
        'ada',
      ]);
      const forced = (await yard.repository.git('rev-parse', 'main')).trim();
      const { operation } = await yard.create('after');
      await yard.untilSettled();
      const chain = (await yard.repository.git('rev-list', '--first-parent', 'main')).split('\n');
      expect(chain).toContain(forced);
      expect(chain).toContain(kept);
      const commits = await yard.listCommits();
      expect(commits.filter((one) => one.operationId === operation.id)).toHaveLength(1);
      // What was cut off is not made up again behind the person's back, and nobody deletes it.
      const names = await yard.repository.git('ls-tree', '-r', '--name-only', 'main');
      expect(names).not.toContain('-cut/');
      const rows = await yard.api.db.selectFrom('stores').select(['name', 'status']).execute();
      expect(rows.filter(({ status }) => status === 'deleting' || status === 'deleted')).toEqual(
        [],
      );
      await expect.poll(() => yard.readLog()).toContain('the branch was rewritten');
      await expectSound((args) => yard.repository.git(...args));
      tally(task, { done: '1 forced push' });
    } finally {
      await yard.close();
    }
  },
);
