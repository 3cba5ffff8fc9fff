/**
 * The database made again from the repository alone, held against the one that was lost: what the
 * writer left in git, on a real Postgres and a real git server.
 */
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Accepted } from '../../control-plane/src/contract.ts';
import { findStoresDue } from '../../control-plane/src/db/observations.ts';
import type { Db } from '../../control-plane/src/db/open.ts';
import { writeStoreEvents } from '../../control-plane/src/db/status.ts';
import { findDomain } from '../../control-plane/src/domain/cluster.ts';
import { writeCommitMessage } from '../../control-plane/src/domain/commit-message.ts';
import {
  nameApplication,
  type Action,
  type OperationKind,
  type StoreSpec,
} from '../../control-plane/src/domain/store.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import { rebuild, writeReport, type Rebuilt } from '../../control-plane/src/rebuild.ts';
import { startLoop, type RunningLoop } from '../../control-plane/src/reconcile/loop.ts';
import { createPublisher, type Publisher } from '../../control-plane/src/reconcile/publish.ts';
import { renderTenant } from '../../control-plane/src/render/cluster.ts';
import { pathOfStore } from '../../control-plane/src/render/paths.ts';
import { createStoreRenderer } from '../../control-plane/src/render/store.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { startApi } from '../api/support.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { exampleStore } from '../support/example-store.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertStore, insertTenant, queueOperation } from '../support/stores.ts';

const { sources } = await loadTemplates();
const address = { repositoryUrl: 'http://git.example/shopyard.git', branch: 'main' };
const NAME = 'http://git.example/shopyard.git#main';

let lost: TestDatabase;
let fresh: TestDatabase;
let repository: TestRepository;
let loop: RunningLoop | null = null;
let writer: Publisher;

beforeEach(async () => {
  [lost, fresh, repository] = await Promise.all([
    createTestDatabase(),
    createTestDatabase(),
    createTestRepository(),
  ]);
  // The writer fences its tenant itself; that Argo CD has seen it is the test's word.
  await insertTenant(lost.db, { isSeen: false });
  startWriter(lost.db);
});

afterEach(async () => {
  await loop?.stop();
  await Promise.all([lost.close(), fresh.close(), repository.close()]);
});

function startWriter(db: Db): void {
  writer = createPublisher({
    clusters: ['lab'],
    domainOf: () => null,
    deadlineMs: 600_000,
    db,
    logger: createLogger('silent'),
    clock: () => new Date(),
    repository: NAME,
    openBranch: () => repository.open(),
    seeds: [{ subject: 'Seed', files: [{ path: 'charts/x/1.0.0/Chart.yaml', content: 'a: 1\n' }] }],
    render: createStoreRenderer(sources, address, exampleCluster),
    renderTenant: (tenant) => renderTenant(sources, { ...address, ...tenant }),
    relays: [],
    measure: { batch: () => undefined, retry: () => undefined },
  });
  loop = startLoop(db, 'one', createLogger('silent'), writer);
}

async function stopWriter(): Promise<void> {
  await loop?.stop();
  loop = null;
}

async function waitForCommit(db: Db, operationId: string): Promise<void> {
  await vi.waitFor(
    async () => {
      await db.updateTable('tenantClusters').set({ seenAt: new Date() }).execute();
      writer.wake();
      const row = await db
        .selectFrom('operations')
        .select('state')
        .where('id', '=', operationId)
        .executeTakeFirstOrThrow();
      expect(['waiting', 'done']).toContain(row.state);
    },
    { timeout: 20_000, interval: 50 },
  );
}

async function create(name: string): Promise<StoreSpec> {
  const { spec, operationId } = await insertStore(lost.db, { name });
  await waitForCommit(lost.db, operationId);
  return spec;
}

async function change(spec: StoreSpec, kind: OperationKind, action: Action): Promise<string> {
  const id = await queueOperation(lost.db, spec, kind, action);
  await lost.db
    .updateTable('stores')
    .set({ generation: spec.generation, plan: spec.plan })
    .where('id', '=', spec.id)
    .execute();
  await waitForCommit(lost.db, id);
  return id;
}

/** The next commit of an operation that is under way. */
async function step(operationId: string, action: Action): Promise<void> {
  await lost.db
    .updateTable('operations')
    .set({ state: 'queued', action })
    .where('id', '=', operationId)
    .execute();
  await waitForCommit(lost.db, operationId);
}

