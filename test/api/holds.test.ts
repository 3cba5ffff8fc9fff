/** The guard against removing much at once (reliability 10), at the API's side of it. */
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Accepted, HoldAnswer, HoldList, StoreAnswer } from '../../control-plane/src/contract.ts';
import { countWaiting } from '../support/postgres.ts';
import { startApi, type Api, type Person } from './support.ts';

let api: Api;
let ada: Person;
let bob: Person;
let stores: string[];

beforeEach(async () => {
  api = await startApi();
  ada = await api.person('operator');
  bob = await api.person('operator');
  stores = [];
  for (let n = 0; n < 8; n += 1) stores.push(await addStore(`shop-${n}`));
});

afterEach(() => api.close());

/** A store as it is once its create is on the branch and live. */
async function addStore(name: string): Promise<string> {
  const reply = await api.request('POST', '/api/stores', { body: { name, type: 'woocommerce' } });
  const { store, operation } = Accepted.parse(reply.body);
  const at = new Date();
  await api.db
    .updateTable('operations')
    .set({ state: 'done', commitSha: 'c'.repeat(40), committedAt: at, finishedAt: at })
    .where('id', '=', operation.id)
    .execute();
  await api.db
    .updateTable('stores')
    .set({ status: 'ready', stage: 'ready', commitSha: 'c'.repeat(40), detail: null })
    .where('id', '=', store.id)
    .execute();
  return store.id;
}

async function remove(id: string, person = ada) {
  const reply = await api.request('DELETE', `/api/stores/${id}`, { cookie: person.cookie });
  expect(reply.status).toBe(202);
  return Accepted.parse(reply.body);
}

async function read(id: string) {
  return StoreAnswer.parse((await api.request('GET', `/api/stores/${id}`)).body).store;
}

async function listOpen(person = bob) {
  const reply = await api.request('GET', '/api/holds', { cookie: person.cookie });
  return HoldList.parse(reply.body).holds.filter(({ state }) => state === 'open');
}

/** An approval is of what waits now, unless it says of what. */
async function decide(
  id: string,
  decision: 'approve' | 'reject',
  shown: { cookie?: string; token?: string },
  operations?: readonly string[],
) {
  const path = `/api/holds/${id}/${decision}`;
  if (decision === 'reject') return api.request('POST', path, shown);
  const hold = (await listOpen()).find((one) => one.id === id);
  const now = hold?.operations.map((one) => one.id) ?? [];
  return api.request('POST', path, { ...shown, body: { operations: operations ?? now } });
}

test('five deletes go through; what is more waits together, an operator’s too, as it was', async () => {
  const states = [];
  for (const id of stores.slice(0, 7)) states.push((await remove(id)).operation.state);
  expect(states).toEqual(['queued', 'queued', 'queued', 'queued', 'queued', 'held', 'held']);
  const [hold, ...more] = await listOpen();
  expect(more).toEqual([]);
  expect(hold?.operations.map(({ store }) => store.id)).toEqual(stores.slice(5, 7));
  expect(hold?.own).toBe(false);
  expect((await listOpen(ada))[0]?.own).toBe(true);
  expect(await read(stores[6] ?? '')).toMatchObject({
    status: 'ready',
    stage: 'requested',
    detail: 'waiting for a second operator',
  });
  // Asked again it is the same delete.
  expect((await remove(stores[6] ?? '')).operation.state).toBe('held');
  expect((await listOpen())[0]?.operations).toHaveLength(2);
});

test('only somebody who asked for none of them lets them go on', async () => {
  for (const id of stores.slice(0, 6)) await remove(id);
  const [hold] = await listOpen();
  if (hold === undefined) throw new Error('one delete is held');
  const adasToken = await api.request('POST', '/api/tokens', {
    cookie: ada.cookie,
    body: { name: 'script' },
  });
  for (const shown of [{ cookie: ada.cookie }, { token: String(adasToken.body.token) }, {}]) {
    const reply = await decide(hold.id, 'approve', shown);
    expect([reply.status, reply.body.code]).toEqual([403, 'forbidden']);
  }
  expect((await read(stores[5] ?? '')).status).toBe('ready');

  const reply = await decide(hold.id, 'approve', { cookie: bob.cookie });
  expect(reply.status).toBe(200);
  expect(HoldAnswer.parse(reply.body).hold).toMatchObject({
    state: 'approved',
    operations: [{ state: 'queued' }],
  });
  expect((await read(stores[5] ?? '')).status).toBe('deleting');
  expect((await decide(hold.id, 'reject', { cookie: bob.cookie })).body.code).toBe('hold_decided');
  // What was let through counts: the next one waits, in a hold of its own.
  expect((await remove(stores[7] ?? '')).operation.state).toBe('held');
  expect((await listOpen()).map(({ id }) => id)).not.toContain(hold.id);
});

test('an approval lets through what was looked at, and nothing that joined since', async () => {
  for (const id of stores.slice(0, 6)) await remove(id);
  const [seen] = await listOpen();
  if (seen === undefined) throw new Error('one delete is held');
  const looked = seen.operations.map(({ id }) => id);
  for (const id of stores.slice(6)) await remove(id);
  const late = await decide(seen.id, 'approve', { cookie: bob.cookie }, looked);
  expect([late.status, late.body.code]).toEqual([409, 'hold_moved']);
  for (const id of stores.slice(5)) expect((await read(id)).status).toBe('ready');
  const [now] = await listOpen();
  expect([now?.total, now?.operations.length]).toEqual([3, 3]);
  expect((await decide(seen.id, 'approve', { cookie: bob.cookie })).status).toBe(200);
});

