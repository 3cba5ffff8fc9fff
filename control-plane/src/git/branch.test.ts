/** The branch against a real repository behind the embedded forge, judged by native git. */
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  chooseSeed,
  commitNatively,
  createRandom,
  META,
  startProxy,
  startTestForge,
} from '../forge/testing.ts';
import type { TestForge } from '../forge/testing.ts';
import { openBranch } from './branch.ts';
import { hashObject } from './objects.ts';
import type { Branch, CommitSha, FileChange } from './types.ts';

let server: TestForge;
beforeEach(async () => {
  server = await startTestForge();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

async function push(branch: Branch, ...commits: FileChange[][]): Promise<CommitSha> {
  const batch = branch.begin();
  for (const changes of commits) {
    expect(await batch.commit(changes, META)).toMatchObject({ kind: 'committed' });
  }
  const result = await batch.push();
  if (result.kind !== 'pushed') throw new Error(`the push was ${result.kind}`);
  return result.after;
}

function file(path: string, content: string | null = `${path}\n`): FileChange {
  return { path, content };
}

async function readText(branch: Branch, path: string): Promise<string | null> {
  const bytes = await branch.tree.read(path);
  return bytes === null ? null : Buffer.from(bytes).toString('utf8');
}

function blobOf(content: string): string {
  return hashObject('blob', Buffer.from(content));
}

function expectSound(): void {
  expect(server.git(['fsck', '--strict', '--full', '--no-dangling'])).toBe('');
}

describe('commits', () => {
  test('are read by native git as they were meant', async () => {
    const branch = await server.open();
    expect(branch.tip).toBeNull();
    const batch = branch.begin();
    const first = await batch.commit([file('apps/0/a.yaml'), file('README.md')], META);
    const second = await batch.commit([file('apps/0/b.yaml')], {
      ...META,
      message: 'Second\r\n\r\nOperation-Id: op_2\u0000\u001b[31m  ',
      author: { name: 'Ann <x>\n', email: 'ann@example.com' },
    });
    expect(first).toMatchObject({ parent: null, changedPaths: ['README.md', 'apps/0/a.yaml'] });
    expect(second).toMatchObject({ changedPaths: ['apps/0/b.yaml'] });
    const result = await batch.push();
    expect(result).toEqual({ kind: 'pushed', before: null, after: branch.tip });
    const log = server.git(['log', '--format=%H|%P|%an|%ae|%at|%B%x00', 'main']).split('\0\n');
    const [newest, oldest] = log;
    expect(newest).toBe(
      `${String(branch.tip)}|${oldest?.slice(0, 40) ?? ''}|Ann x|ann@example.com|1767323045|Second\n\nOperation-Id: op_2[31m\n`,
    );
    expect(oldest).toContain('||Shopyard|shopyard@example.com|1767323045|Create store shop\n');
    expect(server.git(['show', 'main:apps/0/a.yaml'])).toBe('apps/0/a.yaml\n');
    expectSound();
  });

  test('are sent when whoever holds the lease says so, after the forge’s turn has come', async () => {
    const order: string[] = [];
    const remote = {
      ...server.forge.remote,
      admitPush: () => {
        order.push('turn');
        return Promise.resolve();
      },
    };
    const branch = await server.open('permitted', remote);
    const batch = branch.begin();
    await batch.commit([file('a/x.yaml')], META);
    const refuse = () => {
      order.push('lease');
      return Promise.reject(new Error('the lease is another’s'));
    };
    await expect(batch.push(refuse)).rejects.toThrow('another’s');
    expect(order).toEqual(['turn', 'lease']);
    expect(await branch.readHead('main')).toBeNull();
    expect((await batch.push(() => Promise.resolve())).kind).toBe('pushed');
  });

  test('that change nothing are not made', async () => {
    const branch = await server.open();
    await push(branch, [file('a/x.yaml')]);
    const batch = branch.begin();
    expect(await batch.commit([file('a/x.yaml')], META)).toEqual({ kind: 'unchanged' });
    expect(await batch.commit([file('a/y.yaml', null), file('b/', null)], META)).toEqual({
      kind: 'unchanged',
    });
    expect(await batch.push()).toEqual({ kind: 'nothing' });
  });

  test('that change nothing are nothing only while the remote is where we believe it', async () => {
    const branch = await server.open();
    await push(branch, [file('a/x.yaml')]);
    const batch = branch.begin();
    await push(await server.open(), [file('a/y.yaml')]);
    expect(await batch.commit([file('a/y.yaml', null)], META)).toEqual({ kind: 'unchanged' });
    expect(await batch.push()).toEqual({ kind: 'moved' });
  });

  test('can undo each other inside one batch', async () => {
    const branch = await server.open();
    await push(branch, [file('a/x.yaml'), file('a/y.yaml')]);
    await push(
      branch,
      [file('a/x.yaml', 'other')],
      [file('a/x.yaml')],
      [file('a/x.yaml', 'other')],
    );
    expect(server.git(['show', 'main:a/x.yaml'])).toBe('other');
    expectSound();
  });

  test('remove folders, and put files and folders in each other’s place only when told', async () => {
    const branch = await server.open();
    await push(branch, [file('s/1/a'), file('s/1/b/c'), file('s/2/a')]);
    const batch = branch.begin();
    expect(await batch.commit([file('s/1/', null)], META)).toMatchObject({
      changedPaths: ['s/1/a', 's/1/b/c'],
    });
    expect(await batch.commit([file('s/2/', null), file('s/2/new')], META)).toMatchObject({
      changedPaths: ['s/2/a', 's/2/new'],
    });
    expect(await batch.commit([file('s/2/', null), file('s/2')], META)).toMatchObject({
      changedPaths: ['s/2', 's/2/new'],
    });
    expect(await batch.commit([file('s/2', null), file('s/2/x')], META)).toMatchObject({
      changedPaths: ['s/2', 's/2/x'],
    });
    for (const changes of [
      [file('s/2')],
      [file('s', null)],
      [file('s/2/x/y')],
      [file('s/2/x/', null)],
    ]) {
      await expect(batch.commit(changes, META)).rejects.toMatchObject({ code: 'path_conflict' });
    }
    await batch.push();
    expect(server.git(['ls-tree', '-r', '--name-only', 'main'])).toBe('s/2/x\n');
    expectSound();
  });

  test('see what the batch before them wrote, and so does the branch after the push', async () => {
    const branch = await server.open();
    const batch = branch.begin();
    await batch.commit([file('a/b/c', 'one')], META);
    expect(Buffer.from((await batch.tree.read('a/b/c')) ?? []).toString()).toBe('one');
    expect(await branch.tree.exists('a/b/c')).toBe(false);
    await batch.push();
    expect(await readText(branch, 'a/b/c')).toBe('one');
    expect(await branch.tree.list('a')).toEqual([{ name: 'b', kind: 'folder' }]);
    expect(await branch.tree.list('a/b/c')).toBeNull();
    expect(await branch.tree.read('a/b')).toBeNull();
    expect(await branch.tree.oid('a/b')).toBe(server.git(['rev-parse', 'main:a/b']).trim());
    await expect(batch.commit([file('x')], META)).rejects.toThrow('begin another');
  });

  test('of any sequence make the tree native git makes of the same files', async () => {
    const seed = chooseSeed();
    const random = createRandom(seed);
    const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
    const names = [
      'a',
      'a.b',
      'a-b',
      'ab',
      'a0',
      'A',
      'ä',
      '日本',
      'z',
      '_',
      'a b',
      '\u{1f6d2}',
      '\uffee',
    ];
    const pickPath = (): string =>
      Array.from({ length: 1 + random(3) }, () => pick(names)).join('/');
    const model = new Map<string, string>();
    const isFolder = (path: string): boolean =>
      [...model.keys()].some((key) => key.startsWith(`${path}/`));
    const isBeneathFile = (path: string): boolean =>
      [...model.keys()].some((key) => path.startsWith(`${key}/`));
    let branch = await server.open('clone');
    let batch = branch.begin();
    const stream: string[] = [];
    const trees: string[] = [];
    for (let round = 0; round < 150; round += 1) {
      const changes = new Map<string, string | null>();
      for (let count = random(5); count >= 0; count -= 1) {
        const path = pickPath();
        const isTouched = [...changes.keys()].some(
          (key) => `${key}/`.startsWith(`${path}/`) || `${path}/`.startsWith(`${key}/`),
        );
        if (isTouched || isBeneathFile(path)) continue;
        if (isFolder(path)) {
          if (random(3) > 0) continue;
          changes.set(`${path}/`, null);
          for (const key of model.keys()) if (key.startsWith(`${path}/`)) model.delete(key);
          if (random(2) === 0) {
            const inner = `${path}/${pick(names)}`;
            changes.set(inner, inner);
            model.set(inner, inner);
          }
        } else if (random(3) === 0) {
          changes.set(path, null);
          model.delete(path);
        } else {
          const content = `${path} ${String(random(3))}\n`.repeat(1 + random(3));
          changes.set(path, content);
          model.set(path, content);
        }
      }
      const result = await batch.commit(
        [...changes].map(([path, content]) => ({ path, content })),
        META,
      );
      if (result.kind === 'committed') {
        stream.push(
          'commit refs/heads/model\ncommitter x <x@example.com> 0 +0000\ndata 0\n\ndeleteall\n',
          ...[...model].map(
            ([path, content]) =>
              `M 100644 inline ${JSON.stringify(path)}\ndata ${String(Buffer.byteLength(content))}\n${content}\n`,
          ),
        );
        trees.push(result.sha);
      }
      if (random(10) === 0) {
        expect((await batch.push()).kind, `seed ${String(seed)}`).not.toBe('moved');
        if (random(3) === 0) branch = await server.open('clone');
        batch = branch.begin();
      }
    }
    await batch.push();
    server.git(['fast-import', '--quiet'], stream.join(''));
    const ours = server.git(['rev-parse', ...trees.map((sha) => `${sha}^{tree}`)]);
    const native = server.git(['log', '--reverse', '--format=%T', 'model']);
    expect(ours, `seed ${String(seed)}`).toBe(native);
    expect(await branch.tree.oid('')).toBe(server.git(['rev-parse', 'model^{tree}']).trim());
    expectSound();
  });
});

describe('a push', () => {
  test('is refused as moved when somebody was there before, and nothing is overwritten', async () => {
    const one = await server.open();
    await push(one, [file('a')]);
    const two = await server.open();
    const late = two.begin();
    await late.commit([file('b')], META);
    const tip = await push(one, [file('c')]);
    expect(await late.push()).toEqual({ kind: 'moved' });
    expect(server.git(['rev-parse', 'main']).trim()).toBe(tip);
    const seen = await two.refresh(two.tip);
    expect(seen).toMatchObject({ kind: 'ok', commits: [{ sha: tip, changedPaths: ['c'] }] });
    await push(two, [file('b')]);
    expect(server.git(['ls-tree', '--name-only', 'main'])).toBe('a\nb\nc\n');
    expectSound();
  });

  test('of two first commits lets one win', async () => {
    const [one, two] = await Promise.all([server.open(), server.open()]);
    const late = two.begin();
    await late.commit([file('b')], META);
    await push(one, [file('a')]);
    expect(await late.push()).toEqual({ kind: 'moved' });
    expect(server.git(['ls-tree', '--name-only', 'main'])).toBe('a\n');
  });

  test('whose answer is lost is found again by refresh (reliability 5)', async () => {
    let isLossy = false;
    await using proxy = await startProxy(server.forge.remote, (request) =>
      isLossy && request.method === 'POST' && request.url?.endsWith('git-receive-pack') === true
        ? 'lose-answer'
        : 'pass',
    );
    const branch = await server.open('clone', proxy.remote);
    const before = await push(branch, [file('a')]);
    const batch = branch.begin();
    const commit = await batch.commit([file('b')], META);
    isLossy = true;
    await expect(batch.push()).rejects.toMatchObject({ code: 'push_unknown', retryable: true });
    isLossy = false;
    if (commit.kind !== 'committed') throw new Error('nothing was committed');
    expect(branch.tip).toBe(before);
    expect(await batch.push()).toEqual({ kind: 'moved' });
    expect(await branch.refresh(before)).toMatchObject({
      kind: 'ok',
      commits: [{ sha: commit.sha, changedPaths: ['b'] }],
    });
    expect(await readText(branch, 'b')).toBe('b\n');
    expect(server.git(['rev-list', '--count', 'main']).trim()).toBe('2');
  });

  test('that never left says so, and can be sent again', async () => {
    const branch = await server.open();
    const batch = branch.begin();
    await batch.commit([file('a')], META);
    await server.forge.stop();
    await expect(branch.refresh(null)).rejects.toMatchObject({ code: 'remote_unreachable' });
    await expect(batch.push()).rejects.toMatchObject({
      code: 'remote_unreachable',
      retryable: true,
    });
    await server.forge.start();
    expect(await batch.push()).toMatchObject({ kind: 'pushed' });
  });

  test('by a user who may only read is refused and not retried', async () => {
    await push(await server.open(), [file('a')]);
    const branch = await server.open('reader', server.forge.readRemote);
    const batch = branch.begin();
    await batch.commit([file('b')], META);
    await expect(batch.push()).rejects.toMatchObject({ code: 'remote_denied', retryable: false });
  });

  test('a rule of the remote refuses is told in the remote’s words', async () => {
    const branch = await server.open();
    await push(branch, [file('a')]);
    writeFileSync(
      join(server.forge.repositoryDir, 'hooks', 'pre-receive'),
      '#!/bin/sh\necho "Changes must come by pull request" >&2\nexit 1\n',
      { mode: 0o755 },
    );
    const batch = branch.begin();
    await batch.commit([file('b')], META);
    const error = await batch.push().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'push_rejected', retryable: false });
    expect(String(error)).toContain('Changes must come by pull request');
  });

  test('goes with the password of now, and waits until the forge takes it', async () => {
    await push(await server.open(), [file('seed')]);
    const asked: string[] = [];
    const branch = await server.open(undefined, {
      ...server.forge.remote,
      password: 'expired',
      renew: () => {
        asked.push('password');
        return Promise.resolve(server.forge.remote.password);
      },
      admitPush: () => {
        asked.push('push');
        return Promise.resolve();
      },
    });
    asked.length = 0;
    await push(branch, [file('a')]);
    expect(asked).toEqual(['push', 'password']);
  });
});

