/** The watch against an API server that misbehaves: at the end, what is held equals a LIST. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  connect,
  connectLater,
  type ClusterConnection,
} from '../../control-plane/src/cluster/connection.ts';
import { createObjectWatch } from '../../control-plane/src/cluster/watch.ts';
import type { ObjectWatch, WatchReport } from '../../control-plane/src/cluster/types.ts';
import { announceSeed, chooseRounds } from '../faults/tally.ts';
import {
  answer,
  failTimes,
  isList,
  isWatch,
  startScriptedApiServer,
  type ScriptedApiServer,
  type ScriptedObject,
} from './scripted-api-server.ts';

const PATH = '/apis/example/v1/things';
let server: ScriptedApiServer;
let connection: ClusterConnection;
let things: ObjectWatch<number>;
let reports: WatchReport[];
let told: string[][];

/** A thing is what a number is: small enough to see what the watch makes of it. */
const thing = (name: string, size: unknown): ScriptedObject => ({ metadata: { name }, size });

const held = (): Record<string, number> => Object.fromEntries(things.entries());
const lists = (): number => reports.filter(({ kind }) => kind === 'listed').length;
const becomes = (expected: Record<string, number>): Promise<void> =>
  vi.waitFor(() => {
    expect(held()).toEqual(expected);
  }, 5000);
const isFollowing = (): Promise<void> =>
  vi.waitFor(() => {
    expect(things.complete && server.watchers(PATH) === 1).toBe(true);
  }, 5000);

function event(type: string, name: string, version: number, size: unknown): string {
  const metadata = { name, uid: `uid-${name}`, resourceVersion: String(version) };
  return JSON.stringify({ type, object: { metadata, size } });
}

function createWatch(options: { pageSize?: number; silenceMs?: number } = {}): ObjectWatch<number> {
  return createObjectWatch<number>({
    connection,
    path: PATH,
    backoffMs: 5,
    timeoutMs: 2000,
    extract: (object) => {
      const { size } = object as { size: unknown };
      return typeof size === 'number'
        ? { ok: true, value: size }
        : { ok: false, message: 'no size' };
    },
    report: (report) => reports.push(report),
    ...options,
  });
}

beforeEach(async () => {
  server = await startScriptedApiServer();
  connection = connect(server.config);
  reports = [];
  told = [];
  things = createWatch({ pageSize: 2 });
  for (const [name, size] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ] as const)
    server.put(PATH, thing(name, size));
});

afterEach(async () => {
  await things.stop();
  connection.close();
  await server.close();
});

const start = (): void => {
  things.start((names) => told.push([...names]));
};

