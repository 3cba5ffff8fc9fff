/** People in the cluster repository, and the writer beside them: on a real Postgres and a real git. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { StoreSpec } from '../../control-plane/src/domain/store.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import { startLoop, type RunningLoop } from '../../control-plane/src/reconcile/loop.ts';
import { createPublisher, type Publisher } from '../../control-plane/src/reconcile/publish.ts';
import { renderTenant } from '../../control-plane/src/render/cluster.ts';
import { pathOfApplication, pathOfStore } from '../../control-plane/src/render/paths.ts';
import { createStoreRenderer } from '../../control-plane/src/render/store.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertStore, insertTenant, queueOperation } from '../support/stores.ts';

const { sources } = await loadTemplates();
const address = { repositoryUrl: 'http://git.example/shopyard.git', branch: 'main' };

let database: TestDatabase;
let repository: TestRepository;
let loop: RunningLoop;
let writer: Publisher;

beforeEach(async () => {
  [database, repository] = await Promise.all([createTestDatabase(), createTestRepository()]);
  await insertTenant(database.db);
  startWriter();
});

afterEach(async () => {
  await loop.stop();
  await Promise.all([database.close(), repository.close()]);
});

function startWriter(): void {
  writer = createPublisher({
    clusters: ['lab'],
    domainOf: () => null,
    deadlineMs: 600_000,
    db: database.db,
    logger: createLogger('silent'),
    clock: () => new Date(),
    repository: 'test',
    openBranch: () => repository.open(),
    seeds: [{ subject: 'Seed', files: [{ path: 'charts/x/1.0.0/Chart.yaml', content: 'a: 1\n' }] }],
    render: createStoreRenderer(sources, address, exampleCluster),
    renderTenant: (tenant) => renderTenant(sources, { ...address, ...tenant }),
    relays: [],
    measure: { batch: () => undefined, retry: () => undefined },
  });
  loop = startLoop(database.db, 'one', createLogger('silent'), writer);
}

async function waitForState(operationId: string, state: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const row = await database.db
        .selectFrom('operations')
        .select(['state', 'errorCode'])
        .where('id', '=', operationId)
        .executeTakeFirstOrThrow();
      expect(row.state).toBe(state);
    },
    { timeout: 15_000, interval: 25 },
  );
}

/** A store whose create is on the branch. */
async function commitStore(name: string): Promise<StoreSpec> {
  const { spec, operationId } = await insertStore(database.db, { name });
  writer.wake();
  await waitForState(operationId, 'waiting');
  return spec;
}

/** Somebody pushes; the writer hears of it and has taken note when this returns. */
async function pushAsPerson(
  message: string,
  change: (folder: string) => Promise<void>,
): Promise<string> {
  const sha = await repository.commitAsPerson(message, change);
  writer.noticePush(null);
  await vi.waitFor(async () => expect(await readTip()).toBe(sha), {
    timeout: 15_000,
    interval: 25,
  });
  return sha;
}

async function readTip(): Promise<string | null> {
  const row = await database.db
    .selectFrom('repositories')
    .select('acknowledgedSha')
    .executeTakeFirst();
  return row?.acknowledgedSha ?? null;
}

function readStore(id: string) {
  return database.db
    .selectFrom('stores')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
}

async function listDrifts(): Promise<string[]> {
  const rows = await database.db.selectFrom('drifts').selectAll().orderBy('path').execute();
  return rows.map(({ kind, path }) => `${kind} ${path}`);
}

const edit = (path: string) => async (folder: string) => {
  const text = await readFile(join(folder, path), 'utf8');
  await writeFile(join(folder, path), text.replace('plan: small', 'plan: medium'));
};