describe('unsafe changes (reliability 14)', () => {
  test.each(['../x', '.git/config', 'a/.GIT/hooks/x', '/x', 'a\0b', 'git~1/config'])(
    '%j leaves the batch as it was',
    async (path) => {
      const branch = await server.open();
      await push(branch, [file('a/x')]);
      const batch = branch.begin();
      await expect(batch.commit([file('ok'), file(path)], META)).rejects.toMatchObject({
        code: 'unsafe_path',
      });
      expect(await batch.tree.exists('ok')).toBe(false);
      expect(await batch.push()).toEqual({ kind: 'nothing' });
    },
  );

  test('symbolic links and submodules in the tree are neither followed nor replaced', async () => {
    const branch = await server.open();
    const tip = await push(branch, [file('real/x'), file('keep')]);
    const lines = [
      'commit refs/heads/main',
      'committer x <x@example.com> 1767225600 +0000',
      'data 0',
      `from ${tip}`,
      'M 120000 inline link\ndata 4\nreal',
      'M 120000 inline folder/inner\ndata 4\nreal',
      `M 160000 ${tip} module`,
    ];
    server.git(['fast-import', '--quiet'], `${lines.join('\n')}\n`);
    expect(await branch.refresh(branch.tip)).toMatchObject({
      commits: [{ changedPaths: ['folder/inner', 'link', 'module'] }],
    });
    expect(await branch.tree.list('')).toEqual([
      { name: 'folder', kind: 'folder' },
      { name: 'keep', kind: 'file' },
      { name: 'link', kind: 'other' },
      { name: 'module', kind: 'other' },
      { name: 'real', kind: 'folder' },
    ]);
    expect(await branch.tree.read('link')).toBeNull();
    expect(await branch.tree.list('link')).toBeNull();
    expect(await branch.tree.read('link/x')).toBeNull();
    const batch = branch.begin();
    for (const change of [
      file('link'),
      file('link', null),
      file('link/x'),
      file('link/', null),
      file('module/x'),
      file('module', null),
      file('folder/inner/x'),
    ]) {
      await expect(batch.commit([change], META)).rejects.toMatchObject({ code: 'unsafe_path' });
    }
    expect(await batch.push()).toEqual({ kind: 'nothing' });
    expect(await batch.commit([file('folder/', null)], META)).toMatchObject({
      changedPaths: ['folder/inner'],
    });
  });
});