describe('LIST (reliability 9)', () => {
  test('comes in pages and then changes follow', async () => {
    start();
    await isFollowing();
    expect(held()).toEqual({ a: 1, b: 2, c: 3 });
    expect(server.requests.filter((request) => request.includes('limit=2'))).toHaveLength(2);
    server.put(PATH, thing('d', 4));
    server.put(PATH, thing('a', 10));
    server.remove(PATH, 'b');
    await becomes({ a: 10, c: 3, d: 4 });
    expect(lists()).toBe(1);
  });

  test.each<[string, Parameters<typeof failTimes>[2]]>([
    ['is refused', (response) => answer(response, 500, { kind: 'Status' })],
    ['is a page of HTML', (response) => response.writeHead(200).end('<html>')],
    ['is no list', (response) => answer(response, 200, { kind: 'Status' })],
    ['is an empty object', (response) => answer(response, 200, {})],
    ['loses its place', (response) => answer(response, 410, { kind: 'Status', code: 410 })],
    [
      'is cut',
      (response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"metadata":{"resourceVersion":"9"},"items":[]');
        setImmediate(() => response.destroy());
      },
    ],
  ])('counts for nothing when its second page %s', async (_, act) => {
    start();
    await isFollowing();
    told.length = 0;
    // The world moves on unseen, then the second page of the next LIST fails twice.
    server.removeSilently(PATH, 'a');
    server.putSilently(PATH, thing('d', 4));
    let absent = false;
    const second = (request: URL): boolean =>
      isList(request) && request.searchParams.has('continue');
    server.faults.push(
      failTimes(2, second, (response, request) => {
        absent ||= things.get('a') === undefined || things.get('d') !== undefined;
        act(response, request);
      }),
    );
    server.send(PATH, JSON.stringify({ type: 'ERROR', object: { code: 410 } }));
    await becomes({ b: 2, c: 3, d: 4 });
    expect(absent).toBe(false);
    expect(told.flat().sort()).toEqual(['a', 'd']);
  });

  test('that never succeeds makes nothing absent', async () => {
    server.faults.push(failTimes(Infinity, isList, (response) => answer(response, 500, {})));
    start();
    await vi.waitFor(
      () => expect(reports.filter(({ kind }) => kind === 'interrupted').length).toBeGreaterThan(3),
      5000,
    );
    expect(things.complete).toBe(false);
    expect(told).toEqual([]);
  });

  test('in which nothing changed reports no change', async () => {
    start();
    await isFollowing();
    told.length = 0;
    server.send(PATH, JSON.stringify({ type: 'ERROR', object: { code: 410 } }));
    await vi.waitFor(() => expect(lists()).toBe(2), 5000);
    expect(reports.findLast(({ kind }) => kind === 'listed')).toMatchObject({
      objects: 3,
      changed: 0,
    });
    expect(told).toEqual([]);
  });

  test('with an object that has no name makes nothing absent', async () => {
    start();
    await isFollowing();
    server.removeSilently(PATH, 'a');
    server.faults.push(
      failTimes(1, isList, (response) =>
        answer(response, 200, {
          metadata: { resourceVersion: '2000' },
          items: [
            { size: 7 },
            { metadata: { name: 'b', uid: 'uid-b', resourceVersion: '1999' }, size: 20 },
          ],
        }),
      ),
    );
    server.send(PATH, JSON.stringify({ type: 'ERROR', object: { code: 410 } }));
    await vi.waitFor(() => expect(lists()).toBe(2), 5000);
    expect(held()).toEqual({ a: 1, b: 20, c: 3 });
  });

  test('waits as long as it is told to', async () => {
    server.faults.push(
      failTimes(1, isList, (response) => {
        response.writeHead(429, { 'retry-after': '1' }).end();
      }),
    );
    start();
    await vi.waitFor(
      () =>
        expect(reports.find(({ kind }) => kind === 'interrupted')).toMatchObject({
          retryInMs: 1000,
        }),
      5000,
    );
    await isFollowing();
  });

  test('refused for lack of rights is said', async () => {
    server.faults.push(failTimes(1, isList, (response) => answer(response, 403, {})));
    start();
    await isFollowing();
    expect(reports).toContainEqual(expect.objectContaining({ kind: 'refused', status: 403 }));
  });
});