function run(db: Db, isDry = false, at = new Date()): Promise<Rebuilt> {
  return rebuild(db, {
    folder: repository.forge.repositoryDir,
    branch: 'main',
    repository: NAME,
    domainOf: (store) => findDomain([{ name: 'lab', baseDomain: 'localhost' }], store),
    deadlineMs: 600_000,
    holder: 'rebuild',
    isDry,
    at,
  });
}

/** What must be the same in both databases. */
async function readStores(db: Db) {
  const rows = await db
    .selectFrom('stores')
    .select(['id', 'tenantId', 'name', 'type', 'chart', 'chartVersion', 'plan', 'storagePlan'])
    .select(['options', 'cluster', 'application', 'namespace', 'host', 'url', 'domain'])
    .select(['generation', 'attempt', 'suspended', 'purgeAt', 'protected', 'status', 'stage'])
    .select(['commitSha', 'operationId', 'driftSha'])
    .orderBy('id')
    .execute();
  return rows.map((row) => ({ ...row, options: {} }));
}

async function readOperations(db: Db) {
  const rows = await db
    .selectFrom('operations')
    .select(['id', 'storeId', 'tenantId', 'cluster', 'kind', 'action', 'generation', 'requestedBy'])
    .select(['spec', 'commitSha'])
    .orderBy('id')
    .execute();
  return rows;
}

async function readIndex(db: Db): Promise<string[]> {
  const rows = await db.selectFrom('commits').select('sha').orderBy('position').execute();
  return rows.map(({ sha }) => sha);
}

/** Does in a work tree what a commit of ours does. */
function write(action: 'create' | 'update' | 'retire', store: StoreSpec) {
  const render = createStoreRenderer(sources, address, exampleCluster);
  return async (folder: string): Promise<void> => {
    const at = new Date();
    for (const { path, content } of render({ action, store, operationId: 'op_x', at }, null)) {
      if (content === null) continue;
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
    }
  };
}

/** Stores in every state that git can tell of. */
async function tellStory() {
  const shop = await create('shop');
  const changed = { ...shop, plan: 'medium', generation: 2 };
  await change(changed, 'update', 'update');
  const leaving = await create('leaving');
  await change(leaving, 'delete', 'release');
  const half = await create('half');
  await step(await change(half, 'delete', 'release'), 'remove');
  const gone = await create('gone');
  const removal = await change(gone, 'delete', 'release');
  await step(removal, 'remove');
  await step(removal, 'purge');
  const again = await create('gone');
  const edited = await create('edited');
  return { shop: changed, leaving, half, gone, again, edited };
}

test('every store, operation and commit is back as it was, whatever state it was in', async () => {
  const { edited } = await tellStory();
  const path = `${pathOfStore(edited)}/store.yaml`;
  const sha = await repository.commitAsPerson('Give it more', async (folder) => {
    const text = await readFile(join(folder, path), 'utf8');
    await writeFile(join(folder, path), text.replace('plan: small', 'plan: medium'));
  });
  writer.noticePush(null);
  await vi.waitFor(async () => expect((await readIndex(lost.db)).at(-1)).toBe(sha), {
    timeout: 15_000,
  });
  await stopWriter();

  const { restored, gathered } = await run(fresh.db);
  expect(gathered.troubles).toEqual([]);
  expect(restored).toMatchObject({ tenants: ['acme'], standing: 0, drifted: 1, differences: [] });
  expect(restored.stores.map(({ state }) => state).sort()).toEqual([
    'gone', 'leaving', 'leaving', 'living', 'living', 'living',
  ]); // prettier-ignore
  expect(await readStores(fresh.db)).toEqual(await readStores(lost.db));
  expect(await readOperations(fresh.db)).toEqual(await readOperations(lost.db));
  expect(await readIndex(fresh.db)).toEqual(await readIndex(lost.db));
  const drifts = (db: Db) => db.selectFrom('drifts').selectAll().execute();
  expect(await drifts(fresh.db)).toEqual(await drifts(lost.db));
  const positions = await fresh.db
    .selectFrom('stores as s')
    .innerJoin('commits as c', 'c.sha', 's.commitSha')
    .select(['s.commitPosition', 'c.position'])
    .execute();
  for (const row of positions) expect(row.commitPosition).toBe(row.position);
});