describe('refresh', () => {
  test('lists other people’s commits, oldest first, among our own', async () => {
    const branch = await server.open();
    const start = await push(branch, [file('a/x'), file('a/y')]);
    const ours = await push(branch, [file('b')]);
    const first = commitNatively(server, { 'a/x': 'changed', 'a/y': null });
    const second = commitNatively(server, { 'c/d/e': 'new' }, { message: 'Add by hand\n' });
    const result = await branch.refresh(start);
    expect(result).toMatchObject({
      kind: 'ok',
      commits: [
        { sha: ours, parent: start, changedPaths: ['b'] },
        {
          ...{ sha: first, parent: ours, changedPaths: ['a/x', 'a/y'] },
          changes: [
            { path: 'a/x', before: blobOf('a/x\n'), after: blobOf('changed') },
            { path: 'a/y', before: blobOf('a/y\n'), after: null },
          ],
        },
        { sha: second, parent: first, changedPaths: ['c/d/e'], message: 'Add by hand\n' },
      ],
    });
    expect(branch.tip).toBe(second);
    expect(await readText(branch, 'a/x')).toBe('changed');
    expect(await readText(branch, 'b')).toBe('b\n');
    await push(branch, [file('a/z')]);
    expect(server.git(['show', 'main:c/d/e'])).toBe('new');
  });

  test('finds the way through a person’s merge', async () => {
    const branch = await server.open();
    const start = await push(branch, [file('a')]);
    const theirs = commitNatively(server, { h: 'h' }, { move: false });
    const ours = await push(branch, [file('b')]);
    const merge = commitNatively(server, { b: 'b\n' }, { parents: [theirs, ours] });
    expect(await branch.refresh(ours)).toMatchObject({
      kind: 'ok',
      commits: [{ sha: merge, parent: ours, changedPaths: ['h'] }],
    });
    expect(await branch.refresh(start)).toMatchObject({
      kind: 'ok',
      commits: [
        { sha: theirs, changedPaths: ['h'] },
        { sha: merge, changedPaths: ['b'] },
      ],
    });
  });

  test('deepens a young clone until it finds what it is asked for', async () => {
    const writer = await server.open();
    const start = await push(writer, [file('a/0')]);
    const commits = Array.from({ length: 300 }, (_, index) => [file(`a/${String(index + 1)}`)]);
    await push(writer, ...commits);
    const young = await server.open();
    const result = await young.refresh(start);
    if (result.kind !== 'ok') throw new Error('the branch was called rewritten');
    expect(result.commits.map((commit) => commit.changedPaths)).toEqual(
      commits.map((changes) => changes.map((change) => change.path)),
    );
    expect(await young.refresh(young.tip)).toEqual({ kind: 'ok', commits: [] });
  });

  test('says that a branch was rewritten, and goes on from its new tip', async () => {
    const branch = await server.open();
    const start = await push(branch, [file('a')]);
    const lost = await push(branch, [file('b')]);
    const forced = commitNatively(server, { c: 'c' }, { parents: [start] });
    expect(await branch.refresh(lost)).toEqual({
      kind: 'rewritten',
      tip: forced,
      changes: [
        { path: 'b', before: blobOf('b\n'), after: null },
        { path: 'c', before: null, after: blobOf('c') },
      ],
    });
    expect(branch.tip).toBe(forced);
    expect(await branch.tree.exists('b')).toBe(false);
    expect(await branch.refresh(start)).toMatchObject({ kind: 'ok', commits: [{ sha: forced }] });
    await push(branch, [file('d')]);
    expectSound();
  });

  test('of a branch that is gone deletes nothing and waits', async () => {
    const branch = await server.open();
    const tip = await push(branch, [file('a')]);
    server.git(['update-ref', '-d', 'refs/heads/main']);
    await expect(branch.refresh(tip)).rejects.toMatchObject({
      code: 'branch_missing',
      retryable: true,
    });
    expect(branch.tip).toBe(tip);
    const batch = branch.begin();
    await batch.commit([file('b')], META);
    expect(await batch.push()).toEqual({ kind: 'moved' });
  });
});

