/**
 * The add-on `middlewares` at the real Traefik: rendered by the control plane, synced by Argo CD, named by the Ingress of
 * a store. The tests are one story: the same store without it, with it, and once it is off.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { builtProgram } from '../../bootstrap/lab/parts.ts';
import { traefikCrdsPath } from '../../bootstrap/lab/programs.ts';
import { versions } from '../../bootstrap/lab/versions.ts';
import { readClusterFile } from '../../control-plane/src/cluster-file.ts';
import type { Store } from '../../control-plane/src/contract.ts';
import { startLabControlPlane, type LabControlPlane } from './control-plane.ts';
import { exists, kubectl, labContext, send, type Answer } from './lab.ts';

const APPLICATION = 'shopyard-middlewares';
const LIMITS = { requestsPerSecond: 2, burst: 10, bodyMegabytes: 2, hstsSeconds: 600 };
/** Argo CD may miss a push that comes while it looks at the one before: then it polls, a minute later. */
const PATIENCE = { timeout: 240_000, interval: 500 };
const BODY_BYTES = LIMITS.bodyMegabytes * 1_048_576;
/** More than a client has. */
const MANY = 40;
/** As people write it. */
const { ingressAnnotations } = readClusterFile(
  new URL('../../clusters/example.yaml', import.meta.url).pathname,
);

let controlPlane: LabControlPlane;
let store: Store;
let host: string;

beforeAll(async () => {
  controlPlane = await startLabControlPlane(9_805);
});

afterAll(async () => {
  const { api } = controlPlane;
  await api.delete(store.id);
  await api.waitFor(store.id, 'deleted', ({ status }) => status === 'deleted', { mayFail: true });
  // Otherwise the next test file's repository would find them.
  await kubectl('delete', 'application', APPLICATION, '-n', 'argocd', '--ignore-not-found');
  await kubectl('delete', 'appproject', APPLICATION, '-n', 'argocd', '--ignore-not-found');
  await kubectl('delete', 'namespace', APPLICATION, '--ignore-not-found');
  await controlPlane.stop();
});

/** A file that the shop's web server answers by itself. */
function ask(way: { tls?: boolean; from?: string } = {}): Promise<Answer> {
  return send(host, '/wp-includes/images/blank.gif', {}, undefined, way);
}

/** What so many bytes are answered, sent with their length or in chunks without one. */
async function upload(bytes: number, headers: Record<string, string> = {}): Promise<number> {
  const answer = await send(host, '/wp-login.php', headers, 'x'.repeat(bytes));
  return answer.status;
}

/** At once where most are refused; a small shop that has to serve them all turns unready of that. */
async function askMany(atOnce: number): Promise<number[]> {
  const answers: number[] = [];
  while (answers.length < MANY) {
    const asked = Array.from({ length: atOnce }, () => ask());
    answers.push(...(await Promise.all(asked)).map(({ status }) => status));
  }
  return answers;
}

test('Kind applies the definitions of Traefik’s kinds that the lab has', async () => {
  const file = builtProgram(labContext.paths, 'traefik', basename(traefikCrdsPath));
  const digest = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  expect(digest).toBe(versions.traefikCrdsSha256);
});

test('a store that does not name them is neither limited nor given headers', async () => {
  controlPlane.diagnoseOnFailure();
  const { api } = controlPlane;
  const name = `limits-${Date.now().toString(36).slice(-4)}`;
  ({ store } = await api.create({ name, type: 'woocommerce' }));
  store = await api.waitFor(store.id, 'ready', ({ status }) => status === 'ready');
  host = new URL(store.url).hostname;
  await vi.waitFor(async () => expect((await ask()).status).toBe(200), { timeout: 30_000 });
  expect(new Set(await askMany(1))).toEqual(new Set([200]));
  expect(await upload(BODY_BYTES + 1)).toBe(200);
  const { headers } = await ask({ tls: true });
  expect(headers).not.toHaveProperty('strict-transport-security');
});

test('the control plane commits them, Argo CD applies them, and a store names them', async () => {
  controlPlane.diagnoseOnFailure();
  await controlPlane.startWith({ ingressAnnotations, platform: { middlewares: LIMITS } });
  await vi.waitFor(async () => {
    const state = '{.status.sync.status} {.status.health.status}';
    const path = `-o=jsonpath=${state}`;
    const told = await kubectl('get', 'application', APPLICATION, '-n', 'argocd', path);
    expect(told).toBe('Synced Healthy');
  }, PATIENCE);
  const { api } = controlPlane;
  await api.ask(store.id, 'repair');
  store = await api.waitFor(
    store.id,
    'repaired',
    ({ status, generation }) => status === 'ready' && generation === 2,
  );
  // Slower than what is allowed.
  await vi.waitFor(
    async () => expect((await ask()).headers).toHaveProperty('x-content-type-options'),
    { timeout: 60_000, interval: 1_000 },
  );
});

test('the security headers are on its answers; to use TLS alone is asked for over TLS', async () => {
  const expected = {
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'SAMEORIGIN',
    'referrer-policy': 'strict-origin-when-cross-origin',
  };
  const [plain, byTls] = [await ask(), await ask({ tls: true })];
  expect(plain).toMatchObject({ status: 200, headers: expected });
  expect(plain.headers).not.toHaveProperty('strict-transport-security');
  expect(byTls).toMatchObject({
    status: 200,
    headers: { ...expected, 'strict-transport-security': `max-age=${LIMITS.hstsSeconds}` },
  });
});

test('a body at the limit arrives, and one above it is answered 413', async () => {
  const inChunks = { 'transfer-encoding': 'chunked' };
  for (const headers of [{}, inChunks]) {
    expect(await upload(BODY_BYTES, headers)).toBe(200);
    expect(await upload(BODY_BYTES + 1, headers)).toBe(413);
  }
});

test('a burst is answered 429 from where it is too much, and another client’s request is not', async () => {
  const answers = await askMany(MANY);
  const served = answers.filter((status) => status === 200).length;
  const limited = answers.filter((status) => status === 429).length;
  console.log(`${MANY} at once: ${served} answered, ${limited} refused`);
  expect(served + limited).toBe(MANY);
  expect(served).toBeGreaterThan(0);
  expect(limited).toBeGreaterThan(0);
  expect((await ask({ from: '127.0.0.2' })).status).toBe(200);
});

test('switched off, they stay until a person deletes them, which closes the store', async () => {
  controlPlane.diagnoseOnFailure();
  await controlPlane.startWith({ ingressAnnotations, platform: { off: ['middlewares'] } });
  const leftOver = `{.status.resources[?(@.name=="${APPLICATION}")].requiresPruning}`;
  await vi.waitFor(async () => {
    const path = `-o=jsonpath=${leftOver}`;
    expect(await kubectl('get', 'application', 'shopyard-root', '-n', 'argocd', path)).toMatch(
      /^true/,
    );
  }, PATIENCE);
  await kubectl('delete', 'application', APPLICATION, '-n', 'argocd');
  expect(await exists('middlewares.traefik.io', 'store', APPLICATION)).toBe(true);
  expect((await ask()).headers).toHaveProperty('x-content-type-options');

  await kubectl('delete', 'namespace', APPLICATION);
  await vi.waitFor(async () => expect((await ask()).status).toBe(404), { timeout: 30_000 });
});
