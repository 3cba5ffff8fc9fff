import { describe, expect, test } from 'vitest';
import {
  CONTENT_REQUESTS,
  createBudget,
  PATIENCE_MS,
  PUSHES,
  type Limit,
} from './github-budget.ts';
import { chooseSeed, createRandom } from './testing.ts';

function createTime() {
  let now = 1_000_000;
  return {
    now: () => now,
    sleep: (ms: number) => {
      now += ms;
      return Promise.resolve();
    },
  };
}

/** The most that went through in any stretch of this length. */
function countMost(times: readonly number[], perMs: number): number {
  return Math.max(
    ...times.map((from) => times.filter((time) => time >= from && time < from + perMs).length),
  );
}

describe.each<[string, readonly Limit[]]>([
  ['pushes', PUSHES],
  ['changes', CONTENT_REQUESTS],
])('%s', (what, limits) => {
  test('never more than the limit in any stretch of time', async () => {
    const seed = chooseSeed();
    const random = createRandom(seed);
    const time = createTime();
    const budget = createBudget(what, limits, time);
    const times: number[] = [];
    while (times.length < 1_200) {
      if (random(20) === 0) await time.sleep(random(200_000));
      try {
        await budget.take();
        times.push(time.now());
      } catch (error) {
        expect(error).toMatchObject({ code: 'forge_limited', retryable: true });
        await time.sleep(PATIENCE_MS);
      }
    }
    for (const { most, perMs } of limits)
      expect(countMost(times, perMs), `seed ${String(seed)}`).toBeLessThanOrEqual(most);
  });

  test('what the limit has room for waits for nothing', async () => {
    const time = createTime();
    const budget = createBudget(what, limits, time);
    const begun = time.now();
    const [{ most, perMs } = { most: 0, perMs: 0 }] = limits;
    for (let taken = 0; taken < most; taken += 1) await budget.take();
    expect(time.now()).toBe(begun);
    await budget.take();
    expect(time.now()).toBe(begun + perMs);
  });

  test('many at once take their turns in order', async () => {
    const time = createTime();
    const budget = createBudget(what, [{ most: 2, perMs: 1_000 }], time);
    const begun = time.now();
    await Promise.all(Array.from({ length: 5 }, () => budget.take()));
    expect(time.now() - begun).toBeGreaterThanOrEqual(2_000);
  });
});

test('a wait longer than our patience is refused at once, and costs no turn', async () => {
  const time = createTime();
  const budget = createBudget('changes', [{ most: 1, perMs: PATIENCE_MS * 2 }], time);
  await budget.take();
  await expect(budget.take()).rejects.toMatchObject({
    code: 'forge_limited',
    message: 'GitHub takes no more changes from us for 120 s',
  });
  await time.sleep(PATIENCE_MS * 2);
  const before = time.now();
  await budget.take();
  expect(time.now()).toBe(before);
});
