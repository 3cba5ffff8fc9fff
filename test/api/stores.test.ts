import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as contract from '../../control-plane/src/contract.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { exampleStore } from '../support/example-store.ts';
import { countRecords, startApi, type Api } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

async function create(body: Record<string, unknown>, headers?: Record<string, string>) {
  return api.request('POST', '/api/stores', {
    body: { type: 'woocommerce', ...body },
    ...(headers === undefined ? {} : { headers }),
  });
}

async function createStore(name: string, more: Record<string, unknown> = {}) {
  const reply = await create({ name, ...more });
  expect(reply.status, reply.text).toBe(202);
  return contract.Accepted.parse(reply.body);
}

describe('creating', () => {
  test('answers 202 with the store and its operation, and records both', async () => {
    const before = api.accepted();
    const reply = await create({ name: 'tea' });
    expect(reply.status).toBe(202);
    const { store, operation } = contract.Accepted.strict().parse(reply.body);
    expect(reply.headers.get('Location')).toBe(`/api/stores/${store.id}`);
    expect(store).toMatchObject({
      name: 'tea',
      tenant: 'platform',
      type: 'woocommerce',
      plan: 'small',
      cluster: 'lab',
      url: 'http://tea.localhost:8088',
      status: 'provisioning',
      stage: 'requested',
      generation: 1,
      commit: null,
      readyAt: null,
      error: null,
    });
    expect(store.id).toMatch(/^st_[a-z2-7]{16}$/);
    expect(store.namespace).toMatch(/^store-[a-z0-9]{6}-tea$/);
    expect(operation).toMatchObject({ kind: 'create', action: 'create', state: 'queued' });
    expect(api.accepted()).toBe(before + 1);

    const shown = await api.request('GET', `/api/stores/${store.id}`);
    expect(shown.body).toEqual({ store });
    const row = await api.db
      .selectFrom('operations')
      .selectAll()
      .where('id', '=', operation.id)
      .executeTakeFirstOrThrow();
    const tenantId = store.namespace.split('-')[1] ?? '';
    const { engines } = await loadTemplates();
    const chartVersion = engines.find(({ type }) => type === 'woocommerce')?.version ?? 'none';
    expect(row.spec).toEqual(
      exampleStore({ id: store.id, name: 'tea', tenantId, tenant: 'platform', chartVersion }),
    );
  });

  test('takes options and fills in the others', async () => {
    const { store } = await createStore('options', {
      options: { currency: 'SEK', sample_products: false },
    });
    expect(store.options).toMatchObject({
      currency: 'SEK',
      sample_products: false,
      country: 'DE',
      object_cache: false,
    });
    const again = await create({ name: 'options', options: { sample_products: false } });
    expect(again.status).toBe(409);
    expect(again.body).toMatchObject({
      code: 'name_taken',
      errors: [{ field: 'options.currency' }],
    });
  });

  test.each([
    [{ currency: 'XXX' }, 'options.currency'],
    [{ currency: true }, 'options.currency'],
    [{ sample_products: 'yes' }, 'options.sample_products'],
    [{ worker: true }, 'options.worker'],
    [{ theme: null }, 'options.theme'],
  ])('refuses options that the engine has not: %j', async (options, field) => {
    const reply = await create({ name: 'refused-options', options });
    expect(reply.status).toBe(422);
    expect(reply.body).toMatchObject({ errors: [{ field }] });
  });

  test('the same again is the same store, and nothing new', async () => {
    const first = await createStore('again', { plan: 'medium' });
    const before = api.accepted();
    const reply = await create({ name: 'again', plan: 'medium' });
    expect(reply.status).toBe(200);
    expect(reply.body).toEqual(first);
    expect(api.accepted()).toBe(before);
  });

  test.each([
    ['plan', { plan: 'large' }],
    ['domain', { domain: 'differs.example.com' }],
  ])('with other settings it is a conflict that names the field: %s', async (field, more) => {
    await create({ name: 'differs' });
    const reply = await create({ name: 'differs', ...more });
    expect(reply.status).toBe(409);
    expect(reply.body).toMatchObject({ code: 'name_taken', errors: [{ field }] });
  });

  test('a host is given once per cluster, whoever asks', async () => {
    await api.token('owner', 'other-host');
    await createStore('host-a', { domain: 'one.example.com' });
    const other = await create({ name: 'host-b', domain: 'one.example.com', tenant: 'other-host' });
    expect(other.status).toBe(409);
    expect(other.body).toMatchObject({ code: 'host_taken', errors: [{ field: 'domain' }] });
    const name = await create({ name: 'host-a', tenant: 'other-host' });
    expect(name.status, 'its own default host is free').toBe(202);
    const taken = await create({ name: 'tea', tenant: 'other-host' });
    expect(taken.body).toMatchObject({ code: 'host_taken', errors: [{ field: 'name' }] });
  });

  test('a tenant that is not there is refused, not made: it may be a slip of the hand', async () => {
    const before = await countRecords(api.db);
    const refused = await create({ name: 'bread', tenant: 'never-made' });
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({
      code: 'invalid_request',
      errors: [{ field: 'tenant', message: 'There is no tenant never-made.' }],
      hint: 'Make it first, under Tenants.',
    });
    expect(await countRecords(api.db)).toEqual(before);
    await api.request('POST', '/api/tenants', { body: { slug: 'bakers', name: 'Bakers' } });
    const made = await createStore('bread', { tenant: 'bakers' });
    expect(made.store.tenant).toBe('bakers');
  });

  test('fifty at once, all of them there once, each event told', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `many-${index}`);
    const replies = await Promise.all(names.map((name) => create({ name })));
    expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([202]));
    const rows = await api.db
      .selectFrom('stores as s')
      .innerJoin('operations as o', 'o.id', 's.operationId')
      .innerJoin('events as e', 'e.storeId', 's.id')
      .select('s.name')
      .where('s.name', 'like', 'many-%')
      .execute();
    expect(rows.map((row) => row.name).sort()).toEqual([...names].sort());
  });

  test('fifty at once of one name: one store, one operation', async () => {
    const replies = await Promise.all(
      Array.from({ length: 50 }, () => create({ name: 'one-only' })),
    );
    expect(replies.filter((reply) => reply.status === 202)).toHaveLength(1);
    expect(replies.filter((reply) => reply.status === 200)).toHaveLength(49);
    expect(
      new Set(replies.map((reply) => contract.Accepted.parse(reply.body).operation.id)).size,
    ).toBe(1);
  });
});