test('twice is once, and a change goes on from there; nothing was committed meanwhile', async () => {
  const { shop } = await tellStory();
  await stopWriter();
  const tip = await repository.git('rev-parse', 'main');
  const first = await run(fresh.db);
  const stores = await readStores(fresh.db);
  const second = await run(fresh.db);
  expect(second.restored).toMatchObject({
    tenants: [],
    stores: [],
    operations: 0,
    commits: 0,
    standing: first.restored.stores.length,
    differences: [],
  });
  expect(writeReport(second, false)).toContain('Nothing was missing.');
  expect(await readStores(fresh.db)).toEqual(stores);

  startWriter(fresh.db);
  // The rebuild's own is over.
  const leases = fresh.db.selectFrom('leases').where('expiresAt', '>', sql<Date>`now()`);
  await expect.poll(() => leases.select('holder').execute()).toEqual([{ holder: 'one' }]);
  const id = await queueOperation(fresh.db, { ...shop, generation: 3 }, 'update', 'update');
  await waitForCommit(fresh.db, id);
  expect(await repository.git('rev-parse', 'main^')).toBe(tip);
  expect(await repository.git('log', '-1', '--format=%s', 'main')).toBe(
    'Change store shop of acme\n',
  );
});

test('a kept store whose time is over waits for a person: whether its removal was refused is lost', async () => {
  const retire = async (name: string, purgeAt: string): Promise<StoreSpec> => {
    const kept = { ...(await create(name)), generation: 2, suspended: true, purgeAt };
    await change(kept, 'delete', 'retire');
    return kept;
  };
  const over = '2026-01-01T00:00:00.000Z';
  const [wanted, refused, hasty] = [
    await retire('wanted', over),
    await retire('refused', over),
    await retire('hasty', over),
  ];
  const kept = await retire('kept', '2100-01-01T00:00:00.000Z');
  await stopWriter();

  const first = await run(fresh.db);
  expect(writeReport(first, false)).toContain(
    'Their time is over, and nothing removes them before you decide: resume each, or delete it.\n' +
      '  wanted of acme on lab\n  refused of acme on lab\n  hasty of acme on lab\n',
  );
  const second = await run(fresh.db);
  expect(second.restored.overdue).toEqual([]);
  const rows = await fresh.db
    .selectFrom('stores as s')
    .innerJoin('operations as o', 'o.id', 's.operationId')
    .select(['s.name', 's.status', 's.stage', 's.detail', 'o.action', 'o.state'])
    .orderBy('s.name')
    .execute();
  const left = { status: 'suspended', stage: 'kept', action: 'retire', state: 'rejected' };
  const detail = 'its time was over when the database was rebuilt: resume it, or delete it at once';
  expect(rows).toEqual([
    { name: 'hasty', ...left, detail },
    expect.objectContaining({ name: 'kept', stage: 'retiring', state: 'waiting' }),
    { name: 'refused', ...left, detail },
    { name: 'wanted', ...left, detail },
  ]);
  const now = new Date('2100-01-01T00:00:00.000Z');
  expect(await findStoresDue(fresh.db, 'lab', { now, silentSince: now, lateSince: now })).toEqual([
    nameApplication(kept.tenantId, kept.name),
  ]);

  startWriter(fresh.db);
  const api = await startApi({ databaseUrl: fresh.url });
  try {
    const ask = async (method: string, path: string): Promise<string> => {
      const reply = await api.request(method, `/api/stores/${path}`);
      expect(reply, reply.text).toMatchObject({ status: 202 });
      return Accepted.parse(reply.body).operation.id;
    };
    await waitForCommit(fresh.db, await ask('POST', `${wanted.id}/resume`));
    await waitForCommit(fresh.db, await ask('DELETE', refused.id));
    await waitForCommit(fresh.db, await ask('DELETE', `${hasty.id}?now=true`));
  } finally {
    await api.close();
  }
  expect(
    (await readStores(fresh.db)).map(({ name, status, purgeAt }) => [name, status, purgeAt]).sort(),
  ).toEqual([
    ['hasty', 'deleting', new Date(over)],
    ['kept', 'suspended', now],
    ['refused', 'deleting', new Date(over)],
    ['wanted', 'provisioning', null],
  ]);
});

test('what is kept goes when it was to go, however late the rebuild is', async () => {
  const purgeAt = '2100-01-01T00:00:00.000Z';
  const kept = { ...(await create('kept')), generation: 2, suspended: true, purgeAt };
  await change(kept, 'delete', 'retire');
  await stopWriter();
  await run(fresh.db, false, new Date(Date.now() + 10 * 24 * 60 * 60 * 1000));
  expect(await readStores(fresh.db)).toMatchObject([{ purgeAt: new Date(purgeAt) }]);
});

