/** What the API says in its log: every line that a request leaves has the request's id. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Accepted } from '../../control-plane/src/contract.ts';
import { PlatformError } from '../../control-plane/src/errors.ts';
import { startApi, type Api } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi({
    accounts: {
      mailer: {
        send: () => Promise.reject(new Error('no mail today')),
        close: () => undefined,
      },
    },
    reads: {
      logs: () => ({
        listWriters: () => Promise.reject(new PlatformError('logs_unreachable', 'no logs today')),
        readLines: () => Promise.resolve([]),
      }),
    },
  });
});
afterAll(() => api.close());

/** The lines since the last look. */
let looked = 0;
function readLines(): Record<string, unknown>[] {
  const lines = api.log.slice(looked);
  looked = api.log.length;
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const ask = (request: string, method: string, path: string, cookie: string, body?: object) =>
  api.request(method, path, {
    cookie,
    headers: { 'X-Request-Id': request },
    ...(body === undefined ? {} : { body }),
  });

test('what was accepted is named by its ids, and whose it is', async () => {
  const { id, cookie } = await api.person('owner', 'shops');
  const tenant = await api.db
    .selectFrom('tenants')
    .select('id')
    .where('slug', '=', 'shops')
    .executeTakeFirstOrThrow();
  readLines();
  const store = { name: 'lines', type: 'woocommerce' };
  const reply = await ask('request-create', 'POST', '/api/stores', cookie, store);
  const accepted = Accepted.parse(reply.body);
  expect(readLines()).toEqual([
    expect.objectContaining({
      msg: 'request',
      request: 'request-create',
      status: 202,
      principal: id,
      tenant: tenant.id,
      store: accepted.store.id,
      operation: accepted.operation.id,
    }),
  ]);
});

test('every line of a request has its id, whatever went wrong', async () => {
  const { cookie } = await api.person('owner', 'shops');
  const { id } = await api.db.selectFrom('stores').select('id').executeTakeFirstOrThrow();
  const owner = new pg.Client({ connectionString: api.databaseUrl });
  await owner.connect();
  try {
    readLines();
    const invitation = { email: 'a@people.test', role: 'member' };
    await ask('request-mail', 'POST', '/api/invitations', cookie, invitation);
    await ask('request-logs', 'GET', `/api/stores/${id}/logs`, cookie);
    await ask('request-none', 'GET', '/api/stores/st_none', cookie);
    await owner.query('alter table stages rename to stages_away');
    await ask('request-500', 'GET', `/api/stores/${id}/health`, cookie);
  } finally {
    await owner.query('alter table stages_away rename to stages');
    await owner.end();
  }
  expect(readLines().map(({ request, msg }) => [request, msg])).toEqual([
    ['request-mail', 'an invitation could not be mailed'],
    ['request-mail', 'request'],
    ['request-logs', 'Loki was not read'],
    ['request-logs', 'request'],
    ['request-none', 'request'],
    ['request-500', expect.stringContaining('stages')],
    ['request-500', 'request'],
  ]);
});
