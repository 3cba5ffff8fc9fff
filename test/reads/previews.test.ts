/**
 * Names, previews and changes, with the real writer on a real repository: what a preview shows is
 * what the writer then commits, and what the change shows afterwards.
 */
import { appendFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  Accepted,
  ChangeAnswer,
  ChangeList,
  EngineList,
  Preview,
  StoreNameAnswer,
} from '../../control-plane/src/contract.ts';
import type { CommitSha } from '../../control-plane/src/git/types.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import { startLoop, type RunningLoop } from '../../control-plane/src/reconcile/loop.ts';
import { createPublisher, type Publisher } from '../../control-plane/src/reconcile/publish.ts';
import { renderTenant } from '../../control-plane/src/render/cluster.ts';
import { createStoreRenderer } from '../../control-plane/src/render/store.ts';
import {
  openBareRepository,
  type BareRepositoryReader,
} from '../../control-plane/src/repository/bare.ts';
import type { RepositoryReader } from '../../control-plane/src/repository/types.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { startApi, type Api, type Reply } from '../api/support.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';
import { exampleCluster } from '../support/example-cluster.ts';

const REPOSITORY = 'the repository of this test';
const address = { repositoryUrl: 'http://forge.test/shopyard.git', branch: 'main' };
const silent = createLogger('silent');

let repository: TestRepository;
let reader: BareRepositoryReader;
let api: Api;
let publisher: Publisher;
let writing: RunningLoop;
let mine: string;
let theirs: string;

const openReader = () =>
  openBareRepository({ repository: repository.forge.repositoryDir, branch: 'main' });

beforeAll(async () => {
  const { sources } = await loadTemplates();
  const render = createStoreRenderer(sources, address, exampleCluster);
  repository = await createTestRepository();
  reader = openReader();
  const reads: RepositoryReader = {
    readTip: () => reader.readTip(),
    readChange: (sha, since) => reader.readChange(sha, since),
  };
  api = await startApi({ reads: { repository: reads, repositoryName: REPOSITORY, render } });
  publisher = createPublisher({
    clusters: ['lab'],
    domainOf: () => null,
    deadlineMs: 600_000,
    db: api.db,
    logger: silent,
    clock: () => new Date(),
    repository: REPOSITORY,
    openBranch: () => repository.open(),
    seeds: [],
    render,
    renderTenant: (tenant) => renderTenant(sources, { ...address, ...tenant }),
    relays: [],
    measure: { batch: () => undefined, retry: () => undefined },
  });
  writing = startLoop(api.db, 'test', silent, publisher);
  mine = (await api.token('owner', 'mine')).token;
  theirs = (await api.token('owner', 'theirs')).token;
  for (const tenant of ['mine', 'theirs'])
    await api.setLimits(tenant, { storeLimit: 100, createsPerMinute: 100 });
  // As the observer does when the project is in the cluster.
  const tenants = await api.db.selectFrom('tenants').select('id').execute();
  await api.db
    .insertInto('tenantClusters')
    .values(tenants.map(({ id }) => ({ tenantId: id, cluster: 'lab', seenAt: new Date() })))
    .execute();
});
afterAll(async () => {
  await writing.stop();
  reader.close();
  await api.close();
  await repository.close();
});

const withKey = (key: string) => ({ 'Idempotency-Key': key });

/** Sends a request that is accepted; resolves with its answer once its commit is on the branch. */
async function commit(
  method: string,
  path: string,
  options: Parameters<Api['request']>[2],
): Promise<Accepted & { readonly sha: CommitSha }> {
  const reply = await api.request(method, path, { token: mine, ...options });
  const accepted = Accepted.parse(reply.body);
  publisher.wake();
  const sha = await vi.waitFor(
    async () => {
      const row = await api.db
        .selectFrom('operations')
        .select('commitSha')
        .where('id', '=', accepted.operation.id)
        .executeTakeFirstOrThrow();
      if (row.commitSha === null) throw new Error('not yet');
      return row.commitSha as CommitSha;
    },
    { timeout: 15_000, interval: 25 },
  );
  return { ...accepted, sha };
}

async function readFilesAt(sha: string, paths: readonly string[]): Promise<(string | null)[]> {
  return Promise.all(
    paths.map((path) => repository.git('show', `${sha}:${path}`).catch(() => null)),
  );
}