test('what is kept of a delete that was merged late is counted from its merge', async () => {
  const shop = await create('shop');
  await stopWriter();
  const day = 24 * 60 * 60 * 1000;
  const begun = Math.floor(Date.now() / 1000) * 1000;
  const purgeAt = new Date(begun + day).toISOString();
  const kept = { ...shop, generation: 2, suspended: true, purgeAt };
  const request = { id: 'op_1', requestedBy: 'us_1', createdAt: new Date(begun - 2 * day) };
  const change = write('retire', kept);
  await repository.mergeAsPerson('Merge #7', [
    { message: writeCommitMessage('retire', kept, request), change },
  ]);
  await run(fresh.db);
  const [row] = await readStores(fresh.db);
  const left = (row?.purgeAt?.getTime() ?? 0) - begun;
  expect(left).toBeGreaterThanOrEqual(3 * day);
  expect(left).toBeLessThan(3 * day + 120_000);
});

test('a branch without commits takes nothing away, and is told', async () => {
  await create('shop');
  await stopWriter();
  const [index, stores] = [await readIndex(lost.db), await readStores(lost.db)];
  const kept = repository;
  repository = await createTestRepository();
  try {
    const rebuilt = await run(lost.db);
    expect(rebuilt.restored.differences).toEqual([
      `The repository’s branch has no commits; the ${index.length} that are known here stay known.`,
    ]);
    expect(writeReport(rebuilt, false)).toMatch(/has no commits; [^]*Nothing was restored\.$/);
  } finally {
    await repository.close();
    repository = kept;
  }
  expect(index.length).toBeGreaterThan(1);
  expect(await readIndex(lost.db)).toEqual(index);
  expect(await readStores(lost.db)).toEqual(stores);
});

test('a dry run says it all and leaves no row', async () => {
  await tellStory();
  await stopWriter();
  const dry = await run(fresh.db, true);
  expect(dry.restored.stores).toHaveLength(6);
  expect(writeReport(dry, true)).toMatch(
    /Would restore: 1 tenants, 3 stores, 2 on their way out, 1 that are gone/,
  );
  for (const table of ['tenants', 'stores', 'operations', 'commits', 'repositories'] as const)
    expect(await fresh.db.selectFrom(table).selectAll().execute()).toEqual([]);
});

test('what is there stays: other stores, a tenant that took the name, a first look at the branch', async () => {
  const shop = await create('shop');
  const taken = await create('taken');
  await stopWriter();
  // A control plane was started on the empty database before anybody thought of rebuilding it.
  startWriter(fresh.db);
  await vi.waitFor(async () => expect(await readIndex(fresh.db)).toHaveLength(1), {
    timeout: 15_000,
  });
  await stopWriter();
  await insertTenant(fresh.db, { id: 'zzz999', isSeen: false });
  await fresh.db
    .insertInto('tokens')
    .values({ id: 'tok_1', tenantId: 'zzz999', hash: 'h', role: 'owner', name: 'kept' })
    .execute();
  await insertTenant(fresh.db, { id: 'other1', slug: 'other', isSeen: false });
  const { spec: other } = await insertStore(fresh.db, {
    name: 'taken',
    tenantId: 'other1',
    tenant: 'other',
    host: taken.host,
  });

  const { restored } = await run(fresh.db);
  expect(restored.differences).toEqual([
    expect.stringMatching(new RegExp(`^Store taken of acme .*is left out: ${other.id} has`)),
  ]);
  expect((await readStores(fresh.db)).map(({ id }) => id).sort()).toEqual(
    [shop.id, other.id].sort(),
  );
  const token = await fresh.db.selectFrom('tokens').selectAll().executeTakeFirstOrThrow();
  expect(token.tenantId).toBe(shop.tenantId);
  expect(await readIndex(fresh.db)).toEqual(await readIndex(lost.db));
});

