/**
 * Logs out of Loki, by the contract of log sources and what only an archive has. By a stand-in for
 * Loki; and, where SHOPYARD_TEST_LOKI_URL names a real one with `auth_enabled: true`, by that.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PlatformError } from '../../control-plane/src/errors.ts';
import { createLokiLogs } from '../../control-plane/src/logs/loki.ts';
import type { LogArchive } from '../../control-plane/src/logs/types.ts';
import { findFreePort } from '../support/free-port.ts';
import { ago, ALL, HOSTILE, SHOP, testLogSource, type LogSubject } from './contract.ts';
import { startLokiStandIn, type LokiStandIn } from './loki-stand-in.ts';

type Archive = LogSubject<LogArchive> & {
  readonly url: string;
  /** As somebody else’s agent would: with any labels. */
  push(labels: Readonly<Record<string, string>>, at: Date, line: string): Promise<void>;
};

function openArchive(url: string, how: Pick<Archive, 'misbehave' | 'close'>): Archive {
  // Of each test its own: a real Loki keeps what it has.
  const tenant = `t-${randomBytes(6).toString('hex')}`;
  const settings = { url, tenant, tokenFile: null, user: null };
  const push: Archive['push'] = async (labels, at, line) => {
    const values = [[`${at.getTime()}000000`, line]];
    const response = await fetch(`${url}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-scope-orgid': tenant },
      body: JSON.stringify({ streams: [{ stream: labels, values }] }),
    });
    if (!response.ok) throw new Error(`not pushed: ${await response.text()}`);
  };
  return {
    source: createLokiLogs(settings, { clock: () => new Date(), timeoutMs: 3_000 }),
    namespace: 'store-t1-mine',
    neighbour: 'store-t1-theirs',
    url,
    push,
    async write(namespace, { pod, container }, lines) {
      for (const { at, line } of lines)
        await push({ namespace, pod, container, stream: 'stdout' }, at, line);
    },
    ...how,
  };
}

async function openStandIn(): Promise<Archive & { readonly loki: LokiStandIn }> {
  const loki = await startLokiStandIn();
  const archive = openArchive(loki.url, {
    misbehave(how) {
      loki.fault = (_request, response) => {
        if (how === 'nonsense') response.end('<html>A proxy’s own page</html>');
        if (how === 'error') response.writeHead(500).end('ring is unhealthy');
        return true;
      };
    },
    close: () => loki.close(),
  });
  return { ...archive, loki };
}

const { SHOPYARD_TEST_LOKI_URL: real } = process.env;
const openReal = (): Promise<Archive> =>
  Promise.resolve(
    openArchive(real ?? '', {
      misbehave: () => undefined,
      close: () => Promise.resolve(),
    }),
  );

testLogSource('Loki, by a stand-in', openStandIn);
if (real !== undefined) testLogSource('a real Loki', openReal, []);

describe.each([
  ['by a stand-in', openStandIn] as const,
  ...(real === undefined ? [] : [['a real one', openReal] as const]),
])('an archive, %s', (_how, open) => {
  let archive: Archive;
  beforeEach(async () => {
    archive = await open();
  });
  afterEach(() => archive.close());
  const at = { lines: 100, since: ago(3600) };

  test('names the containers of a namespace, and no other’s', async () => {
    const { namespace, neighbour } = archive;
    await archive.write(namespace, { pod: 'setup-b', container: 'shop' }, [
      { at: ago(60), line: 'x' },
    ]);
    await archive.write(namespace, SHOP, [{ at: ago(60), line: 'x' }]);
    await archive.push({ namespace, ...SHOP, stream: 'stderr' }, ago(30), 'y');
    await archive.write(neighbour, { pod: 'theirs', container: 'c' }, [{ at: ago(60), line: 'x' }]);
    await archive.push({ namespace, job: 'no pod' }, ago(30), 'z');
    expect(await archive.source.listWriters(namespace, ago(3600))).toEqual([
      { pod: 'setup-b', container: 'shop' },
      SHOP,
    ]);
    expect(await archive.source.listWriters('store-t1-nobody', ago(3600))).toEqual([]);
    for (const hostile of HOSTILE.filter((one) => one !== ''))
      expect(
        await archive.source.listWriters(`${namespace}${hostile}`, ago(3600)).catch(() => []),
        hostile,
      ).toEqual([]);
  });

  test('what a container writes in several streams is one log, in order of time', async () => {
    const { namespace } = archive;
    for (let index = 0; index < 6; index += 1)
      await archive.push(
        { namespace, ...SHOP, stream: index % 2 === 0 ? 'stdout' : 'stderr' },
        ago(100 - index),
        String(index),
      );
    expect(await archive.source.readLines(namespace, SHOP, at)).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
      '5',
    ]);
    expect(await archive.source.readLines(namespace, SHOP, { ...at, lines: 2 })).toEqual([
      '4',
      '5',
    ]);
  });

  test('Loki’s own tenants are apart; without one it does not let us look', async () => {
    const { namespace } = archive;
    await archive.write(namespace, SHOP, [{ at: ago(60), line: 'x' }]);
    const { url } = archive;
    const openAs = (tenant: string | null) =>
      createLokiLogs({ url, tenant, tokenFile: null, user: null }, { clock: () => new Date() });
    expect(await openAs('somebody-else').readLines(namespace, SHOP, at)).toEqual([]);
    await expect(openAs(null).readLines(namespace, SHOP, at)).rejects.toMatchObject({
      code: 'logs_refused',
      hint: expect.stringContaining('tenant') as unknown,
    });
  });
});

describe('Loki, by a stand-in', () => {
  let archive: Awaited<ReturnType<typeof openStandIn>>;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shopyard-loki-'));
    archive = await openStandIn();
  });
  afterEach(async () => {
    await archive.close();
    await rm(folder, { recursive: true });
  });
  const at = { lines: 100, since: ago(3600) };

  test('is asked by whole, quoted names, in nanoseconds', async () => {
    const clock = () => new Date('2026-11-22T08:00:00Z');
    const settings = { url: `${archive.loki.url}/`, tenant: 't', tokenFile: null, user: null };
    const source = createLokiLogs(settings, { clock });
    await source.readLines(
      'ns',
      { pod: 'a"b\\', container: 'c' },
      {
        lines: 5,
        since: new Date('2026-11-22T07:00:00Z'),
      },
    );
    const [asked = ''] = archive.loki.asked;
    expect(Object.fromEntries(new URL(asked, 'http://loki').searchParams)).toEqual({
      query: '{namespace="ns",pod="a\\"b\\\\",container="c"}',
      start: '1795330800000000000',
      end: '1795334400001000000',
      limit: '5',
      direction: 'backward',
    });
  });

  test('is not believed when it answers with another namespace’s streams', async () => {
    archive.loki.fault = (request, response) => {
      const theirs = { namespace: archive.neighbour, ...SHOP };
      const data = request.url?.includes('/series')
        ? [theirs]
        : { resultType: 'streams', result: [{ stream: theirs, values: [['1', 'a secret']] }] };
      response.end(JSON.stringify({ status: 'success', data }));
      return true;
    };
    const { source, namespace } = archive;
    expect(await source.listWriters(namespace, ALL)).toEqual([]);
    expect(await source.readLines(namespace, SHOP, at)).toEqual([]);
  });

  test.each([
    ['bearer', null, 'Bearer s3cret-of-loki'],
    ['basic', '12345', `Basic ${Buffer.from('12345:s3cret-of-loki').toString('base64')}`],
  ])('a credential from a file, read anew each time: %s', async (_kind, user, expected) => {
    const tokenFile = join(folder, 'token');
    const { namespace } = archive;
    const { url } = archive.loki;
    await archive.write(namespace, SHOP, [{ at: ago(60), line: 'x' }]);
    const source = createLokiLogs(
      { url, tenant: 'nobody-yet', tokenFile, user },
      { clock: () => new Date() },
    );
    const read = () => source.readLines(namespace, SHOP, at);
    await expect(read()).rejects.toMatchObject({ code: 'logs_refused' });
    await writeFile(tokenFile, ' \n');
    await expect(read()).rejects.toMatchObject({
      message: expect.stringContaining('no token') as unknown,
    });
    expect(archive.loki.asked.filter((path) => path.includes('query_range'))).toEqual([]);
    archive.loki.authorization = expected;
    await writeFile(tokenFile, 'yesterdays-token\n');
    await expect(read()).rejects.toMatchObject({ code: 'logs_refused' });
    await writeFile(tokenFile, 's3cret-of-loki\n');
    expect(await read()).toEqual([]);
  });

  test('an error quotes what Loki says, and never the token', async () => {
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 's3cret-of-loki');
    const { url } = archive.loki;
    archive.loki.fault = (request, response) => {
      response
        .writeHead(503)
        .end(`too many outstanding requests ${request.headers.authorization ?? ''}`);
      return true;
    };
    const source = createLokiLogs(
      { url, tenant: 't', tokenFile, user: null },
      { clock: () => new Date() },
    );
    const error: unknown = await source
      .readLines('ns', SHOP, at)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PlatformError);
    expect(error).toMatchObject({
      code: 'logs_unreachable',
      retryable: true,
      message: expect.stringContaining('(503): “too many outstanding') as unknown,
      hint: expect.stringContaining('address') as unknown,
    });
    expect((error as Error).message).not.toContain('s3cret');
  });

  test('a redirect is not followed, nor a connection that is refused a crash', async () => {
    archive.loki.fault = (_request, response) => {
      response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
      return true;
    };
    await expect(archive.source.readLines('ns', SHOP, at)).rejects.toMatchObject({
      code: 'logs_unreachable',
    });
    expect(archive.loki.asked).toHaveLength(1);
    const nobody = {
      url: `http://127.0.0.1:${await findFreePort()}`,
      tenant: null,
      tokenFile: null,
      user: null,
    };
    const source = createLokiLogs(nobody, { clock: () => new Date() });
    await expect(source.readLines('ns', SHOP, at)).rejects.toMatchObject({
      code: 'logs_unreachable',
      message: expect.stringContaining('ECONNREFUSED') as unknown,
    });
  });

  test('of what is long the end is kept, and what is longer than is held is an error', async () => {
    const { namespace, source } = archive;
    const long = 'x'.repeat(300_000);
    for (let index = 0; index < 5; index += 1)
      await archive.push({ namespace, ...SHOP }, ago(60 - index), `${index}${long}`);
    const lines = await source.readLines(namespace, SHOP, at);
    expect(lines.map((line) => line[0])).toEqual(['2', '3', '4']);
    archive.loki.fault = (_request, response) => {
      response.end('x'.repeat(17 * 1024 * 1024));
      return true;
    };
    await expect(source.readLines(namespace, SHOP, at)).rejects.toMatchObject({
      message: expect.stringContaining('longer than') as unknown,
    });
  });
});