describe('a person in the repository (reliability 8)', () => {
  test('an edit of a generated file is drift of that store alone; putting it back ends it', async () => {
    const shop = await commitStore('shop');
    const neighbour = await commitStore('neighbour');
    const path = `${pathOfStore(shop)}/store.yaml`;
    const sha = await pushAsPerson('Give it more', edit(path));
    expect(await listDrifts()).toEqual([`changed ${path}`]);
    expect(await readStore(shop.id)).toMatchObject({ driftSha: sha });
    expect(await readStore(neighbour.id)).toMatchObject({ driftSha: null });
    const [event] = await database.db
      .selectFrom('events')
      .select('body')
      .where('storeId', '=', shop.id)
      .orderBy('id', 'desc')
      .limit(1)
      .execute();
    expect(event?.body).toMatchObject({ store: { id: shop.id, drifted: true } });

    await pushAsPerson('Take it back', async (folder) => {
      const text = await readFile(join(folder, path), 'utf8');
      await writeFile(join(folder, path), text.replace('plan: medium', 'plan: small'));
    });
    expect(await listDrifts()).toEqual([]);
    expect(await readStore(shop.id)).toMatchObject({ driftSha: null });
    const record = await sql<{ action: string; storeId: string }>`
      select action, store_id from audit where action like 'store.drift%' order by seq
    `.execute(database.db);
    expect(record.rows).toEqual([
      { action: 'store.drift', storeId: shop.id },
      { action: 'store.drift-undone', storeId: shop.id },
    ]);
  });

  test('a commit of ours that somebody picks again is theirs, whatever its message says', async () => {
    const shop = await commitStore('shop');
    const path = `${pathOfStore(shop)}/store.yaml`;
    const picked = await repository.git('log', '-1', '--format=%B', 'main');
    const files = await repository.git('show', `main:${path}`);
    const change = await queueOperation(
      database.db,
      { ...shop, plan: 'medium', generation: 2 },
      'update',
      'update',
    );
    writer.wake();
    await waitForState(change, 'waiting');
    const sha = await pushAsPerson(picked, (folder) => writeFile(join(folder, path), files));
    expect(await listDrifts()).toEqual([`changed ${path}`]);
    expect(await readStore(shop.id)).toMatchObject({ driftSha: sha });
    const row = await database.db
      .selectFrom('commits')
      .selectAll()
      .where('sha', '=', sha)
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({ operationId: null, storeId: null });
  });

  test('a new file in a store’s folder and its Application’s removal are drift', async () => {
    const shop = await commitStore('shop');
    const application = pathOfApplication(shop, 1);
    await pushAsPerson('Tidy up', async (folder) => {
      await rm(join(folder, application));
      await writeFile(join(folder, pathOfStore(shop), 'notes.txt'), 'mine\n');
    });
    expect(await listDrifts()).toEqual([
      `removed ${application}`,
      `added ${pathOfStore(shop)}/notes.txt`,
    ]);
  });

  test('what was planned before the edit is refused, and the edit stays', async () => {
    const shop = await commitStore('shop');
    const path = `${pathOfStore(shop)}/store.yaml`;
    const sha = await pushAsPerson('Give it more', edit(path));
    const operationId = await queueOperation(
      database.db,
      { ...shop, plan: 'large', generation: 2 },
      'update',
      'update',
    );
    writer.wake();
    await waitForState(operationId, 'failed');
    // As its last commit made it; what was refused is not in its row.
    expect(await readStore(shop.id)).toMatchObject({
      status: 'provisioning',
      plan: 'small',
      generation: 1,
      errorCode: null,
      driftSha: sha,
    });
    expect((await repository.git('rev-parse', 'main')).trim()).toBe(sha);
    expect(await repository.git('show', `main:${path}`)).toContain('plan: medium');
  });

  test('a delete that meets the edit leaves the store as it was; asked again it goes through', async () => {
    const shop = await commitStore('shop');
    const path = `${pathOfStore(shop)}/store.yaml`;
    const sha = await pushAsPerson('Give it more', edit(path));
    const refused = await queueOperation(database.db, shop, 'delete', 'release');
    writer.wake();
    await waitForState(refused, 'failed');
    expect(await readStore(shop.id)).toMatchObject({ status: 'provisioning', errorCode: null });
    const again = await queueOperation(database.db, shop, 'delete', 'release', { driftSha: sha });
    writer.wake();
    await waitForState(again, 'waiting');
    expect(await repository.git('show', `main:${pathOfApplication(shop, 1)}`)).not.toContain(
      'Prune=false',
    );
  });

  test('the release of a kept store that meets the edit leaves it kept', async () => {
    const shop = await commitStore('shop');
    const kept = { ...shop, suspended: true, generation: 2, purgeAt: '2026-01-01T00:00:00.000Z' };
    const id = await queueOperation(database.db, kept, 'delete', 'retire');
    writer.wake();
    await waitForState(id, 'waiting');
    await pushAsPerson('Give it more', edit(`${pathOfStore(shop)}/store.yaml`));
    await database.db
      .updateTable('operations')
      .set({ state: 'queued', action: 'release' })
      .where('id', '=', id)
      .execute();
    writer.wake();
    await waitForState(id, 'failed');
    expect(await readStore(shop.id)).toMatchObject({
      status: 'suspended',
      stage: 'kept',
      errorCode: 'drifted',
    });
  });

  test('a delete goes on where somebody removed the store’s folder', async () => {
    const shop = await commitStore('shop');
    const application = pathOfApplication(shop, 1);
    const sha = await pushAsPerson('Tidy up', async (work) => {
      await rm(join(work, application));
      await rm(join(work, pathOfStore(shop)), { recursive: true });
    });
    const id = await queueOperation(database.db, shop, 'delete', 'release', { driftSha: sha });
    writer.wake();
    await waitForState(id, 'waiting');
    expect(await repository.git('show', `main:${application}`)).not.toContain('Prune=false');
  });

  test('an edit that comes between planning and push is not written over', async () => {
    const shop = await commitStore('shop');
    const path = `${pathOfStore(shop)}/store.yaml`;
    // The writer has not heard of it when it plans: its push is refused, and it looks again.
    const sha = await repository.commitAsPerson('Give it more', edit(path));
    const operationId = await queueOperation(
      database.db,
      { ...shop, plan: 'large', generation: 2 },
      'update',
      'update',
    );
    writer.wake();
    await waitForState(operationId, 'failed');
    expect((await repository.git('rev-parse', 'main')).trim()).toBe(sha);
  });

  test('a repair by somebody who knows of the edit writes the files again; a newer one is kept', async () => {
    const shop = await commitStore('shop');
    const path = `${pathOfStore(shop)}/store.yaml`;
    const sha = await pushAsPerson('Give it more', edit(path));
    const repair = async (generation: number, driftSha: string): Promise<string> => {
      const spec = { ...shop, generation };
      await database.db.updateTable('stores').set({ generation }).execute();
      const id = await queueOperation(database.db, spec, 'repair', 'repair', { driftSha });
      writer.wake();
      return id;
    };
    await waitForState(await repair(2, 'b'.repeat(40)), 'failed');
    await waitForState(await repair(3, sha), 'waiting');
    expect(await listDrifts()).toEqual([]);
    expect(await readStore(shop.id)).toMatchObject({ driftSha: null, status: 'provisioning' });
    expect(await repository.git('show', `main:${path}`)).toContain('plan: small');
  });

  test('a forced push that drops stores’ commits is drift of those stores; nothing is deleted', async () => {
    const kept = await commitStore('kept');
    const before = (await repository.git('rev-parse', 'main')).trim();
    const lost = await commitStore('lost');
    await repository.git('update-ref', 'refs/heads/main', before);
    writer.noticePush(null);
    await vi.waitFor(async () => expect(await readTip()).toBe(before), { timeout: 15_000 });
    const paths = await listDrifts();
    expect(paths).toHaveLength(3);
    for (const path of paths) expect(path).toMatch(/^removed .*abc123-lost/);
    expect(await readStore(kept.id)).toMatchObject({ driftSha: null });
    expect(await readStore(lost.id)).toMatchObject({ driftSha: before, status: 'provisioning' });
  });
});

