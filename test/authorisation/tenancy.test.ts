/** What a tenant sees in lists, and that nobody but an operator names a tenant. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Accepted } from '../../control-plane/src/contract.ts';
import { startApi, type Api } from '../api/support.ts';

let api: Api;
const tokens = new Map<string, string>();
const own = { id: '' };
const foreign = { id: '' };

beforeAll(async () => {
  api = await startApi();
  for (const role of ['owner', 'member', 'viewer'] as const)
    tokens.set(role, (await api.token(role, 'mine')).token);
  await api.token('owner', 'theirs');
  for (const [store, tenant] of [
    [own, 'mine'],
    [foreign, 'theirs'],
  ] as const) {
    const reply = await api.request('POST', '/api/stores', {
      body: { name: `${tenant}-shop`, type: 'woocommerce', tenant },
    });
    store.id = Accepted.parse(reply.body).store.id;
  }
});
afterAll(() => api.close());

test.each(['owner', 'member', 'viewer'])('a list shows %s its own tenant’s', async (role) => {
  const reply = await api.request('GET', '/api/stores?limit=200', {
    token: tokens.get(role) ?? null,
  });
  const stores = reply.body['stores'] as { id: string; tenant: string }[];
  expect(stores.length).toBeGreaterThan(0);
  expect(new Set(stores.map((one) => one.tenant))).toEqual(new Set(['mine']));
});

test('another tenant’s store is no place to start a page from', async () => {
  const token = tokens.get('owner') ?? null;
  const cursor = Buffer.from(foreign.id).toString('base64url');
  const reply = await api.request('GET', `/api/stores?cursor=${cursor}`, { token });
  expect(reply.status).toBe(422);
});

test.each([
  ['create', 'POST', '/api/stores', { name: 'elsewhere', type: 'woocommerce', tenant: 'theirs' }],
  [
    'create in the own one',
    'POST',
    '/api/stores',
    { name: 'x1', type: 'woocommerce', tenant: 'mine' },
  ],
  ['list', 'GET', '/api/stores?tenant=theirs', undefined],
])('an owner does not name a tenant: %s', async (_what, method, path, body) => {
  const token = tokens.get('owner') ?? null;
  const reply = await api.request(method, path, { token, body });
  expect(reply.status).toBe(422);
  expect(reply.body).toMatchObject({ errors: [{ field: 'tenant' }] });
});

test('an operator sees all tenants, or one', async () => {
  const all = await api.request('GET', '/api/stores?limit=200');
  expect(all.text).toContain(own.id);
  expect(all.text).toContain(foreign.id);
  const one = await api.request('GET', '/api/stores?tenant=theirs');
  expect(one.text).not.toContain(own.id);
  expect(one.text).toContain(foreign.id);
});