describe('changing', () => {
  test('an update is a new generation; what waited is superseded', async () => {
    const first = await createStore('grows');
    const reply = await api.request('PATCH', `/api/stores/${first.store.id}`, {
      body: { plan: 'large' },
    });
    expect(reply.status, reply.text).toBe(202);
    const { store, operation } = contract.Accepted.parse(reply.body);
    expect(store).toMatchObject({ plan: 'large', generation: 2, stage: 'requested' });
    expect(operation).toMatchObject({ kind: 'update', action: 'update', generation: 2 });
    const list = await api.request('GET', `/api/stores/${store.id}/operations`);
    expect(contract.OperationList.parse(list.body).operations).toMatchObject([
      { id: operation.id, state: 'queued' },
      { id: first.operation.id, state: 'superseded' },
    ]);
    const row = await api.db
      .selectFrom('operations')
      .select('spec')
      .where('id', '=', operation.id)
      .executeTakeFirstOrThrow();
    expect(row.spec, 'volumes keep the size they were made with').toMatchObject({
      plan: 'large',
      storagePlan: 'small',
      generation: 2,
      attempt: 1,
    });
    const again = await api.request('PATCH', `/api/stores/${store.id}`, {
      body: { plan: 'large' },
    });
    expect(again.status).toBe(200);
    expect(again.body).toEqual(reply.body);
  });

  test('an option: the others stay, it is put on record, and never means never', async () => {
    const { store } = await createStore('cached', { options: { currency: 'GBP' } });
    const path = `/api/stores/${store.id}`;
    const reply = await api.request('PATCH', path, { body: { options: { object_cache: true } } });
    expect(reply.status, reply.text).toBe(202);
    const changed = contract.Accepted.parse(reply.body);
    expect(changed.store).toMatchObject({
      generation: 2,
      options: { currency: 'GBP', object_cache: true },
    });
    const shown = await api.request('GET', path);
    expect(shown.body).toMatchObject({ store: { options: changed.store.options } });
    const { spec } = await api.db
      .selectFrom('operations')
      .select('spec')
      .where('id', '=', changed.operation.id)
      .executeTakeFirstOrThrow();
    expect(spec.options).toEqual(changed.store.options);
    const audit = await api.request('GET', `/api/audit?store=${store.id}&action=store.update`);
    expect(contract.AuditList.parse(audit.body).entries[0]?.detail).toMatchObject({
      optionsBefore: ['object_cache=false'],
      options: ['object_cache=true'],
    });

    const never = await api.request('PATCH', path, { body: { options: { currency: 'EUR' } } });
    expect(never.status).toBe(422);
    expect(never.body).toMatchObject({
      errors: [
        {
          field: 'options.currency',
          message: expect.stringMatching(
            /^Currency is decided when the store is made\. .+/,
          ) as unknown,
        },
      ],
    });
    const same = await api.request('PATCH', path, { body: { options: { currency: 'GBP' } } });
    expect(same.status).toBe(200);
  });

  test('a domain is set, taken back, and refused when another store has it', async () => {
    const one = await createStore('dom-one');
    const two = await createStore('dom-two', { domain: 'two.example.com' });
    const path = `/api/stores/${one.store.id}`;
    const set = await api.request('PATCH', path, { body: { domain: 'first.example.com' } });
    expect(set.body).toMatchObject({ store: { url: 'http://first.example.com:8088' } });
    const taken = await api.request('PATCH', path, { body: { domain: 'two.example.com' } });
    expect(taken.status).toBe(409);
    expect(taken.body).toMatchObject({ code: 'host_taken', errors: [{ field: 'domain' }] });
    const back = await api.request('PATCH', path, { body: { domain: null } });
    expect(back.body).toMatchObject({
      store: { url: 'http://dom-one.localhost:8088', generation: 3 },
    });
    expect(two.store.url).toBe('http://two.example.com:8088');
  });

  test('a retry is a new generation and a new attempt', async () => {
    const { store } = await createStore('retried');
    const reply = await api.request('POST', `/api/stores/${store.id}/retry`);
    expect(reply.status).toBe(202);
    expect(reply.body).toMatchObject({
      store: { generation: 2, status: 'provisioning' },
      operation: { kind: 'retry', action: 'retry' },
    });
    const row = await api.db
      .selectFrom('stores')
      .select('attempt')
      .where('id', '=', store.id)
      .executeTakeFirstOrThrow();
    expect(row.attempt).toBe(2);
  });

  test('ten changes at once follow one another: no generation is lost, one operation counts', async () => {
    const { store } = await createStore('busy');
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => api.request('POST', `/api/stores/${store.id}/retry`)),
    );
    const accepted = replies.map((reply) => contract.Accepted.parse(reply.body));
    expect(accepted.map((one) => one.store.generation).sort((a, b) => a - b)).toEqual([
      2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ]);
    const list = await api.request('GET', `/api/stores/${store.id}/operations`);
    const { operations } = contract.OperationList.parse(list.body);
    expect(operations.filter((one) => one.state === 'queued')).toMatchObject([{ generation: 11 }]);
    expect(operations.filter((one) => one.state === 'superseded')).toHaveLength(10);
  });

  test('a delete asked twice is one delete; nothing else goes while it runs', async () => {
    const { store, operation } = await createStore('leaving');
    const path = `/api/stores/${store.id}`;
    const first = await api.request('DELETE', path);
    expect(first.status).toBe(202);
    expect(first.body).toMatchObject({
      store: { status: 'deleting', stage: 'requested' },
      operation: { kind: 'delete', action: 'release', state: 'queued' },
    });
    const second = await api.request('DELETE', path);
    expect(second.status).toBe(202);
    expect(second.body).toEqual(first.body);
    const old = await api.db
      .selectFrom('operations')
      .select('state')
      .where('id', '=', operation.id)
      .executeTakeFirstOrThrow();
    expect(old.state).toBe('superseded');

    for (const [method, target, body] of [
      ['PATCH', path, { plan: 'large' }],
      ['POST', `${path}/retry`, undefined],
    ] as const) {
      const reply = await api.request(method, target, { body });
      expect(reply.status).toBe(409);
      expect(reply.body).toMatchObject({ code: 'store_deleting' });
    }
    const again = await create({ name: 'leaving' });
    expect(again.status).toBe(409);
    expect(again.body).toMatchObject({ code: 'store_deleting', errors: [{ field: 'name' }] });
  });

  test('a delete that failed is taken up where it stopped when it is asked for again', async () => {
    const { store } = await createStore('half-gone');
    const path = `/api/stores/${store.id}`;
    const first = contract.Accepted.parse((await api.request('DELETE', path)).body);
    await api.db
      .updateTable('operations')
      .set({ state: 'failed', action: 'purge', errorCode: 'unsafe_path', errorMessage: 'No.' })
      .where('id', '=', first.operation.id)
      .execute();
    const reply = await api.request('DELETE', path);
    expect(reply.status).toBe(202);
    const again = contract.Accepted.parse(reply.body);
    expect(again.operation).toMatchObject({ kind: 'delete', action: 'purge', state: 'queued' });
    expect(again.operation.id).not.toBe(first.operation.id);
    expect(again.store).toMatchObject({ status: 'deleting', error: null });
    expect(contract.Accepted.parse((await api.request('DELETE', path)).body)).toEqual(again);
  });

  test('a deleted store is gone: 404 for changes, hidden in the list, its name free', async () => {
    const { store } = await createStore('gone');
    await api.db
      .updateTable('stores')
      .set({ status: 'deleted', stage: 'gone', deletedAt: new Date() })
      .where('id', '=', store.id)
      .execute();
    expect((await api.request('DELETE', `/api/stores/${store.id}`)).status).toBe(404);
    expect((await api.request('POST', `/api/stores/${store.id}/retry`)).status).toBe(404);
    const listed = await api.request('GET', '/api/stores?limit=200');
    expect(listed.text).not.toContain(store.id);
    const deleted = await api.request('GET', '/api/stores?status=deleted');
    expect(deleted.text).toContain(store.id);
    expect((await createStore('gone')).store.id).not.toBe(store.id);
  });
});

