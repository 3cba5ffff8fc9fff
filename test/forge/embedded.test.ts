/** The embedded forge by the contract of all forges, and what only it does. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEmbeddedForge } from '../../control-plane/src/forge/embedded.ts';
import { callNativeGit, META } from '../../control-plane/src/forge/testing.ts';
import type { Forge, MergeResult } from '../../control-plane/src/forge/types.ts';
import type { Branch, CommitSha } from '../../control-plane/src/git/types.ts';
import { openForge as openPart } from '../../control-plane/src/parts/repository.ts';
import type { Shared } from '../../control-plane/src/parts/shared.ts';
import { openObjects } from '../../control-plane/src/repository/bare.ts';
import { openMirror } from '../../control-plane/src/repository/mirror.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { testForge, type ForgeSubject } from './contract.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

type Opened = { readonly forge: Forge; readonly name: string; close(): Promise<void> };

/** @param way in the git server's own folder, or from a process apart, by a mirror */
async function openForge(
  repository: TestRepository,
  way: 'here' | 'apart',
  writePassword?: string,
): Promise<Opened> {
  const { forge: server, folder } = repository;
  const mirror =
    way === 'here'
      ? null
      : await openMirror({
          remote: server.remote,
          dir: `${folder}/reviews`,
          log: { info: () => undefined },
        });
  const dir = mirror === null ? server.repositoryDir : `${folder}/reviews`;
  const objects = openObjects({ repository: dir });
  const name = server.remote.url;
  const password = writePassword ?? server.remote.password;
  return {
    name,
    forge: createEmbeddedForge({
      db: database.db,
      repository: name,
      remote: (access) => (access === 'read' ? server.readRemote : { ...server.remote, password }),
      openContent: () =>
        Promise.resolve({ dir, objects, refresh: () => mirror?.fetch() ?? Promise.resolve() }),
      clock: () => new Date(),
    }),
    async close() {
      objects.close();
      await mirror?.close();
    },
  };
}

async function openSubject(way: 'here' | 'apart'): Promise<ForgeSubject> {
  const repository = await createTestRepository();
  const own = await openForge(repository, way);
  const other = await openForge(repository, 'here', 'not-the-password');
  return {
    forge: own.forge,
    stranger: other.forge,
    secrets: [repository.forge.remote.password, 'not-the-password'],
    settle: null,
    addLabel: null,
    protectMain: null,
    requireApproval: null,
    openFromFork: null,
    async readText(number) {
      const row = await database.db
        .selectFrom('pullRequests')
        .select(['title', 'body', 'labels', 'comment'])
        .where('repository', '=', own.name)
        .where('number', '=', number)
        .executeTakeFirstOrThrow();
      const { title, body, labels, comment } = row;
      return { title, body, labels, comments: comment === null ? [] : [comment] };
    },
    visit: () => Promise.resolve(404),
    async close() {
      await own.close();
      await other.close();
      await repository.close();
    },
  };
}

testForge('our own git server', () => openSubject('here'));
testForge('our own git server in a process apart', () => openSubject('apart'));

