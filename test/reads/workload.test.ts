/**
 * A store's pods, events, logs, quota, login and orders by the API. Pods and events are those that a
 * real cluster had (test/observer/fixtures); the server that tells of them is scripted.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connect, type ClusterConnection } from '../../control-plane/src/cluster/connection.ts';
import { createClusterReader } from '../../control-plane/src/cluster/reader.ts';
import {
  Accepted,
  AdminLogin,
  AuditList,
  OrderSummary,
  StoreEvents,
  StoreLog,
  StorePods,
  StoreResources,
  TestOrder,
} from '../../control-plane/src/contract.ts';
import { createShops } from '../../control-plane/src/orders/shops.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { ORIGIN, PASSWORD, startApi, type Api, type Person } from '../api/support.ts';
import {
  answer,
  startScriptedApiServer,
  type Fault,
  type ScriptedApiServer,
  type ScriptedObject,
} from '../observer/scripted-api-server.ts';
import { openWooCommerce } from './check-outs.ts';
import { sendJson, startShopServer, wooCommerceOrder, type ShopServer } from './shop-server.ts';

type Recorded = { readonly pods: ScriptedObject[]; readonly events: ScriptedObject[] };
const fixtures = join(import.meta.dirname, '../observer/fixtures/namespaces');
const recorded = (name: string): Recorded =>
  JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8')) as Recorded;

let server: ScriptedApiServer;
let connection: ClusterConnection;
let shop: ShopServer;
let api: Api;
let owner: Person;
let foreigner: Person;
const store = { id: '', namespace: '' };
const PASSPHRASE = 'canary-of-the-login-f5b1';
let shopAnswers: (response: ServerResponse, request: IncomingMessage) => void;

const at = (path: string): string => `/api/v1/namespaces/${store.namespace}/${path}`;
const ask = (path: string, as: Person = owner, method = 'GET') =>
  api.request(method, `/api/stores/${store.id}/${path}`, {
    cookie: as.cookie,
    ...(method === 'GET' ? {} : { headers: { Origin: ORIGIN } }),
  });

beforeAll(async () => {
  server = await startScriptedApiServer();
  shop = await startShopServer((request, response) => {
    shopAnswers(response, request);
  });
  connection = connect(server.config);
  const { adapters } = await loadTemplates();
  const reader = createClusterReader(connection, { namespace: 'argocd', timeoutMs: 3_000 });
  const shops = createShops({ adapters, ingressUrl: shop.url, clock: () => new Date() });
  api = await startApi({
    reads: {
      cluster: () => reader,
      shops: () => shops,
    },
  });
  owner = await api.person('owner', 'mine');
  foreigner = await api.person('owner', 'theirs');
  const reply = await api.request('POST', '/api/stores', {
    body: { name: 'shop', type: 'woocommerce', tenant: 'mine' },
  });
  Object.assign(store, Accepted.parse(reply.body).store);
  await api.db
    .updateTable('stores')
    .set({ status: 'ready', stage: 'ready', readyAt: new Date() })
    .where('id', '=', store.id)
    .execute();
});
afterAll(async () => {
  await api.close();
  connection.close();
  await shop.close();
  await server.close();
});
beforeEach(() => {
  misbehave();
});

/** What the API server does instead of answering. */
function misbehave(...faults: Fault[]): void {
  server.faults.splice(0, Infinity, ...faults);
}

function fill(name: string): void {
  const { pods, events } = recorded(name);
  for (const kind of ['pods', 'events', 'resourcequotas', 'secrets'])
    server.putSilently(at(kind), { metadata: { name: 'unreadable' } });
  for (const pod of pods) server.putSilently(at('pods'), pod);
  for (const event of events) server.putSilently(at('events'), event);
}

test('another tenant’s store, and one that is not there, answer the same on every route', async () => {
  for (const [method, path] of [
    ['GET', 'events'],
    ['GET', 'pods'],
    ['GET', 'logs'],
    ['GET', 'resources'],
    ['GET', 'orders'],
    ['GET', 'changes'],
  ] as const) {
    const before = server.requests.length;
    const foreign = await ask(path, foreigner, method);
    const unknown = await api.request(method, `/api/stores/st_aaaaaaaaaaaaaaaa/${path}`, {
      cookie: foreigner.cookie,
    });
    expect([foreign.status, unknown.status], path).toEqual([404, 404]);
    expect({ ...foreign.body, instance: '' }).toEqual({ ...unknown.body, instance: '' });
    // Nor is the cluster asked.
    expect(server.requests.length).toBe(before);
  }
});

