import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { request as sendRequest } from 'node:http';
import type { ClientRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { expectSound } from '../../../test/support/sound.ts';
import {
  encodeBlob,
  encodeCommit,
  encodeTreeEntry,
  FILE_MODE,
  hashObject,
  ZERO_OID,
} from '../git/objects.ts';
import type { GitObject } from '../git/objects.ts';
import { encodePack } from '../git/pack.ts';
import { encodePacket, FLUSH_PACKET } from '../git/pkt-line.ts';
import { createTransport } from '../git/transport.ts';
import type { CommitSha, FileChange, RemoteSettings } from '../git/types.ts';
import { callNativeGit, META, runNativeGit, startTestForge } from './testing.ts';
import type { TestForge } from './testing.ts';

/** Packs are joined at the lowest priority: beside other work it may take a while. */
const JOINED = { timeout: 60_000 };

let server: TestForge;
beforeEach(async () => {
  server = await startTestForge();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

async function push(test: TestForge, ...changes: FileChange[]): Promise<void> {
  const branch = await test.open();
  const batch = branch.begin();
  await batch.commit(changes, META);
  expect((await batch.push()).kind).toBe('pushed');
}

function file(path: string): FileChange {
  return { path, content: `${path}\n` };
}

function addressOf(remote: RemoteSettings): string {
  const url = new URL(remote.url);
  url.username = remote.username;
  url.password = remote.password;
  return url.href;
}

function basic(user: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

const READ = basic('reader', 'read-password');
const WRITE = basic('writer', 'write-password');

async function ask(
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(new URL(path, server.forge.remote.url), init);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** How a request ends that must not succeed; an answer that stops in the middle is cut off. */
async function awaitOutcome(request: ClientRequest): Promise<'answered' | 'refused' | 'cut off'> {
  return await new Promise((done) => {
    request.once('error', () => done('cut off'));
    request.once('response', (response) => {
      response.once('error', () => done('cut off'));
      response.once('end', () => done(response.statusCode === 200 ? 'answered' : 'refused'));
      response.resume();
    });
  });
}

/** Processes that work in the forge's folder. */
function listGitProcesses(test: TestForge = server): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
    try {
      return readlinkSync(`/proc/${name}/cwd`).startsWith(test.forge.repositoryDir);
    } catch {
      return false;
    }
  });
}

describe('native git', () => {
  test('clones as the reader, shallow and by protocol 2, and pushes as the writer', async () => {
    await push(server, file('a'), file('b/c'));
    const work = join(server.dir, 'work');
    await callNativeGit('clone', '--quiet', '--depth=1', addressOf(server.forge.readRemote), work);
    writeFileSync(join(work, 'new'), 'new');
    runNativeGit(['-C', work, 'add', '.']);
    runNativeGit(['-C', work, 'commit', '--quiet', '-m', 'By hand']);
    await expect(callNativeGit('-C', work, 'push', '--quiet')).rejects.toThrow('403');
    await callNativeGit('-C', work, 'push', '--quiet', addressOf(server.forge.remote), 'HEAD:main');
    expect(server.git(['show', 'main:new'])).toBe('new');
  });

  test('may neither rewind nor delete the branch, nor push what fsck refuses', async () => {
    await push(server, file('a'));
    await push(server, file('b'));
    const work = join(server.dir, 'work');
    const address = addressOf(server.forge.remote);
    await callNativeGit('clone', '--quiet', address, work);
    await expect(
      callNativeGit('-C', work, 'push', '--force', address, 'HEAD~1:main'),
    ).rejects.toThrow('non-fast-forward');
    await expect(callNativeGit('-C', work, 'push', address, ':main')).rejects.toThrow(
      'deletion prohibited',
    );
    const empty = runNativeGit(['-C', work, 'hash-object', '-w', '--stdin'], 'x').trim();
    const inner = runNativeGit(['-C', work, 'mktree'], `100644 blob ${empty}\tconfig\n`).trim();
    const tree = runNativeGit(['-C', work, 'mktree'], `040000 tree ${inner}\t.git\n`).trim();
    const bad = runNativeGit(['-C', work, 'commit-tree', '-p', 'HEAD', '-m', 'bad', tree]).trim();
    await expect(callNativeGit('-C', work, 'push', address, `${bad}:main`)).rejects.toThrow(
      'hasDotgit',
    );
    expect(server.git(['rev-list', '--count', 'main']).trim()).toBe('2');
  });

  test('may push branches under review and the main branch, nothing else', async () => {
    await push(server, file('a'));
    const work = join(server.dir, 'work');
    const address = addressOf(server.forge.remote);
    await callNativeGit('clone', '--quiet', '--depth=1', address, work);
    await callNativeGit('-C', work, 'commit', '--quiet', '--allow-empty', '-m', 'By a person');
    const send = (...refs: string[]) => callNativeGit('-C', work, 'push', address, ...refs);
    await send('HEAD:refs/heads/store/tea/op_1', 'HEAD:main');
    await send('HEAD~1:refs/heads/store/tea/op_2');
    for (const refs of [
      ['HEAD:refs/heads/other'],
      ['HEAD:refs/tags/v1'],
      ['HEAD:refs/heads/store/tea/op_3', 'HEAD:refs/heads/other'],
    ])
      await expect(send(...refs)).rejects.toThrow('only the main branch');
    await expect(send('--force', 'HEAD~1:refs/heads/store/tea/op_1')).rejects.toThrow(
      'non-fast-forward',
    );
    await expect(send(':refs/heads/store/tea/op_1')).rejects.toThrow('deletion prohibited');
    const refs = server.git(['for-each-ref', '--format=%(refname:lstrip=2)']).trim().split('\n');
    expect(refs).toEqual(['main', 'store/tea/op_1', 'store/tea/op_2']);
  });

  test('a push that says nothing a server could read is refused', async () => {
    const send = (body: string, headers: Record<string, string> = {}) =>
      ask('/shopyard.git/git-receive-pack', {
        method: 'POST',
        headers: {
          ...WRITE,
          'content-type': 'application/x-git-receive-pack-request',
          ...headers,
        },
        body,
      });
    expect((await send('no packets')).status).toBe(400);
    expect((await send('0008oids0000')).status).toBe(400);
    expect((await send('0000', { 'content-encoding': 'gzip' })).status).toBe(400);
    expect((await send('0000')).status).toBe(200);
  });

  test('pushes are told of, with the new tip, failed ones are not', async () => {
    await push(server, file('a'));
    const tip = server.git(['rev-parse', 'main']).trim();
    await expect.poll(() => server.pushes).toEqual([{ branch: 'main', after: tip }]);
    const work = join(server.dir, 'work');
    const address = addressOf(server.forge.remote);
    await callNativeGit('clone', '--quiet', address, work);
    runNativeGit(['-C', work, 'commit', '--quiet', '--allow-empty', '-m', 'By hand']);
    await expect(callNativeGit('-C', work, 'push', address, ':main')).rejects.toThrow();
    await callNativeGit('-C', work, 'push', '--quiet', address, 'HEAD:main');
    const next = server.git(['rev-parse', 'main']).trim();
    await expect.poll(() => server.pushes.map((notice) => notice.after)).toEqual([tip, next]);
  });
});

describe('requests', () => {
  const READ_REFS = '/shopyard.git/info/refs?service=git-upload-pack';
  const WRITE_REFS = '/shopyard.git/info/refs?service=git-receive-pack';

  test.each([
    ['nobody', READ_REFS, {}, 401],
    ['a wrong password', READ_REFS, basic('reader', 'x'), 401],
    ['an empty password', READ_REFS, basic('reader', ''), 401],
    ['an unknown user', READ_REFS, basic('root', 'read-password'), 401],
    ['the other user’s password', WRITE_REFS, basic('writer', 'read-password'), 401],
    ['another scheme', READ_REFS, { authorization: 'Bearer write-password' }, 401],
    ['the reader who wants to write', WRITE_REFS, READ, 403],
    ['the reader', READ_REFS, READ, 200],
    ['the writer', WRITE_REFS, WRITE, 200],
  ])('%s asking %s', async (_, path, headers, status) => {
    const answer = await ask(path, { headers });
    expect(answer.status).toBe(status);
    expect(answer.headers.has('www-authenticate')).toBe(status === 401);
  });

  test.each([
    '/',
    '/shopyard.git/',
    '/shopyard.git/HEAD',
    '/shopyard.git/config',
    '/shopyard.git/objects/info/packs',
    '/shopyard.git/info/refs',
    '/shopyard.git/info/refs?service=git-upload-archive',
    '/shopyard.git/%2e%2e/home/info/refs?service=git-upload-pack',
    '/other.git/info/refs?service=git-upload-pack',
  ])('%s is nothing, even for the writer', async (path) => {
    expect((await ask(path, { headers: WRITE })).status).toBe(404);
  });

  test('a reader’s push is refused at the push itself too', async () => {
    const answer = await ask('/shopyard.git/git-receive-pack', {
      method: 'POST',
      headers: { ...READ, 'content-type': 'application/x-git-receive-pack-request' },
      body: '0000',
    });
    expect(answer.status).toBe(403);
  });

  test('bodies may be gzipped', async () => {
    await push(server, file('a'));
    const tip = server.git(['rev-parse', 'main']).trim();
    const answer = await ask('/shopyard.git/git-upload-pack', {
      method: 'POST',
      headers: {
        ...READ,
        'content-type': 'application/x-git-upload-pack-request',
        'content-encoding': 'gzip',
      },
      body: new Uint8Array(gzipSync(`0032want ${tip}\n00000009done\n`)),
    });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('PACK');
  });

  test('are bounded in size, told or not', async () => {
    await using small = await startTestForge({ limits: { maxRequestBytes: 1_000 } });
    const url = `${small.forge.remote.url}/git-receive-pack`;
    const headers = { ...WRITE, 'content-type': 'application/x-git-receive-pack-request' };
    const told = await fetch(url, { method: 'POST', headers, body: 'x'.repeat(2_000) });
    expect(told.status).toBe(413);
    await told.body?.cancel();
    const untold = sendRequest(url, { method: 'POST', headers });
    const ended = awaitOutcome(untold);
    for (let count = 0; count < 20; count += 1) untold.write('x'.repeat(500));
    expect(['refused', 'cut off']).toContain(await ended);
    untold.destroy();
    await expect.poll(() => small.git(['count-objects'])).toContain('0 objects');
  });

  test('that stall are ended', async () => {
    await using strict = await startTestForge({ limits: { requestTimeoutMs: 300 } });
    const stalled = sendRequest(`${strict.forge.remote.url}/git-receive-pack`, {
      method: 'POST',
      headers: {
        ...WRITE,
        'content-type': 'application/x-git-receive-pack-request',
        'content-length': 100,
      },
    });
    const ended = awaitOutcome(stalled);
    stalled.write('00');
    expect(['refused', 'cut off']).toContain(await ended);
    stalled.destroy();
  });
});

describe('our writer’s push, taken without receive-pack', () => {
  type Update = { ref?: string; before?: string; after: string; objects: readonly GitObject[] };

  async function send({ ref = 'refs/heads/main', before, after, objects }: Update) {
    const tip = server.git(['rev-parse', 'main']).trim();
    return await createTransport(server.forge.remote).push({
      ref,
      before: before ?? tip,
      after,
      pack: encodePack(objects),
    });
  }

  function makeCommit(files: Record<string, GitObject>, parent: string): GitObject[] {
    const content = Buffer.concat(
      Object.entries(files)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { oid }]) => encodeTreeEntry({ name, mode: FILE_MODE, oid })),
    );
    const tree: GitObject = { type: 'tree', oid: hashObject('tree', content), content };
    const commit = encodeCommit({
      tree: tree.oid,
      parents: [parent as CommitSha],
      author: { ...META.author, at: META.at },
      message: 'By hand',
    });
    return [commit, tree];
  }

  function nameOf([commit]: readonly GitObject[]): string {
    return commit?.oid ?? '';
  }

  async function expectUntouched(outcome: Promise<unknown>, reason: RegExp): Promise<void> {
    const before = server.git(['rev-parse', 'main']);
    const packs = server.git(['count-objects', '-v']);
    expect(await outcome).toMatchObject({
      kind: 'rejected',
      reason: expect.stringMatching(reason) as string,
    });
    expect(server.git(['rev-parse', 'main'])).toBe(before);
    expect(server.git(['count-objects', '-v'])).toBe(packs);
    expect(server.git(['fsck', '--strict', '--full', '--no-dangling'])).toBe('');
  }

  let tip: string;
  beforeEach(async () => {
    await push(server, file('a'));
    tip = server.git(['rev-parse', 'main']).trim();
  });

  test('moves the branch when all is there', async () => {
    const blob = encodeBlob('x');
    const objects = makeCommit({ x: blob }, tip);
    expect(await send({ after: nameOf(objects), objects: [...objects, blob] })).toEqual({
      kind: 'accepted',
    });
    expect(server.git(['show', 'main:x'])).toBe('x');
    await expect.poll(() => server.pushes.at(-1)?.after).toBe(nameOf(objects));
  });

  test('is refused when an object is missing', async () => {
    const objects = makeCommit({ x: encodeBlob('not sent') }, tip);
    await expectUntouched(send({ after: nameOf(objects), objects }), /^unpack index-pack failed/);
  });

  test('is refused when the commit itself is missing', async () => {
    const objects = makeCommit({}, tip);
    await expectUntouched(send({ after: '1'.repeat(40), objects }), /non-fast-forward/);
  });

  test('is refused when its parent is missing', async () => {
    const blob = encodeBlob('x');
    const objects = [...makeCommit({ x: blob }, '2'.repeat(40)), blob];
    await expectUntouched(send({ after: nameOf(objects), objects }), /^unpack index-pack failed/);
  });

  test('is refused when fsck finds fault', async () => {
    const blob = encodeBlob('x');
    const objects = [...makeCommit({ '.git': blob }, tip), blob];
    await expectUntouched(send({ after: nameOf(objects), objects }), /^unpack index-pack failed/);
  });

  test('is refused when it would rewind the branch, or leave it', async () => {
    await push(server, file('b'));
    const blob = encodeBlob('x');
    const objects = [...makeCommit({ x: blob }, tip), blob];
    await expectUntouched(send({ after: nameOf(objects), objects }), /non-fast-forward/);
    await expectUntouched(send({ after: tip, objects }), /non-fast-forward/);
  });

  test('is refused when the old commit is not the tip', async () => {
    await push(server, file('b'));
    const blob = encodeBlob('x');
    const objects = [...makeCommit({ x: blob }, tip), blob];
    const before = server.git(['rev-parse', 'main']);
    expect(await send({ before: tip, after: nameOf(objects), objects })).toMatchObject({
      kind: 'rejected',
      reason: 'failed to update ref',
    });
    expect(server.git(['rev-parse', 'main'])).toBe(before);
  });

  test('may not name another ref, nor the branch as anything but a commit', async () => {
    const blob = encodeBlob('x');
    const objects = [...makeCommit({ x: blob }, tip), blob];
    await expectUntouched(send({ after: blob.oid, objects }), /non-fast-forward/);
    const other = await send({ ref: 'refs/heads/../../config', after: nameOf(objects), objects });
    expect(other).toMatchObject({
      kind: 'rejected',
      reason: 'only the main branch and branches under review are kept here',
    });
    expect(server.git(['rev-parse', 'main']).trim()).toBe(tip);
  });

  test('makes, rewrites and removes a branch under review, by compare-and-swap', async () => {
    const ref = 'refs/heads/store/tea/op_1';
    const blob = encodeBlob('x');
    const first = [...makeCommit({ x: blob }, tip), blob];
    expect(await send({ ref, before: ZERO_OID, after: nameOf(first), objects: first })).toEqual({
      kind: 'accepted',
    });
    await push(server, file('b'));
    const second = [...makeCommit({ y: blob }, server.git(['rev-parse', 'main']).trim()), blob];
    const rewrite = { ref, before: nameOf(first), after: nameOf(second), objects: second };
    expect(await send(rewrite)).toEqual({ kind: 'accepted' });
    expect(await send(rewrite)).toMatchObject({ kind: 'rejected', reason: 'failed to update ref' });
    expect(server.git(['show', `${ref}:y`])).toBe('x');
    const remove = async (before: string) =>
      await createTransport(server.forge.remote).push({
        ...{ ref, before, after: ZERO_OID, pack: Buffer.alloc(0) },
      });
    expect(await remove(nameOf(first))).toMatchObject({ kind: 'rejected' });
    expect(await remove(nameOf(second))).toEqual({ kind: 'accepted' });
    expect(server.git(['for-each-ref', 'refs/heads/store/'])).toBe('');
    expect(await remove(nameOf(second))).toMatchObject({ kind: 'rejected' });
    expect(
      await createTransport(server.forge.remote).push({
        ...{ ref: 'refs/heads/main', before: tip, after: ZERO_OID, pack: Buffer.alloc(0) },
      }),
    ).toMatchObject({ kind: 'rejected', reason: 'deletion prohibited' });
    expect(server.git(['fsck', '--strict', '--full', '--no-dangling'])).toBe('');
  });

  test('is read to its end though its pack is refused at once', async () => {
    const command = `${tip} ${'1'.repeat(40)} refs/heads/main\0 report-status side-band-64k agent=shopyard`;
    const body = Buffer.concat([
      encodePacket(command),
      FLUSH_PACKET,
      Buffer.from('not a pack at all'),
      Buffer.alloc(20_000_000, 'x'),
    ]);
    const refused = sendRequest(`${server.forge.remote.url}/git-receive-pack`, {
      method: 'POST',
      headers: {
        ...WRITE,
        'content-type': 'application/x-git-receive-pack-request',
        'content-length': body.length,
      },
    });
    const [ended] = await Promise.all([
      awaitOutcome(refused),
      once(refused, 'finish'),
      Promise.resolve(refused.end(body)),
    ]);
    expect(ended).toBe('answered');
  });

  test('that breaks off in its pack leaves nothing', async () => {
    const blob = encodeBlob('x'.repeat(100_000));
    const objects = [...makeCommit({ x: blob }, tip), blob];
    const command = `${tip} ${nameOf(objects)} refs/heads/main\0 report-status side-band-64k agent=shopyard`;
    const body = Buffer.concat([encodePacket(command), FLUSH_PACKET, encodePack(objects)]);
    const broken = sendRequest(`${server.forge.remote.url}/git-receive-pack`, {
      method: 'POST',
      headers: {
        ...WRITE,
        'content-type': 'application/x-git-receive-pack-request',
        'content-length': body.length,
      },
    });
    broken.on('error', () => undefined);
    broken.write(body.subarray(0, 400));
    const objectsDir = join(server.forge.repositoryDir, 'objects');
    const countQuarantines = (): number =>
      readdirSync(objectsDir).filter((name) => name.startsWith('tmp_objdir-')).length;
    await expect.poll(countQuarantines).toBe(1);
    broken.destroy();
    await expect.poll(countQuarantines).toBe(0);
    expect(server.git(['rev-parse', 'main']).trim()).toBe(tip);
  });
});

