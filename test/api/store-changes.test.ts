/** Suspending, keeping, protecting, going back and upgrading, as far as a request's answer. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Accepted,
  OperationList,
  StoreAnswer,
  type Store,
} from '../../control-plane/src/contract.ts';
import { loadObservedStores, stepOperations } from '../../control-plane/src/db/observations.ts';
import { noteUpgrades } from '../../control-plane/src/db/stores.ts';
import { DEFAULT_RULES } from '../../control-plane/src/domain/cluster.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { startApi, type Api, type Reply } from './support.ts';

let api: Api;
let version: string;
beforeAll(async () => {
  const { engines } = await loadTemplates();
  version = engines.find(({ type }) => type === 'woocommerce')?.version ?? '';
  api = await startApi({
    clusters: [
      {
        ...DEFAULT_RULES,
        name: 'lab',
        kind: 'lab',
        argocdUrl: null,
        baseDomain: 'localhost',
        scheme: 'http',
        port: 8088,
        retentionDays: 7,
      },
    ],
  });
  await api.token('owner', 'makers');
});
afterAll(() => api.close());

/** A store whose create is done; `commit` is its last. */
async function makeStore(name: string, status: Store['status'] = 'ready') {
  const reply = await api.request('POST', '/api/stores', {
    body: { name, type: 'woocommerce', tenant: 'makers' },
  });
  const { store, operation } = Accepted.parse(reply.body);
  const commit = await note(store, operation.id, 'create');
  await end(operation.id);
  await api.db.updateTable('stores').set({ status }).where('id', '=', store.id).execute();
  return { id: store.id, path: `/api/stores/${store.id}`, commit };
}

/** The writer's part: a commit of the operation, in the index and on the row. */
async function note({ id }: { id: string }, operationId: string | null, action: string | null) {
  const sha = randomBytes(20).toString('hex');
  const { position } = await api.db
    .selectFrom('commits')
    .select((is) => is.fn.coalesce(is.fn.max('position'), is.lit(0)).as('position'))
    .executeTakeFirstOrThrow();
  await api.db
    .insertInto('commits')
    .values({
      repository: 'r',
      position: position + 1,
      sha,
      operationId,
      action,
      storeId: operationId === null ? null : id,
      subject: '',
      author: '',
      committedAt: new Date(),
    })
    .execute();
  await api.db.updateTable('stores').set({ commitSha: sha }).where('id', '=', id).execute();
  return sha;
}

async function end(operationId: string): Promise<void> {
  await api.db
    .updateTable('operations')
    .set({ state: 'done', finishedAt: new Date() })
    .where('id', '=', operationId)
    .execute();
}

const post = (path: string, body?: object, headers?: Record<string, string>): Promise<Reply> =>
  api.request('POST', path, {
    ...(body === undefined ? {} : { body }),
    ...(headers === undefined ? {} : { headers }),
  });

const read = async (path: string): Promise<Store> =>
  StoreAnswer.parse((await api.request('GET', path)).body).store;

async function listKinds(path: string) {
  const { body } = await api.request('GET', `${path}/operations`);
  return OperationList.parse(body).operations.map(({ kind, state }) => `${kind} ${state}`);
}

async function readSpec(operationId: string) {
  const { spec } = await api.db
    .selectFrom('operations')
    .select('spec')
    .where('id', '=', operationId)
    .executeTakeFirstOrThrow();
  return spec;
}

describe('suspending', () => {
  test('twice, and twenty at once, is one operation', async () => {
    const { path } = await makeStore('sleepy');
    const replies = await Promise.all(Array.from({ length: 20 }, () => post(`${path}/suspend`)));
    expect(replies.map(({ status }) => status).sort()).toEqual([
      ...Array.from({ length: 19 }, () => 200),
      202,
    ]);
    expect(await listKinds(path)).toEqual(['suspend queued', 'create done']);
    expect(await read(path)).toMatchObject({
      suspended: true,
      status: 'provisioning',
      stage: 'requested',
      generation: 2,
    });
  });

  test('the same key again is the same answer; with another request it is refused', async () => {
    const { path } = await makeStore('keyed');
    const key = { 'Idempotency-Key': 'suspend-keyed' };
    const first = await post(`${path}/suspend`, undefined, key);
    const again = await post(`${path}/suspend`, undefined, key);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('Idempotent-Replayed')).toBe('true');
    expect((await post(`${path}/resume`, undefined, key)).status).toBe(422);
  });

  test('and resumed before it was done: the later one counts', async () => {
    const { path } = await makeStore('undecided');
    await post(`${path}/suspend`);
    const reply = await post(`${path}/resume`);
    expect(reply.status).toBe(202);
    expect(await listKinds(path)).toEqual(['resume queued', 'suspend superseded', 'create done']);
    expect(await read(path)).toMatchObject({ suspended: false, generation: 3 });
  });

  test('takes no fields', async () => {
    const { path } = await makeStore('strict');
    expect(await post(`${path}/suspend`, { replicas: 0 })).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'replicas' }] },
    });
  });
});

