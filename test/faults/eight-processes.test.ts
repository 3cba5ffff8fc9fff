/** Row 3: eight processes push to one branch, each with a clone of its own and no lease. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { META, startTestForge } from '../../control-plane/src/forge/testing.ts';
import { expectSound } from '../support/sound.ts';
import { chooseRounds, tally } from './tally.ts';

const PROCESSES = 8;
const COMMITS = chooseRounds({ short: 5, full: 40 });
const WRITER = new URL('../../control-plane/src/git/testing-writer.ts', import.meta.url);

test(
  'row 3: what was acknowledged is reachable, on one chain',
  { timeout: 600_000 },
  async ({ task }) => {
    await using server = await startTestForge();
    const seed = (await server.open()).begin();
    await seed.commit([{ path: 'seed', content: 'seed' }], META);
    await seed.push();
    const acknowledged: string[] = [];
    await Promise.all(
      Array.from({ length: PROCESSES }, async (_, index) => {
        const writer = fork(WRITER, {
          env: {
            ...process.env,
            WRITER_REMOTE: JSON.stringify(server.forge.remote),
            WRITER_DIR: join(server.dir, `writer-${index}`),
            WRITER_NAME: `w${index}`,
            WRITER_COMMITS: String(COMMITS),
          },
        });
        writer.on('message', (sha) => acknowledged.push(sha as string));
        const [code] = (await once(writer, 'exit')) as [number | null];
        expect(code).toBe(0);
      }),
    );
    const wanted = PROCESSES * COMMITS;
    expect(acknowledged).toHaveLength(wanted);
    const chain = server.git(['rev-list', '--first-parent', 'main']).trim().split('\n');
    expect(chain).toHaveLength(wanted + 1);
    expect(chain).toEqual(expect.arrayContaining(acknowledged));
    const files = server.git(['ls-tree', '-r', '--name-only', 'main']).trim().split('\n');
    expect(files).toHaveLength(wanted + 1);
    await expectSound((args) => server.git(args));
    tally(task, { done: `${wanted} commits by ${PROCESSES} processes` });
  },
);