describe('pods, events, quota', () => {
  test('pods, with why they are not ready', async () => {
    fill('crash');
    const { pods } = StorePods.parse((await ask('pods')).body);
    const crashing = pods.find((pod) => pod.restarts > 0);
    expect(crashing).toMatchObject({ ready: false });
    expect(crashing?.containers.some((one) => one.reason === 'Error')).toBe(true);
    expect(crashing?.startedAt).toMatch(/^2026-11-21T/);
  });

  test('events, newest first', async () => {
    const { events } = StoreEvents.parse((await ask('events')).body);
    expect(events.length).toBeGreaterThan(3);
    const times = events.map((event) => event.at);
    expect(times).toEqual(times.toSorted().reverse());
    expect(events).toContainEqual(expect.objectContaining({ type: 'Warning', reason: 'BackOff' }));
    expect(events.every((event) => event.count >= 1 && event.object.includes('/'))).toBe(true);
  });

  test('what of the quota is used', async () => {
    server.putSilently(at('resourcequotas'), {
      metadata: { name: 'store' },
      status: { hard: { pods: '20', 'limits.memory': '4Gi' }, used: { pods: '3' } },
    });
    const { quota } = StoreResources.parse((await ask('resources')).body);
    expect(quota).toEqual([
      { resource: 'limits.memory', used: '0', hard: '4Gi' },
      { resource: 'pods', used: '3', hard: '20' },
    ]);
  });

  test('a cluster that does not answer is a problem with a name', async () => {
    misbehave((url, response) => {
      if (url.pathname.endsWith('/pods')) return true;
      answer(response, 403, { kind: 'Status', reason: 'Forbidden' });
      return true;
    });
    const silent = await ask('pods');
    expect(silent.status).toBe(503);
    expect(silent.body).toMatchObject({ code: 'cluster_unreachable' });
    const refused = await ask('events');
    expect(refused.status).toBe(503);
    expect(refused.body).toMatchObject({ code: 'cluster_refused' });
  });
});

describe('logs', () => {
  const logs = (text: string) => {
    misbehave((url, response) => {
      if (!url.pathname.endsWith('/log')) return false;
      response.end(text);
      return true;
    });
  };

  test('without a pod: the newest of the set-up Job', async () => {
    fill('setup');
    logs('secrets: store-admin made\nshop: WooCommerce activated\n');
    const log = StoreLog.parse((await ask('logs?lines=2')).body);
    expect(log.pod).toMatch(/^setup-/);
    expect(log.container).toBe('setup');
    expect(log.lines).toEqual(['secrets: store-admin made', 'shop: WooCommerce activated']);
    expect(server.requests.at(-1)).toContain('tailLines=2');
    expect(server.requests.at(-1)).toContain('container=setup');
  });

  test('a pod or container that is not the store’s is none, and not asked for', async () => {
    logs('x');
    for (const query of ['pod=other', 'pod=../secrets', 'container=other']) {
      const before = server.requests.filter((one) => one.includes('/log')).length;
      const reply = await ask(`logs?${query}`);
      if (query.includes('..')) expect(reply.status).toBe(422);
      else expect(StoreLog.parse(reply.body).lines).toEqual([]);
      expect(server.requests.filter((one) => one.includes('/log'))).toHaveLength(before);
    }
  });
});

