import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Accepted, EventBodies } from '../../control-plane/src/contract.ts';
import { parseCursor, pruneEvents, readEvents, START } from '../../control-plane/src/db/events.ts';
import type { Tx } from '../../control-plane/src/db/open.ts';
import { writeStatus } from '../../control-plane/src/db/status.ts';
import { openStream, type EventStream } from './event-stream.ts';
import { connectAsOwner, countWaiting } from '../support/postgres.ts';
import { BOOTSTRAP, startApi, type Api } from './support.ts';

let api: Api;
const streams: EventStream[] = [];
beforeEach(async () => {
  api = await startApi({ hub: { heartbeatMs: 50, sessionCheckMs: 100, stallMs: 400 } });
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  await api.close();
});

async function open(token = BOOTSTRAP, lastEventId?: string, at = api): Promise<EventStream> {
  const stream = await openStream(at.url, token, lastEventId);
  streams.push(stream);
  return stream;
}

/** Opens a stream and waits until it is greeted. */
async function join(token = BOOTSTRAP, lastEventId?: string, at = api): Promise<EventStream> {
  const stream = await open(token, lastEventId, at);
  await until(() => stream.events.some((event) => event.type === 'hello'));
  return stream;
}

/** Any transaction on the server that Postgres runs for all tests holds events back. */
const until = (condition: () => boolean | Promise<boolean>, timeout = 30_000) =>
  vi.waitFor(
    async () => {
      if (!(await condition())) throw new Error('not yet');
    },
    { timeout, interval: 10 },
  );

async function create(name: string, tenant = 'platform') {
  const reply = await api.request('POST', '/api/stores', {
    body: { name, type: 'woocommerce', tenant },
  });
  expect(reply.status, reply.text).toBe(202);
  return Accepted.parse(reply.body);
}

function namesOf(stream: EventStream): string[] {
  return stream.events
    .filter((event) => event.type === 'store')
    .map((event) => EventBodies.store.parse(event.data).store.name);
}