test('an open hold shows what waits in it now', async () => {
  for (const id of stores.slice(0, 7)) await remove(id);
  const withdrawn = await api.request('PATCH', `/api/stores/${stores[5] ?? ''}`, {
    body: { plan: 'medium' },
  });
  expect(withdrawn.status).toBe(202);
  const [hold] = await listOpen();
  expect(hold).toMatchObject({ total: 1, operations: [{ store: { id: stores[6] } }] });
});

test('a delete that comes while somebody decides is never left in a decided hold (reliability 10)', async () => {
  for (const id of stores.slice(0, 6)) await remove(id);
  const [hold] = await listOpen();
  if (hold === undefined) throw new Error('one delete is held');
  const looked = hold.operations.map(({ id }) => id);
  // The decision waits for the hold, which the test has; the deletes come behind it.
  const holding = Promise.withResolvers<undefined>();
  const locked = Promise.withResolvers<undefined>();
  const blocker = api.db.transaction().execute(async (tx) => {
    await sql`select 1 from holds where id = ${hold.id} for no key update`.execute(tx);
    locked.resolve(undefined);
    await holding.promise;
  });
  await locked.promise;
  const decision = decide(hold.id, 'approve', { cookie: bob.cookie }, looked);
  const joining = Promise.all(stores.slice(6).map((id) => remove(id)));
  await vi.waitFor(
    async () => {
      expect(await countWaiting(api.db)).toBeGreaterThanOrEqual(3);
    },
    { timeout: 15_000 },
  );
  holding.resolve(undefined);
  await Promise.all([blocker, decision, joining]);
  const { rows } = await sql<{ left: number }>`
    select count(*) as left from operations o join holds h on h.id = o.hold_id
    where o.state = 'held' and h.state <> 'open'
  `.execute(api.db);
  expect(rows).toEqual([{ left: 0 }]);
});

test('protecting a store takes back its delete that waits', async () => {
  for (const id of stores.slice(0, 6)) await remove(id);
  const held = stores[5] ?? '';
  const guarded = await api.request('PATCH', `/api/stores/${held}`, { body: { protected: true } });
  expect(guarded.status).toBe(202);
  expect(await read(held)).toMatchObject({ status: 'ready', protected: true });
  expect((await listOpen()).flatMap(({ operations }) => operations)).toEqual([]);
  const operations = await api.request('GET', `/api/stores/${held}/operations`);
  expect(operations.body.operations).toMatchObject([
    { kind: 'protect', state: 'queued' },
    { kind: 'delete', state: 'rejected', error: { code: 'protected' } },
    { kind: 'create' },
  ]);
});

test('a delete by somebody’s token counts as that person’s', async () => {
  const token = await api.request('POST', '/api/tokens', {
    cookie: ada.cookie,
    body: { name: 'script' },
  });
  for (const id of stores.slice(0, 6))
    await api.request('DELETE', `/api/stores/${id}`, { token: String(token.body.token) });
  const [hold] = await listOpen();
  expect((await decide(hold?.id ?? '', 'approve', { cookie: ada.cookie })).status).toBe(403);
  expect((await decide(hold?.id ?? '', 'approve', { cookie: bob.cookie })).status).toBe(200);
});

test('refused, the stores are as they were, and can be changed', async () => {
  for (const id of stores.slice(0, 7)) await remove(id);
  const [hold] = await listOpen();
  // Who asked may take it back.
  expect((await decide(hold?.id ?? '', 'reject', { cookie: ada.cookie })).status).toBe(200);
  for (const id of stores.slice(5, 7)) {
    expect(await read(id)).toMatchObject({ status: 'ready', error: null });
    const operations = await api.request('GET', `/api/stores/${id}/operations`);
    expect(operations.body.operations).toMatchObject([{ kind: 'delete', state: 'rejected' }, {}]);
  }
  const changed = await api.request('PATCH', `/api/stores/${stores[5] ?? ''}`, {
    body: { plan: 'medium' },
  });
  expect(changed.status).toBe(202);
  const record = await api.request('GET', '/api/audit?action=hold.rejected', {
    cookie: bob.cookie,
  });
  expect(record.body.entries).toMatchObject([
    { by: { id: ada.id }, detail: { cluster: 'lab', stores: ['shop-5', 'shop-6'] } },
  ]);
});

test('the window moves on', async () => {
  for (const id of stores.slice(0, 5)) await remove(id);
  api.advance(9 * 60_000);
  expect((await remove(stores[5] ?? '')).operation.state).toBe('held');
  api.advance(2 * 60_000);
  expect((await remove(stores[6] ?? '')).operation.state).toBe('queued');
});

test('of many deletes at once no more get through than one after another', async () => {
  const outcomes = await Promise.all(stores.map((id) => remove(id)));
  expect(outcomes.filter(({ operation }) => operation.state === 'queued')).toHaveLength(5);
  expect(await listOpen()).toHaveLength(1);
});

test('what never was on the branch is not removed from anywhere', async () => {
  for (const id of stores.slice(0, 5)) await remove(id);
  const reply = await api.request('POST', '/api/stores', {
    body: { name: 'new', type: 'woocommerce' },
  });
  expect((await remove(Accepted.parse(reply.body).store.id)).operation.state).toBe('queued');
});
