/** The writer on a real Postgres and a real git server. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import type { Branch, CommitSha, FileChange } from '../../control-plane/src/git/types.ts';
import { readCommitTrailers } from '../../control-plane/src/domain/commit-message.ts';
import { PlatformError } from '../../control-plane/src/errors.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import { startLoop, type RunningLoop } from '../../control-plane/src/reconcile/loop.ts';
import {
  createPublisher,
  type Publisher,
  type PublisherOptions,
} from '../../control-plane/src/reconcile/publish.ts';
import { createRelay, type Push } from '../../control-plane/src/reconcile/relay.ts';
import { renderTenant } from '../../control-plane/src/render/cluster.ts';
import { sealFile } from '../../control-plane/src/render/seal.ts';
import { createStoreRenderer } from '../../control-plane/src/render/store.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertStore, insertTenant, queueOperation } from '../support/stores.ts';

const { sources } = await loadTemplates();
const logger = createLogger('silent');
const address = { repositoryUrl: 'http://git.example/shopyard.git', branch: 'main' };

let database: TestDatabase;
let repository: TestRepository;
let loops: RunningLoop[] = [];
let relayed: Push[] = [];

beforeEach(async () => {
  [database, repository] = await Promise.all([createTestDatabase(), createTestRepository()]);
  relayed = [];
});

afterEach(async () => {
  await Promise.all(loops.map((loop) => loop.stop()));
  loops = [];
  await Promise.all([database.close(), repository.close()]);
});

function startWriter(changes: Partial<PublisherOptions> = {}, holder = 'one'): Publisher {
  const publisher = createPublisher({
    clusters: ['lab'],
    domainOf: () => null,
    deadlineMs: 600_000,
    db: database.db,
    logger,
    clock: () => new Date(),
    repository: 'test',
    openBranch: () => repository.open(),
    seeds: [
      {
        subject: 'Seed',
        files: [
          { path: 'charts/woocommerce/1.0.0/Chart.yaml', content: 'version: 1.0.0\n' },
          { path: 'clusters/lab/apps/0/placeholder.yaml', content: 'kind: AppProject\n' },
        ],
      },
    ],
    render: createStoreRenderer(sources, address, exampleCluster),
    renderTenant: (tenant) => renderTenant(sources, { ...address, ...tenant }),
    relays: [
      (push) => {
        relayed.push(push);
        return Promise.resolve();
      },
    ],
    measure: { batch: () => undefined, retry: () => undefined },
    ...changes,
  });
  loops.push(startLoop(database.db, holder, logger, publisher));
  return publisher;
}

async function waitForState(operationId: string, state: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const row = await database.db
        .selectFrom('operations')
        .select('state')
        .where('id', '=', operationId)
        .executeTakeFirstOrThrow();
      expect(row.state).toBe(state);
    },
    { timeout: 15_000, interval: 25 },
  );
}

/** Pushes without those that Argo CD was reminded of, ten seconds later. */
function told(pushes: readonly Push[]): Push[] {
  return pushes.filter(
    ({ after }, index) => pushes.findIndex((push) => push.after === after) === index,
  );
}

function readStore(id: string) {
  return database.db
    .selectFrom('stores')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
}

async function countCommits(operationId: string): Promise<number> {
  const log = await repository.git('log', '--format=%B%x00', 'main');
  return log.split('\0').filter((body) => body.includes(`Operation-Id: ${operationId}`)).length;
}

test('a create becomes one commit that touches its own files alone', async () => {
  await insertTenant(database.db);
  const { spec, operationId } = await insertStore(database.db);
  startWriter();
  await waitForState(operationId, 'waiting');

  const store = await readStore(spec.id);
  const tip = (await repository.git('rev-parse', 'main')).trim();
  expect(store).toMatchObject({ status: 'provisioning', stage: 'committed', commitSha: tip });
  const paths = (await repository.git('show', '--format=', '--name-only', 'main'))
    .trim()
    .split('\n');
  expect(paths).toHaveLength(3);
  for (const path of paths)
    expect(path).toMatch(
      /^clusters\/lab\/(apps\/[0-9a-f]\/abc123-shop\.yaml|stores\/[0-9a-f]{2}\/abc123-shop\/(store|values-\d+\.\d+\.\d+)\.yaml)$/,
    );
  expect(await repository.git('log', '-1', '--format=%s', 'main')).toBe(
    'Create store shop of acme\n',
  );
  await vi.waitFor(() => expect(relayed.at(-1)?.after).toBe(tip), 10_000);
  expect(relayed.at(-1)?.commits.flatMap((commit) => commit.changedPaths)).toEqual(paths.sort());
  expect(await repository.git('fsck', '--strict')).toBe('');
});

