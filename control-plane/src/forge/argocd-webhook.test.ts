import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CommitRecord, CommitSha } from '../git/types.ts';
import { relayPush } from './argocd-webhook.ts';
import type { WebhookSettings } from './argocd-webhook.ts';

type Payload = {
  ref: string;
  before: string;
  after: string;
  repository: { html_url: string; default_branch: string };
  commits: { id: string; added: string[]; modified: string[]; removed: string[] }[];
};

let server: Server;
let settings: WebhookSettings;
let answer: { status: number; body: string; isEndless?: true } | null;
let payloads: Payload[];
let headers: Record<string, unknown>[];

beforeEach(async () => {
  answer = { status: 200, body: '' };
  payloads = [];
  headers = [];
  server = createServer((request, response) => {
    void buffer(request).then((body) => {
      headers.push(request.headers);
      const signature = createHmac('sha256', 's3cret').update(body).digest('hex');
      expect(request.headers['x-hub-signature-256']).toBe(`sha256=${signature}`);
      payloads.push(JSON.parse(body.toString('utf8')) as Payload);
      if (answer === null) return;
      response.writeHead(answer.status).write(answer.body);
      if (answer.isEndless !== true) response.end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  settings = {
    url: `http://127.0.0.1:${String(address.port)}/api/webhook`,
    secret: 's3cret',
    repositoryUrl: 'http://127.0.0.1:8081/shopyard.git',
    branch: 'main',
  };
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function sha(index: number): CommitSha {
  return index.toString(16).padStart(40, '0') as CommitSha;
}

function commit(index: number, changedPaths: readonly string[]): CommitRecord {
  return {
    sha: sha(index),
    parent: sha(index - 1),
    message: `Create store ${String(index)}\n\nStore-Id: st_x`,
    author: { name: 'Shopyard', email: 'shopyard@example.com', at: new Date(0) },
    changedPaths,
  };
}

test('a push is one payload in GitHub’s format with every path', async () => {
  const commits = [
    commit(2, ['apps/0/a.yaml', 'stores/7f/a/store.yaml']),
    commit(3, ['apps/1/b.yaml']),
  ];
  expect(await relayPush(settings, { before: sha(1), after: sha(3), commits })).toEqual({
    kind: 'delivered',
    payloads: 1,
  });
  expect(headers[0]).toMatchObject({
    'x-github-event': 'push',
    'content-type': 'application/json',
  });
  expect(payloads[0]).toMatchObject({
    ref: 'refs/heads/main',
    before: sha(1),
    after: sha(3),
    repository: { html_url: 'http://127.0.0.1:8081/shopyard', default_branch: 'main' },
    commits: [
      { id: sha(2), added: [], modified: ['apps/0/a.yaml', 'stores/7f/a/store.yaml'], removed: [] },
      { id: sha(3), modified: ['apps/1/b.yaml'] },
    ],
  });
});

test('a large push is cut between commits: each payload is whole from its before to its after', async () => {
  const commits = Array.from({ length: 20 }, (_, index) =>
    commit(
      index + 2,
      Array.from({ length: 10 }, (__, path) => `apps/${String(path)}/${'x'.repeat(60)}.yaml`),
    ),
  );
  const result = await relayPush(
    { ...settings, maxPayloadBytes: 5_000 },
    { before: sha(1), after: sha(21), commits },
  );
  expect(result).toMatchObject({ kind: 'delivered' });
  expect(payloads.length).toBeGreaterThan(3);
  expect(payloads[0]?.before).toBe(sha(1));
  for (const [index, payload] of payloads.entries()) {
    expect(JSON.stringify(payload).length).toBeLessThan(5_000);
    expect(payload.after).toBe(payload.commits.at(-1)?.id);
    if (index > 0) expect(payload.before).toBe(payloads[index - 1]?.after);
  }
  expect(payloads.flatMap((payload) => payload.commits.map((one) => one.id))).toEqual(
    commits.map((one) => one.sha),
  );
});

test('a commit too large for a payload is told of without before and after', async () => {
  const paths = Array.from(
    { length: 200 },
    (_, index) => `charts/${String(index)}/${'y'.repeat(40)}`,
  );
  const commits = [commit(2, ['a']), commit(3, paths), commit(4, ['b'])];
  await relayPush(
    { ...settings, maxPayloadBytes: 3_000 },
    { before: sha(1), after: sha(4), commits },
  );
  const first = payloads[0];
  const last = payloads.at(-1);
  expect(first).toMatchObject({ before: sha(1), after: sha(2) });
  expect(last).toMatchObject({ before: sha(3), after: sha(4) });
  const middle = payloads.slice(1, -1);
  expect(middle.every((payload) => payload.before === '' && payload.after === '')).toBe(true);
  expect(middle.flatMap((payload) => payload.commits.flatMap((one) => one.modified))).toEqual(
    paths,
  );
});

test('a push whose paths are not known lets Argo CD look at everything', async () => {
  await relayPush(settings, { before: sha(1), after: sha(2), commits: [] });
  expect(payloads).toMatchObject([{ before: '', after: sha(2), commits: [] }]);
});

test('of a refusal without end only the start is read', async () => {
  answer = { status: 500, body: 'x'.repeat(1_000), isEndless: true };
  const push = { before: sha(1), after: sha(2), commits: [] };
  expect(await relayPush(settings, push)).toEqual({
    kind: 'refused',
    status: 500,
    reason: 'x'.repeat(300),
  });
});

test('a refusal is returned with what Argo CD said', async () => {
  answer = { status: 400, body: 'Webhook processing failed: HMAC verification failed' };
  expect(await relayPush(settings, { before: sha(1), after: sha(2), commits: [] })).toEqual({
    kind: 'refused',
    status: 400,
    reason: 'Webhook processing failed: HMAC verification failed',
  });
});

test('nobody there, and nobody who answers, are returned too', async () => {
  const push = { before: sha(1), after: sha(2), commits: [] };
  answer = null;
  expect(await relayPush({ ...settings, timeoutMs: 200 }, push)).toEqual({
    kind: 'unreachable',
    reason: 'it did not answer in time',
  });
  server.closeAllConnections();
  server.close();
  expect(await relayPush(settings, push)).toMatchObject({ kind: 'unreachable' });
  expect(await relayPush({ ...settings, url: 'not a url' }, push)).toMatchObject({
    kind: 'unreachable',
  });
});
