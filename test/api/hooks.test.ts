/** Webhooks: what a forge tells is taken once, and only with its signature; the rest costs nothing. */
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { request as send, type ClientRequest, type IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { rememberDelivery } from '../../control-plane/src/db/deliveries.ts';
import { watchDeliveries } from '../../control-plane/src/reconcile/deliveries.ts';
import { HOOK_SECRET, startApi, type Api, type Reply } from './support.ts';

const PATH = '/api/hooks/forge';
let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

function sign(body: string | Buffer, secret = HOOK_SECRET): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}

/** As GitHub sends it. */
function deliver(
  event: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  const raw = JSON.stringify(body);
  return api.request('POST', PATH, {
    token: null,
    raw,
    headers: {
      'X-GitHub-Event': event,
      'X-GitHub-Delivery': randomUUID(),
      'X-Hub-Signature-256': `sha256=${sign(raw)}`,
      ...headers,
    },
  });
}

let counter = 0;
/** A push that was not told of before. */
function makePush(ref = 'refs/heads/main'): { ref: string; after: string } {
  counter += 1;
  return { ref, after: createHash('sha1').update(String(counter)).digest('hex') };
}

describe('what is told', () => {
  test('a push to the branch rings the writer with its tip', async () => {
    const push = makePush();
    const reply = await deliver('push', push);
    expect(reply.status, reply.text).toBe(202);
    expect(reply.body).toEqual({ taken: true });
    expect(api.told.at(-1)).toEqual(['pushed', push.after]);
  });

  test('the branch is gone', async () => {
    const reply = await deliver('push', { ...makePush(), after: '0'.repeat(40), at: counter });
    expect(reply.status).toBe(202);
    expect(api.told.at(-1)).toEqual(['pushed', null]);
  });

  test('a pull request rings the writer too', async () => {
    const reply = await deliver('pull_request', { action: 'closed', number: 7, pull_request: {} });
    expect(reply.status).toBe(202);
    expect(api.told.at(-1)).toEqual(['reviewed', 7]);
  });

  test('as Gitea and Forgejo sign and name it', async () => {
    for (const forge of ['Gitea', 'Forgejo']) {
      const push = makePush();
      const raw = JSON.stringify(push);
      const reply = await api.request('POST', PATH, {
        token: null,
        raw,
        headers: {
          [`X-${forge}-Event`]: 'push',
          [`X-${forge}-Signature`]: sign(raw),
          [`X-${forge}-Delivery`]: randomUUID(),
        },
      });
      expect(reply.status, reply.text).toBe(202);
      expect(api.told.at(-1)).toEqual(['pushed', push.after]);
    }
  });

  test.each([
    ['a ping', 'ping', { zen: 'Keep it logically awesome.', hook_id: 1 }],
    ['a push elsewhere', 'push', { ref: 'refs/heads/store/x/op_1', after: 'b'.repeat(40) }],
    ['a push without a tip', 'push', { ref: 'refs/heads/main' }],
    ['what nobody knows', 'star', { action: 'created' }],
    ['no object', 'push', ['refs/heads/main']],
  ])('%s is taken politely, and rings nobody', async (_what, event, body) => {
    const before = api.told.length;
    const reply = await deliver(event, body);
    expect(reply.status, reply.text).toBe(202);
    expect(reply.body).toEqual({ taken: false });
    expect(api.told).toHaveLength(before);
  });

  test('another form than JSON is refused in words', async () => {
    const raw = 'payload=%7B%7D';
    const reply = await api.request('POST', PATH, {
      token: null,
      raw,
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        'X-GitHub-Event': 'push',
        'X-Hub-Signature-256': `sha256=${sign(raw)}`,
      },
    });
    expect(reply).toMatchObject({ status: 400, body: { code: 'malformed_json' } });
  });

  test('a writer in another process sees that one came', async () => {
    let rung = 0;
    const stop = watchDeliveries(api.db, () => (rung += 1));
    // What was there before its first look rings nothing; what comes after it does.
    await expect
      .poll(
        async () => {
          await deliver('push', makePush());
          return rung;
        },
        { timeout: 20_000, interval: 500 },
      )
      .toBeGreaterThan(0);
    await stop();
    const before = rung;
    await deliver('push', makePush());
    expect(rung).toBe(before);
  });

  test('without a secret there is no such address', async () => {
    await using closed = await open({ hookSecret: null });
    const raw = JSON.stringify(makePush());
    const reply = await closed.api.request('POST', PATH, {
      token: null,
      raw,
      headers: { 'X-GitHub-Event': 'push', 'X-Hub-Signature-256': `sha256=${sign(raw)}` },
    });
    expect(reply).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(closed.api.told).toEqual([]);
  });
});