describe('a remote that misbehaves (reliability 9)', () => {
  const html = '<!doctype html><title>Sign in</title>';
  test.each([
    ['500', 500, 'text/plain', 'oops', 'remote_failed'],
    ['HTML with 200', 200, 'text/html', html, 'git_protocol'],
    ['an empty answer', 200, 'application/x-git-upload-pack-advertisement', '', 'git_protocol'],
    ['nonsense', 200, 'application/x-git-upload-pack-advertisement', 'zzzz', 'git_protocol'],
    ['a redirect', 302, 'text/plain', '', 'remote_redirect'],
    ['401', 401, 'text/plain', '', 'remote_denied'],
    ['404', 404, 'text/plain', '', 'remote_missing'],
  ])('%s changes nothing here', async (_, status, type, body, code) => {
    let isBroken = false;
    await using proxy = await startProxy(server.forge.remote, (_request, response) => {
      if (!isBroken) return 'pass';
      response.writeHead(status, { 'content-type': type, location: 'http://127.0.0.1:1/' });
      response.end(body);
      return 'answered';
    });
    const branch = await server.open('clone', proxy.remote);
    const tip = await push(branch, [file('a')]);
    isBroken = true;
    await expect(branch.refresh(tip)).rejects.toMatchObject({ name: 'PlatformError', code });
    const batch = branch.begin();
    await batch.commit([file('b')], META);
    await expect(batch.push()).rejects.toMatchObject({ name: 'PlatformError' });
    expect(branch.tip).toBe(tip);
    expect(await readText(branch, 'a')).toBe('a\n');
    isBroken = false;
    expect(await batch.push()).toMatchObject({ kind: 'pushed', before: tip });
  });

  test('a remote that never answers is given up', async () => {
    await using proxy = await startProxy(server.forge.remote, () => 'answered');
    await expect(
      openBranch({
        remote: proxy.remote,
        dir: join(server.dir, 'slow'),
        limits: { timeoutMs: 300 },
      }),
    ).rejects.toMatchObject({ code: 'remote_unreachable', retryable: true });
  });

  test.each(['file:///etc', 'ext::sh -c id', 'ssh://git@x/y', 'http://u:p@127.0.0.1/x.git', 'x'])(
    'address %s is refused',
    async (url) => {
      await expect(
        openBranch({ remote: { ...server.forge.remote, url }, dir: join(server.dir, 'none') }),
      ).rejects.toMatchObject({ code: 'remote_invalid' });
    },
  );
});