/** The commit is the preview, byte for byte, but for the anchor of the audit log. */
async function expectCommitted(preview: Preview, sha: CommitSha): Promise<void> {
  const paths = (await repository.git('diff', '--name-only', `${sha}^`, sha)).trim().split('\n');
  expect(preview.files.map((file) => file.path).sort()).toEqual(paths.sort());
  expect(await readFilesAt(sha, paths)).toEqual(
    paths.map((path) => preview.files.find((file) => file.path === path)?.after ?? null),
  );
  expect(await readFilesAt(`${sha}^`, paths)).toEqual(
    paths.map((path) => preview.files.find((file) => file.path === path)?.before ?? null),
  );
  const message = await repository.git('log', '-1', '--format=%B', sha);
  expect(message.replace(/^Audit-Head: \d+ [0-9a-f]{64}\n/m, '').trim()).toBe(
    preview.message.trim(),
  );
  expect(message).toMatch(/^Audit-Head: /m);
}

test('what is on offer: engines with their plans, clusters', async () => {
  const reply = await api.request('GET', '/api/engines', { token: mine });
  const { engines, clusters, placement } = EngineList.parse(reply.body);
  const woocommerce = engines.find((one) => one.type === 'woocommerce');
  expect(woocommerce).toMatchObject({ title: 'WooCommerce', orders: true });
  expect(woocommerce?.plans.map((plan) => plan.name)).toEqual(['small', 'medium', 'large']);
  expect(woocommerce?.plans[0]).toMatchObject({ replicas: 1, memory: '512Mi' });
  expect(woocommerce?.plans[0]?.storage).toBe('2Gi');
  expect(woocommerce?.options.find(({ name }) => name === 'currency')).toMatchObject({
    kind: 'choice',
    choices: expect.arrayContaining([{ value: 'CHF', label: 'Swiss franc' }]) as unknown,
    default: 'EUR',
    changeable: false,
    reason: expect.stringContaining('wp-admin') as unknown,
  });
  expect(clusters).toEqual([
    {
      ...{ name: 'lab', baseDomain: 'localhost', scheme: 'http', port: 8088 },
      ...{ labels: {}, open: true, review: 'never', retentionDays: 0 },
    },
  ]);
  expect(placement).toBe('lab');
});

describe('names as they are typed', () => {
  const check = async (name: string, query = '', token = mine): Promise<StoreNameAnswer> => {
    const path = `/api/store-names/${encodeURIComponent(name)}${query}`;
    return StoreNameAnswer.parse((await api.request('GET', path, { token })).body);
  };

  test('free, with its address', async () => {
    expect(await check('free')).toEqual({
      name: 'free',
      available: true,
      url: 'http://free.localhost:8088',
      problem: null,
    });
  });

  test.each([['A'], ['-a'], ['admin'], ['a b'], ['a/b'], ['a'.repeat(41)], ['é']])(
    'no name: %s',
    async (name) => {
      expect(await check(name)).toMatchObject({
        name,
        available: false,
        problem: { code: 'invalid_name' },
      });
    },
  );

  test('taken in the own tenant; as a host by another; free again when it is gone', async () => {
    const { store } = await commit('POST', '/api/stores', {
      body: { name: 'taken', type: 'woocommerce' },
    });
    expect((await check('taken')).problem?.code).toBe('name_taken');
    expect((await check('taken', '', theirs)).problem?.code).toBe('host_taken');
    await api.db
      .updateTable('stores')
      .set({ status: 'deleting' })
      .where('id', '=', store.id)
      .execute();
    expect((await check('taken')).problem?.code).toBe('store_deleting');
    await api.db
      .updateTable('stores')
      .set({ status: 'deleted' })
      .where('id', '=', store.id)
      .execute();
    expect((await check('taken')).available).toBe(true);
  });

  test('a cluster that is not there; a tenant named by one who may not', async () => {
    const bad = (query: string) =>
      api.request('GET', `/api/store-names/x${query}`, { token: mine });
    expect((await bad('?cluster=none')).status).toBe(422);
    expect((await bad('?tenant=theirs')).status).toBe(422);
  });
});