describe('a person removes a whole folder (reliability 10)', () => {
  test('each of its stores drifts, the others do not; nothing is queued', async () => {
    const stores = await Promise.all(
      Array.from(
        { length: 8 },
        async (_, n) => (await insertStore(database.db, { name: `s-${n}` })).spec,
      ),
    );
    writer.wake();
    const last = stores.at(-1);
    if (last === undefined) throw new Error('there are stores');
    await vi.waitFor(
      async () =>
        expect(
          await database.db
            .selectFrom('stores')
            .select('id')
            .where('commitSha', 'is not', null)
            .execute(),
        ).toHaveLength(stores.length),
      { timeout: 15_000, interval: 50 },
    );
    const folder = dirname(pathOfApplication(last, 1));
    const gone = stores.filter((store) => dirname(pathOfApplication(store, 1)) === folder);
    await pushAsPerson('Tidy up', (work) => rm(join(work, folder), { recursive: true }));
    expect(await listDrifts()).toEqual(
      gone.map((store) => `removed ${pathOfApplication(store, 1)}`).sort(),
    );
    const drifted = await database.db
      .selectFrom('stores')
      .select(['id', 'status'])
      .where('driftSha', 'is not', null)
      .execute();
    expect(drifted.map(({ id }) => id).sort()).toEqual(gone.map(({ id }) => id).sort());
    expect(
      await database.db
        .selectFrom('operations')
        .select('id')
        .where('state', '=', 'queued')
        .execute(),
    ).toEqual([]);
  });
});
