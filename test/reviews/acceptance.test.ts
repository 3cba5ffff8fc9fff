/** Which requests are accepted to be reviewed first, by their cluster's mode. */
import { afterEach, expect, test } from 'vitest';
import { Accepted } from '../../control-plane/src/contract.ts';
import { DEFAULT_RULES, type ReviewMode } from '../../control-plane/src/domain/cluster.ts';
import { endUncommitted } from '../../control-plane/src/db/uncommitted.ts';
import { startApi, type Api } from '../api/support.ts';
import { connectAsOwner, countWaiting } from '../support/postgres.ts';

let api: Api;
afterEach(() => api.close());

async function start(review: ReviewMode, retentionDays = 0): Promise<void> {
  api = await startApi({
    clusters: [
      {
        ...DEFAULT_RULES,
        ...{ review, retentionDays },
        name: 'lab',
        baseDomain: 'localhost',
        scheme: 'http',
        port: 8088,
        kind: 'lab',
        argocdUrl: null,
      },
    ],
  });
  await api.token('owner', 'acme'); // makes the tenant
}

async function ask(method: string, path: string, body?: unknown) {
  const reply = await api.request(method, path, { body });
  expect(reply.status, reply.text).toBe(202);
  const { store, operation } = Accepted.parse(reply.body);
  const row = await api.db
    .selectFrom('operations')
    .select(['needsReview', 'state'])
    .where('id', '=', operation.id)
    .executeTakeFirstOrThrow();
  expect(row.state).toBe('queued');
  return { store, needsReview: row.needsReview };
}

const create = (name: string) =>
  ask('POST', '/api/stores', { name, type: 'woocommerce', tenant: 'acme' });

/** As the writer and the observer leave a store that is live. */
async function goLive(id: string): Promise<void> {
  await api.db
    .updateTable('stores')
    .set({ status: 'ready', stage: 'ready', commitSha: 'a'.repeat(40), commitPosition: 1 })
    .where('id', '=', id)
    .execute();
}

test('always: everything but protection, and no deadline runs while people look', async () => {
  await start('always');
  const { store, needsReview } = await create('shop');
  expect(needsReview).toBe(true);
  const health = await api.request('GET', `/api/stores/${store.id}/health`);
  expect(health.body).toMatchObject({ deadlineAt: null });
  await goLive(store.id);
  const changed = await ask('PATCH', `/api/stores/${store.id}`, { plan: 'medium' });
  expect(changed).toMatchObject({ needsReview: true, store: { status: 'ready' } });
  const guarded = await ask('PATCH', `/api/stores/${store.id}`, { protected: true });
  expect(guarded.needsReview).toBe(false);
});

test('destructive: a delete is, a change is not; what was never committed leaves at once', async () => {
  await start('destructive');
  const { store, needsReview } = await create('shop');
  expect(needsReview).toBe(false);
  await goLive(store.id);
  expect((await ask('PATCH', `/api/stores/${store.id}`, { plan: 'medium' })).needsReview).toBe(
    false,
  );
  await goLive(store.id);
  const deleted = await ask('DELETE', `/api/stores/${store.id}`);
  expect(deleted).toMatchObject({ needsReview: true, store: { status: 'ready' } });
  const other = await create('other');
  const left = await ask('DELETE', `/api/stores/${other.store.id}`);
  expect(left).toMatchObject({ needsReview: false, store: { status: 'deleting' } });
});

test('destructive: a delete that failed before anybody agreed is asked about again', async () => {
  await start('destructive');
  const { store } = await create('shop');
  await goLive(store.id);
  await ask('DELETE', `/api/stores/${store.id}`);
  const fail = async (commitSha: string | null) => {
    await api.db
      .updateTable('operations')
      .set({ state: 'failed', commitSha })
      .where('storeId', '=', store.id)
      .where('kind', '=', 'delete')
      .where('state', '=', 'queued')
      .execute();
    await api.db.updateTable('stores').set({ status: 'deleting' }).execute();
  };
  await fail(null);
  expect((await ask('DELETE', `/api/stores/${store.id}`)).needsReview).toBe(true);
  await fail('b'.repeat(40));
  expect((await ask('DELETE', `/api/stores/${store.id}`)).needsReview).toBe(false);
});