describe('a preview is what is committed', () => {
  const preview = async (path: string, body: unknown, key: string): Promise<Preview> => {
    const options = { token: mine, body, headers: withKey(key) };
    return Preview.parse((await api.request('POST', path, options)).body);
  };

  test('create, change, retry, delete', async () => {
    const body = { name: 'exact', type: 'woocommerce', plan: 'small' };
    const create = await preview('/api/stores/preview', body, 'key-create');
    expect(create.subject).toBe('Create store exact of mine');
    expect(create.files.every((file) => file.before === null)).toBe(true);
    const made = await commit('POST', '/api/stores', { body, headers: withKey('key-create') });
    await expectCommitted(create, made.sha);
    const path = `/api/stores/${made.store.id}`;

    const change = await preview(`${path}/preview`, { plan: 'large' }, 'key-change');
    const changed = await commit('PATCH', path, {
      body: { plan: 'large' },
      headers: withKey('key-change'),
    });
    await expectCommitted(change, changed.sha);
    expect(change.files.length).toBeGreaterThan(0);
    expect(change.files.every((file) => file.before !== null && file.after !== null)).toBe(true);

    const retry = await preview(`${path}/preview`, { retry: true }, 'key-retry');
    const retried = await commit('POST', `${path}/retry`, { headers: withKey('key-retry') });
    await expectCommitted(retry, retried.sha);

    const release = await preview(`${path}/preview`, { delete: true }, 'key-delete');
    expect(release.then).toEqual([
      'Remove store exact of mine',
      'Purge the files of store exact of mine',
    ]);
    const removed = await commit('DELETE', path, { headers: withKey('key-delete') });
    await expectCommitted(release, removed.sha);
    expect((await api.request('POST', `${path}/preview`, { body: { plan: 'small' } })).status).toBe(
      409,
    );
  });

  test('nothing is made by looking, and without a key the ids are samples', async () => {
    const body = { name: 'looked-at', type: 'woocommerce' };
    const count = () =>
      api.db
        .selectFrom('stores')
        .select((is) => is.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
    const before = await count();
    const look = () => api.request('POST', '/api/stores/preview', { token: mine, body });
    const [first, second] = [
      Preview.parse((await look()).body),
      Preview.parse((await look()).body),
    ];
    expect(first.message).not.toBe(second.message);
    expect(await count()).toEqual(before);
  });

  test('a change to what is: nothing to show', async () => {
    const { store } = await commit('POST', '/api/stores', {
      body: { name: 'same', type: 'woocommerce' },
    });
    const body = { plan: 'small' };
    const same = await preview(`/api/stores/${store.id}/preview`, body, 'key-same');
    expect(same.files).toEqual([]);
  });

  test('a key that was used long ago, and forgotten, is no obstacle', async () => {
    const headers = withKey('key-again');
    const first = await commit('POST', '/api/stores', {
      body: { name: 'first', type: 'woocommerce' },
      headers,
    });
    await api.db.deleteFrom('idempotency').where('key', '=', 'key-again').execute();
    const second = await commit('POST', '/api/stores', {
      body: { name: 'second', type: 'woocommerce' },
      headers,
    });
    expect(second.store.id).not.toBe(first.store.id);
    await api.db.deleteFrom('idempotency').where('key', '=', 'key-again').execute();
    const changed = await commit('PATCH', `/api/stores/${first.store.id}`, {
      body: { plan: 'medium' },
      headers,
    });
    expect(changed.operation.id).not.toBe(first.operation.id);
  });

  test.each([
    ['a name that is taken', { name: 'same', type: 'woocommerce' }, 409],
    ['no such type', { name: 'x1', type: 'magento' }, 422],
    [
      'a field that is ours to set',
      { name: 'x1', type: 'woocommerce', namespace: 'kube-system' },
      422,
    ],
    ['another’s tenant', { name: 'x1', type: 'woocommerce', tenant: 'theirs' }, 422],
  ])('refused as the create would be: %s', async (_what, body, status) => {
    const reply = await api.request('POST', '/api/stores/preview', { token: mine, body });
    expect(reply.status, reply.text).toBe(status);
  });

  test.each([[{}], [{ delete: true, plan: 'small' }], [{ delete: false }], [{ plan: 'huge' }]])(
    'a change that says nothing, or too much: %j',
    async (body) => {
      const stores = await api.request('GET', '/api/stores?q=same', { token: mine });
      const [store] = stores.body['stores'] as { id: string }[];
      const path = `/api/stores/${store?.id ?? ''}/preview`;
      expect((await api.request('POST', path, { token: mine, body })).status).toBe(422);
      // And a store of another tenant is none.
      const foreign = await api.request('POST', path, { token: theirs, body: { plan: 'small' } });
      expect(foreign.status).toBe(404);
    },
  );
});

describe('changes', () => {
  const list = async (path: string, token: string | undefined = mine): Promise<ChangeList> =>
    ChangeList.parse((await api.request('GET', path, { token })).body);
  const show = (sha: string, token = mine): Promise<Reply> =>
    api.request('GET', `/api/changes/${sha}`, { token });

  test('of a store: each commit, with who asked and its files', async () => {
    const made = await commit('POST', '/api/stores', {
      body: { name: 'changing', type: 'woocommerce' },
    });
    const changed = await commit('PATCH', `/api/stores/${made.store.id}`, {
      body: { plan: 'medium' },
    });
    const { changes, next } = await list(`/api/stores/${made.store.id}/changes`);
    expect(changes.map((one) => [one.sha, one.action, one.generation])).toEqual([
      [changed.sha, 'update', 2],
      [made.sha, 'create', 1],
    ]);
    expect(changes[0]).toMatchObject({
      subject: 'Change store changing of mine',
      changed: ['Plan from small to medium'],
      by: { id: made.operation.requestedBy, name: 'owner' },
      store: { id: made.store.id, name: 'changing' },
      tenant: 'mine',
    });
    expect(next).toBeNull();

    const shown = ChangeAnswer.parse((await show(changed.sha)).body);
    expect(shown.change).toEqual(changes[0]);
    expect(shown.omitted).toBe(0);
    const values = shown.files.find((file) => file.path.includes('/values-'));
    expect(values?.before).toContain('plan: small');
    expect(values?.after).toContain('plan: medium');
    expect(shown.message).toContain(`Operation-Id: ${changed.operation.id}`);
    expect((await show(changed.sha, theirs)).status).toBe(404);
  });

  test('pages, newest first, each commit once', async () => {
    const all = await list('/api/changes?limit=200');
    expect(all.changes.length).toBeGreaterThan(6);
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await list(`/api/changes?limit=3${cursor}`);
      seen.push(...page.changes.map((one) => one.sha));
      cursor = page.next === null ? '' : `&cursor=${page.next}`;
    } while (cursor !== '');
    expect(seen).toEqual(all.changes.map((one) => one.sha));
    expect((await api.request('GET', '/api/changes?cursor=x')).status).toBe(422);
  });

  test('a tenant sees its own; operators see all, or one’s', async () => {
    const other = await commit('POST', '/api/stores', {
      token: theirs,
      body: { name: 'elsewhere', type: 'woocommerce' },
    });
    const shas = async (path: string, token?: string) =>
      (await list(path, token)).changes.map((one) => one.sha);
    expect(await shas('/api/changes?limit=200')).not.toContain(other.sha);
    expect(await shas('/api/changes?limit=200', theirs)).toEqual([other.sha]);
    const operator = (await api.token('operator')).token;
    expect(await shas('/api/changes', operator)).toContain(other.sha);
    expect(await shas('/api/changes?tenant=theirs', operator)).toEqual([other.sha]);
    expect(await shas('/api/changes?tenant=nobody', operator)).toEqual([]);
    expect((await api.request('GET', '/api/changes?tenant=theirs', { token: mine })).status).toBe(
      422,
    );
    expect((await show(other.sha, operator)).status).toBe(200);
  });

  test('a person’s commit: operators see it whole, a tenant the part on its stores', async () => {
    const { store } = await commit('POST', '/api/stores', {
      body: { name: 'edited', type: 'woocommerce' },
    });
    const owned = await repository.git('ls-tree', '-r', '--name-only', 'main');
    const values = owned.split('\n').find((path) => path.includes('-edited/values-')) as string;
    const sha = await repository.commitAsPerson(
      'Tune by hand\n\nFor mine, because theirs asked.',
      async (folder) => {
        await appendFile(`${folder}/${values}`, '# by hand\n');
        await writeFile(`${folder}/notes.txt`, 'not for tenants\n');
        await writeFile(`${folder}/image.bin`, Buffer.from([0, 1, 2]));
      },
    );
    publisher.noticePush(null);
    await vi.waitFor(
      async () => expect((await show(sha, (await api.token('operator')).token)).status).toBe(200),
      { timeout: 15_000, interval: 50 },
    );
    const operator = (await api.token('operator')).token;
    const whole = ChangeAnswer.parse((await show(sha, operator)).body);
    expect(whole.change).toMatchObject({
      action: null,
      by: { id: null, name: 'Ada' },
      store: null,
    });
    expect(whole.files.map((file) => [file.path, file.note])).toEqual([
      [values, null],
      ['image.bin', 'binary: 3 bytes'],
      ['notes.txt', null],
    ]);
    const part = ChangeAnswer.parse((await show(sha)).body);
    expect(part.files.map((file) => file.path)).toEqual([values]);
    expect(part.files[0]?.after).toContain('# by hand');
    expect(part.message).toBe('Tune by hand');
    expect((await show(sha, theirs)).status).toBe(404);
    expect(store.name).toBe('edited');
  });

  test('what is no commit of the branch', async () => {
    for (const sha of ['0'.repeat(40), 'HEAD', 'main', 'a'.repeat(39), '..'])
      expect((await show(sha)).status, sha).toBe(404);
  });

  test('a repository that cannot be read is a problem with a name', async () => {
    const [change] = (await list('/api/changes?limit=1')).changes;
    const path = process.env.PATH;
    reader.close();
    reader = openReader();
    process.env.PATH = '/nowhere';
    const reply = await show(change?.sha ?? '');
    process.env.PATH = path;
    expect(reply.status).toBe(503);
    expect(reply.body).toMatchObject({ code: 'repository_unavailable' });
    expect((await show(change?.sha ?? '')).status).toBe(200);
  });
});
