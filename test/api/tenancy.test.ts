/** Every route × every role × own and other tenant, from the one list of routes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Accepted, ProblemDetails, type Role } from '../../control-plane/src/contract.ts';
import type { createRoutes } from '../../control-plane/src/http/app.ts';
import { startApi, type Api, type Reply } from './support.ts';

let api: Api;
const tokens = new Map<string, string>();
const own = { id: '' };
const foreign = { id: '' };

const ROLES: readonly (Role | 'nobody')[] = ['operator', 'owner', 'member', 'viewer', 'nobody'];

/** Who each policy lets in, said again here on purpose: a slip in the table shows. */
const LETS_IN: Readonly<Record<string, readonly string[]>> = {
  anyone: ['operator', 'owner', 'member', 'viewer', 'nobody'],
  reader: ['operator', 'owner', 'member', 'viewer'],
  writer: ['operator', 'owner', 'member'],
  operator: ['operator'],
};

/** What the table must say of the routes that change something or show somebody's things. */
const MUST: Readonly<Record<string, string>> = {
  'POST /api/stores': 'writer',
  'GET /api/stores': 'reader',
  'GET /api/stores/{id}': 'reader',
  'PATCH /api/stores/{id}': 'writer',
  'DELETE /api/stores/{id}': 'writer',
  'POST /api/stores/{id}/retry': 'writer',
  'GET /api/stores/{id}/health': 'reader',
  'GET /api/stores/{id}/operations': 'reader',
  'GET /api/events': 'reader',
  'GET /healthz': 'anyone',
  'GET /readyz': 'anyone',
  'GET /metrics': 'anyone',
  'GET /api/openapi.json': 'anyone',
  'GET /api/docs': 'anyone',
};

beforeAll(async () => {
  api = await startApi();
  for (const role of ROLES)
    if (role !== 'nobody')
      tokens.set(role, (await api.token(role, role === 'operator' ? 'platform' : 'mine')).token);
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
  await api.setLimits('mine', { storeLimit: 1000, createsPerMinute: 1000 });
});
afterAll(() => api.close());

let counter = 0;

/** A request that a caller who may would get through with. */
async function call(
  method: string,
  path: string,
  role: Role | 'nobody',
  id: string,
): Promise<Reply> {
  counter += 1;
  const bodies: Record<string, unknown> = {
    'POST /api/stores': { name: `matrix-${counter}`, type: 'woocommerce' },
    'PATCH /api/stores/{id}': { plan: counter % 2 === 0 ? 'medium' : 'large' },
  };
  const token = tokens.get(role) ?? null;
  if (path === '/api/events') return openEvents(token);
  return api.request(method, path.replace('{id}', id), {
    token,
    body: bodies[`${method} ${path}`],
  });
}

async function openEvents(token: string | null): Promise<Reply> {
  const abort = new AbortController();
  const response = await fetch(`${api.url}/api/events`, {
    headers: token === null ? {} : { Authorization: `Bearer ${token}` },
    signal: abort.signal,
  });
  const { status, headers } = response;
  abort.abort();
  return { status, headers, body: {}, text: '' };
}

describe.each(Object.entries(MUST))('%s (%s)', (route, policy) => {
  const [method = '', path = ''] = route.split(' ');
  const lets = LETS_IN[policy] ?? [];
  const ofStore = path.startsWith('/api/stores/{id}');

  test.each(ROLES)('%s, own tenant', async (role) => {
    const id = await makeTarget(path, method, 'mine');
    const reply = await call(method, path, role, id);
    if (role === 'nobody' && policy !== 'anyone') expect(reply.status).toBe(401);
    else if (!lets.includes(role)) expect(reply.status).toBe(403);
    else expect([200, 201, 202, 204], reply.text).toContain(reply.status);
  });

  if (ofStore)
    test.each(ROLES)('%s, another tenant’s store', async (role) => {
      const id = await makeTarget(path, method, 'theirs');
      const before = await readRecords(id);
      const reply = await call(method, path, role, id);
      if (role === 'nobody') expect(reply.status).toBe(401);
      else if (!lets.includes(role)) expect(reply.status).toBe(403);
      else if (role === 'operator') {
        expect([200, 202], reply.text).toContain(reply.status);
        return;
      } else {
        // Exactly the answer of an id that does not exist.
        const unknown = await call(method, path, role, 'st_aaaaaaaaaaaaaaaa');
        expect(reply.status).toBe(404);
        expect(strip(reply)).toEqual(strip(unknown));
      }
      expect(await readRecords(id)).toEqual(before);
    });
});

/** Deleting needs something of its own to delete. */
async function makeTarget(
  path: string,
  method: string,
  tenant: 'mine' | 'theirs',
): Promise<string> {
  if (method !== 'DELETE') return tenant === 'mine' ? own.id : foreign.id;
  counter += 1;
  const reply = await api.request('POST', '/api/stores', {
    body: { name: `target-${counter}`, type: 'woocommerce', tenant },
  });
  return Accepted.parse(reply.body).store.id;
}

function strip(reply: Reply): ProblemDetails {
  return { ...ProblemDetails.parse(reply.body), instance: '' };
}

async function readRecords(id: string): Promise<object> {
  const operations = await api.db
    .selectFrom('operations')
    .select('id')
    .where('storeId', '=', id)
    .orderBy('seq')
    .execute();
  const store = await api.db
    .selectFrom('stores')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return { store, operations };
}

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

test('a route without a policy cannot be made', () => {
  type Made = ReturnType<typeof createRoutes>[number];
  // @ts-expect-error: `policy` is missing; `npm run check` fails should this ever compile.
  const route: Made = { method: 'GET', path: '/x', summary: '', answers: {}, run: () => null };
  expect(route).not.toHaveProperty('policy');
});
