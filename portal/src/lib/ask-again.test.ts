import { expect, test } from 'vitest';
import { askAgain } from './ask-again.ts';

const DROPPED = new TypeError('Failed to fetch');

/** A network that drops so many requests, and how long was waited. */
function drop(times: number, error: Error = DROPPED) {
  let asked = 0;
  const waits: number[] = [];
  const fetch = askAgain(
    () => (++asked <= times ? Promise.reject(error) : Promise.resolve(new Response('here'))),
    (ms) => Promise.resolve(void waits.push(ms)),
  );
  return { fetch, waits, asked: () => asked };
}

test('what was dropped is asked for again, three times, and longer each time', async () => {
  const twice = drop(2);
  expect(await (await twice.fetch('/stores/__data.json')).text()).toBe('here');
  expect(twice.waits).toEqual([250, 1000]);
  const gone = drop(9);
  await expect(gone.fetch(new Request('http://a.example/'))).rejects.toBe(DROPPED);
  expect(gone.asked()).toBe(4);
});

test('what changes something is sent once', async () => {
  for (const method of ['POST', 'DELETE', 'patch']) {
    const once = drop(1);
    await expect(once.fetch('/api/stores', { method })).rejects.toBe(DROPPED);
    await expect(once.fetch(new Request('http://a.example/', { method }))).resolves.toBeDefined();
    expect(once.waits).toEqual([]);
  }
});

test('who has changed their mind is not kept', async () => {
  const aborted = drop(1, new DOMException('The user aborted a request.', 'AbortError'));
  await expect(aborted.fetch('/api/events')).rejects.toThrow('aborted');
  expect(aborted.asked()).toBe(1);
});