describe('the login', () => {
  const confirm = (person: Person) =>
    api.request('POST', '/api/confirm', { cookie: person.cookie, body: { password: PASSWORD } });
  const reveals = async () => {
    const reply = await api.request('GET', '/api/audit?action=reveal', { cookie: owner.cookie });
    return AuditList.parse(reply.body).entries;
  };

  test('not without the password again; not for a viewer, a token, another tenant', async () => {
    api.advance(6 * 60_000);
    expect((await ask('reveal', owner, 'POST')).body).toMatchObject({
      code: 'confirmation_needed',
    });
    const viewer = await api.person('viewer', 'mine');
    await confirm(viewer);
    expect((await ask('reveal', viewer, 'POST')).status).toBe(403);
    const { token } = await api.token('owner', 'mine');
    expect((await api.request('POST', `/api/stores/${store.id}/reveal`, { token })).status).toBe(
      403,
    );
    await confirm(foreigner);
    expect((await ask('reveal', foreigner, 'POST')).status).toBe(404);
    expect(await reveals()).toEqual([]);
  });

  test('before the set-up has made it: a problem, on record', async () => {
    await confirm(owner);
    const reply = await ask('reveal', owner, 'POST');
    expect(reply.status).toBe(409);
    expect(reply.body).toMatchObject({ code: 'login_not_ready' });
    expect(await reveals()).toMatchObject([
      {
        outcome: 'failed',
        by: { id: owner.id, kind: 'user' },
        detail: { reason: 'login_not_ready' },
      },
    ]);
  });

  test('read from the Secret, on record, in no log and no table', async () => {
    const encode = (text: string) => Buffer.from(text).toString('base64');
    server.putSilently(at('secrets'), {
      metadata: { name: 'store-admin' },
      data: {
        username: encode('shopkeeper'),
        password: encode(PASSPHRASE),
        email: encode('shopkeeper@shop.localhost'),
      },
    });
    await confirm(owner);
    const reply = await ask('reveal', owner, 'POST');
    expect(AdminLogin.parse(reply.body)).toEqual({
      username: 'shopkeeper',
      password: PASSPHRASE,
      email: 'shopkeeper@shop.localhost',
      url: 'http://shop.localhost:8088/wp-admin/',
    });
    expect(reply.headers.get('Cache-Control')).toBe('no-store');
    expect((await reveals())[0]).toMatchObject({
      outcome: 'done',
      by: { id: owner.id, name: 'A owner', kind: 'user' },
      tenant: 'mine',
      store: { id: store.id, name: 'shop' },
      detail: { username: 'shopkeeper', store: 'shop' },
    });
    expect(api.log.join('\n')).not.toContain(PASSPHRASE);
    const { rows } = await sql`
      select exists (select from audit a where a::text like ${`%${PASSPHRASE}%`})
        or exists (select from events e where e::text like ${`%${PASSPHRASE}%`})
        or exists (select from idempotency i where i::text like ${`%${PASSPHRASE}%`}) as found
    `.execute(api.db);
    expect(rows).toEqual([{ found: false }]);
  });

  test('a Secret that cannot be read is quoted in no error', async () => {
    await confirm(owner);
    for (const body of [
      `{"data": {"password": "${PASSPHRASE}`,
      JSON.stringify({ data: { password: `!${PASSPHRASE}` } }),
    ]) {
      misbehave((url, response) => url.pathname.includes('/secrets/') && !!response.end(body));
      const reply = await ask('reveal', owner, 'POST');
      expect(reply.body).toMatchObject({ code: 'cluster_unreachable' });
      expect(reply.text).not.toContain(PASSPHRASE);
    }
    expect(api.log.join('\n')).not.toContain(PASSPHRASE);
  });
});

describe('orders', () => {
  const orders = async (query = '') => OrderSummary.parse((await ask(`orders${query}`)).body);

  test('without the key there is a problem, not an error page', async () => {
    expect((await orders()).problem).toMatchObject({ code: 'store_not_ready' });
  });

  test('by day, with the newest; asked at the Ingress by Host header', async () => {
    const encode = (text: string) => Buffer.from(text).toString('base64');
    server.putSilently(at('secrets'), {
      metadata: { name: 'store-api' },
      data: { consumer_key: encode('ck_1'), consumer_secret: encode(PASSPHRASE) },
    });
    const now = new Date().toISOString().slice(0, 19);
    shopAnswers = (response) => {
      sendJson(response, 200, [wooCommerceOrder({ date_created_gmt: now })]);
    };
    const summary = await orders('?days=7');
    expect(summary).toMatchObject({ currency: 'EUR', complete: true, problem: null });
    expect(summary.days).toHaveLength(7);
    expect(summary.days.reduce((sum, day) => sum + day.revenue, 0)).toBe(29.35);
    expect(summary.recent).toEqual([
      {
        number: '727',
        at: `${now}.000Z`,
        total: 29.35,
        currency: 'EUR',
        status: 'processing',
        customer: 'John Doe',
      },
    ]);
    expect(shop.asked.at(-1)?.host).toBe('shop.localhost:8088');
    expect(JSON.stringify([shop.asked, api.log])).not.toContain(PASSPHRASE);
  });

  test.each([
    [404, 'shop_unknown'],
    [401, 'shop_refused'],
    [502, 'shop_unreachable'],
  ])('a shop that answers %i: %s', async (status, code) => {
    shopAnswers = (response) => {
      sendJson(response, status, {});
    };
    const summary = await orders();
    expect(summary).toMatchObject({ days: [], recent: [], problem: { code } });
  });

  test('a cluster that does not answer is said in the answer too', async () => {
    misbehave((url) => url.pathname.includes('/secrets/'));
    expect((await orders()).problem).toMatchObject({ code: 'cluster_unreachable' });
  });

  test('a store that is not ready is not asked', async () => {
    const asked = shop.asked.length;
    const reply = await api.request('POST', '/api/stores', {
      body: { name: 'young', type: 'woocommerce', tenant: 'mine' },
    });
    const young = Accepted.parse(reply.body).store;
    const summary = await api.request('GET', `/api/stores/${young.id}/orders`);
    expect(summary.body).toMatchObject({ problem: { code: 'store_not_ready' } });
    expect(shop.asked).toHaveLength(asked);
  });

  test('on the practice cluster there are none, and nobody is asked', async () => {
    const asked = shop.asked.length;
    const practice = await startApi({ databaseUrl: api.databaseUrl, clusterKind: 'practice' });
    const reply = await practice.request('GET', `/api/stores/${store.id}/orders`);
    expect(OrderSummary.parse(reply.body).problem).toMatchObject({ code: 'practice' });
    expect(shop.asked).toHaveLength(asked);
    await practice.close();
  });

  test('a query that makes no sense', async () => {
    expect((await ask('orders?days=0')).status).toBe(422);
    expect((await ask('orders?days=1000')).status).toBe(422);
  });
});

