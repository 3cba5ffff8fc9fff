/**
 * The whole path with reviews: API → pull request → approval → commit → practice cluster → status, on
 * the control plane as people run it, on a cluster that has everything reviewed.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Operation, Review, ReviewDetail, Store } from '../../control-plane/src/contract.ts';
import type { FaultPoint } from '../../control-plane/src/reconcile/publish.ts';
import type { ApiClient, ControlPlaneProcess } from '../support/control-plane-process.ts';
import { openPractice, type Practice } from '../support/practice.ts';

let practice: Practice;
let controlPlane: ControlPlaneProcess;
let api: ApiClient;

const WITHIN = { timeout: 100_000 };
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

async function start(mode: 'always' | 'destructive', fault?: FaultPoint): Promise<void> {
  const settings = join(practice.folder, 'cluster.yaml');
  await writeFile(settings, `review: ${mode}\n`);
  ({ controlPlane, api } = await practice.startControlPlane({
    env: { SHOPYARD_CLUSTER_SETTINGS: settings },
    ...(fault === undefined ? {} : { fault }),
  }));
}

beforeAll(async () => {
  practice = await openPractice({ speed: 8 });
  await start('always');
});

afterAll(async () => {
  await controlPlane.stop();
  await practice.close();
});

const isReady = (store: Store): boolean => store.status === 'ready' && store.stage === 'ready';

async function waitForReview(storeId: string): Promise<ReviewDetail> {
  const store = await api.waitFor(
    storeId,
    'under review',
    ({ stage, review }) => stage === 'review' && review !== null,
    { ...WITHIN, mayFail: true },
  );
  const answer = await api.call('GET', `/api/reviews/${String(store.review?.number)}`);
  expect(answer.status).toBe(200);
  return answer.body as ReviewDetail;
}

async function approve({ review }: ReviewDetail): Promise<void> {
  const { number, head } = review;
  const answer = await api.call('POST', `/api/reviews/${number}/approve`, { headSha: head });
  expect(answer).toMatchObject({ status: 202 });
}

async function readOperation(storeId: string, id: string): Promise<Operation | undefined> {
  const answer = await api.call('GET', `/api/stores/${storeId}/operations`);
  return (answer.body as { operations: Operation[] }).operations.find((one) => one.id === id);
}

let shop: Store;

test('a store is made once its pull request is approved, with a deadline from then on', async () => {
  const { store, operation } = await api.create({ name: 'shop', type: 'woocommerce' });
  const detail = await waitForReview(store.id);
  expect(detail.review).toMatchObject({ state: 'open', kind: 'create', operation: operation.id });
  expect(detail).toMatchObject({ decidedHere: true, omitted: 0, note: null });
  expect(detail.files.map(({ path, before }) => [path.split('/')[2], before])).toEqual([
    ['apps', null],
    ['stores', null],
    ['stores', null],
  ]);
  for (const { path } of detail.files) expect(detail.body).toContain(path);
  const wrong = { headSha: 'f'.repeat(40) };
  expect(
    await api.call('POST', `/api/reviews/${detail.review.number}/approve`, wrong),
  ).toMatchObject({ status: 409, body: { code: 'review_moved' } });
  await approve(detail);
  shop = await api.waitFor(store.id, 'ready', isReady, WITHIN);
  expect((await api.readStages(shop.id)).map(({ stage }) => stage)).toEqual([
    'requested', 'review', 'committed', 'seen', 'syncing', 'setup', 'verifying', 'ready',
  ]); // prettier-ignore
  const { body } = await api.call('GET', '/api/reviews?state=merged');
  expect((body as { reviews: Review[] }).reviews).toMatchObject([
    { number: detail.review.number, state: 'merged', merged: shop.commit },
  ]);
});

test('a change that is rejected leaves the shop ready, as it was', async () => {
  const { operation } = await api.change(shop.id, { plan: 'medium' });
  const detail = await waitForReview(shop.id);
  expect(detail.review.title).toBe('Change store shop of platform: plan small → medium');
  expect(await api.read(shop.id)).toMatchObject({ status: 'ready', stage: 'review' });
  const reason = { reason: 'Not this month.' };
  const rejected = await api.call('POST', `/api/reviews/${detail.review.number}/reject`, reason);
  expect(rejected).toMatchObject({ status: 202 });
  const after = await api.waitFor(shop.id, 'as it was', isReady, WITHIN);
  expect(after).toMatchObject({ plan: 'small', generation: 1, commit: shop.commit, error: null });
  expect(await readOperation(shop.id, operation.id)).toMatchObject({
    state: 'rejected',
    review: detail.review.number,
    error: { code: 'review_rejected' },
  });
  expect(
    await api.call('POST', `/api/reviews/${detail.review.number}/approve`, {
      headSha: detail.review.head,
    }),
  ).toMatchObject({ status: 409, body: { code: 'review_over' } });
});

test('a control plane that is killed between push and pull request opens one, once', async () => {
  await controlPlane.stop();
  await start('always', 'review-pushed');
  const { store } = await api.change(shop.id, { plan: 'medium' });
  await controlPlane.ended;
  await start('always');
  const detail = await waitForReview(store.id);
  const { body } = await api.call('GET', '/api/reviews?state=open');
  expect((body as { reviews: Review[] }).reviews).toHaveLength(1);
  await approve(detail);
  shop = await api.waitFor(
    shop.id,
    'ready on the larger plan',
    (one) => isReady(one) && one.generation === 2,
    WITHIN,
  );
  expect(shop).toMatchObject({ plan: 'medium', error: null });
});

test('where only what takes something away is reviewed: a change goes through, a delete waits', async () => {
  await controlPlane.stop();
  await start('destructive');
  const { operation } = await api.change(shop.id, { plan: 'small' });
  await api.waitFor(shop.id, 'ready again', (one) => isReady(one) && one.generation === 3, WITHIN);
  expect(await readOperation(shop.id, operation.id)).toMatchObject({ review: null });
  const deletion = await api.delete(shop.id);
  const detail = await waitForReview(shop.id);
  expect(detail.review.labels).toContain('shopyard/destructive');
  expect(await api.read(shop.id)).toMatchObject({ status: 'ready' });
  await approve(detail);
  await api.waitFor(shop.id, 'deleted', (one) => one.status === 'deleted', WITHIN);
  expect(await readOperation(shop.id, deletion.operation.id)).toMatchObject({ state: 'done' });
});