describe('deleting where data is kept', () => {
  test('retires the store and keeps name and host; twice is once', async () => {
    const { path, id } = await makeStore('kept');
    const first = await api.request('DELETE', path);
    const { store, operation } = Accepted.parse(first.body);
    expect(store).toMatchObject({ status: 'suspended', stage: 'requested', suspended: true });
    expect(operation).toMatchObject({ kind: 'delete', action: 'retire', generation: 2 });
    expect(await readSpec(operation.id)).toMatchObject({
      suspended: true,
      purgeAt: store.purgeAt,
    });
    expect((await api.request('DELETE', path)).body).toEqual(first.body);
    for (const body of [{ name: 'kept' }, { name: 'other', domain: 'kept.localhost' }])
      expect(
        (await post('/api/stores', { ...body, type: 'woocommerce', tenant: 'makers' })).status,
      ).toBeGreaterThanOrEqual(409);
    const checked = await api.request('GET', '/api/store-names/kept?tenant=makers');
    expect(checked.body).toMatchObject({ available: false, problem: { code: 'store_deleting' } });
    for (const [method, target, body] of [
      ['PATCH', path, { plan: 'large' }],
      ['PATCH', path, { protected: true }],
      ['POST', `${path}/retry`, undefined],
      ['POST', `${path}/suspend`, undefined],
      ['POST', `${path}/repair`, undefined],
    ] as const)
      expect((await api.request(method, target, { body })).body, target).toMatchObject({
        code: 'store_kept',
        hint: 'Resume it first.',
      });
    await api.db.updateTable('stores').set({ status: 'deleted' }).where('id', '=', id).execute();
    const again = { name: 'kept', type: 'woocommerce', tenant: 'makers' };
    expect((await post('/api/stores', again)).status, 'free when it is purged').toBe(202);
  });

  test('counts as a store until it is purged, and the refusal says so', async () => {
    const { token } = await api.token('owner', 'crowded');
    await api.setLimits('crowded', { storeLimit: 1, createsPerMinute: 100 });
    const body = { name: 'crowd-a', type: 'woocommerce' };
    const made = Accepted.parse((await api.request('POST', '/api/stores', { token, body })).body);
    await note(made.store, made.operation.id, 'create');
    const path = `/api/stores/${made.store.id}`;
    await api.request('DELETE', path, { token });
    const refused = await api.request('POST', '/api/stores', {
      token,
      body: { ...body, name: 'crowd-b' },
    });
    expect(refused.body).toMatchObject({
      code: 'store_limit',
      detail: '1 of at most 1 stores are there; 1 of them is deleted and counts until purged.',
    });
    expect((await api.request('DELETE', `${path}?now=true`, { token })).status).toBe(202);
  });

  test('nothing was committed: nothing is kept', async () => {
    const reply = await post('/api/stores', {
      name: 'slip',
      type: 'woocommerce',
      tenant: 'makers',
    });
    const { store } = Accepted.parse(reply.body);
    const { operation } = Accepted.parse(
      (await api.request('DELETE', `/api/stores/${store.id}`)).body,
    );
    expect(operation.action).toBe('release');
  });

  test('only owners purge before the time', async () => {
    const { path } = await makeStore('hasty');
    const { token } = await api.token('member', 'makers');
    const purge = () => api.request('DELETE', `${path}?now=true`, { token });
    expect(await purge()).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect((await api.request('DELETE', path, { token })).status).toBe(202);
    expect((await purge()).status).toBe(403);
    const { store, operation } = Accepted.parse(
      (await api.request('DELETE', `${path}?now=true`)).body,
    );
    expect(operation).toMatchObject({ action: 'release' });
    expect(store.status).toBe('deleting');
    expect(await listKinds(path)).toEqual(['delete queued', 'delete superseded', 'create done']);
    const bad = await api.request('DELETE', `${path}?now=perhaps`);
    expect(bad).toMatchObject({ status: 422, body: { errors: [{ field: 'now' }] } });
  });

  test('a resume and the purge’s beginning at once: one of them, never both', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { id, path } = await makeStore(`race-${round}`);
      const { operation } = Accepted.parse((await api.request('DELETE', path)).body);
      await api.db
        .updateTable('operations')
        .set({ state: 'waiting' })
        .where('id', '=', operation.id)
        .execute();
      const beginPurge = () =>
        api.db.transaction().execute((tx) =>
          stepOperations(tx, [
            {
              operationId: operation.id,
              from: { state: 'waiting', action: 'retire' },
              to: { state: 'queued', action: 'release' },
              finishedAt: null,
              error: null,
            },
          ]).then(async (stepped) => {
            if (stepped.size > 0)
              await tx
                .updateTable('stores')
                .set({ status: 'deleting' })
                .where('id', '=', id)
                .execute();
            return stepped.size;
          }),
        );
      const [begun, reply] = await Promise.all([beginPurge(), post(`${path}/resume`)]);
      expect([begun, reply.status]).toEqual(begun === 1 ? [1, 409] : [0, 202]);
      expect((await read(path)).status).toBe(begun === 1 ? 'deleting' : 'provisioning');
    }
  });

  test('what is to be kept has no deadline', async () => {
    const { id, path } = await makeStore('patient');
    await api.request('DELETE', path);
    const row = await api.db
      .selectFrom('stores')
      .select(['deadlineAt', 'application'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    expect(row.deadlineAt).toBeNull();
    const [observed] = await loadObservedStores(api.db, 'lab', [row.application], 60);
    expect(observed).toMatchObject({ suspended: true, isDeadlineNew: false });
  });
});

