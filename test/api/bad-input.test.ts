/** What must be refused: with a problem that names the field, and with nothing recorded. */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ProblemDetails } from '../../control-plane/src/contract.ts';
import { PROBLEMS } from '../../control-plane/src/http/problem.ts';
import { countRecords, startApi, type Api, type Reply } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
  const taken = await api.request('POST', '/api/stores', {
    body: { name: 'taken', type: 'woocommerce' },
  });
  expect(taken.status).toBe(202);
});
afterAll(() => api.close());

/** Sends, and sees to it that the answer is a well-formed problem and the tables are as before. */
async function refuse(send: () => Promise<Reply>): Promise<ProblemDetails> {
  const before = await countRecords(api.db);
  const reply = await send();
  expect(await countRecords(api.db)).toEqual(before);
  expect(reply.headers.get('Content-Type')).toBe('application/problem+json; charset=utf-8');
  const problem = ProblemDetails.strict().parse(reply.body);
  expect(reply.status).toBe(problem.status);
  expect(problem.instance).toBe(reply.headers.get('X-Request-Id'));
  expect(PROBLEMS).toHaveProperty(problem.code);
  expect(problem.type).toBe(`/problems/${problem.code.replaceAll('_', '-')}`);
  return problem;
}

const create = (body: unknown, more: { headers?: Record<string, string>; raw?: string } = {}) =>
  refuse(() =>
    api.request('POST', '/api/stores', more.raw === undefined ? { body, ...more } : more),
  );

describe('names (reliability 14)', () => {
  test.each([
    ['empty', ''],
    ['41 characters', 'a'.repeat(41)],
    ['64 characters', 'a'.repeat(64)],
    ['100,000 characters are too large a body, 10,000 too long a name', 'a'.repeat(10_000)],
    ['upper case', 'Shop'],
    ['a path', '../../etc'],
    ['parent', '..'],
    ['git’s own', '.git'],
    ['an option', '-rf'],
    ['a Cyrillic a', 'shоp'],
    ['a full-width letter', 'ｓhop'],
    ['a dotless i', 'shıp'],
    ['an accent', 'café'],
    ['a combining accent', 'cafe\u0301'],
    ['a zero-width joiner', 'sh\u200dop'],
    ['right to left', '\u202eshop'],
    ['an emoji', '🍵'],
    ['a space', 'my shop'],
    ['a trailing newline', 'shop\n'],
    ['NUL', 'shop\0'],
    ['a line separator', 'shop\u2028'],
    ['a template', '{{shop}}'],
    ['a YAML document', '---'],
    ['a digit first', '1shop'],
    ['a hyphen last', 'shop-'],
    ['two hyphens', 'xn--shop'],
    ['a dot', 'shop.example'],
    ['an underscore', 'my_shop'],
    ['reserved', 'admin'],
    ['reserved', 'kube-system'],
    ['a number', 5],
    ['a boolean', true],
    ['null', null],
    ['a list', ['shop']],
    ['an object', { toString: 'shop' }],
  ])('%s', async (_what, name) => {
    const problem = await create({ name, type: 'woocommerce' });
    expect(problem).toMatchObject({ status: 422, code: 'invalid_request' });
    expect(problem.errors?.map((one) => one.field)).toEqual(['name']);
  });

  test('taken', async () => {
    await api.token('owner', 'another');
    expect(await create({ name: 'taken', type: 'woocommerce', plan: 'large' })).toMatchObject({
      status: 409,
      code: 'name_taken',
      errors: [{ field: 'plan' }],
    });
    expect(await create({ name: 'taken', type: 'woocommerce', tenant: 'another' })).toMatchObject({
      status: 409,
      code: 'host_taken',
      errors: [{ field: 'name' }],
    });
  });
});

