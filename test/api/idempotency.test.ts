import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Accepted } from '../../control-plane/src/contract.ts';
import { pruneIdempotency } from '../../control-plane/src/db/idempotency.ts';
import { countWaiting } from '../support/postgres.ts';
import { startApi, type Api } from './support.ts';

let api: Api;
let other: Api;
beforeAll(async () => {
  api = await startApi();
  other = await startApi({ databaseUrl: api.databaseUrl });
});
afterAll(async () => {
  await other.close();
  await api.close();
});

function create(
  key: string,
  body: Record<string, unknown>,
  options: { token?: string; at?: Api } = {},
) {
  return (options.at ?? api).request('POST', '/api/stores', {
    body: { type: 'woocommerce', ...body },
    headers: { 'Idempotency-Key': key },
    ...(options.token === undefined ? {} : { token: options.token }),
  });
}

async function countStores(name: string): Promise<number> {
  const rows = await api.db.selectFrom('stores').select('id').where('name', '=', name).execute();
  return rows.length;
}

test('the same key and body: the same answer, marked as given before', async () => {
  const first = await create('key-1', { name: 'tea' });
  expect(first.status).toBe(202);
  expect(first.headers.get('Idempotent-Replayed')).toBeNull();
  const poked = api.accepted();
  const second = await create('key-1', { name: 'tea' });
  expect(second.status).toBe(202);
  expect(second.headers.get('Idempotent-Replayed')).toBe('true');
  expect(second.body).toEqual(first.body);
  expect(api.accepted()).toBe(poked);
  const reordered = await api.request('POST', '/api/stores', {
    raw: '{"type":"woocommerce","name":"tea"}',
    headers: { 'Idempotency-Key': 'key-1' },
  });
  expect(reordered.headers.get('Idempotent-Replayed')).toBe('true');
});

test('the answer is the first one even when the store has moved on', async () => {
  const first = await create('key-moved', { name: 'moved' });
  const { store } = Accepted.parse(first.body);
  await api.request('PATCH', `/api/stores/${store.id}`, { body: { plan: 'large' } });
  const again = await create('key-moved', { name: 'moved' });
  expect(again.body).toEqual(first.body);
});

test.each([
  ['another name', { name: 'coffee' }],
  ['another plan', { name: 'reuse', plan: 'large' }],
])('the same key with %s: 422, nothing made (reliability 6)', async (_what, body) => {
  await create('key-2', { name: 'reuse' });
  const reply = await create('key-2', body);
  expect(reply.status).toBe(422);
  expect(reply.body).toMatchObject({ code: 'idempotency_key_reused' });
  expect(await countStores('coffee')).toBe(0);
});

test('the same key on another request is another request', async () => {
  const made = Accepted.parse((await create('key-3', { name: 'keyed' })).body);
  const reply = await api.request('POST', `/api/stores/${made.store.id}/retry`, {
    headers: { 'Idempotency-Key': 'key-3' },
  });
  expect(reply.status).toBe(422);
});

test('another tenant’s key is its own (reliability 6)', async () => {
  const { token } = await api.token('owner', 'keys-other');
  const mine = await create('key-4', { name: 'mine' });
  const theirs = await create('key-4', { name: 'theirs' }, { token });
  expect(mine.status).toBe(202);
  expect(theirs.status).toBe(202);
  expect(theirs.headers.get('Idempotent-Replayed')).toBeNull();
  expect(Accepted.parse(theirs.body).store.tenant).toBe('keys-other');
});

test('a refused request leaves its key free', async () => {
  expect((await create('key-5', { name: 'Refused' })).status).toBe(422);
  expect((await create('key-5', { name: 'tea', plan: 'large' })).status).toBe(409);
  expect((await create('key-5', { name: 'accepted' })).status).toBe(202);
});