describe('starting and stopping', () => {
  test('a taken port is told with the setting to change', async () => {
    const { port } = new URL(server.forge.remote.url);
    const failing = mkdtempSync(join(server.dir, 'tmp-'));
    vi.stubEnv('TMPDIR', failing);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(startTestForge({ port: Number(port) })).rejects.toMatchObject({
      code: 'port_taken',
      field: 'SHOPYARD_FORGE_PORT',
    });
    expect(readdirSync(failing)).toEqual([]); // the test's own folder goes with it
  });

  test('without git it says what to install', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = server.dir;
    try {
      await expect(startTestForge()).rejects.toMatchObject({ code: 'git_missing' });
    } finally {
      process.env['PATH'] = path;
    }
  });

  test('a second start keeps the repository and its address', async () => {
    await push(server, file('a'));
    const { url } = server.forge.remote;
    await server.forge.stop();
    await server.forge.start();
    expect(server.forge.remote.url).toBe(url);
    await push(server, file('b'));
    expect(server.git(['ls-tree', '--name-only', 'main'])).toBe('a\nb\n');
  });

  test('stop lets a running push end and leaves no process', async () => {
    await using patient = await startTestForge({ limits: { stopTimeoutMs: 60_000 } });
    await push(patient, file('a'));
    const go = join(patient.dir, 'go');
    writeFileSync(
      join(patient.forge.repositoryDir, 'hooks', 'pre-receive'),
      `#!/bin/sh\nuntil [ -e '${go}' ]; do sleep 0.05; done\n`,
      { mode: 0o755 },
    );
    const branch = await patient.open();
    const batch = branch.begin();
    await batch.commit([file('b')], META);
    const pushed = batch.push();
    await expect.poll(() => listGitProcesses(patient).length).toBeGreaterThan(0);
    let hasStopped = false;
    const stopping = patient.forge.stop().then(() => (hasStopped = true));
    await pause(500);
    expect(hasStopped).toBe(false);
    writeFileSync(go, '');
    await stopping;
    expect(listGitProcesses(patient)).toEqual([]);
    expect(await pushed).toMatchObject({ kind: 'pushed' });
  });

  test('stop waits for nobody who has a connection at hand, as Argo CD does', async () => {
    await push(server, file('a')); // over a connection that is kept
    const { port } = new URL(server.forge.remote.url);
    const silent = connect(Number(port), '127.0.0.1');
    silent.on('error', () => undefined);
    await once(silent, 'connect');
    await server.forge.stop();
    expect(server.warnings).toEqual([]);
  });

  test('locks that a killed push left are removed, those of a living one are not', async () => {
    const said: string[] = [];
    await using forgotten = await startTestForge({
      log: { info: (message) => said.push(message), warn: () => undefined },
    });
    await push(forgotten, file('a'));
    await forgotten.forge.stop();
    const { repositoryDir } = forgotten.forge;
    const lock = join(repositoryDir, 'refs', 'heads', 'main.lock');
    writeFileSync(lock, '');
    writeFileSync(join(repositoryDir, 'packed-refs.lock'), '');
    mkdirSync(join(repositoryDir, 'objects', 'tmp_objdir-incoming-abc'));
    const holder = spawn('sleep', ['600'], { cwd: repositoryDir });
    await once(holder, 'spawn');
    const starting = forgotten.forge.start();
    await expect
      .poll(() => said.join(), { timeout: 10_000 })
      .toContain('waiting for another process');
    expect(existsSync(lock)).toBe(true);
    holder.kill();
    await starting;
    await push(forgotten, file('b'));
    expect(forgotten.git(['ls-tree', '--name-only', 'main'])).toBe('a\nb\n');
    expect(
      readdirSync(join(repositoryDir, 'objects')).filter((name) => name.startsWith('tmp')),
    ).toEqual([]);
  });

  test('git works in the repository while it takes our writer’s push: a start sees it there', async () => {
    await push(server, file('a'));
    const running = sendRequest(`${server.forge.remote.url}/git-receive-pack`, {
      method: 'POST',
      headers: { ...WRITE, 'content-type': 'application/x-git-receive-pack-request' },
    });
    running.on('error', () => undefined);
    const tip = server.git(['rev-parse', 'main']).trim();
    running.write(
      Buffer.concat([
        encodePacket(
          `${tip} ${'1'.repeat(40)} refs/heads/main\0 report-status side-band-64k agent=shopyard`,
        ),
        FLUSH_PACKET,
      ]),
    );
    const countQuarantines = (): number =>
      readdirSync(join(server.forge.repositoryDir, 'objects')).filter((name) =>
        name.startsWith('tmp_objdir-'),
      ).length;
    await expect.poll(() => [countQuarantines(), listGitProcesses().length]).toEqual([1, 1]);
    running.destroy();
    await expect.poll(countQuarantines).toBe(0);
  });

  test('packs of earlier runs count, and what a killed repack left is removed', async () => {
    const branch = await server.open();
    for (let count = 0; count < 65; count += 1) {
      if (count === 60) {
        await server.forge.stop();
        writeFileSync(
          join(server.forge.repositoryDir, 'objects', 'pack', '.tmp-123-pack-0a.pack'),
          '',
        );
        await server.forge.start();
      }
      const batch = branch.begin();
      await batch.commit([file(`a/${String(count)}`)], META);
      await batch.push();
    }
    const listPacks = (): string[] =>
      readdirSync(join(server.forge.repositoryDir, 'objects', 'pack')).filter((name) =>
        name.endsWith('.pack'),
      );
    expect(listPacks()).not.toContain('.tmp-123-pack-0a.pack');
    await expect.poll(() => listPacks().length, JOINED).toBeLessThan(20);
  }, 120_000);

  test('many pushes are joined into few packs beside them', async () => {
    const branch = await server.open();
    for (let count = 0; count < 70; count += 1) {
      const batch = branch.begin();
      await batch.commit([file(`a/${String(count)}`)], META);
      await batch.push();
    }
    const countPacks = (): number =>
      readdirSync(join(server.forge.repositoryDir, 'objects', 'pack')).filter((name) =>
        name.endsWith('.pack'),
      ).length;
    await expect.poll(countPacks, JOINED).toBeLessThan(20);
    const young = await server.open();
    expect((await young.tree.list('a'))?.length).toBe(70);
    await expectSound((args) => server.git(args));
    expect(server.warnings).toEqual([]);
  }, 120_000);
});