describe('other fields', () => {
  test.each([
    ['type', { type: 'shopware' }, 'woocommerce'],
    ['type', { type: '' }, ''],
    ['type', { type: undefined }, 'needed'],
    ['type', { type: '__proto__' }, 'woocommerce'],
    ['type', { type: 'woo\0commerce' }, ''],
    ['plan', { plan: 'huge' }, 'small, medium, large'],
    ['plan', { plan: '../large' }, 'small, medium, large'],
    ['plan', { plan: 3 }, ''],
    ['cluster', { cluster: 'mars' }, 'lab'],
    ['domain', { domain: 'nodots' }, 'dot'],
    ['domain', { domain: 'http://shop.example.com' }, ''],
    ['domain', { domain: 'shop.example.com/path' }, ''],
    ['domain', { domain: 'shop.example.com:80' }, ''],
    ['domain', { domain: '127.0.0.1' }, 'digits'],
    ['domain', { domain: '*.example.com' }, ''],
    ['domain', { domain: '-a.example.com' }, ''],
    ['domain', { domain: 'bücher.example' }, ''],
    ['domain', { domain: 'EXAMPLE.com' }, ''],
    ['domain', { domain: `${'a'.repeat(64)}.example` }, ''],
    ['domain', { domain: 'example.com\n' }, ''],
    ['domain', { domain: 'portal.localhost' }, 'platform'],
    ['tenant', { tenant: '../acme' }, ''],
    ['tenant', { tenant: 'Acme' }, ''],
    ['tenant', { tenant: 'not-there' }, 'no tenant'],
    ['tenant', { tenant: 'a'.repeat(41) }, ''],
  ])('%s: %j', async (field, fields, says) => {
    const problem = await create({ name: 'fine', type: 'woocommerce', ...fields });
    expect(problem).toMatchObject({ status: 422, code: 'invalid_request' });
    expect(problem.errors?.map((one) => one.field)).toEqual([field]);
    expect(problem.errors?.[0]?.message).toContain(says);
  });

  test.each([
    ['a number for a name', 'POST', '/api/stores', { name: 5, type: 'x' }, 'name', 'text'],
    ['a limit of words', 'GET', '/api/stores?limit=ten', undefined, 'limit', 'a number'],
    ['a limit of halves', 'GET', '/api/stores?limit=1.5', undefined, 'limit', 'a whole number'],
    ['too high a limit', 'GET', '/api/stores?limit=201', undefined, 'limit', 'at most 200'],
    ['a role that is none', 'POST', '/api/tokens', { name: 'a', role: 'king' }, 'role', 'one of:'],
  ])('in plain words: %s', async (_what, method, path, body, field, says) => {
    const problem = await refuse(() => api.request(method, path, { body }));
    expect(problem.errors?.map((one) => one.field)).toEqual([field]);
    expect(problem.errors?.[0]?.message).toContain(`This must be ${says}`);
  });

  test('all that is wrong is said at once', async () => {
    const problem = await create({ name: 'Ä', type: 5, colour: 'red' });
    expect(problem.errors?.map((one) => one.field).sort()).toEqual(['colour', 'name', 'type']);
  });
});

describe('mass assignment (reliability 17)', () => {
  const FIELDS = [
    'project',
    'namespace',
    'destination',
    'syncPolicy',
    'chart',
    'chartVersion',
    'repoURL',
    'valueFiles',
    'values',
    'url',
    'host',
    'id',
    'status',
    'generation',
    'attempt',
    'tenantId',
    'finalizers',
    'requestedBy',
    '__proto__',
    'constructor',
    'toString',
  ];
  test.each(FIELDS)('create: %s', async (field) => {
    const raw = `{"name":"fine","type":"woocommerce",${JSON.stringify(field)}:{"x":1}}`;
    const problem = await create(undefined, { raw });
    if (field === '__proto__') {
      // The parser refuses to build such an object at all.
      expect(problem).toMatchObject({ status: 400, code: 'malformed_json' });
      return;
    }
    expect(problem).toMatchObject({ status: 422, code: 'invalid_request', errors: [{ field }] });
  });

  test.each(['name', 'type', 'cluster', 'tenant', 'namespace', 'generation', 'status'])(
    'change: %s',
    async (field) => {
      const list = await api.request('GET', '/api/stores');
      const [store] = list.body['stores'] as { id: string }[];
      const problem = await refuse(() =>
        api.request('PATCH', `/api/stores/${store?.id}`, { body: { plan: 'large', [field]: 'x' } }),
      );
      expect(problem).toMatchObject({ status: 422, errors: [{ field }] });
    },
  );

  test('retry takes no fields at all', async () => {
    const list = await api.request('GET', '/api/stores');
    const [store] = list.body['stores'] as { id: string }[];
    const problem = await refuse(() =>
      api.request('POST', `/api/stores/${store?.id}/retry`, { body: { plan: 'large' } }),
    );
    expect(problem).toMatchObject({ status: 422, errors: [{ field: 'plan' }] });
  });

  test('a change that names nothing', async () => {
    const list = await api.request('GET', '/api/stores');
    const [store] = list.body['stores'] as { id: string }[];
    expect(
      await refuse(() => api.request('PATCH', `/api/stores/${store?.id}`, { body: {} })),
    ).toMatchObject({ status: 422, code: 'invalid_request' });
  });
});