test('stores that are there keep the drift they had, and get what they missed', async () => {
  const edited = await create('edited');
  const later = await create('later');
  const append = (store: StoreSpec) => (folder: string) =>
    appendFile(join(folder, `${pathOfStore(store)}/store.yaml`), '# mine\n');
  const first = await repository.commitAsPerson('By hand', append(edited));
  writer.noticePush(null);
  await vi.waitFor(async () => expect((await readIndex(lost.db)).at(-1)).toBe(first), {
    timeout: 15_000,
  });
  await stopWriter();
  // The database is yesterday's: it has not heard of this one.
  const second = await repository.commitAsPerson('By hand', append(later));
  await run(lost.db);
  const shas = new Map((await readStores(lost.db)).map(({ id, driftSha }) => [id, driftSha]));
  expect(shas).toEqual(
    new Map([
      [edited.id, first],
      [later.id, second],
    ]),
  );
  const drifts = await lost.db.selectFrom('drifts').select('storeId').execute();
  expect(drifts.map(({ storeId }) => storeId).sort()).toEqual([edited.id, later.id].sort());
});

test('a change whose commit lost its trailers is known by its files', async () => {
  const shop = await create('shop');
  const changed = { ...shop, plan: 'medium', generation: 2 };
  const update = await repository.commitAsPerson('Squashed (#7)', write('update', changed));
  const other = exampleStore({ id: 'st_bbbbbbbbbbbbbbbb', name: 'other' });
  const made = await repository.commitAsPerson('Squashed (#8)', write('create', other));
  await stopWriter();

  const { restored, gathered } = await run(fresh.db);
  expect(gathered.troubles).toEqual([]);
  expect(restored).toMatchObject({ drifted: 0, differences: [] });
  const rows = new Map((await readStores(fresh.db)).map((row) => [row.id, row]));
  expect(rows.get(shop.id)).toMatchObject({ plan: 'medium', generation: 2, commitSha: update });
  expect(rows.get(other.id)).toMatchObject({ name: 'other', generation: 1, commitSha: made });
});

test('a change that was merged is on the branch by its merge', async () => {
  const shop = await create('shop');
  await stopWriter();
  const changed = { ...shop, plan: 'medium', generation: 2 };
  const other = exampleStore({ id: 'st_bbbbbbbbbbbbbbbb', name: 'other' });
  const offer = (action: 'create' | 'update', store: StoreSpec, id: string) => ({
    message: writeCommitMessage(action, store, { id, requestedBy: 'us_1' }),
    change: write(action, store),
  });
  const first = await repository.mergeAsPerson('Merge #7', [offer('update', changed, 'op_1')]);
  const again = { ...changed, plan: 'large', generation: 3 };
  // Two at once: one merge is one place.
  const second = await repository.mergeAsPerson('Merge both', [
    offer('create', other, 'op_2'),
    offer('update', again, 'op_3'),
  ]);

  const { restored, gathered } = await run(fresh.db);
  expect(gathered.troubles).toEqual([]);
  expect(restored).toMatchObject({ drifted: 0, differences: [] });
  const operations = new Map((await readOperations(fresh.db)).map((row) => [row.id, row]));
  expect(operations.get('op_1')).toMatchObject({ commitSha: first });
  expect(operations.get('op_3')).toMatchObject({ commitSha: second });
  const rows = new Map((await readStores(fresh.db)).map((row) => [row.id, row]));
  expect(rows.get(shop.id)).toMatchObject({ plan: 'large', generation: 3, commitSha: second });
  expect(rows.get(other.id)).toMatchObject({ name: 'other', generation: 1, operationId: 'op_2' });
  const tips = await repository.git('rev-list', '--reverse', '--first-parent', 'main');
  const index = await readIndex(fresh.db);
  expect(index.filter((sha) => tips.includes(sha))).toEqual(tips.trim().split('\n'));
  // Of the two, the one that the merge does not stand for.
  expect(index).toHaveLength(tips.trim().split('\n').length + 1);
  expect((await run(fresh.db)).restored).toMatchObject({ operations: 0, commits: 0 });
});

test('one statement tells of more stores than it may have parameters', async () => {
  await insertTenant(fresh.db);
  const { spec } = await insertStore(fresh.db);
  const row = await fresh.db
    .selectFrom('stores')
    .selectAll()
    .where('id', '=', spec.id)
    .executeTakeFirstOrThrow();
  const rows = Array.from({ length: 17_000 }, () => ({ ...row, tenantSlug: spec.tenant }));
  await fresh.db.transaction().execute((tx) => writeStoreEvents(tx, rows));
  const { count } = await fresh.db
    .selectFrom('events')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow();
  expect(Number(count)).toBe(17_000);
});

test('it does not work beside a control plane', async () => {
  await create('shop');
  await expect(run(lost.db)).rejects.toMatchObject({ code: 'control_plane_running' });
});