test('says hello with a cursor, then tells of a store as the API shows it', async () => {
  const stream = await join();
  expect(stream.status).toBe(200);
  expect(stream.response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  const [hello] = stream.events;
  expect(EventBodies.hello.parse(hello?.data).cursor).toBe(hello?.id);
  const { store } = await create('told');
  await until(() => stream.events.length === 2);
  expect(stream.events[1]).toMatchObject({ type: 'store', data: { store } });
  expect(stream.events[1]?.id).toMatch(/^\d+-\d+$/);
  await until(() => stream.comments() > 1);
});

describe('resuming (reliability 12)', () => {
  test('nothing is missed and nothing told twice, over a restart too', async () => {
    const first = await join();
    await create('seen');
    await until(() => namesOf(first).length === 1);
    const last = first.events.at(-1)?.id ?? '';
    first.close();
    await create('missed-a');
    const restarted = await startApi({ databaseUrl: api.databaseUrl });
    try {
      await create('missed-b');
      const second = await join(BOOTSTRAP, last, restarted);
      await create('after');
      await until(() => namesOf(second).length >= 3);
      expect(namesOf(second)).toEqual(['missed-a', 'missed-b', 'after']);
      expect(second.events.map((event) => event.type)).not.toContain('resync');
      second.close();
    } finally {
      await restarted.close();
    }
  });

  test('while a hundred are being written: every store once, in order', async () => {
    const first = await join();
    const start = first.events[0]?.id ?? '';
    const names = Array.from({ length: 100 }, (_, index) => `flood-${index}`);
    const writing = Promise.all(names.map((name) => create(name)));
    const readers = [];
    for (let index = 0; index < 5; index += 1) readers.push(await join(BOOTSTRAP, start));
    await writing;
    for (const reader of [first, ...readers]) {
      await until(() => namesOf(reader).length >= 100);
      expect(namesOf(reader).sort()).toEqual([...names].sort());
      const ids = reader.events.slice(1).map((event) => event.id.split('-').map(Number));
      expect(ids).toEqual(
        [...ids].sort(([ax = 0, ai = 0], [bx = 0, bi = 0]) => ax - bx || ai - bi),
      );
    }
  });

  test('a transaction that commits late is not skipped', async () => {
    const stream = await join();
    const slow = await create('slow');
    await until(() => namesOf(stream).length === 1);
    const change = {
      storeId: slow.store.id,
      operationId: slow.operation.id,
      status: 'provisioning',
      stage: 'committed',
      detail: 'late',
      problem: null,
      at: new Date(),
    } as const;
    await api.db.transaction().execute(async (tx) => {
      // Its number is taken now, its commit comes after the next one's.
      await writeStatus(tx, [change]);
      await create('quick');
      const cursor = parseCursor(stream.events[1]?.id ?? '');
      expect(cursor).not.toBeNull();
      expect(await readEvents(api.db, cursor ?? START), 'quick waits for slow').toEqual([]);
    });
    await until(() => namesOf(stream).length === 3);
    expect(namesOf(stream)).toEqual(['slow', 'slow', 'quick']);
    const { id } = stream.events[2] ?? { id: '' };
    const resumed = await join(BOOTSTRAP, id);
    await until(() => namesOf(resumed).length === 1);
    expect(namesOf(resumed)).toEqual(['quick']);
  });

  test('too long ago: a resync, and live from there', async () => {
    const first = await join();
    await create('old-a');
    await until(() => namesOf(first).length === 1);
    const old = first.events.at(-1)?.id ?? '';
    // Told before it is pruned: what is settled depends on the whole server's transactions.
    await create('old-b');
    await create('old-c');
    await until(() => namesOf(first).length === 3);
    expect(await pruneEvents(api.db, new Date(Date.now() + 25 * 3_600_000))).toBe(2);
    const second = await join(BOOTSTRAP, old);
    await until(() => second.events.length === 2);
    expect(second.events.map((event) => event.type)).toEqual(['hello', 'resync']);
    expect(second.events[0]?.id).toBe(second.events[1]?.id);
    await create('fresh');
    await until(() => namesOf(second).length === 1);
    // The newest event was kept for this: who has it has everything.
    const third = await join(BOOTSTRAP, second.events[0]?.id);
    await until(() => namesOf(third).length === 1);
    expect(third.events.map((event) => event.type)).toEqual(['hello', 'store']);
  });

  test('from before the first event of all, though the later transaction told first', async () => {
    const first = await join();
    await until(() => first.events.length === 1);
    const tell = (tx: Tx, type: string) =>
      tx.insertInto('events').values({ tenantId: 'platform', type, body: '{}' }).execute();
    await api.db.transaction().execute(async (earlier) => {
      await sql`select pg_current_xact_id()`.execute(earlier);
      await api.db.transaction().execute((later) => tell(later, 'second'));
      await tell(earlier, 'first');
    });
    const ids = await api.db.selectFrom('events').select('id').orderBy('xid').execute();
    expect(ids.map(({ id }) => id)).toEqual([2, 1]);
    const second = await join(BOOTSTRAP, first.events[0]?.id);
    await until(() => second.events.length === 3);
    expect(second.events.map((event) => event.type)).toEqual(['hello', 'first', 'second']);
  });

  test.each(['nonsense', '999999999999-1', '-1', '1-1; drop table events'])(
    'a cursor that is not ours is a resync: %s',
    async (cursor) => {
      await create('something');
      const stream = await join(BOOTSTRAP, cursor);
      await until(() => stream.events.length >= 2);
      expect(stream.events[1]?.type).toBe('resync');
    },
  );
});

test('a tenant hears of its own stores only, live and resumed', async () => {
  const mine = await api.token('viewer', 'mine');
  await api.token('viewer', 'theirs');
  const live = await join(mine.token);
  const start = live.events[0]?.id ?? '';
  await create('theirs-a', 'theirs');
  await create('mine-a', 'mine');
  await create('theirs-b', 'theirs');
  await create('mine-b', 'mine');
  await until(() => namesOf(live).length >= 2);
  const resumed = await join(mine.token, start);
  await until(() => namesOf(resumed).length >= 2);
  const operator = await join(BOOTSTRAP, start);
  await until(() => namesOf(operator).length >= 4);
  expect(namesOf(live)).toEqual(['mine-a', 'mine-b']);
  expect(namesOf(resumed)).toEqual(['mine-a', 'mine-b']);
  expect(namesOf(operator)).toEqual(['theirs-a', 'mine-a', 'theirs-b', 'mine-b']);
});

test('a revoked token’s stream ends, an expired one’s too; the others stay (reliability 12)', async () => {
  const revoked = await api.token('owner', 'ends');
  const expiring = await api.token('owner', 'ends');
  const staying = await api.token('owner', 'ends');
  const streams = await Promise.all([revoked, expiring, staying].map(({ token }) => join(token)));
  await api.request('DELETE', `/api/tokens/${revoked.id}`);
  await api.db
    .updateTable('tokens')
    .set({ expiresAt: new Date(Date.now() - 1000) })
    .where('id', '=', expiring.id)
    .execute();
  await until(() => streams[0]?.ended() === true && streams[1]?.ended() === true);
  expect(streams[2]?.ended()).toBe(false);
  await create('still', 'ends');
  await until(() => namesOf(streams[2] as EventStream).length === 1);
  expect(streams[2]?.ended()).toBe(false);
});

test('who joins while the others’ sessions are looked at is not taken for gone', async () => {
  const { cookie } = await api.person('owner', 'early');
  const early = await openStream(api.url, { cookie });
  streams.push(early);
  await until(() => early.events.length === 1);
  const { token } = await api.token('owner', 'late');
  const owner = await connectAsOwner(api.databaseUrl);
  try {
    await owner.query('begin; lock table sessions');
    await until(async () => (await countWaiting(api.db)) > 0);
    const late = await join(token);
    await owner.query('commit');
    await until(() => early.comments() > 3 && late.comments() > 3);
    expect([early.ended(), late.ended()]).toEqual([false, false]);
  } finally {
    await owner.end();
  }
});

test('a client that stops reading is cut off; the others get everything', async () => {
  const stalled = await join();
  const reading = await join();
  stalled.response.pause();
  const { store, operation } = await create('noisy');
  // Far more than the sockets between the two can hold.
  const detail = 'x'.repeat(60_000);
  let written = 0;
  await until(async () => {
    await api.db.transaction().execute((tx) =>
      writeStatus(tx, [
        {
          storeId: store.id,
          operationId: operation.id,
          status: 'provisioning',
          stage: 'requested',
          detail: `${detail}${written}`,
          problem: null,
          at: new Date(),
        },
      ]),
    );
    written += 1;
    api.hub.poke();
    return api.hub.clients === 1;
  }, 60_000);
  const newest = `${detail}${written - 1}`;
  await until(() => {
    const last = reading.events.at(-1);
    return last?.type === 'store' && EventBodies.store.parse(last.data).store.detail === newest;
  });
  expect(reading.ended()).toBe(false);
  expect(api.log.join('')).toContain('it does not read');
}, 180_000);

test('a client that comes back and does not read what it missed is cut off', async () => {
  const first = await join();
  const start = first.events[0]?.id ?? '';
  const { store } = await create('missed');
  // Each of another store, so that none stands for another.
  for (let index = 0; index < 100; index += 1)
    await api.db
      .insertInto('events')
      .values({ tenantId: store.tenant, type: 'filler', body: JSON.stringify('x'.repeat(60_000)) })
      .execute();
  await until(() => first.events.length > 100);
  first.close();
  const back = await open(BOOTSTRAP, start);
  back.response.pause();
  await until(() => api.log.join('').includes('it does not read'), 60_000);
  await until(() => api.hub.clients === 0);
}, 90_000);

test('a slow client gets the newest of each store, and no more than that', async () => {
  await api.close();
  api = await startApi({ hub: { stallMs: 60_000 } });
  const slow = await join();
  slow.response.pause();
  const busy = await create('busy');
  const calm = await create('calm');
  const detail = 'y'.repeat(60_000);
  const WRITTEN = 400;
  for (let index = 0; index < WRITTEN; index += 1)
    await api.db.transaction().execute((tx) =>
      writeStatus(tx, [
        {
          storeId: busy.store.id,
          operationId: busy.operation.id,
          status: 'provisioning',
          stage: 'requested',
          detail: `${detail}${index}`,
          problem: null,
          at: new Date(),
        },
      ]),
    );
  const fast = await join(BOOTSTRAP, slow.events[0]?.id);
  await until(() => namesOf(fast).includes('busy'));
  slow.response.resume();
  await until(() => {
    const last = slow.events.at(-1);
    return (
      last?.type === 'store' &&
      EventBodies.store.parse(last.data).store.detail === `${detail}${WRITTEN - 1}`
    );
  });
  expect(namesOf(slow)).toContain(calm.store.name);
  expect(slow.events.length).toBeLessThan(WRITTEN);
});

test('a HEAD is answered and holds nothing open', async () => {
  const reply = await api.request('HEAD', '/api/events');
  expect(reply.status).toBe(200);
  expect(reply.headers.get('Content-Type')).toContain('text/event-stream');
  expect(api.hub.clients).toBe(0);
});

test('closing ends every stream cleanly and takes no new one', async () => {
  const stream = await join();
  await api.hub.close();
  await until(() => stream.ended());
  expect(stream.response.complete).toBe(true);
  const late = await open();
  await until(() => late.ended());
  expect(late.events).toEqual([]);
});