test('what the writer says of an operation has its ids, its store’s and its tenant’s', async () => {
  await insertTenant(database.db);
  const tenant = 'abc123';
  const { spec, operationId: operation } = await insertStore(database.db);
  const lines: string[] = [];
  const log = createLogger('debug', new Set(), { write: (line) => void lines.push(line) });
  const render = createStoreRenderer(sources, address, exampleCluster);
  startWriter({
    logger: log,
    render: (action, tree) => {
      if (action.store.name === 'odd') throw new PlatformError('odd', 'This has no files.');
      return render(action, tree);
    },
  });
  await waitForState(operation, 'waiting');
  const odd = await insertStore(database.db, { name: 'odd' });
  await waitForState(odd.operationId, 'failed');
  const said = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const commit = (await readStore(spec.id)).commitSha;
  await expect.poll(said).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ msg: 'committed', commit, operation, store: spec.id, tenant }),
      expect.objectContaining({
        msg: 'operation cannot be published',
        operation: odd.operationId,
        store: odd.spec.id,
        tenant,
      }),
    ]),
  );
});

test('many creates share a push, one commit each, in order of acceptance', async () => {
  await insertTenant(database.db);
  const created: string[] = [];
  for (let n = 0; n < 60; n++) {
    const { operationId } = await insertStore(database.db, { name: `shop-${n}` });
    created.push(operationId);
  }
  startWriter();
  await waitForState(created.at(-1) ?? '', 'waiting');
  const rows = await database.db
    .selectFrom('commits')
    .select(['position', 'sha', 'operationId'])
    .orderBy('position')
    .execute();
  expect(rows.map((row) => row.position)).toEqual(rows.map((_, index) => index + 1));
  expect(rows.flatMap((row) => row.operationId ?? [])).toEqual(created);
  const log = await repository.git('log', '--reverse', '--format=%H', 'main');
  expect(log.trim().split('\n')).toEqual(rows.map((row) => row.sha));
  // Argo CD is told beside what is written down.
  await expect
    .poll(() =>
      told(relayed)
        .map((push) => push.commits.length)
        .filter((count) => count > 1),
    )
    .toEqual([50, 10]);
});

test('a store waits until its tenant’s project has been seen', async () => {
  await insertTenant(database.db, { isSeen: false });
  const { operationId } = await insertStore(database.db);
  const publisher = startWriter();
  await vi.waitFor(
    async () => {
      const row = await database.db.selectFrom('tenantClusters').selectAll().executeTakeFirst();
      expect(row?.committedAt).toBeInstanceOf(Date);
    },
    { timeout: 10_000 },
  );
  expect(await repository.git('show', 'main:clusters/lab/root/tenants/abc123.yaml')).toContain(
    'store-abc123-*',
  );
  expect(await countCommits(operationId)).toBe(0);
  await database.db.updateTable('tenantClusters').set({ seenAt: new Date() }).execute();
  publisher.wake();
  await waitForState(operationId, 'waiting');
  expect(await countCommits(operationId)).toBe(1);
});

test('a delete walks release, remove, purge, and leaves its neighbour alone', async () => {
  await insertTenant(database.db);
  const shop = await insertStore(database.db);
  const neighbour = await insertStore(database.db, { name: 'neighbour' });
  const publisher = startWriter();
  await waitForState(neighbour.operationId, 'waiting');
  const files = async (): Promise<string[]> =>
    (await repository.git('ls-tree', '-r', '--name-only', 'main')).trim().split('\n');
  const others = (await files()).filter((path) => !path.includes('abc123-shop'));

  const operationId = await queueOperation(database.db, shop.spec, 'delete', 'release');
  publisher.wake();
  await waitForState(operationId, 'waiting');
  const application = (await files()).find((path) => /apps\/.\/abc123-shop/.test(path)) ?? '';
  expect(await repository.git('show', `main:${application}`)).not.toContain('Prune=false');

  const advance = async (action: 'release' | 'remove' | 'purge'): Promise<void> => {
    await database.db
      .updateTable('operations')
      .set({ action, state: 'queued' })
      .where('id', '=', operationId)
      .execute();
    publisher.wake();
    await waitForState(operationId, action === 'purge' ? 'done' : 'waiting');
  };
  await advance('remove');
  expect(parse(await repository.git('show', `main:${application}`))).toBeNull();
  // What Argo CD passed over goes back a step: the file returns without its guard, and goes again.
  const commits = await countCommits(operationId);
  await advance('release');
  expect(await repository.git('show', `main:${application}`)).toContain('kind: Application');
  expect(await repository.git('show', `main:${application}`)).not.toContain('Prune=false');
  await advance('remove');
  expect(await countCommits(operationId)).toBe(commits + 2);
  await advance('purge');
  expect(await files()).not.toContain(application);

  expect((await files()).filter((path) => !path.includes('abc123-shop'))).toEqual(others);
  expect((await files()).filter((path) => path.includes('abc123-shop'))).toEqual([
    expect.stringMatching(/^clusters\/lab\/tombstones\/[0-9a-f]{2}\/abc123-shop\.yaml$/),
  ]);
  expect(await readStore(shop.spec.id)).toMatchObject({ status: 'deleted', stage: 'gone' });
});