describe('WATCH (reliability 11)', () => {
  beforeEach(async () => {
    start();
    await isFollowing();
    told.length = 0;
  });

  test('that ends in good order goes on where it was', async () => {
    for (let round = 1; round <= 3; round += 1) {
      server.finish(PATH);
      server.put(PATH, thing('a', round * 100));
      await becomes({ a: round * 100, b: 2, c: 3 });
    }
    expect(lists()).toBe(1);
    expect(reports.filter(({ kind }) => kind === 'malformed')).toEqual([]);
  });

  test('begins at the newest bookmark', async () => {
    server.send(
      PATH,
      JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '5000' } } }),
    );
    server.send(PATH, event('MODIFIED', 'a', 5001, 11));
    server.send(
      PATH,
      JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '6000' } } }),
    );
    await becomes({ a: 11, b: 2, c: 3 });
    server.finish(PATH);
    await vi.waitFor(
      () =>
        expect(server.requests.some((request) => request.includes('resourceVersion=6000'))).toBe(
          true,
        ),
      5000,
    );
  });

  test('asked for patience goes on where it was', async () => {
    server.faults.push(failTimes(2, isWatch, (response) => answer(response, 429, {})));
    server.finish(PATH);
    server.put(PATH, thing('a', 100));
    await becomes({ a: 100, b: 2, c: 3 });
    expect(lists()).toBe(1);
  });

  test('cut again and again lists again, and tells only what changed', async () => {
    for (let round = 1; round <= 3; round += 1) {
      server.cut(PATH);
      await vi.waitFor(() => expect(lists()).toBe(1 + round), 5000);
      await isFollowing();
    }
    expect(told).toEqual([]);
    server.put(PATH, thing('a', 100));
    await becomes({ a: 100, b: 2, c: 3 });
    expect(told).toEqual([['a']]);
  });

  test('answered with 410 lists again, and sees what it missed', async () => {
    server.removeSilently(PATH, 'a');
    server.putSilently(PATH, thing('b', 22));
    server.faults.push(
      failTimes(1, isWatch, (response) => answer(response, 410, { kind: 'Status', code: 410 })),
    );
    server.finish(PATH);
    await becomes({ b: 22, c: 3 });
    expect(lists()).toBe(2);
  });

  test('that fails keeps what is held and comes back', async () => {
    server.faults.push(failTimes(Infinity, isWatch, (response) => answer(response, 500, {})));
    server.cut(PATH);
    await vi.waitFor(
      () =>
        expect(reports.filter(({ kind }) => kind === 'interrupted').length).toBeGreaterThanOrEqual(
          3,
        ),
      5000,
    );
    expect(held()).toEqual({ a: 1, b: 2, c: 3 });
    // Between two of them a LIST is answered.
    await vi.waitFor(() => expect(things.trouble).toContain('500'), 5000);
    server.faults.length = 0;
    await isFollowing();
    server.put(PATH, thing('d', 4));
    await becomes({ a: 1, b: 2, c: 3, d: 4 });
    expect(things.trouble).toBeNull();
  });

  test('takes duplicates and late-comers for what they are', async () => {
    const version = server.put(PATH, thing('a', 50));
    for (const line of [
      event('MODIFIED', 'a', version, 50),
      event('MODIFIED', 'a', version - 1, 40),
      event('ADDED', 'b', 500, 999),
      event('DELETED', 'c', 500, 3),
      event('DELETED', 'b', version + 5, 2),
      event('MODIFIED', 'b', version + 4, 77),
      event('MODIFIED', 'c', version + 6, 33),
    ])
      server.send(PATH, line);
    await becomes({ a: 50, c: 33 });
    expect(told.flat()).toEqual(['a', 'b', 'c']);
  });

  test('skips an object that cannot be read, and keeps what it knew of it', async () => {
    server.put(PATH, thing('a', 'garbage'));
    server.put(PATH, thing('x', null));
    server.send(PATH, JSON.stringify({ type: 'MODIFIED', object: { nothing: true } }));
    server.put(PATH, thing('b', 20));
    await becomes({ a: 1, b: 20, c: 3 });
    expect(reports.filter(({ kind }) => kind === 'malformed')).toHaveLength(3);
    expect(lists()).toBe(1);
    server.put(PATH, thing('a', 2));
    await becomes({ a: 2, b: 20, c: 3 });
  });

  test('lists again after a line that is not an event', async () => {
    server.putSilently(PATH, thing('a', 5));
    server.send(PATH, '{"type":"MODIFIED","object":{"metadata":');
    await becomes({ a: 5, b: 2, c: 3 });
    expect(lists()).toBe(2);
  });

  test('reads an event that comes in pieces', async () => {
    const line = `${event('MODIFIED', 'a', 9000, 12)}\n`;
    for (const piece of line.match(/.{1,7}|\n/g) ?? []) {
      server.sendPiece(PATH, piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await becomes({ a: 12, b: 2, c: 3 });
    expect(lists()).toBe(1);
  });

  test('an object made anew under the same name is another object', async () => {
    server.remove(PATH, 'a');
    server.put(PATH, { metadata: { name: 'a', uid: 'second' }, size: 100 });
    await becomes({ a: 100, b: 2, c: 3 });
  });
});