test('destructive: an operator’s create that is more than the tenant may have', async () => {
  await start('destructive');
  await create('one');
  await api.setLimits('acme', { storeLimit: 1 });
  expect((await create('two')).needsReview).toBe(true);
});

/** Its operation as the writer leaves it once it is on the branch. */
async function commit(id: string): Promise<void> {
  await api.db
    .updateTable('operations')
    .set({ state: 'done', needsReview: false, committedAt: new Date(), commitSha: 'a'.repeat(40) })
    .where('storeId', '=', id)
    .where('state', '=', 'queued')
    .execute();
  await goLive(id);
}

test('destructive: what waits for its review does not reach the branch by another change', async () => {
  await start('destructive');
  const { store } = await create('shop');
  await commit(store.id);
  // As an upgrade leaves the row while people look at it.
  const upgraded = await ask('POST', `/api/stores/${store.id}/retry`);
  await api.db
    .updateTable('operations')
    .set({ kind: 'upgrade', action: 'upgrade', needsReview: true })
    .where('storeId', '=', upgraded.store.id)
    .where('state', '=', 'queued')
    .execute();
  await api.db.updateTable('stores').set({ chartVersion: '99.0.0' }).execute();
  for (const [method, path, body] of [
    ['POST', '/retry', undefined],
    ['PATCH', '', { plan: 'medium' }],
    ['POST', '/suspend', undefined],
  ] as const)
    expect((await ask(method, `/api/stores/${store.id}${path}`, body)).needsReview, path).toBe(
      true,
    );
});

test('destructive: a delete that waits is taken back without a review', async () => {
  await start('destructive');
  const { store } = await create('shop');
  await commit(store.id);
  expect((await ask('DELETE', `/api/stores/${store.id}`)).needsReview).toBe(true);
  expect((await ask('POST', `/api/stores/${store.id}/retry`)).needsReview).toBe(false);
});

test('destructive: protecting a store takes back its delete that waits, where data is kept too', async () => {
  await start('destructive', 14);
  const { store } = await create('shop');
  await commit(store.id);
  const deleted = await ask('DELETE', `/api/stores/${store.id}`);
  expect(deleted).toMatchObject({ needsReview: true, store: { status: 'ready' } });
  expect(deleted.store.purgeAt).not.toBeNull();
  const changed = await api.request('PATCH', `/api/stores/${store.id}`, {
    body: { plan: 'medium' },
  });
  expect(changed.status).toBe(409);
  expect(changed.body).toMatchObject({
    code: 'store_kept',
    detail: '“shop” is to be deleted: that waits for its review.',
  });
  const guarded = await ask('PATCH', `/api/stores/${store.id}`, { protected: true });
  expect(guarded).toMatchObject({
    needsReview: false,
    store: { status: 'ready', protected: true, suspended: false, purgeAt: null },
  });
  const operations = await api.request('GET', `/api/stores/${store.id}/operations`);
  expect(operations.body['operations']).toMatchObject([
    { kind: 'protect', state: 'queued' },
    { kind: 'delete', state: 'rejected', error: { code: 'protected' } },
    { kind: 'create' },
  ]);
});

test('a delete that waits for nobody may be on its way: protecting does not take it back', async () => {
  await start('never', 14);
  const { store } = await create('shop');
  await commit(store.id);
  await ask('DELETE', `/api/stores/${store.id}`);
  const path = `/api/stores/${store.id}`;
  const guarded = await api.request('PATCH', path, { body: { protected: true } });
  expect(guarded.body).toMatchObject({ status: 409, code: 'store_kept' });
});

test('a store that is kept is not protected, whatever waits', async () => {
  await start('destructive', 14);
  const { store } = await create('shop');
  await commit(store.id);
  await ask('DELETE', `/api/stores/${store.id}`);
  await commit(store.id);
  await api.db.updateTable('stores').set({ status: 'suspended', stage: 'kept' }).execute();
  await ask('DELETE', `/api/stores/${store.id}?now=true`);
  const path = `/api/stores/${store.id}`;
  const guarded = await api.request('PATCH', path, { body: { protected: true } });
  expect(guarded.body).toMatchObject({ status: 409, code: 'store_kept' });
});

