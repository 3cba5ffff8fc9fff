/** Stores of a cluster that was taken out of the settings: shown, and changed by nobody. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Accepted, HoldList, StoreDrift } from '../../control-plane/src/contract.ts';
import { PlatformError } from '../../control-plane/src/errors.ts';
import { createStoreRenderer } from '../../control-plane/src/render/store.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { startApi, type Api } from './support.ts';

const REPOSITORY = 'http://forge.test/shopyard.git#main';
const HEAD = 'a'.repeat(40);
const REFUSED = {
  status: 409,
  body: {
    code: 'cluster_not_connected',
    detail: 'The store’s cluster, “gone”, is not connected.',
  },
};

let api: Api;
let made = 0;
let store: { readonly id: string; readonly operationId: string; readonly path: string };

beforeAll(async () => {
  const { sources } = await loadTemplates();
  const address = { repositoryUrl: 'http://forge.test/shopyard.git', branch: 'main' };
  const render = createStoreRenderer(sources, address, (name) => {
    if (name === 'lab') return exampleCluster(name);
    throw new PlatformError('unknown_cluster', `There is no cluster named ${name}.`);
  });
  api = await startApi({ reads: { render } });
});
afterAll(() => api.close());

beforeEach(async () => {
  made += 1;
  const reply = await api.request('POST', '/api/stores', {
    body: { name: `left-${made}`, type: 'woocommerce' },
  });
  const { store: born, operation } = Accepted.parse(reply.body);
  store = { id: born.id, operationId: operation.id, path: `/api/stores/${born.id}` };
  await api.db
    .updateTable('operations')
    .set({ cluster: 'gone', state: 'done', commitSha: HEAD, committedAt: new Date() })
    .where('id', '=', operation.id)
    .execute();
  await api.db
    .updateTable('stores')
    .set({ cluster: 'gone', status: 'ready', stage: 'ready', commitSha: HEAD })
    .where('id', '=', store.id)
    .execute();
});

const listOperations = () =>
  api.db
    .selectFrom('operations')
    .select(['kind', 'state', 'holdId'])
    .where('storeId', '=', store.id)
    .orderBy('seq')
    .execute();

test('a delete that failed is not begun again; one that is under way is the same delete', async () => {
  await api.db
    .updateTable('operations')
    .set({ kind: 'delete', action: 'release', state: 'waiting' })
    .where('id', '=', store.operationId)
    .execute();
  await api.db
    .updateTable('stores')
    .set({ status: 'deleting' })
    .where('id', '=', store.id)
    .execute();
  expect((await api.request('DELETE', store.path)).status).toBe(202);
  await api.db
    .updateTable('operations')
    .set({ state: 'failed' })
    .where('id', '=', store.operationId)
    .execute();
  expect(await api.request('DELETE', store.path)).toMatchObject(REFUSED);
  expect(await listOperations()).toMatchObject([{ kind: 'delete', state: 'failed' }]);
});

test('a delete of what is kept already is that delete; its data goes no sooner', async () => {
  await api.db
    .updateTable('operations')
    .set({ kind: 'delete', action: 'retire' })
    .where('id', '=', store.operationId)
    .execute();
  await api.db
    .updateTable('stores')
    .set({ status: 'suspended', suspended: true, purgeAt: new Date(Date.now() + 3_600_000) })
    .where('id', '=', store.id)
    .execute();
  expect((await api.request('DELETE', store.path)).status).toBe(202);
  expect(await api.request('DELETE', `${store.path}?now=true`)).toMatchObject(REFUSED);
  expect(await api.request('POST', `${store.path}/resume`)).toMatchObject(REFUSED);
  expect(await listOperations()).toHaveLength(1);
});

test('a hold of its deletes is decided when it is back', async () => {
  await api.db
    .insertInto('holds')
    .values({ id: 'hold_gone1', cluster: 'gone', openedAt: new Date() })
    .execute();
  await api.db
    .updateTable('operations')
    .set({ kind: 'delete', action: 'release', state: 'held', holdId: 'hold_gone1' })
    .where('id', '=', store.operationId)
    .execute();
  const { cookie } = await api.person('operator');
  const path = '/api/holds/hold_gone1';
  const body = { operations: [store.operationId] };
  expect(await api.request('POST', `${path}/approve`, { cookie, body })).toMatchObject(REFUSED);
  expect(await api.request('POST', `${path}/reject`, { cookie })).toMatchObject(REFUSED);
  expect(await listOperations()).toMatchObject([{ kind: 'delete', state: 'held' }]);
  const { holds } = HoldList.parse((await api.request('GET', '/api/holds', { cookie })).body);
  expect(holds).toMatchObject([{ id: 'hold_gone1', state: 'open' }]);
});

test('so is a review of a change', async () => {
  const { tenantId } = await api.db
    .updateTable('operations')
    .set({
      ...{ state: 'review', reviewNumber: 7 },
      reviewCommit: JSON.stringify({ sha: HEAD, base: null, action: 'create', files: {} }),
    })
    .where('id', '=', store.operationId)
    .returning('tenantId')
    .executeTakeFirstOrThrow();
  await api.db
    .insertInto('pullRequests')
    .values({
      ...{ repository: REPOSITORY, number: 7, branch: `store/left/${store.operationId}` },
      ...{ headSha: HEAD, title: 'Create it', body: '', openedAt: new Date() },
      ...{ operationId: store.operationId, storeId: store.id, tenantId, cluster: 'gone' },
    })
    .execute();
  const { cookie } = await api.person('operator');
  const approval = { cookie, body: { headSha: HEAD } };
  expect(await api.request('POST', '/api/reviews/7/approve', approval)).toMatchObject(REFUSED);
  expect(await api.request('POST', '/api/reviews/7/reject', { cookie })).toMatchObject(REFUSED);
});

test('what was changed by hand in its files is shown, and adopted when it is back', async () => {
  await api.db
    .insertInto('drifts')
    .values({
      ...{ storeId: store.id, path: 'clusters/gone/apps/0/left.yaml', kind: 'changed' },
      ...{ ours: 'b'.repeat(40), firstSha: HEAD, sha: HEAD, author: 'Ada', at: new Date() },
    })
    .execute();
  await api.db.updateTable('stores').set({ driftSha: HEAD }).where('id', '=', store.id).execute();
  const shown = await api.request('GET', `${store.path}/drift`);
  expect(shown.status, shown.text).toBe(200);
  expect(StoreDrift.parse(shown.body).git).toMatchObject([
    { author: 'Ada', adoptable: false, why: REFUSED.body.detail },
  ]);
  const body = { commit: HEAD };
  expect(await api.request('POST', `${store.path}/adopt`, { body })).toMatchObject(REFUSED);
});
