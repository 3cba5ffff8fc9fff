/** Changes that are reviewed, from the queue to the branch: on real git, a real Postgres, our forge. */
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PlatformError } from '../../control-plane/src/errors.ts';
import { callNativeGit } from '../../control-plane/src/forge/testing.ts';
import type { StoreSpec } from '../../control-plane/src/domain/store.ts';
import type { CommitSha } from '../../control-plane/src/git/types.ts';
import { pathOfApplication, pathOfIntent } from '../../control-plane/src/render/paths.ts';
import { openBareRepository } from '../../control-plane/src/repository/bare.ts';
import { insertTenant } from '../support/stores.ts';
import { openDesk, type Desk } from './desk.ts';

let desk: Desk;

beforeEach(async () => {
  desk = await openDesk();
  await insertTenant(desk.db);
});
afterEach(() => desk.close());

const git = (...args: string[]) => desk.repository.git(...args);
const headOf = async (number: number) => (await desk.pullRequest(number)).headSha;

/** A store that is on the branch, without a review, and live. */
async function live(name = 'shop') {
  const made = await desk.create({ name }, false);
  await desk.reached(made.operationId, 'waiting');
  await desk.db
    .updateTable('operations')
    .set({ state: 'done', finishedAt: new Date() })
    .where('id', '=', made.operationId)
    .execute();
  await desk.db
    .updateTable('stores')
    .set({ status: 'ready', stage: 'ready', detail: null })
    .where('id', '=', made.spec.id)
    .execute();
  return made;
}

async function stateOf(operationId: string): Promise<string> {
  const { state } = await desk.db
    .selectFrom('operations')
    .select('state')
    .where('id', '=', operationId)
    .executeTakeFirstOrThrow();
  return state;
}