describe('protection', () => {
  test('goes beside what is under way: that stays the store’s operation', async () => {
    const { path } = await makeStore('fenced');
    const update = Accepted.parse(
      (await api.request('PATCH', path, { body: { plan: 'large' } })).body,
    );
    const reply = await api.request('PATCH', path, { body: { protected: true } });
    expect(reply.status).toBe(202);
    const { store, operation } = Accepted.parse(reply.body);
    expect(operation).toMatchObject({ kind: 'protect', state: 'queued', generation: 2 });
    expect(store).toMatchObject({ protected: true, plan: 'large', generation: 2 });
    expect(await listKinds(path)).toEqual(['protect queued', 'update queued', 'create done']);
    const health = await api.request('GET', `${path}/health`);
    expect(health.body).toMatchObject({ operation: update.operation.id });
    // A change after it carries it on, and leaves it to be written.
    const next = Accepted.parse(
      (await api.request('PATCH', path, { body: { plan: 'medium' } })).body,
    );
    expect(await readSpec(next.operation.id)).toMatchObject({ protected: true, plan: 'medium' });
    expect(await listKinds(path)).toEqual([
      'update queued',
      'protect queued',
      'update superseded',
      'create done',
    ]);
    const again = await api.request('PATCH', path, { body: { protected: true } });
    expect(again.status).toBe(200);
  });

  test('what waits for people carries it on', async () => {
    const { path } = await makeStore('reviewed');
    const { operation } = Accepted.parse(
      (await api.request('PATCH', path, { body: { plan: 'large' } })).body,
    );
    await api.db
      .updateTable('operations')
      .set({ state: 'review', needsReview: true })
      .where('id', '=', operation.id)
      .execute();
    await api.request('PATCH', path, { body: { protected: true } });
    expect(await readSpec(operation.id)).toMatchObject({ protected: true, plan: 'large' });
  });

  test('refuses every delete, now or later', async () => {
    const { path } = await makeStore('safe');
    await api.request('PATCH', path, { body: { protected: true } });
    for (const query of ['', '?now=true'])
      expect(await api.request('DELETE', path + query)).toMatchObject({
        status: 409,
        body: { code: 'protected' },
      });
    await api.request('PATCH', path, { body: { protected: false } });
    expect((await api.request('DELETE', path)).status).toBe(202);
  });

  test('is an owner’s to decide, and comes alone', async () => {
    const { path } = await makeStore('owned');
    const { token } = await api.token('member', 'makers');
    const body = { protected: true };
    expect((await api.request('PATCH', path, { token, body })).status).toBe(403);
    expect(await api.request('PATCH', path, { body: { ...body, plan: 'large' } })).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'protected' }] },
    });
  });
});