test('a clone that fetched often is made anew, and nothing is missed', async () => {
  const dir = join(server.dir, 'worn');
  await push(await server.open(), [file('kept/a.yaml')]);
  const branch = await openBranch({ remote: server.forge.remote, dir, mostPacks: 3 });
  const countPacks = () =>
    readdirSync(join(dir, 'objects/pack')).filter((name) => name.endsWith('.pack')).length;
  for (let count = 1; count <= 10; count += 1) {
    const since = branch.tip;
    const sha = commitNatively(server, { 'theirs.yaml': `${String(count)}\n` });
    expect(await branch.refresh(since)).toMatchObject({
      kind: 'ok',
      commits: [{ sha, parent: since, changedPaths: ['theirs.yaml'] }],
    });
    expect(countPacks()).toBeLessThanOrEqual(3);
    expect(await readText(branch, 'theirs.yaml')).toBe(`${String(count)}\n`);
  }
  expect(await readText(branch, 'kept/a.yaml')).toBe('kept/a.yaml\n');
  const before = branch.tip;
  const ours = await push(branch, [file('ours.yaml')]);
  const theirs = commitNatively(server, { 'theirs.yaml': 'last\n' });
  const result = await branch.refresh(before);
  expect(result.kind === 'ok' && result.commits.map(({ sha }) => sha)).toEqual([ours, theirs]);
});