/** A change of a live store that is under review. */
async function openChange() {
  const made = await live();
  const wanted = { ...made.spec, plan: 'medium', generation: 2 };
  const change = await desk.change(wanted, 'update', 'update');
  return { ...made, change, number: await desk.opened(change) };
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** The delete of a live store, asked for three days ago where data is kept for two. */
async function openLateDelete() {
  const { spec } = await live();
  const purgeAt = new Date(Date.now() - DAY_MS).toISOString();
  const wanted = { ...spec, suspended: true, purgeAt, generation: 2 };
  const deletion = await desk.change(wanted, 'delete', 'retire');
  await desk.db
    .updateTable('operations')
    .set({ createdAt: new Date(Date.now() - 3 * DAY_MS) })
    .where('id', '=', deletion)
    .execute();
  return { spec, deletion };
}

/** The forge with some of its methods replaced. */
const forgeWith = (changes: Partial<Desk['forge']>) => (): Promise<Desk['forge']> => {
  const { forge } = desk;
  return Promise.resolve({
    kind: forge.kind,
    remote: (access) => forge.remote(access),
    check: (signal) => forge.check(signal),
    openPullRequest: (draft) => forge.openPullRequest(draft),
    findPullRequest: (number) => forge.findPullRequest(number),
    listPullRequests: () => forge.listPullRequests(),
    mergePullRequest: (number, merge) => forge.mergePullRequest(number, merge),
    closePullRequest: (number, comment) => forge.closePullRequest(number, comment),
    commitUrl: (sha) => forge.commitUrl(sha),
    pullRequestUrl: (number) => forge.pullRequestUrl(number),
    ...changes,
  });
};

async function inWork(work: (run: (...args: string[]) => Promise<string>) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-person-'));
  const { url, username, password } = desk.repository.forge.remote;
  await callNativeGit('clone', '-q', url.replace('://', `://${username}:${password}@`), folder);
  try {
    await work((...args) => callNativeGit('-C', folder, ...args));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('a review of a cluster that is not connected waits, whatever is decided; the others go on', async () => {
  const connect = (...clusters: string[]) =>
    desk.start({ publisher: { clusters }, reviewer: { clusters } });
  await desk.db
    .insertInto('tenantClusters')
    .values({ tenantId: 'abc123', cluster: 'north', committedAt: new Date(), seenAt: new Date() })
    .execute();
  await connect('lab', 'north');
  const { operationId } = await desk.create({ name: 'away', cluster: 'north' });
  const number = await desk.opened(operationId);
  await connect('lab');
  await desk.approve(number);
  const unopened = await desk.create({ name: 'unasked', cluster: 'north' });
  const shop = await desk.create({ name: 'shop' });
  await desk.approve(await desk.opened(shop.operationId));
  await desk.reached(shop.operationId, 'waiting');
  await desk.reached(operationId, 'review');
  await desk.reached(unopened.operationId, 'queued');
  expect(await desk.pullRequest(number)).toMatchObject({ state: 'open' });
  await connect('lab', 'north');
  await desk.reached(operationId, 'waiting');
  await desk.opened(unopened.operationId);
});

test('a create waits on a branch of its own, and is on the main one when somebody approves', async () => {
  await desk.start();
  const { spec, operationId } = await desk.create();
  const number = await desk.opened(operationId);
  const branch = `store/abc123-shop/${operationId}`;
  expect(await desk.pullRequests()).toEqual([{ number, state: 'open', branch }]);
  expect(await desk.commitsOf(operationId)).toEqual([]);
  expect(await desk.store(spec.id)).toMatchObject({
    status: 'provisioning',
    stage: 'review',
    detail: `waiting for a review: pull request #${number}`,
    reviewNumber: number,
  });
  // One commit on the tip, with the change's own files and trailers.
  expect(await git('rev-list', '--count', `main..${branch}`)).toBe('1\n');
  expect(await git('log', '-1', '--format=%B', branch)).toContain(`Operation-Id: ${operationId}`);
  const { title, body } = await desk.pullRequest(number);
  expect(title).toBe('Create store shop of acme');
  for (const path of (await git('diff', '--name-only', `main...${branch}`)).trim().split('\n'))
    expect(body).toContain(`- \`${path}\``);

  await desk.approve(number);
  await desk.reached(operationId, 'waiting');
  const [merge, ...more] = await desk.commitsOf(operationId);
  expect(more).toEqual([]);
  expect((await git('log', '-1', '--format=%s', 'main')).trim()).toBe(
    `Create store shop of acme (#${number})`,
  );
  expect(await git('log', '-1', '--format=%B', 'main')).toContain('Approved-By: us_olga');
  const store = await desk.store(spec.id);
  expect(store).toMatchObject({ stage: 'committed', commitSha: merge });
  const indexed = await desk.db
    .selectFrom('commits')
    .select(['sha', 'position'])
    .where('operationId', '=', operationId)
    .execute();
  expect(indexed).toEqual([{ sha: merge, position: store.commitPosition }]);
  expect(await desk.pullRequest(number)).toMatchObject({ state: 'merged', mergedSha: merge });
  await desk.until(async () => expect(await git('branch', '--list', 'store/*')).toBe(''));
  expect(await git('fsck', '--strict')).toBe('');
});

test('a rejected create leaves a rejected store, whose delete needs nothing of the cluster', async () => {
  await desk.start();
  const { spec, operationId } = await desk.create();
  const number = await desk.opened(operationId);
  await desk.decide(number, { kind: 'rejected', reason: 'Too many shops.' });
  await desk.reached(operationId, 'rejected');
  expect(await desk.store(spec.id)).toMatchObject({
    status: 'rejected',
    errorMessage: expect.stringContaining('Too many shops.') as string,
  });
  expect(await desk.pullRequest(number)).toMatchObject({ state: 'closed' });
  const deletion = await desk.direct(spec, 'delete', 'release');
  await desk.reached(deletion, 'done');
  expect(await desk.store(spec.id)).toMatchObject({ status: 'deleted', stage: 'gone' });
  expect(await git('log', '--format=%s', 'main')).toBe('Seed\n');
  // Its name is free: nothing but a living row stands in the way.
  await expect(desk.create({ name: 'shop' })).resolves.toBeDefined();
});

test('a rejected change leaves the store as its last commit made it', async () => {
  await desk.start();
  const { spec, operationId, change, number } = await openChange();
  const before = await desk.store(spec.id);
  expect(await desk.store(spec.id)).toMatchObject({
    status: 'ready',
    stage: 'review',
    plan: 'medium',
  });
  await desk.decide(number, { kind: 'rejected', reason: null });
  await desk.reached(change, 'rejected');
  const after = await desk.store(spec.id);
  expect(after).toMatchObject({
    status: 'ready',
    stage: 'committed',
    plan: 'small',
    generation: 1,
    operationId,
    errorCode: null,
    reviewNumber: null,
    commitSha: before.commitSha,
  });
  const { rows: acts } = await sql<{ action: string }>`
    select action from audit order by seq
  `.execute(desk.db);
  expect(acts.map(({ action }) => action)).toEqual(['review.reject', 'review.rejected']);
});

test('a change that took over one on its way gives it back when it is rejected', async () => {
  await desk.start();
  const { spec, operationId } = await desk.create();
  await desk.approve(await desk.opened(operationId));
  await desk.reached(operationId, 'waiting');
  const change = await desk.change({ ...spec, plan: 'medium', generation: 2 }, 'update', 'update');
  const number = await desk.opened(change);
  await desk.decide(number, { kind: 'rejected', reason: null });
  await desk.reached(operationId, 'waiting');
  const store = await desk.store(spec.id);
  expect(store).toMatchObject({ status: 'provisioning', stage: 'committed', operationId });
  expect(store.deadlineAt?.getTime()).toBeGreaterThan(Date.now());
});

test('a delete that is rejected gives back the change that was on its way', async () => {
  await desk.start();
  const { spec, operationId } = await desk.create();
  await desk.approve(await desk.opened(operationId));
  await desk.reached(operationId, 'waiting');
  const kept = { ...spec, suspended: true, generation: 2, purgeAt: '2030-01-01T00:00:00.000Z' };
  const deletion = await desk.change(kept, 'delete', 'retire');
  // As an acceptance before this one left it.
  await desk.db.updateTable('stores').set({ status: 'suspended' }).execute();
  await desk.decide(await desk.opened(deletion), { kind: 'rejected', reason: null });
  await desk.reached(operationId, 'waiting');
  expect(await desk.store(spec.id)).toMatchObject({
    status: 'provisioning',
    suspended: false,
    purgeAt: null,
    operationId,
  });
});

test('a commit that is read late is the store’s, whatever took its operation over', async () => {
  await desk.start();
  const { spec, operationId } = await desk.create();
  const number = await desk.opened(operationId);
  const branch = `store/abc123-shop/${operationId}`;
  const head = await headOf(number);
  // Merged, and not read: the change that takes it over is accepted in between.
  await desk.stop();
  await git('update-ref', 'refs/heads/main', branch);
  const change = await desk.change({ ...spec, plan: 'medium', generation: 2 }, 'update', 'update');
  await desk.start();
  const second = await desk.opened(change);
  expect(await desk.store(spec.id)).toMatchObject({ operationId: change, commitSha: head });
  await desk.decide(second, { kind: 'rejected', reason: null });
  await desk.reached(operationId, 'waiting');
  const store = await desk.store(spec.id);
  expect(store).toMatchObject({ status: 'provisioning', plan: 'small', commitSha: head });
  expect(store.commitPosition).not.toBeNull();
});

test('a store whose create is merged while it is deleted is deleted in the cluster too', async () => {
  await desk.start();
  const { spec, operationId } = await desk.create();
  await desk.opened(operationId);
  await desk.stop();
  await git('update-ref', 'refs/heads/main', `store/abc123-shop/${operationId}`);
  const deletion = await desk.direct(spec, 'delete', 'release');
  await desk.start();
  await desk.reached(deletion, 'waiting');
  expect(await desk.commitsOf(deletion)).toHaveLength(1);
  expect(await desk.store(spec.id)).toMatchObject({ status: 'deleting', stage: 'releasing' });
});

test('a delete of what was never committed waits for the forge to close its pull request', async () => {
  let isAway = false;
  await desk.start({
    reviewer: {
      forge: forgeWith({
        closePullRequest: (number, comment) =>
          isAway
            ? Promise.reject(new PlatformError('forge_refused', 'Not now.'))
            : desk.forge.closePullRequest(number, comment),
      }),
    },
  });
  const { spec, operationId } = await desk.create();
  await desk.opened(operationId);
  isAway = true;
  const deletion = await desk.direct(spec, 'delete', 'release');
  const other = await desk.create({ name: 'other' });
  await desk.opened(other.operationId);
  expect(await desk.store(spec.id)).toMatchObject({ status: 'deleting' });
  // It is merged before it is closed.
  await git('update-ref', 'refs/heads/main', `store/abc123-shop/${operationId}`);
  isAway = false;
  await desk.reached(deletion, 'waiting');
  expect(await desk.store(spec.id)).toMatchObject({ status: 'deleting', stage: 'releasing' });
});

test('a rejected upgrade is on offer again', async () => {
  await desk.start();
  const { spec } = await live();
  await desk.db.updateTable('stores').set({ upgradeTo: '99.0.0' }).execute();
  const change = await desk.change(
    { ...spec, plan: 'medium', generation: 2 },
    'upgrade',
    'upgrade',
  );
  // The row as acceptance writes it: what it is to be has no newer one.
  await desk.db.updateTable('stores').set({ chartVersion: '99.0.0', upgradeTo: null }).execute();
  await desk.decide(await desk.opened(change), { kind: 'rejected', reason: null });
  await desk.reached(change, 'rejected');
  expect(await desk.store(spec.id)).toMatchObject({
    chartVersion: spec.chartVersion,
    upgradeTo: '99.0.0',
  });
});

describe('whoever merges', () => {
  test('a merge by git: the merge commit is the store’s, and Argo CD’s revisions count from it', async () => {
    await desk.start();
    const { spec, operationId } = await desk.create();
    const number = await desk.opened(operationId);
    await desk.repository.commitAsPerson('Something else', () => Promise.resolve()).catch(() => '');
    await inWork(async (run) => {
      await run(
        'merge',
        '-q',
        '--no-ff',
        '-m',
        'Looks good',
        `origin/store/abc123-shop/${operationId}`,
      );
      await run('push', '-q', 'origin', 'main');
    });
    await desk.reached(operationId, 'waiting');
    const tip = (await git('rev-parse', 'main')).trim();
    const store = await desk.store(spec.id);
    expect(store).toMatchObject({ stage: 'committed', commitSha: tip });
    const rows = await desk.db
      .selectFrom('commits')
      .select(['sha', 'position'])
      .orderBy('position')
      .execute();
    expect(rows.at(-1)).toEqual({ sha: tip, position: store.commitPosition });
    await desk.until(async () => {
      expect(await desk.pullRequest(number)).toMatchObject({ state: 'merged', mergedSha: tip });
    });
  });

  test('a fast-forward and a rebase are found by their trailers', async () => {
    await desk.start();
    const first = await desk.create({ name: 'first' });
    const second = await desk.create({ name: 'second' });
    await desk.opened(first.operationId);
    await desk.opened(second.operationId);
    await inWork(async (run) => {
      await run('merge', '-q', '--ff-only', `origin/store/abc123-first/${first.operationId}`);
      await run('cherry-pick', `origin/store/abc123-second/${second.operationId}`);
      await run('push', '-q', 'origin', 'main');
    });
    await desk.reached(first.operationId, 'waiting');
    await desk.reached(second.operationId, 'waiting');
    await desk.until(async () => {
      expect((await desk.pullRequests()).map(({ state }) => state)).toEqual(['merged', 'merged']);
      expect(await git('branch', '--list', 'store/*')).toBe('');
    });
  });

  test('a squash without trailers is settled by what the forge says', async () => {
    let squashed: CommitSha | null = null;
    await desk.start({
      reviewer: {
        forge: forgeWith({
          listPullRequests: async () => (squashed === null ? desk.forge.listPullRequests() : []),
          findPullRequest: async (number) => {
            const found = await desk.forge.findPullRequest(number);
            return found === null || squashed === null
              ? found
              : { ...found, state: 'merged', mergedSha: squashed };
          },
        }),
      },
    });
    const { spec, operationId } = await desk.create();
    await desk.opened(operationId);
    await inWork(async (run) => {
      await run('merge', '-q', '--squash', `origin/store/abc123-shop/${operationId}`);
      await run('commit', '-qm', 'Squashed by somebody');
      squashed = (await run('rev-parse', 'HEAD')).trim() as CommitSha;
      await run('push', '-q', 'origin', 'main');
    });
    await desk.reached(operationId, 'waiting');
    expect(await desk.store(spec.id)).toMatchObject({ stage: 'committed', commitSha: squashed });
  });
});

test('a file that somebody changed meanwhile has the branch rebuilt, in the same pull request', async () => {
  await desk.start();
  const { spec, change, number } = await openChange();
  const head = await headOf(number);
  // Beside it the store's intent changes: the same file.
  const beside = await desk.protect(spec);
  await desk.reached(beside, 'done');
  await desk.until(async () => {
    expect(await headOf(number)).not.toBe(head);
  });
  const branch = `store/abc123-shop/${change}`;
  expect(await git('rev-list', '--count', `main..${branch}`)).toBe('1\n');
  expect(await desk.pullRequests()).toHaveLength(1);
  // What was looked at before counts no more.
  expect(await desk.decide(number, { kind: 'approved', headSha: head })).toMatchObject({
    kind: 'moved',
  });
  await desk.approve(number);
  await desk.reached(change, 'waiting');
  expect(await desk.commitsOf(change)).toHaveLength(1);
  const intent = await git('show', `main:${pathOfIntent(spec)}`);
  expect(intent).toContain('plan: medium');
  expect(intent).toContain('protected: true');
});

test('a newer change of the same store closes the review of the one before', async () => {
  await desk.start();
  const { spec } = await live();
  const one = await desk.change({ ...spec, plan: 'medium', generation: 2 }, 'update', 'update');
  const first = await desk.opened(one);
  const two = await desk.change({ ...spec, plan: 'large', generation: 3 }, 'update', 'update');
  const second = await desk.opened(two);
  expect(second).not.toBe(first);
  expect(await desk.pullRequest(first)).toMatchObject({ state: 'closed' });
  const open = (await desk.pullRequests()).filter(({ state }) => state === 'open');
  expect(open).toEqual([{ number: second, state: 'open', branch: `store/abc123-shop/${two}` }]);
  expect(await git('branch', '--list', 'store/*')).not.toContain(one);
});

describe('what is carried out is what was decided last', () => {
  /** Two approved creates that the writer finds at once; the second changes while it is at the first. */
  async function mergeTwo(meanwhile: (second: number, spec: StoreSpec) => Promise<void>) {
    await desk.start();
    const [first, second] = [
      await desk.create({ name: 'one' }),
      await desk.create({ name: 'two' }),
    ];
    const number = await desk.opened(first.operationId);
    const other = await desk.opened(second.operationId);
    await desk.stop();
    await desk.approve(number);
    await desk.approve(other);
    let isFirst = true;
    const forge = forgeWith({
      mergePullRequest: async (which, merge) => {
        if (!isFirst) return desk.forge.mergePullRequest(which, merge);
        isFirst = false;
        expect(which).toBe(number);
        await meanwhile(other, second.spec);
        // The branch stays as it was read: the next one follows at once.
        return { kind: 'not-ready', reason: 'Not now.' };
      },
    });
    await desk.start({ reviewer: { forge } });
    await desk.reached(first.operationId, 'waiting');
    return second;
  }

  test('an approval that is taken back while the writer is at another one', async () => {
    const { operationId } = await mergeTwo(async (number) => {
      const outcome = await desk.decide(number, { kind: 'rejected', reason: 'Not yet.' });
      expect(outcome.kind).toBe('decided');
    });
    await desk.reached(operationId, 'rejected');
    expect(await desk.commitsOf(operationId)).toEqual([]);
  });

  test('a change that is taken over while the writer is at another one', async () => {
    let newer = '';
    const { operationId } = await mergeTwo(async (_, spec) => {
      newer = await desk.change({ ...spec, plan: 'medium', generation: 2 }, 'update', 'update');
    });
    await desk.opened(newer);
    expect(await desk.commitsOf(operationId)).toEqual([]);
  });

  test('a change that is taken over before it has a pull request gets none', async () => {
    await desk.start();
    await live('zero');
    await desk.stop();
    const [first, second] = [
      await desk.create({ name: 'one' }),
      await desk.create({ name: 'two' }),
    ];
    const opened: string[] = [];
    let newer = '';
    const forge = forgeWith({
      openPullRequest: async (draft) => {
        opened.push(draft.branch);
        if (newer === '') {
          const wanted = { ...second.spec, plan: 'medium', generation: 2 };
          newer = await desk.change(wanted, 'update', 'update');
        }
        return desk.forge.openPullRequest(draft);
      },
    });
    await desk.start({ reviewer: { forge } });
    await desk.opened(first.operationId);
    await desk.opened(newer);
    const ids = opened.map((branch) => branch.split('/').at(-1));
    expect(ids).toEqual([first.operationId, newer]);
  });

  test('a rejection that comes while it is merged is refused, and not when that fails', async () => {
    const { spec, operationId } = await openCreate();
    const outcomes: string[] = [];
    const mergePullRequest: Desk['forge']['mergePullRequest'] = async (number) => {
      outcomes.push((await desk.decide(number, { kind: 'rejected', reason: null })).kind);
      return { kind: 'not-ready', reason: 'Not now.' };
    };
    await desk.start({ reviewer: { forge: forgeWith({ mergePullRequest }) } });
    await desk.until(async () =>
      expect(await desk.store(spec.id)).toMatchObject({ errorCode: 'review_not_ready' }),
    );
    expect(new Set(outcomes)).toEqual(new Set(['taken']));
    await desk.until(async () => {
      const { number } = await reviewOf(operationId);
      expect((await desk.decide(number, { kind: 'rejected', reason: null })).kind).toBe('decided');
    });
    await desk.reached(operationId, 'rejected');
  });

  test('a writer that is killed in a merge leaves it to the next one', async () => {
    const { operationId } = await openCreate();
    const merging = Promise.withResolvers<undefined>();
    const mergePullRequest = (): Promise<never> => {
      merging.resolve(undefined);
      return new Promise(() => undefined);
    };
    await desk.start({ reviewer: { forge: forgeWith({ mergePullRequest }) } });
    await merging.promise;
    await desk.stop();
    const { number } = await reviewOf(operationId);
    expect(await desk.decide(number, { kind: 'rejected', reason: null })).toEqual({
      kind: 'taken',
    });
    await desk.start();
    await desk.reached(operationId, 'waiting');
  });

  test('what was merged before the rejection is carried out is merged', async () => {
    const { operationId } = await openCreate();
    const { number, branch } = await reviewOf(operationId);
    await git('update-ref', 'refs/heads/main', branch);
    expect((await desk.decide(number, { kind: 'rejected', reason: null })).kind).toBe('decided');
    // The branch is read after the reviewer was at it.
    const closed = Promise.withResolvers<undefined>();
    const forge = forgeWith({
      closePullRequest: async (which, comment) => {
        await desk.forge.closePullRequest(which, comment);
        setTimeout(() => closed.resolve(undefined), 500);
      },
    });
    const openBranch = () => closed.promise.then(() => desk.repository.open());
    await desk.start({ reviewer: { forge }, publisher: { openBranch } });
    await desk.reached(operationId, 'waiting');
    expect(await desk.pullRequest(number)).toMatchObject({ state: 'merged' });
  });

  /** An approved create that no writer has seen the approval of. */
  async function openCreate() {
    await desk.start();
    const made = await desk.create();
    const number = await desk.opened(made.operationId);
    await desk.stop();
    await desk.approve(number);
    return made;
  }

  function reviewOf(operationId: string) {
    return desk.db
      .selectFrom('pullRequests')
      .select(['number', 'branch'])
      .where('operationId', '=', operationId)
      .executeTakeFirstOrThrow();
  }
});

test('a delete is reviewed once: the steps after it are not asked about again', async () => {
  await desk.start();
  const { spec } = await live();
  const deletion = await desk.change(spec, 'delete', 'release');
  const number = await desk.opened(deletion);
  expect((await desk.pullRequest(number)).body).toContain('There is no way back.');
  expect(await desk.store(spec.id)).toMatchObject({ status: 'ready', stage: 'review' });
  await desk.approve(number);
  await desk.reached(deletion, 'waiting');
  expect(await desk.store(spec.id)).toMatchObject({ status: 'deleting', stage: 'releasing' });
  await desk.db
    .updateTable('operations')
    .set({ state: 'queued', action: 'remove' })
    .where('id', '=', deletion)
    .execute();
  await desk.reached(deletion, 'waiting');
  expect(await desk.pullRequests()).toHaveLength(1);
  expect(await desk.commitsOf(deletion)).toHaveLength(2);
});

test('a delete that is merged late keeps the data for as long as one that is merged at once', async () => {
  await desk.start();
  const begun = Date.now();
  const { spec, deletion } = await openLateDelete();
  await desk.approve(await desk.opened(deletion));
  await desk.reached(deletion, 'waiting');
  const store = await desk.store(spec.id);
  expect(store).toMatchObject({ status: 'suspended', stage: 'retiring' });
  const left = (store.purgeAt?.getTime() ?? 0) - begun;
  expect(left).toBeGreaterThanOrEqual(2 * DAY_MS);
  expect(left).toBeLessThan(2 * DAY_MS + 120_000);
  const operation = await desk.db
    .selectFrom('operations')
    .select(sql<string>`spec ->> 'purgeAt'`.as('purgeAt'))
    .where('id', '=', deletion)
    .executeTakeFirstOrThrow();
  expect(operation.purgeAt).toBe(store.purgeAt?.toISOString());
});

test('a delete that is merged after it was taken over keeps the data in full when it comes back', async () => {
  await desk.start();
  const begun = Date.now();
  const { spec, deletion } = await openLateDelete();
  await desk.opened(deletion);
  await desk.stop();
  const branch = `origin/store/abc123-shop/${deletion}`;
  const resume = await desk.change({ ...spec, generation: 3 }, 'resume', 'resume');
  await inWork(async (run) => {
    await run('merge', '-q', '--no-ff', '-m', 'Good', branch);
    await run('push', '-q', 'origin', 'main');
  });
  await desk.start();
  await desk.decide(await desk.opened(resume), { kind: 'rejected', reason: null });
  await desk.reached(resume, 'rejected');
  const store = await desk.store(spec.id);
  expect(store).toMatchObject({ operationId: deletion, status: 'suspended' });
  expect((store.purgeAt?.getTime() ?? 0) - begun).toBeGreaterThanOrEqual(2 * DAY_MS);
});

test.each(['waiting', 'rejected'] as const)(
  'a store that is protected while its create is under review, which ends as %s',
  async (end) => {
    await desk.start();
    const { spec, operationId } = await desk.create();
    const number = await desk.opened(operationId);
    const beside = await desk.protect(spec);
    // The writer has been at the queue since.
    await live('other');
    expect(await stateOf(beside)).toBe('queued');
    if (end === 'waiting') await desk.approve(number);
    else await desk.decide(number, { kind: 'rejected', reason: null });
    await desk.reached(operationId, end);
    await desk.reached(beside, 'done');
    if (end === 'waiting')
      expect(await git('show', `main:${pathOfIntent(spec)}`)).toContain('protected: true');
  },
);

describe('a process that ends', () => {
  test('between the note of a rebuilt commit and its push has it rebuilt again', async () => {
    let losses = 1;
    await desk.start({
      reviewer: {
        openBranch: async () => {
          const branch = await desk.repository.open();
          const begin = branch.begin.bind(branch);
          return Object.assign(branch, {
            begin: () => {
              const batch = begin();
              const pushTo = batch.pushTo.bind(batch);
              return Object.assign(batch, {
                pushTo: (name: string, expected: CommitSha | null) => {
                  if (expected === null || losses === 0) return pushTo(name, expected);
                  losses -= 1;
                  throw new PlatformError('remote_unreachable', 'As if it had been killed.', {
                    retryable: true,
                  });
                },
              });
            },
          });
        },
      },
    });
    const { spec, change, number } = await openChange();
    const head = await headOf(number);
    await desk.reached(await desk.protect(spec), 'done');
    await desk.until(async () => {
      expect(await headOf(number)).not.toBe(head);
    });
    expect(losses).toBe(0);
    await desk.approve(number);
    await desk.reached(change, 'waiting');
  });

  test.each(['review-pushed', 'review-opened'] as const)(
    'at %s leaves nothing twice',
    async (point) => {
      let fell = 0;
      await desk.start({
        reviewer: {
          fault: (reached) => {
            if (reached !== point) return;
            fell += 1;
            throw new Error('as if it had been killed');
          },
        },
      });
      const { operationId } = await desk.create();
      await vi.waitFor(() => expect(fell).toBeGreaterThan(0), { timeout: 20_000 });
      await desk.stop();
      const branch = `store/abc123-shop/${operationId}`;
      const pushed = (await git('rev-parse', branch)).trim();
      await desk.start();
      const number = await desk.opened(operationId);
      expect(await headOf(number)).toBe(pushed);
      expect((await git('rev-parse', branch)).trim()).toBe(pushed);
      expect(await desk.pullRequests()).toEqual([{ number, state: 'open', branch }]);
    },
  );

  test('before its pull request was recorded, and somebody merged it: it is settled by the merge', async () => {
    await desk.start();
    const { spec } = await live();
    let fell = 0;
    await desk.start({
      reviewer: {
        fault: (reached) => {
          if (reached !== 'review-opened') return;
          fell += 1;
          throw new Error('as if it had been killed');
        },
      },
    });
    const wanted = { ...spec, plan: 'medium', generation: 2 };
    const change = await desk.change(wanted, 'update', 'update');
    await vi.waitFor(() => expect(fell).toBeGreaterThan(0), { timeout: 20_000 });
    await desk.stop();
    await inWork(async (run) => {
      await run('merge', '-q', '--no-ff', '-m', 'Good', `origin/store/abc123-shop/${change}`);
      await run('push', '-q', 'origin', 'main');
    });
    await desk.start();
    await desk.reached(change, 'waiting');
    const tip = (await git('rev-parse', 'main')).trim();
    expect(await desk.store(spec.id)).toMatchObject({ commitSha: tip, driftSha: null });
  });

  test('before its pull request was recorded, and the change taken over: it is closed', async () => {
    let fell = 0;
    await desk.start({
      reviewer: {
        fault: (reached) => {
          if (reached !== 'review-opened') return;
          fell += 1;
          throw new Error('as if it had been killed');
        },
      },
    });
    const { spec, operationId } = await desk.create();
    await vi.waitFor(() => expect(fell).toBeGreaterThan(0), { timeout: 20_000 });
    await desk.stop();
    const deletion = await desk.direct(spec, 'delete', 'release');
    await desk.start();
    await desk.reached(deletion, 'done');
    await desk.until(async () => {
      expect((await desk.pullRequests()).map(({ state }) => state)).toEqual(['closed']);
    });
    expect(await git('branch', '--list', 'store/*')).not.toContain(operationId);
  });
});

test('a forge that does not answer holds up reviews, and no direct commit', async () => {
  await desk.start({
    reviewer: {
      patienceMs: 300,
      forge: forgeWith({
        openPullRequest: () => new Promise(() => undefined),
      }),
    },
  });
  const reviewed = await desk.create({ name: 'reviewed' });
  await desk.until(async () =>
    expect(await desk.store(reviewed.spec.id)).toMatchObject({ errorCode: 'forge_unreachable' }),
  );
  const direct = await desk.create({ name: 'direct' }, false);
  await desk.reached(direct.operationId, 'waiting');
  await desk.start();
  await desk.opened(reviewed.operationId);
  expect(await desk.store(reviewed.spec.id)).toMatchObject({ errorCode: null, stage: 'review' });
});

describe('a person beside a review', () => {
  const driftsOf = async (storeId: string) => {
    const rows = await desk.db
      .selectFrom('drifts')
      .select('path')
      .where('storeId', '=', storeId)
      .orderBy('path')
      .execute();
    return rows.map(({ path }) => path);
  };
  const append = (path: string) => (folder: string) => appendFile(join(folder, path), '# mine\n');

  test('an edit of another file of the store ends its review, and is not merged over', async () => {
    await desk.start();
    const { spec, operationId, change, number } = await openChange();
    const path = pathOfApplication(spec, 1);
    await desk.repository.commitAsPerson('By hand', append(path));
    await desk.reached(change, 'failed');
    expect(await driftsOf(spec.id)).toEqual([path]);
    expect(await desk.store(spec.id)).toMatchObject({ plan: 'small', operationId });
    await desk.until(async () => {
      expect(await desk.pullRequest(number)).toMatchObject({ state: 'closed' });
    });
  });

  test('an edit that the writer has not read is not undone by a branch of ours', async () => {
    let openGate = (): void => undefined;
    let gate = Promise.resolve();
    const asked: (string | null)[] = [];
    await desk.start({
      publisher: {
        openBranch: async () => {
          const branch = await desk.repository.open();
          return {
            get tip() {
              return branch.tip;
            },
            tree: branch.tree,
            refresh: async (since) => {
              await gate;
              return branch.refresh(since);
            },
            readHead: (name) => branch.readHead(name),
            begin: () => branch.begin(),
          };
        },
      },
      reviewer: { onMerged: (sha) => void asked.push(sha) },
    });
    const { spec } = await live();
    gate = new Promise((resolve) => (openGate = resolve));
    const sha = await desk.repository.commitAsPerson('By hand', append(pathOfIntent(spec)));
    const change = await desk.change(
      { ...spec, plan: 'medium', generation: 2 },
      'update',
      'update',
    );
    await vi.waitFor(() => expect(asked).toContain(sha), { timeout: 20_000 });
    expect(await git('branch', '--list', `store/*/${change}`)).toBe('');
    openGate();
    await desk.reached(change, 'failed');
    expect(await driftsOf(spec.id)).toEqual([pathOfIntent(spec)]);
  });

  test('what somebody adds to the branch is not approved with it, nor written over', async () => {
    await desk.start();
    const { spec, change, number } = await openChange();
    const branch = `store/abc123-shop/${change}`;
    const base = (await git('rev-parse', 'main')).trim();
    let head = '';
    await inWork(async (run) => {
      await run('switch', '-q', branch);
      const folder = (await run('rev-parse', '--show-toplevel')).trim();
      await append('clusters/lab/apps/0/extra.yaml')(folder);
      await run('add', '-A');
      await run('commit', '-qm', 'One more thing');
      await append('clusters/lab/apps/0/extra.yaml')(folder);
      await run('commit', '-qam', 'A comment');
      await run('push', '-q', 'origin', branch);
      head = (await run('rev-parse', 'HEAD')).trim();
    });
    await desk.until(async () => {
      expect(await headOf(number)).toBe(head);
    });
    // All of the branch is shown, not its last commit alone.
    const { baseSha } = await desk.pullRequest(number);
    expect(baseSha).toBe(base);
    const reader = openBareRepository({
      repository: desk.repository.forge.repositoryDir,
      branch: 'main',
    });
    const shown = await reader.readChange(head as CommitSha, baseSha as CommitSha);
    reader.close();
    expect(shown?.paths).toEqual(
      expect.arrayContaining(['clusters/lab/apps/0/extra.yaml', pathOfIntent(spec)]),
    );
    expect(await desk.decide(number, { kind: 'approved', headSha: head })).toEqual({
      kind: 'foreign',
    });
    // A file of the change moves on: no rebuild throws the commits away.
    const beside = await desk.protect(spec);
    await desk.reached(beside, 'done');
    await desk.until(async () => {
      expect(await desk.store(spec.id)).toMatchObject({ errorCode: 'review_conflicts' });
    });
    expect((await git('rev-parse', branch)).trim()).toBe(head);
  });

  test('what somebody adds and merges is theirs: it shows as drift', async () => {
    await desk.start();
    const { spec, change } = await openChange();
    await inWork(async (run) => {
      const folder = (await run('rev-parse', '--show-toplevel')).trim();
      await run('switch', '-q', `store/abc123-shop/${change}`);
      await append(pathOfIntent(spec))(folder);
      await append(pathOfApplication(spec, 1))(folder);
      await run('commit', '-qam', 'A fix');
      await run('switch', '-q', 'main');
      await run('merge', '-q', '--no-ff', '-m', 'Looks good', `store/abc123-shop/${change}`);
      await run('push', '-q', 'origin', 'main');
    });
    await desk.reached(change, 'waiting');
    await desk.until(async () =>
      expect(await driftsOf(spec.id)).toEqual([pathOfApplication(spec, 1), pathOfIntent(spec)]),
    );
  });
});

describe('what goes wrong with one review', () => {
  test.each([
    ['forge_refused', new PlatformError('forge_refused', 'No such thing here.')],
    ['review_failed', new Error('duplicate key')],
  ])('holds up no other: %s', async (errorCode, error) => {
    await desk.start({
      reviewer: {
        forge: forgeWith({
          openPullRequest: (draft) =>
            draft.branch.includes('abc123-bad')
              ? Promise.reject(error)
              : desk.forge.openPullRequest(draft),
        }),
      },
    });
    const bad = await desk.create({ name: 'bad' });
    const good = await desk.create({ name: 'good' });
    await desk.opened(good.operationId);
    await desk.until(async () =>
      expect(await desk.store(bad.spec.id)).toMatchObject({ errorCode }),
    );
    await expect.poll(() => desk.trouble()).toContain(bad.operationId);
  });

  test('a conflict that no rebuild heals is told, and it can still be rejected', async () => {
    await desk.start({
      reviewer: {
        forge: forgeWith({
          mergePullRequest: () => Promise.resolve({ kind: 'conflict' as const }),
        }),
      },
    });
    const { spec, operationId } = await desk.create();
    const number = await desk.opened(operationId);
    await desk.approve(number);
    await desk.until(async () =>
      expect(await desk.store(spec.id)).toMatchObject({ errorCode: 'review_conflicts' }),
    );
    expect(await desk.decide(number, { kind: 'rejected', reason: null })).toMatchObject({
      kind: 'decided',
    });
    await desk.reached(operationId, 'rejected');
  });

  test('a pull request that is gone from the forge gets another, and the store’s next one opens', async () => {
    let gone = 0;
    await desk.start({
      reviewer: {
        forge: forgeWith({
          listPullRequests: async () =>
            (await desk.forge.listPullRequests()).filter(({ number }) => number !== gone),
          findPullRequest: async (number) =>
            number === gone ? null : desk.forge.findPullRequest(number),
          closePullRequest: (number, comment) =>
            number === gone
              ? Promise.reject(new PlatformError('pull_request_missing', 'There is none.'))
              : desk.forge.closePullRequest(number, comment),
        }),
      },
    });
    const { spec, operationId } = await desk.create();
    gone = await desk.opened(operationId);
    await desk.until(async () => expect(await desk.opened(operationId)).not.toBe(gone));
    const next = await desk.change({ ...spec, plan: 'medium', generation: 2 }, 'update', 'update');
    expect(await desk.opened(next)).toBeGreaterThan(gone);
  });

  test('a merge that is nowhere on the branch is told, and is not looked for each second', async () => {
    let merged: CommitSha | null = null;
    let looks = 0;
    await desk.start({
      reviewer: {
        forge: forgeWith({
          listPullRequests: async () => (merged === null ? desk.forge.listPullRequests() : []),
          findPullRequest: async (number) => {
            const found = await desk.forge.findPullRequest(number);
            if (found === null || merged === null) return found;
            looks += 1;
            return { ...found, state: 'merged', mergedSha: merged };
          },
        }),
      },
    });
    const { spec, operationId } = await desk.create();
    merged = (await headOf(await desk.opened(operationId))) as CommitSha;
    await desk.until(async () => {
      expect(await desk.store(spec.id)).toMatchObject({ errorCode: 'review_lost' });
    });
    expect(looks).toBeLessThan(20);
    // It says so at the end of its round, after the store does.
    await expect.poll(() => desk.trouble()).toContain(operationId);
  });
});

test('a move to another repository has the open reviews opened there', async () => {
  await desk.start();
  const { operationId } = await desk.create();
  await desk.opened(operationId);
  await desk.stop();
  await desk.db.updateTable('pullRequests').set({ repository: 'elsewhere', number: 7 }).execute();
  await desk.db.updateTable('operations').set({ reviewNumber: 7 }).execute();
  await desk.start();
  await desk.until(async () => expect(await desk.opened(operationId)).toBe(1));
});

test('a forge that hangs does not hold the lease when the writer ends', async () => {
  let asked = 0;
  await desk.start({
    reviewer: {
      patienceMs: 60_000,
      forge: forgeWith({
        openPullRequest: () => {
          asked += 1;
          return new Promise(() => undefined);
        },
      }),
    },
  });
  await desk.create();
  await vi.waitFor(() => expect(asked).toBe(1), { timeout: 20_000 });
  const startedAt = performance.now();
  await desk.stop();
  expect(performance.now() - startedAt).toBeLessThan(30_000);
});

test('several stores under review at once, merged one after another', async () => {
  await desk.start();
  const made = [];
  for (let n = 0; n < 6; n++) made.push(await desk.create({ name: `shop-${n}` }));
  for (const { operationId } of made) await desk.approve(await desk.opened(operationId));
  for (const { operationId } of made) await desk.reached(operationId, 'waiting');
  for (const { operationId } of made) expect(await desk.commitsOf(operationId)).toHaveLength(1);
  expect(new Set((await desk.pullRequests()).map(({ state }) => state))).toEqual(
    new Set(['merged']),
  );
  expect(await git('fsck', '--strict')).toBe('');
});

test('the text of a pull request is what the store is to be', async () => {
  await desk.start();
  const { number } = await openChange();
  const { title, body, labels } = await desk.pullRequest(number);
  expect(title).toBe('Change store shop of acme: plan small → medium');
  expect(labels).toEqual(['shopyard', 'shopyard/update']);
  expect(body).toContain('| plan | small | medium |');
});