test('a reply that was lost after the push makes no second commit (reliability 5)', async () => {
  await insertTenant(database.db);
  const { operationId } = await insertStore(database.db);
  let lost = 0;
  const openBranch = async (): Promise<Branch> => {
    const branch = await repository.open();
    const begin = branch.begin.bind(branch);
    branch.begin = () => {
      const batch = begin();
      const push = batch.push.bind(batch);
      batch.push = async () => {
        const result = await push();
        // The seed's push is answered; the create's is applied and its answer lost, once.
        if (result.kind === 'pushed' && result.before !== null && lost++ === 0)
          throw Object.assign(new Error('connection reset'), {});
        return result;
      };
      return batch;
    };
    return branch;
  };
  startWriter({ openBranch });
  await waitForState(operationId, 'waiting');
  expect(lost).toBeGreaterThan(0);
  expect(await countCommits(operationId)).toBe(1);
});

test('a person’s commit in between is kept, indexed and told to Argo CD (reliability 8)', async () => {
  await insertTenant(database.db);
  const first = await insertStore(database.db);
  const publisher = startWriter();
  await waitForState(first.operationId, 'waiting');
  const sha = await repository.commitAsPerson('Note the owner', (folder) =>
    writeFile(join(folder, 'OWNERS'), 'ada\n'),
  );
  const second = await insertStore(database.db, { name: 'second' });
  publisher.wake();
  await waitForState(second.operationId, 'waiting');
  expect(await repository.git('show', 'main:OWNERS')).toBe('ada\n');
  const row = await database.db
    .selectFrom('commits')
    .selectAll()
    .where('sha', '=', sha)
    .executeTakeFirstOrThrow();
  expect(row).toMatchObject({ author: 'Ada', operationId: null, subject: 'Note the owner' });
  // Argo CD is told beside what is written down.
  await expect
    .poll(() => relayed.flatMap((push) => push.commits.map((commit) => commit.sha)))
    .toContain(sha);
});

test('an operation that cannot be planned fails alone, with the reason', async () => {
  await insertTenant(database.db);
  const bad = await insertStore(database.db, { name: 'bad', type: 'unheard-of' });
  const good = await insertStore(database.db, { name: 'good' });
  startWriter();
  await waitForState(good.operationId, 'waiting');
  await waitForState(bad.operationId, 'failed');
  expect(await readStore(bad.spec.id)).toMatchObject({
    status: 'failed',
    errorCode: 'template_missing',
  });
});

test('what waits for a cluster that is not connected waits until it is', async () => {
  await insertTenant(database.db);
  await database.db
    .insertInto('tenantClusters')
    .values({ tenantId: 'abc123', cluster: 'north', committedAt: new Date(), seenAt: new Date() })
    .execute();
  const away = await insertStore(database.db, { name: 'away', cluster: 'north' });
  const shop = await insertStore(database.db, { name: 'shop' });
  const render = (...connected: string[]) =>
    createStoreRenderer(sources, address, (name) => {
      if (connected.includes(name)) return exampleCluster(name);
      throw new PlatformError('unknown_cluster', `There is no cluster named ${name}.`);
    });
  startWriter({ clusters: ['lab'], render: render('lab') });
  await waitForState(shop.operationId, 'waiting');
  expect(await readStore(away.spec.id)).toMatchObject({ errorCode: null });
  await waitForState(away.operationId, 'queued');
  await Promise.all(loops.splice(0).map((loop) => loop.stop()));
  startWriter({ clusters: ['lab', 'north'], render: render('lab', 'north') });
  await waitForState(away.operationId, 'waiting');
});

test('while one Argo CD does not answer, pushes go on, told to it together and to another at once', async () => {
  await insertTenant(database.db);
  const gate = Promise.withResolvers<undefined>();
  const heard: Push[] = [];
  const publisher = startWriter({
    relays: [
      async (push) => {
        relayed.push(push);
        await gate.promise;
      },
      async (push) => {
        await Promise.resolve();
        heard.push(push);
      },
    ],
  });
  const created: string[] = [];
  for (const name of ['one', 'two', 'three']) {
    const { operationId } = await insertStore(database.db, { name });
    publisher.wake();
    await waitForState(operationId, 'waiting');
    created.push(operationId);
  }
  // The seed's is under way; the creates' wait, and go out as one.
  expect(relayed).toHaveLength(1);
  await expect.poll(() => told(heard).flatMap((push) => push.commits)).toHaveLength(4);
  gate.resolve(undefined);
  await expect.poll(() => told(relayed)).toHaveLength(2);
  const [first, second] = relayed;
  expect(second?.before).toBe(first?.after);
  expect(second?.after).toBe((await repository.git('rev-parse', 'main')).trim());
  expect(second?.commits.map((commit) => readCommitTrailers(commit.message).operationId)).toEqual(
    created,
  );
});