test('a retry and a change under a key happen once', async () => {
  const { store } = Accepted.parse((await create('key-6', { name: 'once' })).body);
  const retry = () =>
    api.request('POST', `/api/stores/${store.id}/retry`, {
      headers: { 'Idempotency-Key': 'retry-1' },
    });
  const change = () =>
    api.request('PATCH', `/api/stores/${store.id}`, {
      body: { plan: 'large' },
      headers: { 'Idempotency-Key': 'change-1' },
    });
  const retries = await Promise.all([retry(), retry(), retry()]);
  const changes = await Promise.all([change(), change(), change()]);
  for (const replies of [retries, changes]) {
    expect(replies.map((reply) => reply.status)).toEqual([202, 202, 202]);
    expect(replies.filter((reply) => !reply.headers.has('Idempotent-Replayed'))).toHaveLength(1);
    expect(new Set(replies.map((reply) => Accepted.parse(reply.body).operation.id)).size).toBe(1);
  }
  const now = await api.request('GET', `/api/stores/${store.id}`);
  expect(now.body).toMatchObject({ store: { generation: 3, plan: 'large' } });
});

describe('a hundred at once (reliability 6)', () => {
  test('one key, one body: one store, one answer', async () => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, () => create('hundred', { name: 'hundred' })),
    );
    expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([202]));
    expect(replies.filter((reply) => !reply.headers.has('Idempotent-Replayed'))).toHaveLength(1);
    for (const reply of replies) expect(reply.body).toEqual(replies[0]?.body);
    expect(await countStores('hundred')).toBe(1);
  });

  test('over two processes: one store, one answer', async () => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        create('hundred-two', { name: 'hundred-two' }, { at: index % 2 === 0 ? api : other }),
      ),
    );
    expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([202]));
    for (const reply of replies) expect(reply.body).toEqual(replies[0]?.body);
    expect(await countStores('hundred-two')).toBe(1);
  });

  test('one key, two bodies, two processes: one store; the other body is told', async () => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        create(
          'hundred-bodies',
          { name: index % 2 === 0 ? 'body-a' : 'body-b' },
          { at: index % 4 < 2 ? api : other },
        ),
      ),
    );
    expect(replies.filter((reply) => reply.status === 202)).toHaveLength(50);
    expect(replies.filter((reply) => reply.status === 422)).toHaveLength(50);
    expect((await countStores('body-a')) + (await countStores('body-b'))).toBe(1);
  });

  test('no key, two processes: hosts and names are given once', async () => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        (index % 2 === 0 ? api : other).request('POST', '/api/stores', {
          body: {
            name: `race-${index % 10}`,
            type: 'woocommerce',
            domain: `race-${(index * 7) % 10}.example.com`,
          },
        }),
      ),
    );
    for (const reply of replies) expect([200, 202, 409], reply.text).toContain(reply.status);
    const rows = await api.db
      .selectFrom('stores')
      .select(['name', 'host'])
      .where('name', 'like', 'race-%')
      .execute();
    expect(rows).toHaveLength(replies.filter((reply) => reply.status === 202).length);
    expect(new Set(rows.map((row) => row.name)).size).toBe(rows.length);
    expect(new Set(rows.map((row) => row.host)).size).toBe(rows.length);
  });
});

test('a key that another process takes at the last moment wins: nothing of the loser stays', async () => {
  const { tenantId } = await api.db
    .selectFrom('tokens')
    .select('tenantId')
    .executeTakeFirstOrThrow();
  let reply: ReturnType<typeof create> | undefined;
  await other.db.transaction().execute(async (tx) => {
    await tx
      .insertInto('idempotency')
      .values({
        tenantId,
        key: 'last-moment',
        requestHash: 'of another request',
        status: 202,
        body: '{}',
        createdAt: new Date(),
      })
      .execute();
    reply = create('last-moment', { name: 'loser' });
    // Its insert has come upon the key and waits to see what becomes of it.
    await expect.poll(() => countWaiting(api.db)).toBe(1);
  });
  expect((await reply)?.body).toMatchObject({ code: 'idempotency_key_reused' });
  expect(await countStores('loser')).toBe(0);
});

test('keys are forgotten after a day, not before', async () => {
  await create('aged', { name: 'aged' });
  const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000);
  await pruneIdempotency(api.db, inHours(23));
  expect((await create('aged', { name: 'aged' })).headers.get('Idempotent-Replayed')).toBe('true');
  await pruneIdempotency(api.db, inHours(25));
  const reply = await create('aged', { name: 'aged' });
  expect(reply.status, 'the store is still the same').toBe(200);
  expect(reply.headers.get('Idempotent-Replayed')).toBeNull();
});
