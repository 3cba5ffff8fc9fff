import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { createForgeHttp, parseAnswer } from './http.ts';

const TOKEN = 'a-token-that-nobody-may-see';
let server: Server | null = null;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((done) => server?.close(done) ?? done(null));
  server = null;
});

async function serve(answer: RequestListener, timeoutMs?: number) {
  const listening = createServer(answer);
  server = listening;
  await new Promise<void>((done) => listening.listen(0, '127.0.0.1', done));
  const { port } = listening.address() as AddressInfo;
  return createForgeHttp({
    apiUrl: `http://127.0.0.1:${port}/api`,
    name: 'The forge',
    readToken: () => Promise.resolve(TOKEN),
    authorize: (token) => `token ${token}`,
    deniedHint: 'Make another token.',
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}

test('sends JSON with the credential and returns what is said', async () => {
  const seen: unknown[] = [];
  const http = await serve((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      seen.push(request.method, request.url, request.headers.authorization, JSON.parse(body));
      response.writeHead(201).end('{"number": 7}');
    });
  });
  const answer = await http({ method: 'POST', path: '/pulls', body: { title: 'Tea' } });
  expect(answer).toMatchObject({ status: 201, body: { number: 7 } });
  expect(seen).toEqual(['POST', '/api/pulls', `token ${TOKEN}`, { title: 'Tea' }]);
});

test.each([
  [400, 'forge_refused', false],
  [401, 'forge_denied', false],
  [403, 'forge_denied', false],
  [404, 'forge_missing', false],
  [302, 'forge_refused', false],
  [422, 'forge_refused', false],
  [429, 'forge_limited', true],
  [500, 'forge_failed', true],
  [503, 'forge_failed', true],
])(
  'a %i is %s, retryable: %s, in the forge’s words and without the credential',
  async (status, code, retryable) => {
    const http = await serve((request, response) => {
      const message = `no,\n not with ${request.headers.authorization ?? ''}`;
      response
        .writeHead(status, { location: 'http://127.0.0.1:1/' })
        .end(JSON.stringify({ message }));
    });
    const error: unknown = await http({ method: 'GET', path: '/' }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ name: 'PlatformError', code, retryable });
    if (!retryable) expect(error).toHaveProperty('hint');
    expect(String(error)).not.toContain(TOKEN);
    if (status !== 302) expect(String(error)).toContain('no, not with token …');
  },
);

test('a credential is in no refusal, where the words are cut or the status was asked for', async () => {
  const message = `${'x'.repeat(290)} ${TOKEN}`;
  for (const also of [[], [405]]) {
    const http = await serve((_, response) => {
      response.writeHead(405).end(JSON.stringify({ message }));
    });
    const said = await http({ method: 'GET', path: '/', also }).catch((thrown: unknown) => thrown);
    expect(`${String(said)} ${JSON.stringify(said)}`).not.toContain(TOKEN.slice(0, 9));
    server?.closeAllConnections();
    server?.close();
  }
});

test('a status that was asked for is an answer', async () => {
  const http = await serve((_, response) => void response.writeHead(409).end('<html>'));
  const answer = await http({ method: 'GET', path: '/', also: [409] });
  expect(answer).toMatchObject({ status: 409, body: null });
});

test('one that does not answer, answers without end, or is not there', async () => {
  const silent = await serve(() => undefined, 500);
  const unreachable = { code: 'forge_unreachable', retryable: true };
  await expect(silent({ method: 'GET', path: '/' })).rejects.toMatchObject({
    ...unreachable,
    message: expect.stringContaining('in time') as string,
  });
  const endless = await serve((_, response) => {
    const chunk = Buffer.alloc(1024 * 1024, ' ');
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more);
    more();
  });
  await expect(endless({ method: 'GET', path: '/' })).rejects.toMatchObject(unreachable);
  server?.closeAllConnections();
  server?.close();
  const gone = createForgeHttp({
    apiUrl: 'http://127.0.0.1:1',
    name: 'The forge',
    readToken: () => Promise.resolve(TOKEN),
    authorize: (token) => token,
    deniedHint: '',
  });
  await expect(gone({ method: 'GET', path: '/' })).rejects.toMatchObject(unreachable);
});

test('an answer of another shape says where it is another', () => {
  const schema = z.object({ head: z.object({ sha: z.string() }) });
  const answer = { status: 200, headers: new Headers(), body: { head: { sha: 7 } } };
  expect(() => parseAnswer(schema, answer, 'pull request')).toThrow(
    /no pull request: head\.sha Invalid input/,
  );
  expect(() => parseAnswer(schema, { ...answer, body: null }, 'pull request')).toThrow('no pull');
});