test('a stop waits for the call to Argo CD that is under way, not for those behind it', async () => {
  const gate = Promise.withResolvers<undefined>();
  const stop = new AbortController();
  const send = async (push: Push): Promise<void> => {
    relayed.push(push);
    await gate.promise;
  };
  const relay = createRelay([send], stop.signal);
  const [first, second, third] = ['1', '2', '3'].map((digit) => digit.repeat(40) as CommitSha);
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('There are three.');
  relay.add({ before: null, after: first, commits: [] });
  relay.add({ before: first, after: second, commits: [] });
  stop.abort();
  relay.add({ before: second, after: third, commits: [] });
  let hasEnded = false;
  const end = relay.end().then(() => {
    hasEnded = true;
  });
  await Promise.resolve();
  expect(hasEnded).toBe(false);
  gate.resolve(undefined);
  await end;
  expect(relayed.map(({ after }) => after)).toEqual([first]);
});

test('two writers on one branch: one holds the lease, and is replaced when it stops', async () => {
  await insertTenant(database.db);
  const one = startWriter({}, 'one');
  startWriter({}, 'two');
  const first = await insertStore(database.db);
  one.wake();
  await waitForState(first.operationId, 'waiting');
  await loops[0]?.stop();
  const second = await insertStore(database.db, { name: 'second' });
  await waitForState(second.operationId, 'waiting');
  expect(await countCommits(first.operationId)).toBe(1);
  expect(await countCommits(second.operationId)).toBe(1);
});

test('an emptied repository is seeded again with what is absent, nothing else', async () => {
  await insertTenant(database.db);
  const { operationId } = await insertStore(database.db);
  startWriter();
  await waitForState(operationId, 'waiting');
  await repository.commitAsPerson('Remove the placeholders', (folder) =>
    rm(join(folder, 'clusters/lab/apps/0/placeholder.yaml')),
  );
  await loops[0]?.stop();
  startWriter();
  await vi.waitFor(
    async () =>
      expect(await repository.git('show', 'main:clusters/lab/apps/0/placeholder.yaml')).toContain(
        'AppProject',
      ),
    { timeout: 15_000 },
  );
  expect(await repository.git('show', '--format=', '--name-only', 'main')).toBe(
    'clusters/lab/apps/0/placeholder.yaml\n',
  );
});

test('what is sealed is written again when it is rendered otherwise, until somebody edits it', async () => {
  const path = 'clusters/lab/root/platform/logs.yaml';
  /** The branch after a start of the writer with that seed; commits are counted by their subject. */
  const start = async (content: string | null) => {
    await Promise.all(loops.splice(0).map((loop) => loop.stop()));
    const seed = { subject: 'Set add-on logs', files: [{ path, content }] };
    const last = { subject: `Seeded ${crypto.randomUUID()}`, files: [] as FileChange[] };
    const end = { ...last, files: [{ path: `ends/${last.subject}`, content: 'x\n' }] };
    startWriter({ seeds: [seed, end] });
    await vi.waitFor(
      async () =>
        expect(await repository.git('log', '--format=%s', 'main')).toContain(last.subject),
      { timeout: 15_000, interval: 50 },
    );
    const log = await repository.git('log', '--format=%s', 'main');
    const file = await repository.git('show', `main:${path}`).catch(() => null);
    return { file, commits: log.split('\n').filter((line) => line === seed.subject).length };
  };
  const first = sealFile('replicas: 1\n');
  const second = sealFile('replicas: 2\n');
  expect(await start(first)).toEqual({ file: first, commits: 1 });
  expect(await start(first)).toEqual({ file: first, commits: 1 });
  expect(await start(second)).toEqual({ file: second, commits: 2 });

  const edited = second.replace('2', '3');
  await repository.commitAsPerson('Three', (folder) => writeFile(join(folder, path), edited));
  expect(await start(first)).toEqual({ file: edited, commits: 2 });
  // Off is said in so many words: whoever edited it.
  expect(await start(null)).toEqual({ file: null, commits: 3 });
  expect(await start(null)).toEqual({ file: null, commits: 3 });
  expect(await start(first)).toEqual({ file: first, commits: 4 });
});