describe('what is refused (reliability 18)', () => {
  afterEach(async () => {
    // Whatever was sent: others are still served.
    const push = makePush();
    expect((await deliver('push', push)).status).toBe(202);
    expect(api.told.at(-1)).toEqual(['pushed', push.after]);
  });

  const body = JSON.stringify({ ref: 'refs/heads/main', after: 'c'.repeat(40) });
  test.each([
    ['no signature', {}],
    ['an empty one', { 'X-Hub-Signature-256': '' }],
    ['SHA-1', { 'X-Hub-Signature': `sha1=${'a'.repeat(40)}` }],
    ['one that is cut', { 'X-Hub-Signature-256': `sha256=${sign(body).slice(0, 63)}` }],
    ['another secret', { 'X-Hub-Signature-256': `sha256=${sign(body, 'guessed')}` }],
    ['of another body', { 'X-Hub-Signature-256': `sha256=${sign(`${body} `)}` }],
    ['no secret at all', { 'X-Hub-Signature-256': `sha256=${sign(body, '\0')}` }],
    ['Gitea’s, wrong', { 'X-Gitea-Signature': sign(body, 'guessed') }],
    [
      'Gitea’s right beside a wrong one',
      { 'X-Hub-Signature-256': `sha256=${'0'.repeat(64)}`, 'X-Gitea-Signature': sign(body) },
    ],
  ])('%s: 401, and nothing is parsed', async (_what, headers) => {
    const before = api.told.length;
    for (const raw of [body, '{not json']) {
      const reply = await api.request('POST', PATH, {
        token: null,
        raw,
        headers: { 'X-GitHub-Event': 'push', ...headers },
      });
      if (raw !== body) expect(reply.body['code']).not.toBe('malformed_json');
      expect(reply).toMatchObject({ status: 401, body: { code: 'signature_invalid' } });
    }
    expect(api.told).toHaveLength(before);
  });

  test('a session or a token makes up for no signature', async () => {
    const reply = await api.request('POST', PATH, { raw: body });
    expect(reply).toMatchObject({ status: 401, body: { code: 'signature_invalid' } });
  });

  test('a replay, whatever its delivery is called, here or in another process', async () => {
    const push = makePush();
    expect((await deliver('push', push)).status).toBe(202);
    const before = api.told.length;
    const again = await deliver('push', push);
    expect(again).toMatchObject({ status: 409, body: { code: 'delivery_repeated' } });
    expect(api.told).toHaveLength(before);
    await using other = await open({ databaseUrl: api.databaseUrl });
    const raw = JSON.stringify(push);
    const there = await other.api.request('POST', PATH, {
      token: null,
      raw,
      headers: { 'X-GitHub-Event': 'push', 'X-Hub-Signature-256': `sha256=${sign(raw)}` },
    });
    expect(there.status).toBe(409);
    expect(other.api.told).toEqual([]);
  });

  test('of many at once, one is taken', async () => {
    const push = makePush();
    const replies = await Promise.all(Array.from({ length: 6 }, () => deliver('push', push)));
    const counts = replies.map(({ status }) => status).toSorted();
    expect(counts).toEqual([202, 409, 409, 409, 409, 409]);
  });

  test('what is remembered stays small: three days of it', async () => {
    const old = new Date(Date.now() - 4 * 24 * 60 * 60 * 1_000);
    await api.db
      .insertInto('deliveries')
      .values(
        Array.from({ length: 30 }, (_, index) => ({
          bodyHash: `old-${String(index)}`,
          event: 'push',
          at: old,
        })),
      )
      .execute();
    expect(await rememberDelivery(api.db, { hash: 'new', event: 'push', at: new Date() })).toBe(
      true,
    );
    const left = await api.db
      .selectFrom('deliveries')
      .select('bodyHash')
      .where('bodyHash', 'like', 'old-%')
      .execute();
    expect(left).toEqual([]);
  });

  test('1 GB that says so is refused before it is read', async () => {
    const wire = startUpload({
      'Content-Length': String(1024 ** 3),
      'X-Hub-Signature-256': `sha256=${'0'.repeat(64)}`,
    });
    const answer = await wire.answer;
    expect(answer).toMatchObject({ status: 413, code: 'body_too_large' });
    wire.request.destroy();
  });

  test.each([
    ['with a signature', { 'X-Hub-Signature-256': `sha256=${'0'.repeat(64)}` }, 413],
    ['without one', {}, 401],
  ])('1 GB that does not say so, %s: cut off, memory flat', async (_what, headers, status) => {
    const before = process.memoryUsage().rss;
    const wire = startUpload({ 'Transfer-Encoding': 'chunked', ...headers });
    const chunk = Buffer.alloc(64 * 1024, 0x20);
    let sent = 0;
    let highest = before;
    // Until they hang up on us, or all of it is through.
    while (!wire.isOver() && sent < 1024 ** 3) {
      const isTaken = wire.request.write(chunk);
      sent += chunk.length;
      highest = Math.max(highest, process.memoryUsage().rss);
      await (isTaken ? tick() : Promise.race([wire.drained(), wire.answer]));
    }
    const answer = await wire.answer;
    // A client that is still sending may meet the closed connection before the answer.
    expect([status, CUT_OFF]).toContain(answer.status);
    // What sockets hold is in it, and no more than a hundredth of the whole was ever taken.
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    expect(highest - before).toBeLessThan(150 * 1024 * 1024);
    wire.request.destroy();
  });

  test('a slow body is cut off, and holds nobody up meanwhile', async () => {
    const wire = startUpload({
      'Content-Length': '1000',
      'X-Hub-Signature-256': `sha256=${'0'.repeat(64)}`,
    });
    wire.request.write('{');
    const push = makePush();
    expect((await deliver('push', push)).status).toBe(202);
    const answer = await wire.answer;
    expect(answer).toMatchObject({ status: 408, code: 'body_too_slow' });
    wire.request.destroy();
  });

  test('slow ones beyond a few are turned away, and let others in when they are cut off', async () => {
    const signed = { 'X-Hub-Signature-256': `sha256=${'0'.repeat(64)}` };
    const wires = Array.from({ length: 12 }, () =>
      startUpload({ 'Content-Length': '1000', ...signed }),
    );
    for (const wire of wires) wire.request.write('{');
    // Six of one address are read; the others know by now that they are not.
    await expect
      .poll(() => wires.filter((wire) => wire.isOver()).length, { timeout: 20_000 })
      .toBeGreaterThanOrEqual(6);
    const real = JSON.stringify(makePush());
    const elsewhere = startUpload(
      { 'Content-Length': String(real.length), 'X-Hub-Signature-256': `sha256=${sign(real)}` },
      '127.0.0.2',
    );
    elsewhere.request.end(real);
    expect((await elsewhere.answer).status).toBe(202);
    const answers = await Promise.all(wires.map(({ answer }) => answer));
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([...Array<number>(6).fill(408), ...Array<number>(6).fill(429)]);
    for (const { request } of wires) request.destroy();
  });
});