describe('a test order', () => {
  const order = (as: Person = owner) => ask('test-order', as, 'POST');
  const readRecord = async () => {
    const reply = await api.request(
      'GET',
      `/api/audit?store=${store.id}&action=store.test_order&limit=1`,
    );
    return AuditList.parse(reply.body).entries[0];
  };

  test('is placed as a customer would, and put on record', async () => {
    const encode = (text: string) => Buffer.from(text).toString('base64');
    server.putSilently(at('secrets'), {
      metadata: { name: 'store-api' },
      data: { consumer_key: encode('ck_1'), consumer_secret: encode('cs_2') },
    });
    const checkOut = openWooCommerce();
    shopAnswers = (response, request) => {
      checkOut.answer(request, response);
    };
    const reply = await order();
    expect(reply.status, reply.text).toBe(201);
    expect(TestOrder.parse(reply.body)).toEqual({ number: '731', total: 29.35, currency: 'EUR' });
    expect(checkOut.placed).toMatchObject([{ country: 'DE' }]);
    expect(await readRecord()).toMatchObject({
      outcome: 'done',
      by: { id: owner.id },
      detail: { store: 'shop', number: '731', total: '29.35', currency: 'EUR' },
    });
  });

  test('a shop that says no is quoted, and that is on record too', async () => {
    const checkOut = openWooCommerce({ payments: [] });
    shopAnswers = (response, request) => {
      checkOut.answer(request, response);
    };
    const reply = await order();
    expect(reply.status).toBe(409);
    expect(reply.body).toMatchObject({
      code: 'shop_declined',
      detail: expect.stringContaining('payment method') as unknown,
    });
    expect(await readRecord()).toMatchObject({
      outcome: 'failed',
      detail: { reason: 'shop_declined' },
    });
  });

  test('a shop with nothing to sell says what to do', async () => {
    const checkOut = openWooCommerce({ products: [] });
    shopAnswers = (response, request) => {
      checkOut.answer(request, response);
    };
    expect((await order()).body).toMatchObject({
      status: 409,
      code: 'nothing_to_sell',
      hint: expect.stringContaining('Add a product') as unknown,
    });
  });

  test.each([
    [403, 502, 'shop_refused'],
    [502, 503, 'shop_unreachable'],
    [404, 502, 'shop_unknown'],
  ])('a shop that answers %i: %i %s', async (answered, status, code) => {
    shopAnswers = (response) => {
      sendJson(response, answered, {});
    };
    expect((await order()).body).toMatchObject({ status, code });
  });

  test('is not for viewers, nor for another tenant', async () => {
    const asked = shop.asked.length;
    expect((await order(await api.person('viewer', 'mine'))).status).toBe(403);
    expect((await order(foreigner)).status).toBe(404);
    expect(shop.asked).toHaveLength(asked);
  });

  test('a store that is not ready, and a practice store, are 409', async () => {
    const reply = await api.request('POST', '/api/stores', {
      body: { name: 'unready', type: 'woocommerce', tenant: 'mine' },
    });
    const { id } = Accepted.parse(reply.body).store;
    const unready = await api.request('POST', `/api/stores/${id}/test-order`);
    expect(unready.body).toMatchObject({ status: 409, code: 'store_not_ready' });
    const practice = await startApi({ databaseUrl: api.databaseUrl, clusterKind: 'practice' });
    const practised = await practice.request('POST', `/api/stores/${store.id}/test-order`);
    expect(practised.body).toMatchObject({ status: 409, code: 'practice' });
    await practice.close();
  });
});
