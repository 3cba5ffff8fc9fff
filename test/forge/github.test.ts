/** GitHub by the contract of all forges, on a stand-in; and what only GitHub asks of its adapter. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCommitPublisher } from '../../control-plane/src/forge/github-commits.ts';
import type { GithubCredential } from '../../control-plane/src/forge/github-credential.ts';
import {
  createGithubForge,
  describeGithubRepository,
  type GithubForge,
} from '../../control-plane/src/forge/github.ts';
import { META } from '../../control-plane/src/forge/testing.ts';
import { openBranch } from '../../control-plane/src/git/branch.ts';
import type { Branch, CommitSha, FileChange } from '../../control-plane/src/git/types.ts';
import {
  ALL_PERMISSIONS,
  RIGHT_TOKEN,
  startGithubStandIn,
  type GithubStandIn,
} from '../support/github-stand-in.ts';
import { testForge } from './contract.ts';

const BRANCH = 'store/abc123-tea/op_0000000000000001';
const DRAFT = { branch: BRANCH, title: 'Create tea', body: 'A shop.', labels: ['shopyard'] };

function open(standIn: GithubStandIn, credential: GithubCredential | string): GithubForge {
  return createGithubForge({
    repositoryUrl: standIn.url,
    branch: 'main',
    apiUrl: null,
    credential:
      typeof credential === 'string'
        ? { kind: 'token', read: () => Promise.resolve(credential) }
        : credential,
    clock: standIn.clock,
    sleep: standIn.sleep,
  });
}

testForge('GitHub (stand-in)', async () => {
  const standIn = await startGithubStandIn();
  const { world } = standIn;
  const wrong = 'ghp_nobodyKnowsThisTokenAtAll00000000000';
  return {
    forge: open(standIn, RIGHT_TOKEN),
    stranger: open(standIn, wrong),
    secrets: [RIGHT_TOKEN, wrong],
    readText: (number) => {
      const pull = world.pulls.find(number);
      if (pull === null) throw new Error('there is none');
      const { title, body, labels, comments } = pull;
      return Promise.resolve({ title, body, labels: [...labels], comments });
    },
    settle: null,
    addLabel: (number, label) => {
      world.pulls.find(number)?.labels.add(label);
      return Promise.resolve();
    },
    protectMain: () => {
      world.rules = { ...world.rules, pullRequests: true };
      return Promise.resolve();
    },
    requireApproval: () => {
      world.rules = { ...world.rules, approvals: 1 };
      return Promise.resolve();
    },
    openFromFork: (name) => {
      const headSha = world.repository.tip(name) ?? '';
      const base = world.repository.tip('main') ?? '';
      const tree = world.repository.change(headSha, [
        { path: 'theirs', content: Buffer.from('x') },
      ]);
      const theirs = world.repository.commit({ tree, parents: [base], message: 'Theirs' });
      // A fork in our own organisation: its owner is ours.
      const draft = { owner: 'shops', branch: name, headSha: theirs };
      return Promise.resolve(world.pulls.openFromFork(draft).number);
    },
    visit: async (url) => (await fetch(url)).status,
    close: async () => {
      await standIn[Symbol.asyncDispose]();
      expect(standIn.problems).toEqual([]);
    },
  };
});

describe('GitHub alone', () => {
  let standIn: GithubStandIn;
  let forge: GithubForge;
  let folder: string;
  let branch: Branch;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shopyard-github-test-'));
    standIn = await startGithubStandIn();
    forge = open(standIn, RIGHT_TOKEN);
    branch = await openBranch({ remote: await forge.remote('write'), dir: join(folder, 'clone') });
    await push([{ path: 'README.md', content: 'the cluster repository\n' }]);
  });
  afterEach(async () => {
    await standIn[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
    expect(standIn.problems).toEqual([]);
  });

  async function push(changes: readonly FileChange[], to?: string): Promise<CommitSha> {
    await branch.refresh(null);
    const batch = branch.begin();
    const commit = await batch.commit(changes, META);
    if (commit.kind !== 'committed') throw new Error('nothing was changed');
    const result =
      to === undefined ? await batch.push() : await batch.pushTo(to, await branch.readHead(to));
    expect(result.kind).toBe('pushed');
    return commit.sha;
  }

  async function openReview(name = BRANCH) {
    const headSha = await push([{ path: name, content: 'x' }], name);
    return await forge.openPullRequest({ ...DRAFT, branch: name, headSha });
  }

  describe('limits', () => {
    test('of pushes: the seventh in a minute waits for its turn', async () => {
      for (let count = 2; count <= 6; count++)
        await push([{ path: 'count', content: String(count) }]);
      expect(standIn.waited()).toBe(0);
      await push([{ path: 'count', content: '7' }]);
      expect(standIn.waited()).toBeGreaterThan(55_000);
      expect(standIn.waited()).toBeLessThanOrEqual(60_000);
      // As the stand-in counts, too: no push was refused.
      expect(standIn.requests.filter((line) => line.endsWith(' 429'))).toEqual([]);
    });

    test('of changes: the 81st in a minute waits for its turn', async () => {
      const { number } = await openReview();
      const comment = () =>
        forge.client.demand(({ rest }) =>
          rest.issues.createComment({
            owner: 'shops',
            repo: 'cluster',
            issue_number: number,
            body: 'x',
          }),
        );
      // The pull request and its label were the first two.
      for (let made = 2; made < 80; made++) await comment();
      expect(standIn.waited()).toBe(0);
      await comment();
      expect(standIn.waited()).toBeGreaterThan(0);
      expect(standIn.waited()).toBeLessThanOrEqual(60_000);
      expect(standIn.requests.filter((line) => / (403|429)$/.test(line))).toEqual([]);
    }, 60_000);

    test('that somebody else used up are kept to as GitHub says: Retry-After', async () => {
      await openReview();
      standIn.interruptions.push((_request, response) => {
        response.writeHead(429, { 'retry-after': '17' }).end();
      });
      expect(await forge.listPullRequests()).toHaveLength(1);
      expect(standIn.waited()).toBe(17_000);
    });

    test('of the hour: when nothing is left, nothing is asked until it is back', async () => {
      standIn.limits.leave(1);
      expect(await forge.listPullRequests()).toEqual([]);
      const limited = { code: 'forge_limited', retryable: true };
      await expect(forge.listPullRequests()).rejects.toMatchObject(limited);
      const { length } = standIn.requests;
      await expect(forge.findPullRequest(1)).rejects.toMatchObject(limited);
      expect(standIn.requests).toHaveLength(length);
      await standIn.sleep(3_600_000);
      expect(await forge.listPullRequests()).toEqual([]);
    });

    test('of texts: cut, not refused', async () => {
      const headSha = await push([{ path: 'tea', content: 'x' }], BRANCH);
      const pull = await forge.openPullRequest({
        branch: BRANCH,
        headSha,
        title: 'T'.repeat(300),
        body: 'B'.repeat(70_000),
        labels: ['L'.repeat(60)],
      });
      expect(pull.title).toHaveLength(256);
      await forge.closePullRequest(pull.number, 'C'.repeat(70_000));
      const { body, comments, labels } = standIn.world.pulls.find(pull.number) ?? {};
      expect(body).toHaveLength(65_536);
      expect(comments?.[0]).toHaveLength(65_536);
      expect([...(labels ?? [])][0]).toHaveLength(50);
    });

    test('of pages: all of them are read', async () => {
      const headSha = await push([{ path: 'tea', content: 'x' }], BRANCH);
      const names = Array.from({ length: 120 }, (_, index) => `store/many/${String(index)}`);
      standIn.world.repository.git(
        ['update-ref', '--stdin'],
        names.map((name) => `create refs/heads/${name} ${headSha}\n`).join(''),
      );
      for (const name of names)
        standIn.world.pulls.open({ branch: name, title: 'One of many', body: '' });
      expect(await forge.listPullRequests()).toHaveLength(120);
    });
  });

  describe('what goes wrong is said with what to do', () => {
    test.each([
      ['contents', { ...ALL_PERMISSIONS, contents: 'read' }, /contents: write/],
      ['pull requests', { metadata: 'read', contents: 'write' }, /pull_requests: read/],
    ])('a token without %s', async (_what, permissions, words) => {
      const token = 'ghp_mayNotDoEverything000000000000000001';
      standIn.tokens.set(token, permissions);
      const error = await open(standIn, token)
        .check()
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: 'forge_denied',
        retryable: false,
        message: expect.stringMatching(words) as string,
        hint: expect.stringContaining('Give it') as string,
      });
      expect(String((error as Error).stack)).not.toContain(token);
    });

    test('no such repository, or one our token does not see', async () => {
      const elsewhere = createGithubForge({
        repositoryUrl: standIn.url.replace('/cluster', '/other'),
        branch: 'main',
        apiUrl: null,
        credential: { kind: 'token', read: () => Promise.resolve(RIGHT_TOKEN) },
        clock: standIn.clock,
      });
      await expect(elsewhere.check()).rejects.toMatchObject({
        code: 'forge_missing',
        hint: expect.stringContaining('shops/other') as string,
      });
      // That is not a pull request which is gone.
      await expect(elsewhere.findPullRequest(1)).rejects.toMatchObject({ code: 'forge_missing' });
    });

    test('an archived repository, and one without merge commits', async () => {
      const { number, headSha } = await openReview();
      standIn.world.mergeMethods = ['squash'];
      await expect(forge.mergePullRequest(number, { headSha, message: 'x' })).rejects.toMatchObject(
        {
          code: 'forge_refused',
          hint: expect.stringContaining('Allow merge commits') as string,
        },
      );
      standIn.world.isArchived = true;
      await expect(forge.check()).rejects.toMatchObject({ code: 'forge_refused' });
    });

    test.each([
      ['a 502', 'forge_failed', 502],
      ['no answer', 'forge_unreachable', null],
    ])('%s may be tried again', async (_what, code, status) => {
      standIn.interruptions.push((request, response) => {
        if (status === null) request.socket.destroy();
        else response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Unicorn</h1>');
      });
      await expect(forge.listPullRequests()).rejects.toMatchObject({ code, retryable: true });
    });

    test.each([
      [
        'cut off',
        'forge_unreachable',
        (response: ServerResponse) => {
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': '999' });
          response.write('[{"number":', () => response.destroy());
        },
      ],
      [
        'empty',
        'forge_failed',
        (response: ServerResponse) => {
          response.writeHead(200, { 'content-type': 'application/json' }).end();
        },
      ],
      [
        'no JSON',
        'forge_failed',
        (response: ServerResponse) => {
          response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Sign in</h1>');
        },
      ],
    ])('an answer that is %s is none, and no empty list', async (_what, code, answer) => {
      const { number, branch: name, headSha } = await openReview();
      const questions = [
        () => forge.check(),
        () => forge.listPullRequests(),
        () => forge.findPullRequest(number),
        () => forge.openPullRequest({ ...DRAFT, branch: name, headSha }),
        () => forge.closePullRequest(number, ''),
      ];
      for (const ask of questions) {
        standIn.interruptions.push((_request, response) => answer(response));
        await expect(ask()).rejects.toMatchObject({ code, retryable: true });
      }
    });

    test.each([
      ['a redirect', 301, { location: 'http://127.0.0.1:9/elsewhere' }],
      ['a next page', 200, { link: '<http://127.0.0.1:9/repositories/1/pulls>; rel="next"' }],
    ])('%s to another address is not followed (reliability 15)', async (_what, status, headers) => {
      standIn.interruptions.push((_request, response) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end('[]');
      });
      await expect(forge.listPullRequests()).rejects.toMatchObject({
        code: 'forge_refused',
        field: 'SHOPYARD_REPOSITORY_URL',
      });
    });

    test('a pull request whose opening was not answered is adopted', async () => {
      const headSha = await push([{ path: 'tea', content: 'x' }], BRANCH);
      standIn.world.pulls.open({ branch: BRANCH, title: 'Made, and not heard of', body: '' });
      const pull = await forge.openPullRequest({ ...DRAFT, headSha });
      expect(pull).toMatchObject({ number: 1, title: DRAFT.title });
      expect(standIn.world.pulls.all).toHaveLength(1);
    });
  });

  test('merged by a person with git, or closed by one, it is seen as such', async () => {
    const { number, headSha } = await openReview();
    const { repository } = standIn.world;
    const base = repository.tip('main') ?? '';
    repository.move('main', base, headSha);
    expect(await forge.findPullRequest(number)).toMatchObject({
      state: 'merged',
      mergedSha: headSha,
    });
    const other = await openReview('store/abc123-ink/op_0000000000000002');
    repository.move(other.branch, other.headSha, null);
    expect(await forge.findPullRequest(other.number)).toMatchObject({
      state: 'closed',
      mergedSha: null,
    });
  });

  test('a pull request of other people is no concern of ours', async () => {
    const headSha = await push([{ path: 'readme', content: 'x' }], BRANCH);
    standIn.world.repository.git(['update-ref', 'refs/heads/typo', headSha]);
    const { number } = standIn.world.pulls.open({ branch: 'typo', title: 'Fix a typo', body: '' });
    expect(await forge.listPullRequests()).toEqual([]);
    await forge.closePullRequest(number, '');
    expect(standIn.world.repository.tip('typo')).toBe(headSha);
  });

  describe('a GitHub App', () => {
    const keys = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    });
    const app = {
      id: '4711',
      installationId: '8150',
      publicKey: keys.publicKey,
      permissions: ALL_PERMISSIONS,
    };
    const credential = {
      kind: 'app',
      appId: app.id,
      installationId: app.installationId,
      readKey: () => Promise.resolve(keys.privateKey),
    } as const;

    async function withApp(
      run: (standIn: GithubStandIn) => Promise<void>,
      own: Partial<typeof app> = {},
    ): Promise<void> {
      await using started = await startGithubStandIn({ app: { ...app, ...own } });
      await run(started);
      expect(started.problems).toEqual([]);
    }

    test('works with installation tokens, and renews them before they end', () =>
      withApp(async (started) => {
        const asApp = open(started, credential);
        await asApp.check();
        const remote = await asApp.remote('write');
        const mine = await openBranch({ remote, dir: join(folder, 'app') });
        const commit = async (content: string) => {
          const batch = mine.begin();
          await batch.commit([{ path: 'tea', content }], META);
          expect((await batch.push()).kind).toBe('pushed');
        };
        await commit('1');
        expect(started.issued).toHaveLength(1);
        // 56 of its 60 minutes on, by the same open branch: a push may take the rest.
        await started.sleep(56 * 60_000);
        await commit('2');
        expect(started.issued).toHaveLength(2);
        await started.sleep(2 * 3_600_000);
        await commit('3');
        expect(await asApp.listPullRequests()).toEqual([]);
        expect(started.issued).toHaveLength(3);
        expect(remote.username).toBe('x-access-token');
      }));

    test('needs nobody at GitHub to say how git reaches it', () =>
      withApp(async (started) => {
        started.interruptions.push((request) => request.socket.destroy());
        const remote = await open(started, credential).remote('read');
        expect(started.requests).toEqual([]);
        await expect(remote.renew?.()).rejects.toMatchObject({ code: 'forge_unreachable' });
        expect(await remote.renew?.()).toBe(started.issued[0]);
      }));

    test('that lost its token asks for another, once', () =>
      withApp(async (started) => {
        const asApp = open(started, credential);
        await asApp.check();
        started.interruptions.push((_request, response) => {
          response.writeHead(401, { 'content-type': 'application/json' });
          response.end('{"message":"Bad credentials"}');
        });
        expect(await asApp.listPullRequests()).toEqual([]);
        expect(started.issued).toHaveLength(2);
      }));

    test('without the permissions it needs is told which', () =>
      withApp(
        async (started) => {
          await expect(open(started, credential).check()).rejects.toMatchObject({
            code: 'forge_denied',
            message: expect.stringContaining('pull_requests: write') as string,
          });
        },
        { permissions: { metadata: 'read', contents: 'write', pull_requests: 'read' } },
      ));

    test('is taken at its word once it was given what it lacked', async () => {
      const lacking: typeof ALL_PERMISSIONS = { metadata: 'read', contents: 'write' };
      const own = { ...app, permissions: lacking };
      await using started = await startGithubStandIn({ app: own });
      const asApp = open(started, credential);
      await expect(asApp.check()).rejects.toMatchObject({ code: 'forge_denied' });
      own.permissions = ALL_PERMISSIONS;
      await asApp.check();
      expect(started.problems).toEqual([]);
    });

    test('with another’s key, another installation, or no key', () =>
      withApp(async (started) => {
        const other = generateKeyPairSync('rsa', {
          modulusLength: 2048,
          publicKeyEncoding: { type: 'spki', format: 'pem' },
          privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
        });
        const check = async (wrong: Partial<typeof credential>) => {
          const error = await open(started, { ...credential, ...wrong })
            .check()
            .catch((thrown: unknown) => thrown);
          expect(error).toMatchObject({ code: 'forge_denied', retryable: false });
          expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('PRIVATE');
        };
        await check({ readKey: () => Promise.resolve(other.privateKey) });
        await check({ readKey: () => Promise.resolve('-----BEGIN PRIVATE nonsense') });
        await check({ appId: '1' });
        await check({ installationId: '1' });
        expect(started.issued).toEqual([]);
      }));
  });

  describe('commits by GitHub’s API', () => {
    const message = `Create tea

Argo CD will install it.

Store-Id: st_0000000000000000
Operation-Id: op_0000000000000001
`;

    test('where only signed commits are taken: our push is refused, the API’s is signed', async () => {
      standIn.world.rules = { ...standIn.world.rules, signed: true };
      const batch = branch.begin();
      await batch.commit([{ path: 'tea', content: 'x' }], META);
      await expect(batch.push()).rejects.toMatchObject({
        code: 'push_rejected',
        message: expect.stringContaining('verified signatures') as string,
      });
      const publish = createCommitPublisher(forge, 'main');
      const before = branch.tip;
      if (before === null) throw new Error('no tip');
      const made = await publish({
        expectedHead: before,
        message,
        changes: [
          { path: 'stores/7f/tea/store.yaml', content: 'name: tea — “green”\n' },
          { path: 'binary', content: new Uint8Array([0, 255, 10]) },
          { path: 'README.md', content: null },
        ],
      });
      if (made.kind !== 'committed') throw new Error(made.kind);
      const told = await branch.refresh(before);
      expect(told).toMatchObject({
        kind: 'ok',
        commits: [
          {
            sha: made.sha,
            parent: before,
            message,
            changedPaths: ['README.md', 'binary', 'stores/7f/tea/store.yaml'],
          },
        ],
      });
      const read = async (path: string) => {
        const content = await branch.tree.read(path);
        return content === null ? null : Buffer.from(content);
      };
      expect((await read('stores/7f/tea/store.yaml'))?.toString()).toBe('name: tea — “green”\n');
      expect(await read('binary')).toEqual(Buffer.from([0, 255, 10]));
      expect(await read('README.md')).toBeNull();
      expect(standIn.world.repository.git(['cat-file', 'commit', made.sha])).toContain('gpgsig');
    });

    test('on a branch that moved: nothing, and `moved`', async () => {
      const stale = branch.tip;
      if (stale === null) throw new Error('no tip');
      const tip = await push([{ path: 'meanwhile', content: 'x' }]);
      const publish = createCommitPublisher(forge, 'main');
      const made = await publish({
        expectedHead: stale,
        message,
        changes: [{ path: 'tea', content: 'x' }],
      });
      expect(made).toEqual({ kind: 'moved' });
      expect(standIn.world.repository.tip('main')).toBe(tip);
    });

    test('refused, or lost on the way', async () => {
      const expectedHead = branch.tip;
      if (expectedHead === null) throw new Error('no tip');
      const publish = createCommitPublisher(forge, 'main');
      const commit = { expectedHead, message, changes: [{ path: 'tea', content: 'x' }] };
      standIn.world.rules = { ...standIn.world.rules, pullRequests: true };
      await expect(publish(commit)).rejects.toMatchObject({
        code: 'push_rejected',
        retryable: false,
        message: expect.stringContaining('through a pull request') as string,
      });
      standIn.interruptions.push((request) => request.socket.destroy());
      await expect(publish(commit)).rejects.toMatchObject({
        code: 'push_unknown',
        retryable: true,
      });
      expect(standIn.world.repository.tip('main')).toBe(expectedHead);
    });
  });
});

test.each([
  ['https://github.com/shops/cluster.git', 'https://api.github.com'],
  ['https://shops.ghe.com/shops/cluster', 'https://api.shops.ghe.com'],
  ['https://git.example.com/shops/cluster.git/', 'https://git.example.com/api/v3'],
])('the API of %s is %s', (url, apiUrl) => {
  expect(describeGithubRepository(url, null)).toMatchObject({
    owner: 'shops',
    repo: 'cluster',
    apiUrl,
  });
});

test.each([
  'https://github.com/shops',
  'https://github.com/',
  'https://github.com/a/b/c',
  'file:///srv/git/cluster.git',
  'https://token@github.com/shops/cluster.git',
])('%s is no repository of GitHub', (url) => {
  expect(() => describeGithubRepository(url, null)).toThrow(/repository|http|credential/);
});
