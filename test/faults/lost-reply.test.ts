/** Row 5: the git server applies pushes whose answers never arrive. */
import { expect, test } from 'vitest';
import { createRandom, startProxy } from '../../control-plane/src/forge/testing.ts';
import { announceSeed, chooseRounds, tally } from './tally.ts';
import { openYard } from './yard.ts';

const ROUNDS = chooseRounds({ short: 10, full: 50 });

test(
  'row 5: no lost answer to a push makes a second commit',
  { timeout: 600_000 },
  async ({ task }) => {
    const seed = announceSeed('lost answers');
    const random = createRandom(seed);
    const yard = await openYard();
    let lost = 0;
    try {
      let left = 0;
      await using proxy = await startProxy(yard.repository.forge.remote, (request) => {
        const isPush = request.method === 'POST' && request.url?.endsWith('git-receive-pack');
        if (isPush !== true || left === 0) return 'pass';
        left -= 1;
        lost += 1;
        return 'lose-answer';
      });
      await yard.startWriter({ remote: proxy.remote.url });
      for (let round = 0; round < ROUNDS; round += 1) {
        // Once, or again and again.
        left = 1 + random(3);
        await Promise.all(
          Array.from({ length: 1 + random(5) }, (_, index) => yard.create(`r${round}-${index}`)),
        );
        await yard.untilSettled();
      }
      const operations = await yard.expectExactlyOnce();
      expect(lost).toBeGreaterThanOrEqual(ROUNDS);
      tally(task, { done: `${lost} answers lost, ${operations} creates`, seed });
    } finally {
      await yard.close();
    }
  },
);
