/** A real Gitea, which the lab builds, by the contract of all forges. It needs no cluster. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseRepositoryAddress } from '../../control-plane/src/forge/address.ts';
import { createGiteaForge } from '../../control-plane/src/forge/gitea.ts';
import { callNativeGit } from '../../control-plane/src/forge/testing.ts';
import type { Forge } from '../../control-plane/src/forge/types.ts';
import type { CommitSha } from '../../control-plane/src/git/types.ts';
import { explainMissingGitea, startGitea, type Gitea } from '../support/gitea.ts';
import { testForge, type ForgeSubject } from './contract.ts';

let gitea: Gitea;
let token: string;
/** Of an account that may only read, and fork. */
let forker: string | null = null;
function openForge(repositoryUrl: string, credential: string): Forge {
  const address = parseRepositoryAddress(repositoryUrl);
  if (address === null) throw new Error(`no repository: ${repositoryUrl}`);
  const readToken = () => Promise.resolve(credential);
  return createGiteaForge({ repositoryUrl, address, branch: 'main', apiUrl: null, readToken });
}

async function openSubject(): Promise<ForgeSubject> {
  const { path, url } = await gitea.createRepository(`r-${randomBytes(4).toString('hex')}`, [
    'shopyard',
  ]);
  const wrong = randomBytes(20).toString('hex');
  return {
    forge: openForge(url, token),
    stranger: openForge(url, wrong),
    secrets: [token, wrong],
    async readText(number) {
      type Text = { title: string; body: string; labels: { name: string }[] };
      const { title, body, labels } = (await gitea.call('GET', `${path}/pulls/${number}`)) as Text;
      const comments = (await gitea.call('GET', `${path}/issues/${number}/comments`)) as {
        body: string;
      }[];
      return {
        ...{ title, body },
        labels: labels.map(({ name }) => name),
        comments: comments.map((comment) => comment.body),
      };
    },
    async addLabel(number, label) {
      const made = { name: label, color: '#ff0000' };
      const { id } = (await gitea.call('POST', `${path}/labels`, made)) as { id: number };
      await gitea.call('POST', `${path}/issues/${number}/labels`, { labels: [id] });
    },
    async protectMain() {
      const rule = { rule_name: 'main', enable_push: false };
      await gitea.call('POST', `${path}/branch_protections`, rule);
    },
    async requireApproval() {
      const rule = { rule_name: 'main', enable_push: true, required_approvals: 1 };
      await gitea.call('POST', `${path}/branch_protections`, rule);
    },
    async openFromFork(name) {
      forker ??= (await gitea.createAccount('forker')).token;
      const account = forker;
      await gitea.call('PUT', `${path}/collaborators/forker`, { permission: 'read' });
      const ask = async (at: string, body: object): Promise<unknown> => {
        const response = await fetch(`${gitea.url}/api/v1${at}`, {
          method: 'POST',
          headers: { authorization: `token ${account}`, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
        const text = await response.text();
        if (!response.ok) throw new Error(`POST ${at}: ${response.status} ${text}`);
        return JSON.parse(text);
      };
      await ask(`${path}/forks`, {});
      const fork = `/repos/forker/${path.split('/').at(-1) ?? ''}`;
      // The fork has all our branches, the one of this name too.
      const file = { content: 'eA==', message: 'Theirs', branch: name };
      await ask(`${fork}/contents/theirs`, file);
      const draft = { title: 'From a fork', base: 'main', head: `forker:${name}` };
      return ((await ask(`${path}/pulls`, draft)) as { number: number }).number;
    },
    // In the order of pushes: once it has closed what a removed branch had open, all before is done.
    async settle() {
      const head = `settled-${randomBytes(4).toString('hex')}`;
      const file = { content: 'eA==', message: 'Settle', branch: 'main', new_branch: head };
      await gitea.call('POST', `${path}/contents/${head}`, file);
      const draft = { title: 'Settled', base: 'main', head };
      const { number } = (await gitea.call('POST', `${path}/pulls`, draft)) as { number: number };
      await gitea.call('DELETE', `${path}/branches/${head}`);
      await vi.waitFor(
        async () =>
          expect(await gitea.call('GET', `${path}/pulls/${number}`)).toMatchObject({
            state: 'closed',
          }),
        { timeout: 20_000, interval: 100 },
      );
    },
    async visit(address) {
      // A page asks for a session, which a token is not.
      await gitea.call('PATCH', path, { private: false });
      return (await fetch(address)).status;
    },
    close: () => Promise.resolve(),
  };
}

const missing = explainMissingGitea();
describe.skipIf(missing !== null)(missing ?? 'on a real one', () => {
  beforeAll(async () => {
    gitea = await startGitea();
    ({ token } = await gitea.createAccount('shopyard'));
  }, 180_000);
  afterAll(() => gitea.stop());

  testForge('Gitea', openSubject);

  test('a pull request that was pushed without a branch (AGit) is in nobody’s way', async () => {
    const { path, url } = await gitea.createRepository('agit', ['shopyard']);
    const forge = openForge(url, token);
    const content = { content: 'eA==', message: 'First', branch: 'main' };
    await gitea.call('POST', `${path}/contents/README.md`, content);
    const name = 'store/abc123-tea/op_0000000000000001';
    await gitea.call('POST', `${path}/contents/tea`, { ...content, new_branch: name });
    const { commit } = (await gitea.call(
      'GET',
      `${path}/branches/${encodeURIComponent(name)}`,
    )) as {
      commit: { id: string };
    };
    const headSha = commit.id as CommitSha;
    const draft = { title: 'Create tea', body: '', labels: [], branch: name, headSha };
    const ours = await forge.openPullRequest(draft);

    const passer = await gitea.createAccount('passer');
    await gitea.call('PUT', `${path}/collaborators/passer`, { permission: 'read' });
    const address = new URL(url);
    address.username = 'passer';
    address.password = passer.token;
    const folder = await mkdtemp(join(tmpdir(), 'shopyard-agit-'));
    try {
      await callNativeGit('clone', '--quiet', address.href, folder);
      await callNativeGit('-C', folder, 'commit', '--quiet', '--allow-empty', '-m', 'Theirs');
      await callNativeGit(
        ...['-C', folder, 'push', '--quiet', 'origin', 'HEAD:refs/for/main'],
        ...['-o', 'topic=typo', '-o', 'title=Theirs'],
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    const all = (await gitea.call('GET', `${path}/pulls?state=open`)) as { number: number }[];
    expect(all).toHaveLength(2);
    expect(await forge.listPullRequests()).toEqual([ours]);
    // A number that is not ours, for whatever reason: nothing of ours goes.
    await forge.closePullRequest(all.find(({ number }) => number !== ours.number)?.number ?? 0, '');
    expect(await forge.findPullRequest(ours.number)).toEqual(ours);
    await forge.closePullRequest(ours.number, 'Superseded.');
    expect((await forge.findPullRequest(ours.number))?.state).toBe('closed');
  });

  test('only review branches are removed with their pull requests', async () => {
    const { path, url } = await gitea.createRepository('typos', ['shopyard']);
    const content = { content: 'eA==', message: 'First', branch: 'main' };
    await gitea.call('POST', `${path}/contents/README.md`, content);
    await gitea.call('POST', `${path}/contents/tea`, { ...content, new_branch: 'typo' });
    const draft = { title: 'Fix a typo', base: 'main', head: 'typo' };
    const { number } = (await gitea.call('POST', `${path}/pulls`, draft)) as { number: number };
    await openForge(url, token).closePullRequest(number, '');
    expect(await gitea.call('GET', `${path}/branches/typo`)).toMatchObject({ name: 'typo' });
  });

  test('a review branch that is protected stays, and closing its pull request goes on', async () => {
    const { path, url } = await gitea.createRepository('protected', ['shopyard']);
    const forge = openForge(url, token);
    const name = 'store/abc123-tea/op_0000000000000001';
    const content = { content: 'eA==', message: 'First', branch: 'main' };
    await gitea.call('POST', `${path}/contents/README.md`, content);
    await gitea.call('POST', `${path}/contents/tea`, { ...content, new_branch: name });
    await gitea.call('POST', `${path}/branch_protections`, {
      rule_name: 'store/**',
      enable_push: true,
    });
    const draft = { title: 'Create tea', base: 'main', head: name };
    const { number } = (await gitea.call('POST', `${path}/pulls`, draft)) as { number: number };
    await forge.closePullRequest(number, 'Superseded.');
    expect(await forge.findPullRequest(number)).toMatchObject({ state: 'closed', branch: name });
    await forge.closePullRequest(number, 'Superseded.');
  });

  test('a repository or an account that cannot do it is told at its check', async () => {
    const { path, url } = await gitea.createRepository('refused', ['shopyard']);
    const forge = openForge(url, token);
    await forge.check();

    await expect(openForge(url.replace('refused', 'other'), token).check()).rejects.toMatchObject({
      code: 'forge_missing',
      hint: expect.stringContaining('SHOPYARD_REPOSITORY_URL') as string,
    });

    const reader = await gitea.createAccount('reader');
    await gitea.call('PUT', `${path}/collaborators/reader`, { permission: 'read' });
    await expect(openForge(url, reader.token).check()).rejects.toMatchObject({
      code: 'forge_denied',
      message: expect.stringContaining('may not push') as string,
    });

    const narrow = await gitea.createAccount('narrow', ['write:repository']);
    await gitea.call('PUT', `${path}/collaborators/narrow`, { permission: 'write' });
    await expect(openForge(url, narrow.token).check()).rejects.toMatchObject({
      code: 'forge_denied',
      hint: expect.stringContaining('write:issue') as string,
    });

    await gitea.call('PATCH', path, { allow_merge_commits: false });
    await expect(forge.check()).rejects.toMatchObject({ code: 'forge_refused' });
    await gitea.call('PATCH', path, { allow_merge_commits: true, has_pull_requests: false });
    await expect(forge.check()).rejects.toMatchObject({ code: 'forge_refused' });
    await gitea.call('PATCH', path, { has_pull_requests: true, archived: true });
    await expect(forge.check()).rejects.toMatchObject({
      code: 'forge_refused',
      message: expect.stringContaining('archived') as string,
    });
  });
});
