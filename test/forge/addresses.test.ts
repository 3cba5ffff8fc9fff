/** Where a credential may go: to plain addresses, and each to the one it was given for. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig, type Config } from '../../control-plane/src/config.ts';
import { openBranch } from '../../control-plane/src/git/branch.ts';
import { createAddressCheck, refuseLinkLocal } from '../../control-plane/src/git/remote-address.ts';
import { openForge } from '../../control-plane/src/parts/repository.ts';
import type { Shared } from '../../control-plane/src/parts/shared.ts';
import { openMirror } from '../../control-plane/src/repository/mirror.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'shopyard-addresses-'));
});
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

type Listener = AsyncDisposable & { readonly url: string; readonly seen: IncomingMessage[] };

/** Notes who comes; answers as told. */
async function listen(status = 404, headers: Record<string, string> = {}): Promise<Listener> {
  const seen: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    seen.push(request);
    response.writeHead(status, headers).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

const log = { info: () => undefined };

describe('addresses that are refused (reliability 15)', () => {
  test.each([
    ['link-local: where clouds hand out identities', 'http://169.254.169.254/latest/meta-data'],
    ['the same in one number', 'http://2852039166/shops/cluster.git'],
    ['the same in hexadecimal', 'http://0xA9.0xFE.0xA9.0xFE/shops/cluster.git'],
    ['the same within IPv6', 'http://[::ffff:169.254.169.254]/shops/cluster.git'],
    ['link-local IPv6', 'http://[fe80::1]/shops/cluster.git'],
    ['EC2’s over IPv6', 'http://[fd00:ec2::254]/latest'],
    ['Alibaba’s', 'http://100.100.100.200/shops/cluster.git'],
    ['the first by way of NAT64', 'http://[64:ff9b::a9fe:a9fe]/shops/cluster.git'],
    ['github.com in clear', 'http://github.com/shops/cluster.git'],
    ['a GitHub Enterprise Cloud in clear', 'http://shops.ghe.com/shops/cluster.git'],
    ['a file', 'file:///etc/shops/cluster.git'],
    ['a path', '/srv/git/cluster.git'],
    ['a command', 'ext::sh -c touch% /tmp/x'],
    ['git’s own protocol', 'git://git.example.com/shops/cluster.git'],
    ['ssh', 'ssh://git@git.example.com/shops/cluster.git'],
    ['scp', 'git@git.example.com:shops/cluster.git'],
    ['one with a credential', 'https://user:password@git.example.com/shops/cluster.git'],
    ['one with a query', 'https://git.example.com/shops/cluster.git?to=elsewhere'],
  ])('%s', async (_what, url) => {
    for (const name of ['SHOPYARD_REPOSITORY_URL', 'SHOPYARD_FORGE_API_URL']) {
      const read = readConfig({ SHOPYARD_LAB_DIR: folder, [name]: url });
      expect(read.ok ? [] : read.problems.map((problem) => problem.split(':')[0])).toContain(name);
    }
    const remote = { url, branch: 'main', username: 'writer', password: 'a-secret-password' };
    const error = await openBranch({ remote, dir: join(folder, 'clone') }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'remote_invalid', retryable: false });
    expect(String((error as Error).stack)).not.toContain('password');
    const mirror = await openMirror({ remote, dir: join(folder, 'mirror'), log });
    await expect(mirror.fetch()).rejects.toMatchObject({ code: 'repository_unavailable' });
    await mirror.close();
  });

  test.each(['169.254.169.254', 'fe80::1', '::ffff:a9fe:a9fe'])(
    'a name that leads to %s',
    async (address) => {
      const url = new URL('http://metadata.example.com/shops/cluster.git');
      const names = () => Promise.resolve([{ address: '192.0.2.1' }, { address }]);
      await expect(refuseLinkLocal(url, names)).rejects.toMatchObject({ code: 'remote_invalid' });
    },
  );

  test('ordinary ones are not: public, private, and our own', async () => {
    for (const url of ['https://192.0.2.7/x', 'http://10.0.0.7/x', 'http://127.0.0.1:8081/x'])
      await refuseLinkLocal(new URL(url));
    const unknown = () => Promise.reject(new Error('ENOTFOUND'));
    await refuseLinkLocal(new URL('https://git.example.com/x'), unknown);
  });

  test('a name that was not found at first is looked up again, and then no more', async () => {
    const answers = [[], [{ address: '192.0.2.1' }], [{ address: '169.254.169.254' }]];
    let asked = 0;
    const find = () => {
      const answer = answers[asked++];
      return answer?.length === 0
        ? Promise.reject(new Error('ENOTFOUND'))
        : Promise.resolve(answer ?? []);
    };
    const check = createAddressCheck(new URL('https://git.example.com/shops/cluster.git'), find);
    await check();
    await check();
    await check();
    expect(asked).toBe(2);
    const leads = createAddressCheck(new URL('https://git.example.com/x'), () =>
      asked++ === 2
        ? Promise.reject(new Error('ENOTFOUND'))
        : Promise.resolve([{ address: '169.254.169.254' }]),
    );
    await leads();
    await expect(leads()).rejects.toMatchObject({ code: 'remote_invalid' });
  });

  test('a redirect: nothing follows it, not our credential, not native git', async () => {
    await using elsewhere = await listen();
    await using moved = await listen(302, { location: `${elsewhere.url}/shops/cluster.git` });
    const remote = {
      url: `${moved.url}/shops/cluster.git`,
      branch: 'main',
      username: 'writer',
      password: 'a-secret-password',
    };
    await expect(openBranch({ remote, dir: join(folder, 'moved') })).rejects.toMatchObject({
      code: 'remote_redirect',
    });
    const mirror = await openMirror({ remote, dir: join(folder, 'moved-mirror'), log });
    await expect(mirror.fetch()).rejects.toMatchObject({ code: 'repository_unavailable' });
    await mirror.close();
    expect(moved.seen.length).toBeGreaterThan(1);
    expect(elsewhere.seen).toEqual([]);
  });
});