/** As a review leaves it that somebody has rejected: what was asked for last. */
async function reject(storeId: string): Promise<void> {
  const { operationId } = await api.db
    .selectFrom('stores')
    .select('operationId')
    .where('id', '=', storeId)
    .executeTakeFirstOrThrow();
  await api.db.transaction().execute((tx) =>
    endUncommitted(tx, {
      operationId,
      state: 'rejected',
      problem: { code: 'review_rejected', message: 'No.', hint: null },
      domainOf: () => null,
      deadlineMs: 1000,
      at: new Date(),
    }),
  );
}

test('destructive: a create that was refused is looked at again, by whatever change', async () => {
  await start('destructive');
  await create('one');
  await api.setLimits('acme', { storeLimit: 1 });
  const { store } = await create('two');
  expect((await ask('PATCH', `/api/stores/${store.id}`, { plan: 'medium' })).needsReview).toBe(
    true,
  );
  await reject(store.id);
  const again = await ask('POST', `/api/stores/${store.id}/retry`);
  expect(again).toMatchObject({ needsReview: true, store: { status: 'provisioning' } });
});

test('always: a host stays its store’s until the move away from it is agreed to', async () => {
  await start('always');
  const wanted = { type: 'woocommerce', tenant: 'acme', domain: 'a.example.com' };
  const { store } = await ask('POST', '/api/stores', { ...wanted, name: 'shop' });
  await commit(store.id);
  const moved = await ask('PATCH', `/api/stores/${store.id}`, { domain: 'b.example.com' });
  expect(moved.store.url).toContain('b.example.com');
  const taker = await create('taker');
  await commit(taker.store.id);
  const replies = [
    await api.request('POST', '/api/stores', { body: { ...wanted, name: 'third' } }),
    await api.request('PATCH', `/api/stores/${taker.store.id}`, {
      body: { domain: 'a.example.com' },
    }),
  ];
  for (const reply of replies)
    expect([reply.status, reply.body.code], reply.text).toEqual([409, 'host_taken']);
});

test.each([
  ['a create', true],
  ['a change of another store', false],
])('always: %s that waits for a move to be recorded finds the host held', async (_, isCreate) => {
  await start('always');
  const wanted = { type: 'woocommerce', tenant: 'acme', domain: 'a.example.com' };
  const { store } = await ask('POST', '/api/stores', { ...wanted, name: 'shop' });
  await commit(store.id);
  const taker = await create('taker');
  const holder = await connectAsOwner(api.databaseUrl);
  try {
    // Keeps the move from its end: nobody knows yet whose key that is.
    await holder.query('begin');
    await holder.query(
      `insert into idempotency (tenant_id, key, request_hash, status, body)
        select id, 'slow', 'another', 202, '{}' from tenants`,
    );
    const move = api.request('PATCH', `/api/stores/${store.id}`, {
      body: { domain: 'b.example.com' },
      headers: { 'Idempotency-Key': 'slow' },
    });
    await expect.poll(() => countWaiting(api.db)).toBe(1);
    const taking = isCreate
      ? api.request('POST', '/api/stores', { body: { ...wanted, name: 'third' } })
      : api.request('PATCH', `/api/stores/${taker.store.id}`, { body: { domain: wanted.domain } });
    await expect.poll(() => countWaiting(api.db)).toBe(2);
    await holder.query('rollback');
    expect((await move).status).toBe(202);
    const reply = await taking;
    expect([reply.status, reply.body.code], reply.text).toEqual([409, 'host_taken']);
  } finally {
    await holder.end();
  }
  // Refused, the store has its host again.
  await reject(store.id);
  const row = await api.db
    .selectFrom('stores')
    .select(['host', 'heldHost'])
    .where('id', '=', store.id)
    .executeTakeFirstOrThrow();
  expect(row).toEqual({ host: wanted.domain, heldHost: null });
});

test('always: a delete of a store that is on its way leaves it so until somebody agreed', async () => {
  await start('always');
  const { store } = await create('shop');
  await commit(store.id);
  await api.db.updateTable('stores').set({ status: 'provisioning' }).execute();
  expect((await ask('DELETE', `/api/stores/${store.id}`)).store.status).toBe('provisioning');
});

test('never: nothing', async () => {
  await start('never');
  const { store, needsReview } = await create('shop');
  expect(needsReview).toBe(false);
  await goLive(store.id);
  expect((await ask('DELETE', `/api/stores/${store.id}`)).needsReview).toBe(false);
});