describe('bodies', () => {
  test.each([
    ['not JSON', '{"name": '],
    ['a word', 'shop'],
    ['HTML', '<html></html>'],
    ['NUL', '\0'],
  ])('%s: 400', async (_what, raw) => {
    expect(await create(undefined, { raw })).toMatchObject({
      status: 400,
      code: 'malformed_json',
    });
  });

  test.each([
    ['a list', '[]'],
    ['a list of stores', '[{"name":"a","type":"woocommerce"}]'],
    ['a number', '5'],
    ['a string', '"shop"'],
    ['null', 'null'],
  ])('%s: 422', async (_what, raw) => {
    expect(await create(undefined, { raw })).toMatchObject({
      status: 422,
      code: 'invalid_request',
      errors: [{ field: 'body', message: expect.stringContaining('a JSON object') as string }],
    });
  });

  test('an empty object: 422 that names what is needed', async () => {
    expect(await create({})).toMatchObject({
      status: 422,
      errors: [
        { field: 'name', message: 'This is needed.' },
        { field: 'type', message: 'This is needed.' },
      ],
    });
  });

  test('none: 422', async () => {
    expect(await create(undefined)).toMatchObject({
      status: 422,
      code: 'invalid_request',
      errors: [{ field: 'body', message: 'This is needed.' }],
    });
  });

  test('deep nesting is refused, not followed', async () => {
    const raw = `{"name":${'['.repeat(30_000)}${']'.repeat(30_000)},"type":"woocommerce"}`;
    expect(await create(undefined, { raw })).toMatchObject({ status: 422 });
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'garbage'])(
    'the type %s: 415',
    async (type) => {
      expect(
        await create(undefined, {
          raw: '{"name":"fine","type":"woocommerce"}',
          headers: { 'Content-Type': type },
        }),
      ).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    },
  );

  test('an unknown encoding: 415', async () => {
    expect(
      await create(undefined, { raw: '{}', headers: { 'Content-Encoding': 'smoke' } }),
    ).toMatchObject({ status: 415 });
  });

  test('65 KiB, announced: 413, and the client gets to read it', async () => {
    const raw = JSON.stringify({ name: 'a'.repeat(65 * 1024), type: 'woocommerce' });
    expect(await create(undefined, { raw })).toMatchObject({
      status: 413,
      code: 'body_too_large',
    });
  });

  test('without a length it is counted: 413, and memory stays flat', async () => {
    const before = await countRecords(api.db);
    const { status, sent } = await sendEndlessly(api.url);
    // A client that is still sending may meet the closed connection before the answer.
    expect([413, CUT_OFF]).toContain(status);
    // Some of it is read so that the answer arrives; most of it never leaves the client.
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    expect(await countRecords(api.db)).toEqual(before);
  });

  test('a gzip bomb is measured unpacked', async () => {
    const { gzipSync } = await import('node:zlib');
    const packed = gzipSync(Buffer.alloc(10_000_000, 0x20));
    expect(packed.length).toBeLessThan(64 * 1024);
    const response = await fetch(`${api.url}/api/stores`, {
      method: 'POST',
      headers: {
        Authorization: 'Bearer bootstrap-token-for-tests',
        'Content-Type': 'application/json',
        'Content-Encoding': 'gzip',
      },
      body: packed,
    });
    expect(response.status).toBe(413);
  });
});