describe('another server in its place, to which the old versions say nothing', () => {
  const replace = (): void => {
    server.replace();
    for (const [name, size] of [
      ['b', 20],
      ['d', 40],
    ] as const)
      server.putSilently(PATH, thing(name, size));
  };

  const tooLarge = { kind: 'Status', reason: 'Timeout', message: 'Too large resource version' };
  test.each<[string, () => void]>([
    ['a stream that breaks', () => server.cut(PATH)],
    [
      'an ERROR event',
      () => {
        const object = { ...tooLarge, code: 504 };
        server.send(PATH, JSON.stringify({ type: 'ERROR', object }));
      },
    ],
    ...([504, 500, 503, 401, 403, 404] as const).map((status): [string, () => void] => [
      `a ${status}`,
      () => {
        server.faults.push(failTimes(1, isWatch, (response) => answer(response, status, tooLarge)));
        server.finish(PATH);
      },
    ]),
    [
      'a connection that is refused',
      () => {
        // Twice: a question whose idle connection was closed is put once more at once.
        server.faults.push(failTimes(2, isWatch, (response) => void response.destroy()));
        server.finish(PATH);
      },
    ],
  ])('is listed after %s', async (_, notice) => {
    start();
    await isFollowing();
    replace();
    notice();
    await becomes({ b: 20, d: 40 });
    expect(lists()).toBe(2);
    await isFollowing();
    server.put(PATH, thing('b', 21));
    server.remove(PATH, 'd');
    await becomes({ b: 21 });
    expect(lists()).toBe(2);
  });

  test('is listed after silence on the line', async () => {
    things = createWatch({ silenceMs: 50 });
    start();
    await isFollowing();
    replace();
    await becomes({ b: 20, d: 40 });
    expect(things.trouble).toBeNull();
  });

  test('is listed though an object has the uid and version that another content had', async () => {
    server.replace();
    server.putSilently(PATH, thing('a', 1));
    start();
    await isFollowing();
    server.replace();
    server.putSilently(PATH, thing('a', 100));
    server.cut(PATH);
    await becomes({ a: 100 });
  });

  test('is followed, too, in what its LIST could not tell', async () => {
    start();
    await isFollowing();
    server.replace();
    server.putSilently(PATH, thing('a', 'garbage'));
    server.putSilently(PATH, { metadata: { name: '' } });
    server.cut(PATH);
    await vi.waitFor(() => expect(lists()).toBe(2), 5000);
    await isFollowing();
    expect(held()).toEqual({ a: 1, b: 2, c: 3 });
    server.put(PATH, thing('a', 10));
    server.put(PATH, thing('b', 20));
    await becomes({ a: 10, b: 20, c: 3 });
  });

  describe('by another kubeconfig', () => {
    let next: ScriptedApiServer;
    let folder: string;
    const write = ({ config }: ScriptedApiServer): Promise<void> =>
      writeFile(join(folder, 'kubeconfig'), config.exportConfig());

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'shopyard-watch-'));
      await write(server);
      next = await startScriptedApiServer();
      next.replace();
      for (const [name, size] of [
        ['b', 20],
        ['c', 30],
        ['d', 40],
      ] as const)
        next.putSilently(PATH, thing(name, size));
      connection.close();
      connection = connectLater(join(folder, 'kubeconfig'));
      things = createWatch({ pageSize: 2 });
    });
    afterEach(async () => {
      await things.stop();
      await next.close();
      await rm(folder, { recursive: true });
    });

    test('is listed while the old one still answers', async () => {
      start();
      await isFollowing();
      await write(next);
      server.finish(PATH);
      await becomes({ b: 20, c: 30, d: 40 });
      await vi.waitFor(() => expect(next.watchers(PATH)).toBe(1), 5000);
      next.put(PATH, thing('b', 21));
      await becomes({ b: 21, c: 30, d: 40 });
      expect(lists()).toBe(2);
    });

    test('is listed from its beginning, whatever page the old one had come to', async () => {
      server.faults.push((request) => {
        if (isList(request)) writeFileSync(join(folder, 'kubeconfig'), next.config.exportConfig());
        return false;
      });
      start();
      await becomes({ b: 20, c: 30, d: 40 });
      expect(told).toEqual([['b', 'c', 'd']]);
    });
  });
});

/** How many runs of mishaps, each from a seed of its own. */
const RUNS = chooseRounds({ short: 3, full: 40 });
const FIRST = announceSeed('mishaps of a watch') % 2 ** 30;
const SEEDS = Array.from({ length: RUNS }, (_, index) => FIRST + index);

test.each(SEEDS)(
  'whatever goes wrong, it ends as LIST has it, seed %i (reliability 11)',
  async (seed) => {
    let state = seed;
    const random = (below: number): number => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return Math.floor((state / 2147483648) * below);
    };
    start();
    await isFollowing();
    const log: string[] = [];
    for (let step = 0; step < 400; step += 1) {
      const name = `n${random(20)}`;
      switch (random(9)) {
        case 0:
        case 1:
        case 2:
          server.put(PATH, thing(name, step));
          break;
        case 3:
          server.remove(PATH, name);
          break;
        case 4:
          log.push(event('MODIFIED', name, 900 + random(50), 424242));
          server.send(PATH, log[random(log.length)] ?? '');
          break;
        case 5:
          server.cut(PATH);
          await new Promise((resolve) => setImmediate(resolve));
          break;
        case 6:
          server.send(
            PATH,
            JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'broken' } } }),
          );
          break;
        case 7:
          server.faults.length = 0;
          server.faults.push(
            failTimes(1 + random(2), random(2) === 0 ? isList : isWatch, (response) =>
              answer(response, random(2) === 0 ? 500 : 410, {}),
            ),
          );
          break;
        case 8:
          if (random(4) === 0)
            server.send(PATH, JSON.stringify({ type: 'ERROR', object: { code: 410 } }));
          break;
      }
    }
    server.faults.length = 0;
    // What was lost while a watch was down is found by the LIST that a 410 asks for.
    server.faults.push(failTimes(1, isWatch, (response) => answer(response, 410, {})));
    server.cut(PATH);
    const truth = async (): Promise<Record<string, number>> => {
      const reply = await fetch(
        `${server.config.getCurrentCluster()?.server ?? ''}${PATH}?limit=1000`,
      );
      const { items } = (await reply.json()) as {
        items: { metadata: { name: string }; size: number }[];
      };
      return Object.fromEntries(items.map(({ metadata, size }) => [metadata.name, size]));
    };
    await vi.waitFor(async () => expect(held()).toEqual(await truth()), {
      timeout: 10_000,
      interval: 50,
    });
  },
);
