/** What operators ask of rollouts; how they go on is test/rollouts. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rollout, RolloutDetail } from '../../control-plane/src/contract.ts';
import { startApi, type Api, type Reply } from './support.ts';

let api: Api;
let current: string;
const stores: string[] = [];

beforeAll(async () => {
  api = await startApi();
  for (let index = 0; index < 6; index += 1) {
    const body = { name: `shop-${index}`, type: 'woocommerce' };
    const reply = await api.request('POST', '/api/stores', { body });
    stores.push((reply.body['store'] as { id: string }).id);
  }
  const [row] = await api.db.selectFrom('stores').select('chartVersion').limit(1).execute();
  current = row?.chartVersion ?? '';
});
afterAll(() => api.close());

/** All but the last are ready on an old version; the last is suspended on it. */
async function age(): Promise<void> {
  await api.db.updateTable('stores').set({ chartVersion: '1.0.0', status: 'ready' }).execute();
  const last = stores.at(-1) ?? '';
  await api.db.updateTable('stores').set({ status: 'suspended' }).where('id', '=', last).execute();
}

const post = (path: string, body?: object): Promise<Reply> =>
  api.request('POST', `/api/rollouts${path}`, body === undefined ? {} : { body });

test('without an older version there is nothing to upgrade', async () => {
  const reply = await post('', { type: 'woocommerce' });
  expect(reply).toMatchObject({ status: 409, body: { code: 'nothing_to_upgrade' } });
});

test.each<[string, object, string]>([
  ['another type', { type: 'teapot' }, 'type'],
  ['a version that is not on offer', { type: 'woocommerce', toVersion: '0.1.0' }, 'toVersion'],
  [
    'no share',
    { type: 'woocommerce', selection: { kind: 'share', percent: 0 } },
    'selection.percent',
  ],
  [
    'no such store',
    { type: 'woocommerce', selection: { kind: 'stores', stores: ['st_x'] } },
    'selection.stores',
  ],
  ['an empty wave', { type: 'woocommerce', waveSize: 0 }, 'waveSize'],
  ['a field of its own', { type: 'woocommerce', force: true }, 'force'],
])('it refuses %s, naming the field', async (_, body, field) => {
  for (const path of ['', '/preview']) {
    const reply = await post(path, body);
    expect(reply.status, reply.text).toBe(422);
    expect(reply.body['errors']).toMatchObject([{ field }]);
  }
});

test('a preview counts, and begins nothing', async () => {
  await age();
  const [first = ''] = stores;
  const place = (cluster: string) =>
    api.db.updateTable('stores').set({ cluster }).where('id', '=', first).execute();
  const { cluster } = await api.db
    .selectFrom('stores')
    .select('cluster')
    .where('id', '=', first)
    .executeTakeFirstOrThrow();
  await place('gone');
  const reply = await post('/preview', { type: 'woocommerce', toVersion: current, waveSize: 2 });
  expect(reply.body).toEqual({
    toVersion: current,
    stores: 4,
    waves: 2,
    leftOut: [
      { reason: 'The store’s cluster, “gone”, is not connected.', stores: 1 },
      { reason: 'It is suspended: it is upgraded when it is resumed.', stores: 1 },
    ],
  });
  await place(cluster);
  expect((await api.request('GET', '/api/rollouts')).body).toEqual({ rollouts: [] });
});

test('it is begun, shown with its stores by pages, paused, resumed and cancelled, on record', async () => {
  await age();
  const made = await post('', { type: 'woocommerce', waveSize: 2, allowedUnhealthy: 1 });
  expect(made.status, made.text).toBe(201);
  const rollout = Rollout.parse(made.body['rollout']);
  expect(made.headers.get('Location')).toBe(`/api/rollouts/${rollout.id}`);
  expect(rollout).toMatchObject({
    state: 'running',
    toVersion: current,
    selection: { kind: 'all' },
    counts: { pending: 6, upgrading: 0 },
    wave: 0,
  });
  expect(await post('', { type: 'woocommerce' })).toMatchObject({
    status: 409,
    body: { code: 'rollout_open' },
  });

  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const page = await api.request('GET', `/api/rollouts/${rollout.id}?limit=4${query}`);
    const { stores: part, next } = RolloutDetail.parse(page.body);
    seen.push(...part.map(({ store }) => store.id));
    cursor = next;
  } while (cursor !== null);
  expect(seen.toSorted()).toEqual(stores.toSorted());

  const path = `/${rollout.id}`;
  const stateOf = ({ body }: Reply) => (body['rollout'] as Rollout | undefined)?.state;
  expect(stateOf(await post(`${path}/pause`))).toBe('paused');
  expect(await post(`${path}/pause`)).toMatchObject({
    status: 409,
    body: { code: 'rollout_state' },
  });
  expect(stateOf(await post(`${path}/resume`))).toBe('running');
  expect(stateOf(await post(`${path}/cancel`))).toBe('cancelled');
  expect((await post(`${path}/resume`)).status).toBe(409);
  expect((await post('/ro_nobody/pause')).status).toBe(404);

  const record = await api.request('GET', '/api/audit?limit=200');
  const acts = (record.body['entries'] as { action: string; detail: object }[]).filter(
    ({ action }) => action.startsWith('rollout.'),
  );
  expect(acts.map(({ action }) => action)).toEqual([
    'rollout.cancel',
    'rollout.resume',
    'rollout.pause',
    'rollout.create',
  ]);
  expect(acts.at(-1)?.detail).toMatchObject({ version: current, waveSize: 2 });
});
