/**
 * What every forge must do, tried on a real one each: the embedded forge, Gitea, and GitHub by a
 * stand-in. Branches are pushed by our own git, as the writer does; what a forge made of it is read
 * back with native git and, where it keeps text, from the forge itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { callNativeGit, META } from '../../control-plane/src/forge/testing.ts';
import type {
  Forge,
  MergeResult,
  PullRequest,
  PullRequestDraft,
} from '../../control-plane/src/forge/types.ts';
import { openBranch } from '../../control-plane/src/git/branch.ts';
import type { Branch, CommitSha, FileChange } from '../../control-plane/src/git/types.ts';

/** A forge with an empty repository of its own. */
export type ForgeSubject = {
  readonly forge: Forge;
  /** The same repository for somebody with a credential that the forge does not know. */
  readonly stranger: Forge;
  /** Credentials in use: none may be seen anywhere. */
  readonly secrets: readonly string[];
  readText(number: number): Promise<PullRequestText>;
  /** Puts a label of a person's on it; null where there are no people beside us. */
  readonly addLabel: ((number: number, label: string) => Promise<void>) | null;
  /** From here on only merges change the main branch; null where the forge has no such rule. */
  readonly protectMain: (() => Promise<void>) | null;
  /** From here on nothing is merged that nobody approved; null likewise. */
  readonly requireApproval: (() => Promise<void>) | null;
  /**
   * Somebody who may only read opens a pull request of a branch of this name in a fork of theirs;
   * null where nobody can fork.
   */
  readonly openFromFork: ((branch: string) => Promise<number>) | null;
  /** Waits until the forge has done what a removed branch means to it; null: it does so at once. */
  readonly settle: (() => Promise<void>) | null;
  /** Looks at an address as a person would; returns the status. */
  visit(url: string): Promise<number>;
  close(): Promise<void>;
};

export type PullRequestText = {
  readonly title: string;
  readonly body: string;
  readonly labels: readonly string[];
  readonly comments: readonly string[];
};

const STORE = 'clusters/lab/stores/7f/tea/store.yaml';
const BRANCH = 'store/abc123-tea/op_0000000000000001';
const MESSAGE = `Create tea

Approved by Ada.

Store-Id: st_0000000000000000
Operation-Id: op_0000000000000001`;
const DRAFT = { title: 'Create tea', body: 'A shop for tea.\n\n- small\n', labels: ['shopyard'] };
/** A forge may look at a pull request for a while before it merges. */
const PATIENCE = { timeout: 60_000, interval: 200 };