describe('going back', () => {
  test('to a commit of the store’s; what it undoes is on record', async () => {
    const { path, commit } = await makeStore('wanderer');
    const update = Accepted.parse(
      (await api.request('PATCH', path, { body: { plan: 'large' } })).body,
    );
    const undone = await note({ id: update.store.id }, update.operation.id, 'update');
    const reply = await post(`${path}/rollback`, { commit });
    expect(reply.status, reply.text).toBe(202);
    const { store, operation } = Accepted.parse(reply.body);
    expect(store).toMatchObject({ plan: 'small', generation: 3 });
    const row = await api.db
      .selectFrom('operations')
      .select(['kind', 'reverts', 'restores'])
      .where('id', '=', operation.id)
      .executeTakeFirstOrThrow();
    expect(row).toEqual({ kind: 'rollback', reverts: undone, restores: commit });
    const now = await post(`${path}/rollback`, { commit });
    expect(now.body).toMatchObject({
      code: 'rollback_refused',
      detail: 'This is what the store is now.',
    });
  });

  test('of a spec from before there was protection and suspension', async () => {
    const { path, id, commit } = await makeStore('elder');
    await sql`
      update operations set spec = spec - 'suspended' - 'protected' - 'purgeAt' where store_id = ${id}
    `.execute(api.db);
    await api.request('PATCH', path, { body: { plan: 'large' } });
    const { store } = Accepted.parse((await post(`${path}/rollback`, { commit })).body);
    expect(store).toMatchObject({ plan: 'small', suspended: false });
  });

  test('not to another store’s commit, nobody’s, or a person’s', async () => {
    const { path } = await makeStore('fixed');
    const { commit: others } = await makeStore('neighbour');
    const { commit: persons, words } = {
      commit: await note({ id: 'st_none' }, null, null),
      words: 'This commit is a person’s: only those of the platform say what a store was.',
    };
    for (const [commit, detail] of [
      [others, 'This is no commit of this store.'],
      ['0'.repeat(40), 'This is no commit of this store.'],
      [persons, words],
    ] as const)
      for (const reply of [
        await post(`${path}/rollback`, { commit }),
        await api.request('GET', `${path}/rollback?commit=${commit}`),
      ])
        expect(reply).toMatchObject({ status: 409, body: { code: 'rollback_refused', detail } });
    expect((await post(`${path}/rollback`, { commit: 'HEAD' })).body).toMatchObject({
      errors: [{ field: 'commit' }],
    });
  });

  test('a domain that somebody else has by now is not taken', async () => {
    const { path, id } = await makeStore('mover');
    const there = Accepted.parse(
      (await api.request('PATCH', path, { body: { domain: 'move.example.com' } })).body,
    );
    const commit = await note({ id }, there.operation.id, 'update');
    await api.request('PATCH', path, { body: { domain: null } });
    const other = await makeStore('settler');
    await api.request('PATCH', other.path, { body: { domain: 'move.example.com' } });
    expect((await post(`${path}/rollback`, { commit })).body).toMatchObject({
      code: 'host_taken',
    });
  });
});

describe('upgrading', () => {
  test('is offered where there is something newer, and taken once', async () => {
    const { path, id } = await makeStore('old');
    expect((await post(`${path}/upgrade`)).status).toBe(200);
    await api.db
      .updateTable('stores')
      .set({ chartVersion: '0.9.0' })
      .where('id', '=', id)
      .execute();
    await noteUpgrades(api.db, await loadTemplates());
    expect(await read(path)).toMatchObject({ chartVersion: '0.9.0', upgradeTo: version });
    const { store, operation } = Accepted.parse((await post(`${path}/upgrade`)).body);
    expect(operation.kind).toBe('upgrade');
    expect(store).toMatchObject({ chartVersion: version, upgradeTo: null, generation: 2 });
    expect(await readSpec(operation.id)).toMatchObject({ chartVersion: version });
    expect((await post(`${path}/upgrade`)).status).toBe(200);
  });
});

test('every act is on record with what it changed', async () => {
  const { path, id } = await makeStore('recorded');
  await post(`${path}/suspend`);
  await post(`${path}/resume`);
  await api.request('PATCH', path, { body: { protected: true } });
  await api.request('PATCH', path, { body: { protected: false } });
  await api.request('DELETE', path);
  const { body } = await api.request('GET', `/api/audit?store=${id}`);
  const entries = body['entries'] as { action: string; detail: Record<string, unknown> }[];
  expect(entries.map(({ action }) => action)).toEqual([
    'store.delete',
    'store.protect',
    'store.protect',
    'store.resume',
    'store.suspend',
    'store.create',
  ]);
  expect(entries[0]?.detail).toHaveProperty('purgeAt');
  expect(entries[1]?.detail).toMatchObject({ protected: false });
});