describe('without a forge', () => {
  const BRANCH = 'store/abc123-tea/op_0000000000000001';

  async function withForge(
    work: (forge: Forge, repository: TestRepository, branch: Branch) => Promise<void>,
  ): Promise<void> {
    const repository = await createTestRepository();
    const opened = await openForge(repository, 'here');
    try {
      const branch = await repository.open();
      const batch = branch.begin();
      await batch.commit([{ path: 'README.md', content: 'x' }], META);
      await batch.push();
      await work(opened.forge, repository, branch);
    } finally {
      await opened.close();
      await repository.close();
    }
  }

  async function openReview(forge: Forge, branch: Branch): Promise<CommitSha> {
    const batch = branch.begin();
    const commit = await batch.commit([{ path: 'store.yaml', content: 'tea' }], META);
    if (commit.kind !== 'committed') throw new Error('nothing was changed');
    await batch.pushTo(BRANCH, null);
    const draft = { branch: BRANCH, headSha: commit.sha, title: 'Tea', body: '', labels: [] };
    await forge.openPullRequest(draft);
    return commit.sha;
  }

  /** Runs git commands in a person's clone of everything, and pushes its main branch. */
  async function pushAsPerson(
    { forge, folder }: TestRepository,
    commands: readonly (readonly string[])[],
  ): Promise<void> {
    const { url, username, password } = forge.remote;
    const address = url.replace('://', `://${username}:${password}@`);
    const work = `${folder}/person`;
    await callNativeGit('clone', '--quiet', address, work);
    for (const command of commands) await callNativeGit('-C', work, ...command);
    await callNativeGit('-C', work, 'push', '--quiet', 'origin', 'HEAD:main');
  }

  test('a person merges with git: it is seen as merged, by the commit that did it', async () => {
    await withForge(async (forge, repository, branch) => {
      const head = await openReview(forge, branch);
      await pushAsPerson(repository, [
        ['merge', '-q', '--no-ff', '-m', 'Merge it by hand', head],
        ['commit', '-q', '--allow-empty', '-m', 'Go on'],
      ]);
      const merged = (await repository.git('rev-parse', 'main~1')).trim();
      expect(await forge.findPullRequest(1)).toMatchObject({ state: 'merged', mergedSha: merged });
      expect(await forge.mergePullRequest(1, { headSha: head, message: 'Again' })).toEqual({
        kind: 'merged',
        sha: merged,
      });
      expect(await branch.readHead(BRANCH)).toBeNull();
    });
  });

  test('a person moves the main branch to it: it is merged by its own commit', async () => {
    await withForge(async (forge, repository, branch) => {
      const head = await openReview(forge, branch);
      await pushAsPerson(repository, [
        ['merge', '-q', '--ff-only', head],
        ['commit', '-q', '--allow-empty', '-m', 'Go on'],
      ]);
      expect(await forge.listPullRequests()).toEqual([]);
      expect(await forge.findPullRequest(1)).toMatchObject({ state: 'merged', mergedSha: head });
    });
  });

  test('a merge whose reply was lost is found, not made again', async () => {
    await withForge(async (forge, repository, branch) => {
      const headSha = await openReview(forge, branch);
      const first = await forge.mergePullRequest(1, { headSha, message: 'Merge' });
      // As a process leaves it that was killed between the push and the table.
      await database.db
        .updateTable('pullRequests')
        .set({ state: 'open', mergedSha: null, closedAt: null })
        .where('repository', '=', repository.forge.remote.url)
        .execute();
      await repository.git('update-ref', `refs/heads/${BRANCH}`, headSha);
      expect(await forge.mergePullRequest(1, { headSha, message: 'Merge' })).toEqual(first);
      expect((await repository.git('rev-list', '--count', '--merges', 'main')).trim()).toBe('1');
    });
  });

  test('a process that ends reads the content until the loop that merges has ended', async () => {
    const repository = await createTestRepository();
    try {
      const cleanup = new AsyncDisposableStack();
      const shared = {
        config: { SHOPYARD_FORGE: 'embedded' },
        clock: () => new Date(),
        cleanup,
        repository: repository.forge.remote.url,
        links: { forge: repository.forge },
        database: () => Promise.resolve(database.db),
      };
      const forge = await openPart(shared as unknown as Shared);
      const branch = await repository.open();
      const seed = branch.begin();
      await seed.commit([{ path: 'README.md', content: 'x' }], META);
      await seed.push();
      const review: { headSha: CommitSha | null } = { headSha: null };
      let merged: MergeResult | null = null;
      cleanup.defer(async () => {
        if (review.headSha === null) return;
        merged = await forge.mergePullRequest(1, { headSha: review.headSha, message: 'Merge' });
      });
      review.headSha = await openReview(forge, branch);
      await cleanup.disposeAsync();
      expect(merged).toMatchObject({ kind: 'merged' });
    } finally {
      await repository.close();
    }
  });

  test('lines that git would join are a conflict: half of two files is nobody’s intent', async () => {
    await withForge(async (forge, repository, branch) => {
      const lines = (first: string, last: string) => `${first}\nb\nc\nd\ne\nf\ng\nh\n${last}\n`;
      const path = 'store.yaml';
      const base = branch.begin();
      await base.commit([{ path, content: lines('a', 'j') }], META);
      await base.push();
      const review = branch.begin();
      const commit = await review.commit([{ path, content: lines('A', 'j') }], META);
      if (commit.kind !== 'committed') throw new Error('nothing was changed');
      await review.pushTo(BRANCH, null);
      const main = branch.begin();
      await main.commit([{ path, content: lines('a', 'J') }], META);
      await main.push();
      const draft = { branch: BRANCH, headSha: commit.sha, title: 'Tea', body: '', labels: [] };
      const { number, headSha } = await forge.openPullRequest(draft);
      expect(await forge.mergePullRequest(number, { headSha, message: 'x' })).toEqual({
        kind: 'conflict',
      });
      expect(await repository.git('fsck', '--strict', '--full', '--no-dangling')).toBe('');
    });
  });
});
