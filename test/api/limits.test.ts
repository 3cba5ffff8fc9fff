import { afterAll, beforeAll, expect, test } from 'vitest';
import { Accepted } from '../../control-plane/src/contract.ts';
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

/** Time passes for both. */
function advance(ms: number): void {
  api.advance(ms);
  other.advance(ms);
}

const create = (token: string, name: string, headers: Record<string, string> = {}, at: Api = api) =>
  at.request('POST', '/api/stores', { token, body: { name, type: 'woocommerce' }, headers });

test('stores per tenant: the one too many is a 403; a deleted one makes room', async () => {
  const { token } = await api.token('owner', 'full');
  await api.setLimits('full', { storeLimit: 2, createsPerMinute: 100 });
  const first = Accepted.parse((await create(token, 'full-a')).body);
  expect((await create(token, 'full-b')).status).toBe(202);
  const refused = await create(token, 'full-c');
  expect(refused.status).toBe(403);
  expect(refused.body).toMatchObject({ code: 'store_limit' });
  expect((await create(token, 'full-b')).status, 'what is there is still answered').toBe(200);

  await api.request('DELETE', `/api/stores/${first.store.id}`, { token });
  expect((await create(token, 'full-c')).status, 'deleting is not deleted').toBe(403);
  await api.db
    .updateTable('stores')
    .set({ status: 'deleted' })
    .where('id', '=', first.store.id)
    .execute();
  expect((await create(token, 'full-c')).status).toBe(202);
});

test('creates per minute: 429 says when; a minute later it goes on', async () => {
  const { token } = await api.token('member', 'fast');
  const refused = await api.inOneMoment(async () => {
    expect((await create(token, 'fast-a', { 'Idempotency-Key': 'fast' })).status).toBe(202);
    return create(token, 'fast-b');
  });
  expect(refused.status).toBe(429);
  expect(refused.body).toMatchObject({ code: 'rate_limited' });
  const seconds = Number(refused.headers.get('Retry-After'));
  expect(seconds).toBeGreaterThan(50);
  expect(seconds).toBeLessThanOrEqual(60);
  const replay = await create(token, 'fast-a', { 'Idempotency-Key': 'fast' });
  expect(replay.status, 'an answer given before costs nothing').toBe(202);
  expect((await create(token, 'fast-a')).status, 'nor does the same again').toBe(200);
  advance(seconds * 1000);
  expect((await create(token, 'fast-b')).status).toBe(202);
});

test('the rate is each principal’s own, the number of stores the tenant’s', async () => {
  const one = await api.token('owner', 'shared');
  const two = await api.token('member', 'shared');
  await api.setLimits('shared', { storeLimit: 2 });
  expect((await create(one.token, 'shared-a')).status).toBe(202);
  expect((await create(two.token, 'shared-b')).status).toBe(202);
  advance(61_000);
  expect((await create(two.token, 'shared-c')).status).toBe(403);
});

test('thirty at once in two processes: as many as there is room for, not one more', async () => {
  const tokens = await Promise.all(Array.from({ length: 30 }, () => api.token('owner', 'crowd')));
  await api.setLimits('crowd', { storeLimit: 7 });
  const replies = await Promise.all(
    tokens.map(({ token }, index) =>
      create(token, `crowd-${index}`, {}, index % 2 === 0 ? api : other),
    ),
  );
  expect(replies.filter((reply) => reply.status === 202)).toHaveLength(7);
  expect(replies.filter((reply) => reply.status === 403)).toHaveLength(23);
});

test('twenty at once by one, in two processes: one', async () => {
  const { token } = await api.token('owner', 'hasty');
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      create(token, `hasty-${index}`, {}, index % 2 === 0 ? api : other),
    ),
  );
  expect(replies.filter((reply) => reply.status === 202)).toHaveLength(1);
  expect(replies.filter((reply) => reply.status === 429)).toHaveLength(19);
});

test('operators are exempt', async () => {
  await api.token('owner', 'exempt');
  await api.setLimits('exempt', { storeLimit: 1, createsPerMinute: 0 });
  for (const name of ['exempt-a', 'exempt-b', 'exempt-c']) {
    const reply = await api.request('POST', '/api/stores', {
      body: { name, type: 'woocommerce', tenant: 'exempt' },
    });
    expect(reply.status).toBe(202);
  }
});