test('health: the stages so far, with times and deadline', async () => {
  const { store, operation } = await createStore('healthy');
  const reply = await api.request('GET', `/api/stores/${store.id}/health`);
  const health = contract.Health.strict().parse(reply.body);
  expect(health).toMatchObject({
    status: 'provisioning',
    stage: 'requested',
    generation: 1,
    operation: operation.id,
    error: null,
    stages: [{ stage: 'requested', finishedAt: null, startedAt: store.createdAt }],
  });
  const deadline = new Date(store.createdAt).getTime() + 600_000;
  expect(health.deadlineAt).toBe(new Date(deadline).toISOString());
  expect(health.stages[0]?.deadlineAt).toBe(health.deadlineAt);
});

describe('listing', () => {
  beforeAll(() => Promise.all([api.token('owner', 'pages'), api.token('owner', 'filters')]));

  test('pages walk every store once, newest first, and end', async () => {
    for (let index = 0; index < 7; index += 1)
      await createStore(`page-${index}`, { tenant: 'pages' });
    const seen: string[] = [];
    let cursor = '';
    for (let pages = 1; ; pages += 1) {
      const reply = await api.request('GET', `/api/stores?tenant=pages&limit=3${cursor}`);
      const { stores, next } = contract.StoreList.strict().parse(reply.body);
      seen.push(...stores.map((one) => one.name));
      if (next === null) {
        expect(pages).toBe(3);
        break;
      }
      cursor = `&cursor=${next}`;
    }
    expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0].map((index) => `page-${index}`));
  });

  test('filters by status, type and part of the name; a wildcard is a letter like others', async () => {
    await createStore('needle-x', { tenant: 'filters' });
    await createStore('other-y', { tenant: 'filters' });
    const names = async (query: string) => {
      const reply = await api.request('GET', `/api/stores?tenant=filters&${query}`);
      return contract.StoreList.parse(reply.body).stores.map((one) => one.name);
    };
    expect(await names('q=needle')).toEqual(['needle-x']);
    expect(await names('q=NEEDLE')).toEqual(['needle-x']);
    expect(await names('q=%25')).toEqual([]);
    expect(await names('q=_')).toEqual([]);
    expect(await names('status=provisioning&type=woocommerce')).toHaveLength(2);
    expect(await names('status=ready')).toEqual([]);
    expect(await names('type=medusa')).toEqual([]);
  });

  test.each([
    ['cursor', 'cursor=nonsense'],
    ['cursor', `cursor=${Buffer.from('st_aaaaaaaaaaaaaaaa').toString('base64url')}`],
    ['limit', 'limit=0'],
    ['limit', 'limit=1000'],
    ['limit', 'limit=x'],
    ['limit', 'limit=1&limit=2'],
    ['status', 'status=happy'],
    ['q', 'q=%00'],
    ['type', 'type=%00'],
    ['sort', 'sort=name'],
  ])('refuses a query it does not understand, naming %s: %s', async (field, query) => {
    const reply = await api.request('GET', `/api/stores?${query}`);
    expect(reply.status, reply.text).toBe(422);
    expect(reply.body).toMatchObject({ code: 'invalid_request', errors: [{ field }] });
  });
});
