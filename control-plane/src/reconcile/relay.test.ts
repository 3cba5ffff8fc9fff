import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CommitRecord, CommitSha } from '../git/types.ts';
import { createRelay, type Push, type Relay } from './relay.ts';

let stop: AbortController;
let relay: Relay;
let told: string[];
/** When Argo CD answers. */
let answered: Promise<unknown>;

beforeEach(() => {
  vi.useFakeTimers();
  stop = new AbortController();
  told = [];
  answered = Promise.resolve();
  relay = createRelay(
    [
      async (push) => {
        told.push(`${push.before?.slice(0, 1)}-${push.after.slice(0, 1)}:${push.commits.length}`);
        await answered;
      },
    ],
    stop.signal,
  );
});
afterEach(() => {
  stop.abort();
  vi.useRealTimers();
});

const sha = (number: number) => String(number).repeat(40) as CommitSha;

/** The push that makes `number` of the commit before. */
function push(number: number): Push {
  const commit = { sha: sha(number), parent: sha(number - 1) } as unknown as CommitRecord;
  return { before: sha(number - 1), after: sha(number), commits: [commit] };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test('a push by itself is told once', async () => {
  relay.add(push(1));
  await pass(11_000);
  relay.add(push(2));
  await pass(60_000);
  expect(told).toEqual(['0-1:1', '1-2:1']);
});

test('one that closely follows another is told again when Argo CD has looked, and no more', async () => {
  relay.add(push(1));
  await pass(300);
  relay.add(push(2));
  await pass(9_900);
  expect(told).toEqual(['0-1:1', '1-2:1']);
  await pass(200);
  expect(told).toEqual(['0-1:1', '1-2:1', '1-2:1']);
  await pass(60_000);
  expect(told).toHaveLength(3);
});

test('many are told again together, each ten seconds after it was told at least', async () => {
  for (const number of [1, 2, 3, 4]) {
    relay.add(push(number));
    await pass(4_000);
  }
  // At 0, 4, 8 and 12 seconds; the second again at 14.
  expect(told).toEqual(['0-1:1', '1-2:1', '2-3:1', '3-4:1', '1-2:1']);
  await pass(8_100);
  expect(told.slice(5)).toEqual(['2-4:2']);
  await pass(60_000);
  expect(told).toHaveLength(6);
});

test('what was just told again is being looked at, too', async () => {
  relay.add(push(1));
  await pass(300);
  relay.add(push(2));
  await pass(10_500);
  relay.add(push(3));
  await pass(10_100);
  expect(told).toEqual(['0-1:1', '1-2:1', '1-2:1', '2-3:1', '2-3:1']);
});

test('what comes due twice while a call is under way is told again together', async () => {
  relay.add(push(1));
  await pass(300);
  relay.add(push(2));
  await pass(5_000);
  relay.add(push(3));
  await pass(4_000);
  const { promise: isAnswered, resolve: answer } = Promise.withResolvers<undefined>();
  answered = isAnswered;
  relay.add(push(4));
  // The second is due at 10.3 seconds, the third at 20.3.
  await pass(15_000);
  expect(told).toEqual(['0-1:1', '1-2:1', '2-3:1', '3-4:1']);
  answer(undefined);
  await pass(0);
  expect(told.slice(4)).toEqual(['1-3:2']);
});

test('nothing is told again after the end', async () => {
  relay.add(push(1));
  await pass(300);
  relay.add(push(2));
  await pass(300);
  stop.abort();
  await relay.end();
  await pass(60_000);
  expect(told).toEqual(['0-1:1', '1-2:1']);
  expect(vi.getTimerCount()).toBe(0);
});
