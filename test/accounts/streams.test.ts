/** Event streams of people: they end with the session, and with what it may see. */
import { setTimeout } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Accepted, EventBodies } from '../../control-plane/src/contract.ts';
import { openStream, type EventStream } from '../api/event-stream.ts';
import { startApi, type Api, type Person } from '../api/support.ts';

let api: Api;
const streams: EventStream[] = [];
beforeEach(async () => {
  // The default is 3 s; what is left to the promised 5 s is the query.
  api = await startApi();
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  await api.close();
});

async function join({ cookie }: { readonly cookie: string }): Promise<EventStream> {
  const stream = await openStream(api.url, { cookie });
  streams.push(stream);
  await until(() => stream.events.some((event) => event.type === 'hello'));
  return stream;
}

/** Any transaction on the server that Postgres runs for all tests holds events back. */
const until = (condition: () => boolean) =>
  vi.waitFor(
    () => {
      if (!condition()) throw new Error('not yet');
    },
    { timeout: 30_000, interval: 20 },
  );

/** Counted in pauses and a query each: while the machine keeps one of us from running, no time passes. */
async function hasCome(condition: () => boolean, withinMs: number): Promise<boolean> {
  for (let waited = 0; waited < withinMs && !condition(); waited += 20) {
    await setTimeout(20);
    await sql`select 1`.execute(api.db);
  }
  return condition();
}

async function create(tenant: string): Promise<string> {
  const reply = await api.request('POST', '/api/stores', {
    body: { name: `in-${tenant}`, type: 'woocommerce', tenant },
  });
  return Accepted.parse(reply.body).store.name;
}

const namesOf = (stream: EventStream) =>
  stream.events
    .filter((event) => event.type === 'store')
    .map((event) => EventBodies.store.parse(event.data).store.name);

test('a browser sees its tenant’s stores; nobody who is in no tenant is let in', async () => {
  const mine = await join(await api.person('viewer', 'mine'));
  const theirs = await join(await api.person('owner', 'theirs'));
  const all = await join(await api.person('operator'));
  await create('mine');
  await create('theirs');
  await until(() => namesOf(all).length === 2);
  await until(() => namesOf(mine).length === 1 && namesOf(theirs).length === 1);
  expect(namesOf(mine)).toEqual(['in-mine']);
  expect(namesOf(theirs)).toEqual(['in-theirs']);
  const { cookie } = await api.person('guest');
  const stream = await openStream(api.url, { cookie });
  streams.push(stream);
  expect(stream.status).toBe(403);
});

const ENDS: readonly (readonly [string, (person: Person) => Promise<unknown>])[] = [
  ['signs out', ({ cookie }) => api.request('POST', '/api/auth/sign-out', { cookie })],
  [
    'signs out everywhere, in another browser',
    async ({ email }) =>
      api.request('DELETE', '/api/sessions', { cookie: await api.signIn(email) }),
  ],
  [
    'is put out of the tenant',
    ({ id }) => api.request('DELETE', `/api/members/${id}?tenant=leaving`),
  ],
  [
    'gets another role',
    ({ id }) =>
      api.request('PATCH', `/api/members/${id}?tenant=leaving`, { body: { role: 'viewer' } }),
  ],
  [
    'has a session that is too old',
    ({ id }) =>
      api.db
        .updateTable('sessions')
        .set({ expiresAt: new Date(Date.now() - 1) })
        .where('userId', '=', id)
        .execute(),
  ],
];

test.each(ENDS)('within five seconds it ends for who %s (reliability 12)', async (_what, end) => {
  await api.person('owner', 'leaving');
  const person = await api.person('member', 'leaving');
  const other = await join(await api.person('member', 'leaving'));
  const stream = await join(person);
  const done = (await end(person)) as { readonly status?: number };
  expect(done.status ?? 204).toBeLessThan(300);
  expect(await hasCome(() => stream.ended(), 5000)).toBe(true);
  await create('leaving');
  await until(() => namesOf(other).length === 1);
  expect(other.ended()).toBe(false);
  expect(namesOf(stream)).toEqual([]);
});

test('a session that was just ended elsewhere opens no stream, remembered or not', async () => {
  const { id, cookie } = await api.person('member', 'remembered');
  await api.inOneMoment(async () => {
    expect((await api.request('GET', '/api/stores', { cookie })).status).toBe(200);
    await api.db.deleteFrom('sessions').where('userId', '=', id).execute();
    expect((await api.request('GET', '/api/stores', { cookie })).status, 'remembered').toBe(200);
    const stream = await openStream(api.url, { cookie });
    streams.push(stream);
    expect(stream.status).toBe(401);
  });
});