/** The connection was closed on us. */
const CUT_OFF = 0;

type Wire = {
  readonly request: ClientRequest;
  readonly answer: Promise<{ status: number; code: unknown }>;
  isOver(): boolean;
  drained(): Promise<void>;
};

/** A request whose body the test writes itself. */
function startUpload(headers: Readonly<Record<string, string>>, localAddress?: string): Wire {
  const { hostname, port } = new URL(api.url);
  let over = false;
  const request = send({
    hostname,
    port,
    path: PATH,
    method: 'POST',
    ...(localAddress === undefined ? {} : { localAddress }),
    headers: { 'Content-Type': 'application/json', 'X-GitHub-Event': 'push', ...headers },
  });
  const answer = new Promise<{ status: number; code: unknown }>((resolve, reject) => {
    request.once('response', (response: IncomingMessage) => {
      over = true;
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          code: (JSON.parse(text) as { code?: unknown }).code,
        }),
      );
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      over = true;
      if (error.code === 'EPIPE' || error.code === 'ECONNRESET')
        resolve({ status: CUT_OFF, code: null });
      else reject(error);
    });
  });
  request.flushHeaders();
  return {
    request,
    answer,
    isOver: () => over,
    drained: () => new Promise((resolve) => request.once('drain', resolve)),
  };
}

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function open(
  options: Parameters<typeof startApi>[0],
): Promise<AsyncDisposable & { readonly api: Api }> {
  const opened = await startApi(options);
  return { api: opened, [Symbol.asyncDispose]: () => opened.close() };
}