export function testForge(name: string, open: () => Promise<ForgeSubject>): void {
  describe(`${name} as the forge`, () => {
    let subject: ForgeSubject;
    let forge: Forge;
    let folder: string;
    let branch: Branch;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'shopyard-forge-contract-'));
      subject = await open();
      forge = subject.forge;
      branch = await openClone('clone');
      await pushMain([{ path: 'README.md', content: 'the cluster repository\n' }]);
    });
    afterEach(async () => {
      await subject.close();
      await rm(folder, { recursive: true, force: true });
    });

    async function openClone(clone: string): Promise<Branch> {
      const remote = await forge.remote('write');
      return await openBranch({ remote, dir: join(folder, clone) });
    }

    async function pushMain(changes: readonly FileChange[]): Promise<CommitSha> {
      await branch.refresh(null);
      const batch = branch.begin();
      await batch.commit(changes, META);
      expect(await batch.push()).toMatchObject({ kind: 'pushed' });
      return requireSha(branch.tip);
    }

    /** One commit on the main branch's tip as a branch to be reviewed. */
    async function pushReview(content: string, to = BRANCH, path = STORE): Promise<CommitSha> {
      await branch.refresh(null);
      const batch = branch.begin();
      const commit = await batch.commit([{ path, content }], META);
      if (commit.kind !== 'committed') throw new Error('nothing was changed');
      const pushed = await batch.pushTo(to, await branch.readHead(to));
      expect(pushed).toMatchObject({ kind: 'pushed', after: commit.sha });
      return commit.sha;
    }

    async function openReview(content: string, to = BRANCH, path = STORE): Promise<PullRequest> {
      const headSha = await pushReview(content, to, path);
      return await request({ branch: to, headSha });
    }

    /** Asks until the forge has taken in the push of the branch. */
    async function request(
      draft: Partial<PullRequestDraft> & Pick<PullRequestDraft, 'branch' | 'headSha'>,
    ): Promise<PullRequest> {
      return await vi.waitFor(async () => {
        const opened = await forge.openPullRequest({ ...DRAFT, ...draft });
        if (opened.headSha !== draft.headSha) throw new Error(`its head is ${opened.headSha}`);
        return opened;
      }, PATIENCE);
    }

    /** Asks until the forge has made up its mind. */
    async function merge(
      { number }: PullRequest,
      headSha: CommitSha,
    ): Promise<Exclude<MergeResult, { kind: 'not-ready' }>> {
      return await vi.waitFor(async () => {
        const result = await forge.mergePullRequest(number, { headSha, message: MESSAGE });
        if (result.kind === 'not-ready') throw new Error(`not ready: ${result.reason}`);
        return result;
      }, PATIENCE);
    }

    async function readMain(path: string): Promise<string | null> {
      await branch.refresh(null);
      const content = await branch.tree.read(path);
      return content === null ? null : Buffer.from(content).toString();
    }

    /** Native git on a fresh bare clone. */
    async function git(...args: string[]): Promise<string> {
      const { url, username, password } = await forge.remote('read');
      const address = new URL(url);
      address.username = username;
      address.password = password;
      const bare = await mkdtemp(join(folder, 'bare-'));
      await callNativeGit('clone', '--quiet', '--bare', address.href, bare);
      return (await callNativeGit('--git-dir', bare, ...args)).trim();
    }

    function expectNoSecret(error: unknown): void {
      const shown = `${String(error)} ${JSON.stringify(error)} ${error instanceof Error ? (error.stack ?? '') : ''}`;
      for (const secret of subject.secrets) expect(shown).not.toContain(secret);
    }

    test('its check passes for a repository that can be used', async () => {
      await forge.check();
    });

    test('a pull request is opened, found and listed, with text and labels', async () => {
      const opened = await openReview('plan: small\n');
      expect(opened).toEqual({
        number: expect.any(Number) as number,
        branch: BRANCH,
        headSha: await branch.readHead(BRANCH),
        state: 'open',
        mergedSha: null,
        url: forge.pullRequestUrl(opened.number),
        title: DRAFT.title,
      });
      expect(await forge.findPullRequest(opened.number)).toEqual(opened);
      const other = await openReview('plan: big\n', 'store/abc123-ink/op_0000000000000002', 'ink');
      expect(await forge.listPullRequests()).toEqual([opened, other]);
      expect(await subject.readText(opened.number)).toEqual({ ...DRAFT, comments: [] });
    });

    test('opening it again adopts it: its text follows, and it stays one', async () => {
      const opened = await openReview('plan: small\n');
      await subject.addLabel?.(opened.number, 'looked at');
      const text = {
        title: 'Create tea, bigger',
        body: 'Now bigger.',
        labels: ['shopyard', 'new'],
      };
      const { branch: name, headSha } = opened;
      const adopted = await request({ branch: name, headSha, ...text });
      expect(adopted).toEqual({ ...opened, title: text.title });
      expect(await forge.listPullRequests()).toEqual([adopted]);
      const shown = await subject.readText(opened.number);
      expect(shown).toMatchObject({ title: text.title, body: text.body });
      const theirs = subject.addLabel === null ? [] : ['looked at'];
      expect(shown.labels.toSorted()).toEqual([...text.labels, ...theirs].toSorted());
    });

    test('a branch that is built anew stays its pull request’s', async () => {
      const opened = await openReview('plan: small\n');
      await pushMain([{ path: 'other', content: 'meanwhile' }]);
      const headSha = await pushReview('plan: big\n');
      const adopted = await request({ branch: BRANCH, headSha });
      expect(adopted).toEqual({ ...opened, headSha });
      expect(await merge(adopted, headSha)).toMatchObject({ kind: 'merged' });
      expect(await readMain(STORE)).toBe('plan: big\n');
    });

    test('a merge is a merge commit with our message, and the branch is gone', async () => {
      const before = requireSha(branch.tip);
      const opened = await openReview('plan: small\n');
      const merged = await merge(opened, opened.headSha);
      if (merged.kind !== 'merged') throw new Error(merged.kind);
      expect(await readMain(STORE)).toBe('plan: small\n');
      expect(branch.tip).toBe(merged.sha);
      expect(await git('show', '--no-patch', '--format=%P', merged.sha)).toBe(
        `${before} ${opened.headSha}`,
      );
      const message = await git('show', '--no-patch', '--format=%B', merged.sha);
      expect(message).toContain('Create tea\n');
      expect(await git('show', '--no-patch', '--format=%(trailers)', merged.sha)).toContain(
        'Operation-Id: op_0000000000000001',
      );
      const found = await forge.findPullRequest(opened.number);
      expect(found).toEqual({ ...opened, state: 'merged', mergedSha: merged.sha });
      expect(await forge.listPullRequests()).toEqual([]);
      await expect.poll(() => branch.readHead(BRANCH), PATIENCE).toBeNull();
      expect(await merge(opened, opened.headSha)).toEqual(merged);
      await forge.closePullRequest(opened.number, 'Too late.');
      expect((await forge.findPullRequest(opened.number))?.state).toBe('merged');
      expect(await git('rev-list', '--count', '--first-parent', 'main')).toBe('2');
    });

    test('the branch as its writer sees it tells of a merge as of any commit', async () => {
      const before = requireSha(branch.tip);
      const opened = await openReview('plan: small\n');
      const merged = await merge(opened, opened.headSha);
      const result = await branch.refresh(before);
      if (result.kind !== 'ok' || merged.kind !== 'merged') throw new Error('not merged');
      expect(result.commits).toMatchObject([
        { sha: merged.sha, parent: before, changedPaths: [STORE] },
      ]);
    });

    test('what came to the main branch meanwhile stays', async () => {
      const opened = await openReview('plan: small\n');
      await pushMain([{ path: 'clusters/lab/stores/7f/ink/store.yaml', content: 'ink' }]);
      expect(await merge(opened, opened.headSha)).toMatchObject({ kind: 'merged' });
      expect(await readMain(STORE)).toBe('plan: small\n');
      expect(await readMain('clusters/lab/stores/7f/ink/store.yaml')).toBe('ink');
    });

    test('a merge removes what the pull request removes', async () => {
      await pushMain([{ path: STORE, content: 'plan: small\n' }]);
      const batch = branch.begin();
      const commit = await batch.commit([{ path: STORE, content: null }], META);
      if (commit.kind !== 'committed') throw new Error('nothing was changed');
      await batch.pushTo(BRANCH, null);
      const opened = await request({ branch: BRANCH, headSha: commit.sha });
      expect(await merge(opened, commit.sha)).toMatchObject({ kind: 'merged' });
      expect(await readMain(STORE)).toBeNull();
    });

    test('nothing is merged that somebody pushed after the review', async () => {
      const opened = await openReview('plan: small\n');
      const pushed = await pushReview('plan: huge\n');
      expect(await merge(opened, opened.headSha)).toEqual({ kind: 'moved' });
      expect(await readMain(STORE)).toBeNull();
      expect(await forge.findPullRequest(opened.number)).toMatchObject({
        state: 'open',
        headSha: pushed,
      });
    });

    test('a conflict is said, changes nothing, and a rebuilt branch merges', async () => {
      await pushMain([{ path: STORE, content: 'plan: small\n' }]);
      const opened = await openReview('plan: big\n');
      await pushMain([{ path: STORE, content: 'plan: huge\n' }]);
      expect(await merge(opened, opened.headSha)).toEqual({ kind: 'conflict' });
      expect(await readMain(STORE)).toBe('plan: huge\n');
      expect((await forge.findPullRequest(opened.number))?.state).toBe('open');
      const headSha = await pushReview('plan: big\n');
      expect(await merge(opened, headSha)).toMatchObject({ kind: 'merged' });
      expect(await readMain(STORE)).toBe('plan: big\n');
    });

    test('closed is closed: with a comment, without a branch, and for good', async () => {
      const opened = await openReview('plan: small\n');
      await forge.closePullRequest(opened.number, 'Superseded.');
      const found = await forge.findPullRequest(opened.number);
      expect(found).toEqual({ ...opened, state: 'closed' });
      expect(await branch.readHead(BRANCH)).toBeNull();
      expect(await forge.listPullRequests()).toEqual([]);
      expect(await merge(opened, opened.headSha)).toEqual({ kind: 'closed' });
      await forge.closePullRequest(opened.number, 'Again.');
      expect((await subject.readText(opened.number)).comments).toEqual(['Superseded.']);
      expect(await readMain(STORE)).toBeNull();

      // What is opened from a removed branch before, it would close.
      await subject.settle?.();
      const next = await openReview('plan: big\n');
      expect(next.number).toBeGreaterThan(opened.number);
      expect((await forge.findPullRequest(opened.number))?.state).toBe('closed');
      await forge.closePullRequest(opened.number, '');
      expect(await branch.readHead(BRANCH), 'now another one’s').toBe(next.headSha);
    });

    test('a fork’s pull request of the same branch name is no concern of ours', async ({
      skip,
    }) => {
      skip(subject.openFromFork === null, 'nobody can fork here');
      const opened = await openReview('plan: small\n');
      const theirs = (await subject.openFromFork?.(BRANCH)) ?? 0;
      expect(theirs).toBeGreaterThan(opened.number);
      expect(await forge.listPullRequests()).toEqual([opened]);
      const adopted = await request({ branch: BRANCH, headSha: opened.headSha });
      expect(adopted.number).toBe(opened.number);
      // Nobody asks for this; ours must outlive it.
      await forge.closePullRequest(theirs, '');
      expect(await branch.readHead(BRANCH)).toBe(opened.headSha);
      expect(await forge.findPullRequest(opened.number)).toEqual(opened);
      expect(await merge(opened, opened.headSha)).toMatchObject({ kind: 'merged' });
    });

    test('what is not there is said', async () => {
      expect(await forge.findPullRequest(404)).toBeNull();
      const headSha = requireSha(branch.tip);
      const missing = { code: 'pull_request_missing', retryable: false };
      await expect(forge.mergePullRequest(404, { headSha, message: 'x' })).rejects.toMatchObject(
        missing,
      );
      await expect(forge.closePullRequest(404, 'x')).rejects.toMatchObject(missing);
      await expect(
        forge.openPullRequest({ ...DRAFT, branch: BRANCH, headSha }),
      ).rejects.toMatchObject({ code: 'branch_missing', retryable: true });
    });

    test('a wrong credential says what to do, and is not shown', async () => {
      const denied = await subject.stranger.check().catch((error: unknown) => error);
      expect(denied).toMatchObject({
        name: 'PlatformError',
        code: 'forge_denied',
        retryable: false,
        hint: expect.stringMatching(/token|password/) as string,
      });
      expectNoSecret(denied);
      const remote = await subject.stranger.remote('write');
      const refused = await openBranch({ remote, dir: join(folder, 'stranger') }).catch(
        (error: unknown) => error,
      );
      expect(refused).toMatchObject({ code: 'remote_denied', retryable: false });
      expectNoSecret(refused);
    });

    test('a push that lost the race is `moved`, on either branch', async () => {
      const rival = await openClone('rival');
      const late = rival.begin();
      await late.commit([{ path: 'late', content: 'x' }], META);
      await pushMain([{ path: 'early', content: 'x' }]);
      expect(await late.push()).toEqual({ kind: 'moved' });
      expect(await readMain('late')).toBeNull();

      const first = await pushReview('plan: small\n');
      const other = rival.begin();
      await other.commit([{ path: STORE, content: 'plan: huge\n' }], META);
      expect(await other.pushTo(BRANCH, null)).toEqual({ kind: 'moved' });
      expect(await branch.readHead(BRANCH)).toBe(first);
    });

    test('a protected main branch refuses our push and takes our merge', async ({ skip }) => {
      skip(subject.protectMain === null, 'this forge has no rules of its own for branches');
      await subject.protectMain?.();
      const batch = branch.begin();
      await batch.commit([{ path: STORE, content: 'pushed' }], META);
      await expect(batch.push()).rejects.toMatchObject({
        code: 'push_rejected',
        retryable: false,
        hint: expect.stringContaining('protection') as string,
      });
      const opened = await openReview('plan: small\n');
      expect(await merge(opened, opened.headSha)).toMatchObject({ kind: 'merged' });
      expect(await readMain(STORE)).toBe('plan: small\n');
    });

    test('what a rule holds back is not ready, with the rule’s words', async ({ skip }) => {
      skip(subject.requireApproval === null, 'this forge has no rules of its own for merges');
      await subject.requireApproval?.();
      const { number, headSha } = await openReview('plan: small\n');
      await expect
        .poll(() => forge.mergePullRequest(number, { headSha, message: MESSAGE }), PATIENCE)
        .toMatchObject({
          kind: 'not-ready',
          reason: expect.stringMatching(/approv|review/i) as string,
        });
      expect(await readMain(STORE)).toBeNull();
      expect((await forge.findPullRequest(number))?.state).toBe('open');
    });

    test('its addresses lead to the commit and to the pull request', async ({ skip }) => {
      const { number, headSha } = await openReview('plan: small\n');
      const addresses = [forge.commitUrl(headSha), forge.pullRequestUrl(number)];
      skip(addresses.includes(null), 'the portal shows these itself');
      for (const address of addresses) expect(await subject.visit(address ?? '')).toBe(200);
    });
  });
}

function requireSha(sha: CommitSha | null): CommitSha {
  if (sha === null) throw new Error('there is no commit');
  return sha;
}