describe('a damaged clone (reliability 2)', () => {
  const damages: Record<string, (path: string) => void> = {
    truncated: (path) => truncateSync(path, Math.floor(statSync(path).size / 2)),
    zeroed: (path) => writeFileSync(path, Buffer.alloc(statSync(path).size)),
    emptied: (path) => truncateSync(path, 0),
    'flipped in the middle': (path) => {
      const bytes = readFileSync(path);
      const middle = Math.floor(bytes.length / 2);
      bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
      writeFileSync(path, bytes);
    },
  };
  const clonePath = (): string => join(server.dir, 'clone');

  test('a pack’s index that says it is endless is not believed', async () => {
    const writer = await server.open();
    await push(writer, [file('a/x')]);
    await server.open('clone');
    const packs = join(clonePath(), 'objects/pack');
    const [name = ''] = readdirSync(packs).filter((one) => one.endsWith('.idx'));
    const index = readFileSync(join(packs, name));
    // The last of 256 sums, after eight bytes: how many objects it has.
    index.writeUInt32BE(0xff_ff_ff_ff, 8 + 4 * 255);
    writeFileSync(join(packs, name), index);
    expect(await readText(await server.open('clone'), 'a/x')).toBe('a/x\n');
  });

  for (const suffix of ['.pack', '.idx', 'main', 'shallow', 'config', 'HEAD']) {
    for (const [name, damage] of Object.entries(damages)) {
      test(`${suffix} ${name} is noticed and repaired`, async () => {
        const writer = await server.open();
        await push(
          writer,
          [file('a/x'), file('a/y'), file('b/z', 'z'.repeat(5_000))],
          [file('a/q')],
        );
        const open = await server.open('clone');
        const paths = readdirSync(clonePath(), { recursive: true, encoding: 'utf8' })
          .filter((path) => path.endsWith(suffix))
          .map((path) => join(clonePath(), path))
          .filter((path) => statSync(path).isFile());
        expect(paths.length).toBeGreaterThan(0);
        for (const path of paths) damage(path);
        // The one that has it open, and one that starts on it.
        for (const branch of [open, await server.open('clone')]) {
          expect(branch.tip).toBe(writer.tip);
          for (const path of ['a/x', 'a/y', 'a/q'])
            expect(await readText(branch, path)).toBe(`${path}\n`);
          expect(await readText(branch, 'b/z')).toBe('z'.repeat(5_000));
        }
        await push(await server.open('clone'), [file('a/new')]);
        expect(server.git(['ls-tree', '-r', '--name-only', 'main'])).toBe(
          'a/new\na/q\na/x\na/y\nb/z\n',
        );
        expectSound();
      });
    }
  }

  test('of another repository is not used', async () => {
    await push(await server.open('clone'), [file('a')]);
    await using other = await startTestForge();
    const branch = await openBranch({ remote: other.forge.remote, dir: clonePath() });
    expect(branch.tip).toBeNull();
  });
});