describe('the rest of HTTP', () => {
  test('unknown paths, and ids that cannot be: the same 404', async () => {
    const problems = await Promise.all(
      [
        '/api',
        '/api/',
        '/api/nothing',
        '/api/stores/st_aaaaaaaaaaaaaaaa',
        '/api/stores/nonsense',
        '/api/stores/..%2f..',
        '/api/stores/%00',
        "/api/stores/'%20or%201=1",
        '/nothing',
      ].map((path) => refuse(() => api.request('GET', path))),
    );
    const bodies = problems.map((problem) => ({ ...problem, instance: '' }));
    for (const body of bodies) expect(body).toEqual(bodies[0]);
    expect(bodies[0]).toMatchObject({ status: 404, code: 'not_found' });
  });

  test('a path that cannot be decoded is the client’s mistake', async () => {
    const reply = await api.request('GET', '/api/stores/%ZZ');
    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.status).toBeLessThan(500);
  });

  test('another method: 405 that says which', async () => {
    const reply = await api.request('PUT', '/api/stores', { body: {} });
    expect(reply.status).toBe(405);
    const allow = (reply.headers.get('Allow') ?? '').split(', ').sort();
    expect(allow).toEqual(['GET', 'HEAD', 'POST']);
    expect(reply.body).toMatchObject({ code: 'method_not_allowed' });
  });

  test.each([
    ['none', null],
    ['unknown', 'shop_unknown'],
    ['empty', ''],
    ['with NUL-like garbage', '\u00ff'],
  ])('a token that is not one (%s): 401 with a challenge', async (_what, token) => {
    const before = await countRecords(api.db);
    const reply = await api.request('POST', '/api/stores', {
      token,
      body: { name: 'fine', type: 'woocommerce' },
    });
    expect(reply.status).toBe(401);
    expect(reply.headers.get('WWW-Authenticate')).toMatch(/^Bearer realm="shopyard"/);
    expect(reply.body).toMatchObject({ code: 'unauthorized' });
    expect(await countRecords(api.db)).toEqual(before);
  });

  test.each([
    ['empty', ''],
    ['a space', 'a b'],
    ['256 characters', 'k'.repeat(256)],
    ['not ASCII', 'ké'],
  ])('an Idempotency-Key that is not one: %s', async (_what, key) => {
    expect(
      await create({ name: 'fine', type: 'woocommerce' }, { headers: { 'Idempotency-Key': key } }),
    ).toMatchObject({ status: 400, code: 'idempotency_key_invalid' });
  });

  test('a request id is taken when it is sane, else made', async () => {
    const given = await api.request('GET', '/healthz', {
      headers: { 'X-Request-Id': 'trace-1234-abcd' },
    });
    expect(given.headers.get('X-Request-Id')).toBe('trace-1234-abcd');
    const made = await api.request('GET', '/healthz', {
      headers: { 'X-Request-Id': '"><script>' },
    });
    expect(made.headers.get('X-Request-Id')).toMatch(/^req_[a-z2-7]{16}$/);
  });

  test('every answer carries the security headers', async () => {
    for (const path of ['/api/stores', '/api/nothing', '/healthz']) {
      const { headers } = await api.request('GET', path);
      expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
      expect(headers.get('Cache-Control')).toBe('no-store');
      expect(headers.get('Content-Security-Policy')).toContain("frame-ancestors 'none'");
      expect(headers.get('X-Powered-By')).toBeNull();
    }
  });

  test('bytes that are not HTTP do not disturb it', async () => {
    const { hostname, port } = new URL(api.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () =>
        socket.write('\x16\x03\x01 nonsense\r\n\r\n'),
      );
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400/);
    expect((await api.request('GET', '/healthz')).status).toBe(200);
  });
});

test('the log tells of every request and of no token', async () => {
  const secret = await api.token('owner', 'quiet');
  await api.request('GET', '/api/stores', { token: secret.token });
  await api.request('GET', '/api/stores', { token: 'shop_mistyped-secret' });
  const log = api.log.join('');
  expect(log).toContain(secret.id);
  expect(log).not.toContain(secret.token);
  expect(log).not.toContain('mistyped-secret');
  expect(log).not.toContain('bootstrap-token-for-tests');
});

/** The connection was closed on us. */
const CUT_OFF = 0;

/** Sends a chunked body until the server has had enough. */
function sendEndlessly(url: string): Promise<{ status: number | undefined; sent: number }> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let status: number | undefined;
    const chunk = Buffer.alloc(64 * 1024, 0x20);
    const request = httpRequest(
      `${url}/api/stores`,
      {
        method: 'POST',
        headers: {
          Authorization: 'Bearer bootstrap-token-for-tests',
          'Content-Type': 'application/json',
        },
      },
      (response) => {
        status = response.statusCode;
        response.resume();
        response.on('end', () => {
          request.destroy();
          resolve({ status, sent });
        });
      },
    );
    // After the answer the server hangs up: the rest of the body has nowhere to go.
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (status !== undefined) return;
      if (error.code === 'EPIPE' || error.code === 'ECONNRESET') resolve({ status: CUT_OFF, sent });
      else reject(error);
    });
    const push = () => {
      while (status === undefined && !request.destroyed) {
        sent += chunk.length;
        if (!request.write(chunk)) {
          request.once('drain', push);
          return;
        }
      }
    };
    push();
  });
}