describe('a changed address with a stored credential (reliability 15)', () => {
  const cleanup = new AsyncDisposableStack();
  afterAll(() => cleanup.disposeAsync());
  /** The forge as a start with these settings opens it. */
  function start(settings: Record<string, string>): ReturnType<typeof openForge> {
    const read = readConfig({ SHOPYARD_LAB_DIR: folder, ...settings });
    if (!read.ok) throw new Error(read.problems.join(' '));
    const config: Config = read.config;
    const shared = {
      config,
      clock: () => new Date(),
      database: () => Promise.resolve(database.db),
      links: { forge: null },
      cleanup,
    } as unknown as Shared;
    return openForge(shared);
  }

  const elsewhere = {
    code: 'credential_elsewhere',
    retryable: false,
    field: 'SHOPYARD_REPOSITORY_URL',
    hint: expect.stringContaining('made for the new address') as string,
  };

  test.each(['gitea', 'github'])('%s: asks for another, and sends nothing', async (kind) => {
    await using first = await listen(401);
    await using other = await listen(401);
    const token = `a-token-of-${kind}`;
    const settings = (origin: string, path = 'shops/cluster.git') => ({
      SHOPYARD_FORGE: kind,
      SHOPYARD_REPOSITORY_URL: `${origin}/${path}`,
      SHOPYARD_FORGE_TOKEN: token,
    });
    const ask = async (from: Record<string, string>) => {
      const forge = await start(from);
      await expect(forge.check()).rejects.toMatchObject({ code: 'forge_denied' });
    };
    await ask(settings(first.url));
    expect(first.seen.length).toBeGreaterThan(0);
    // The same address, said a little differently, is the same.
    await ask(settings(first.url, 'shops/cluster'));

    for (const changed of [
      settings(other.url),
      settings(first.url, 'shops/another.git'),
      { ...settings(first.url), SHOPYARD_FORGE_API_URL: `${other.url}/api` },
    ]) {
      const { length } = first.seen;
      const error = await (async () => {
        const forge = await start(changed);
        await forge.remote('write');
        await forge.check();
      })().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject(elsewhere);
      expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain(token);
      expect(other.seen).toEqual([]);
      expect(first.seen).toHaveLength(length);
    }
    // One that is given anew goes there.
    await ask({ ...settings(other.url), SHOPYARD_FORGE_TOKEN: `${token}-anew` });
    expect(other.seen.length).toBeGreaterThan(0);
  });

  test('also one that is read from a file, which is replaced while we run', async () => {
    await using first = await listen(401);
    await using other = await listen(401);
    const file = join(folder, 'token');
    const settings = (origin: string) => ({
      SHOPYARD_FORGE: 'gitea',
      SHOPYARD_REPOSITORY_URL: `${origin}/shops/cluster.git`,
      SHOPYARD_FORGE_TOKEN_FILE: file,
    });
    const denied = { code: 'forge_denied' };
    await writeFile(file, 'a-token-in-a-file\n');
    await expect((await start(settings(first.url))).check()).rejects.toMatchObject(denied);
    const moved = await start(settings(other.url));
    await expect(moved.check()).rejects.toMatchObject(elsewhere);
    await writeFile(file, 'another-token-in-a-file\n');
    await expect(moved.check()).rejects.toMatchObject(denied);
    await writeFile(file, 'a-token-in-a-file\n');
    const { length } = other.seen;
    await expect(moved.check()).rejects.toMatchObject(elsewhere);
    expect(other.seen).toHaveLength(length);
  });

  test('also the key of a GitHub App', async () => {
    await using first = await listen(401);
    await using other = await listen(401);
    const file = join(folder, 'key.pem');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await writeFile(file, privateKey.export({ type: 'pkcs1', format: 'pem' }));
    const settings = (origin: string) => ({
      SHOPYARD_FORGE: 'github',
      SHOPYARD_REPOSITORY_URL: `${origin}/shops/cluster.git`,
      SHOPYARD_GITHUB_APP_ID: '4711',
      SHOPYARD_GITHUB_APP_KEY_FILE: file,
      SHOPYARD_GITHUB_APP_INSTALLATION_ID: '8150',
    });
    const at = await start(settings(first.url));
    await expect(at.check()).rejects.toMatchObject({ code: 'forge_denied' });
    const moved = await start(settings(other.url));
    await expect(moved.check()).rejects.toMatchObject(elsewhere);
    expect(other.seen).toEqual([]);
  });

  test('also the password of the git server, where it runs in another process', async () => {
    await using first = await listen(401);
    await using other = await listen(401);
    const remoteOf = async (origin: string) => {
      const forge = await start({
        SHOPYARD_REPOSITORY_URL: `${origin}/shopyard.git`,
        SHOPYARD_FORGE_WRITE_PASSWORD: 'the-password-of-the-writer',
      });
      return forge.remote('write');
    };
    const openAt = async (origin: string, name: string) =>
      openBranch({ remote: await remoteOf(origin), dir: join(folder, name) });
    await expect(openAt(first.url, 'first')).rejects.toMatchObject({ code: 'remote_denied' });
    await expect(openAt(other.url, 'other')).rejects.toMatchObject(elsewhere);
    expect(other.seen).toEqual([]);
  });

  test('what is remembered does not tell the credential', async () => {
    const rows = await database.db.selectFrom('forgeCredentials').selectAll().execute();
    expect(rows.length).toBeGreaterThan(3);
    expect(JSON.stringify(rows)).not.toMatch(/a-token|the-password|PRIVATE/);
  });
});
