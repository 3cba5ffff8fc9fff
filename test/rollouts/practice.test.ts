/**
 * A dozen stores upgraded in waves on the practice cluster, by a control plane of the next release that
 * takes over from this one: one store turns unhealthy on the way, and the control plane is killed.
 */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Rollout, RolloutDetail, Store } from '../../control-plane/src/contract.ts';
import type { ApiClient, ControlPlaneProcess } from '../support/control-plane-process.ts';
import { makeNextRelease, type Release } from '../support/next-release.ts';
import { openPractice, type Practice } from '../support/practice.ts';

const SPEED = 12;
const STORES = 12;
// Nothing takes that long, unless the machine is busy with something else.
const WITHIN = { timeout: 150_000, interval: 200 };
vi.setConfig({ testTimeout: 200_000, hookTimeout: 200_000 });

let practice: Practice;
let controlPlane: ControlPlaneProcess | undefined;
let release: Release;
let api: ApiClient;
let stores: Store[];

async function start(top?: string): Promise<void> {
  ({ controlPlane, api } = await practice.startControlPlane(top === undefined ? {} : { top }));
}

async function ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const answer = await api.call(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
  return answer.body as Record<string, unknown>;
}

async function read(id: string): Promise<RolloutDetail> {
  return (await ask('GET', `/api/rollouts/${id}?limit=100`)) as RolloutDetail;
}

async function begin(body: object): Promise<Rollout> {
  return (await ask('POST', '/api/rollouts', body))['rollout'] as Rollout;
}

async function waitForState(id: string, state: Rollout['state']): Promise<RolloutDetail> {
  return vi.waitFor(async () => {
    const detail = await read(id);
    expect(detail.rollout, JSON.stringify(detail)).toMatchObject({ state });
    return detail;
  }, WITHIN);
}

beforeAll(async () => {
  [practice, release] = await Promise.all([
    openPractice({ speed: SPEED }),
    makeNextRelease('woocommerce'),
  ]);
  await start();
  const made = await Promise.all(
    Array.from({ length: STORES }, (_, index) =>
      api.create({ name: `shop-${index}`, type: 'woocommerce' }),
    ),
  );
  stores = await Promise.all(
    made.map(({ store }) =>
      api.waitFor(store.id, 'ready', ({ status }) => status === 'ready', {
        timeout: WITHIN.timeout,
      }),
    ),
  );
});

afterAll(async () => {
  await controlPlane?.stop();
  await practice.close();
  await rm(release.top, { recursive: true, force: true });
});

test('this release has nothing to upgrade to', async () => {
  const answer = await api.call('POST', '/api/rollouts', { type: 'woocommerce' });
  expect(answer).toMatchObject({ status: 409, body: { code: 'nothing_to_upgrade' } });
});

test('a share of the stores tries the next release’s chart first', async () => {
  await controlPlane?.stop();
  await start(release.top);
  const asked = { type: 'woocommerce', selection: { kind: 'share', percent: 10 }, waveSize: 3 };
  const preview = await ask('POST', '/api/rollouts/preview', asked);
  expect(preview).toEqual({ toVersion: release.version, stores: 2, waves: 1, leftOut: [] });
  const { id } = await begin(asked);
  const { rollout, stores: part } = await waitForState(id, 'done');
  expect(rollout.counts).toMatchObject({ upgraded: 2, pending: 0, unhealthy: 0, 'left-out': 0 });
  expect(part.map(({ store }) => store.chartVersion)).toEqual([release.version, release.version]);
  // Each is a change of its own, in the operator's name, as anybody's would be.
  const [first] = part;
  const answer = await ask('GET', `/api/stores/${first?.store.id ?? ''}/operations`);
  expect(answer['operations']).toMatchObject([
    { kind: 'upgrade', state: 'done' },
    { kind: 'create' },
  ]);
});

test('with a store that turns unhealthy it stops; seen to, it goes on past a killed control plane', async () => {
  const { id } = await begin({ type: 'woocommerce', waveSize: 3 });
  const sick = await vi.waitFor(async () => {
    const { stores: part } = await read(id);
    const upgraded = part.find(({ state }) => state === 'upgraded');
    expect(upgraded).toBeDefined();
    return upgraded?.store;
  }, WITHIN);
  if (sick === undefined) throw new Error('Nothing was upgraded.');
  practice.cluster.faults.set(sick.name, 'degraded');
  const stopped = await waitForState(id, 'stopped');
  expect(stopped.rollout.reason).toContain('1 upgraded store is failed or degraded');
  expect(stopped.rollout.counts.pending).toBeGreaterThan(0);
  expect(stopped.stores.find(({ store }) => store.id === sick.id)?.state).toBe('unhealthy');

  practice.cluster.faults.clear(sick.name, 'degraded');
  await api.waitFor(sick.id, 'well again', ({ status }) => status === 'ready', {
    timeout: WITHIN.timeout,
    mayFail: true,
  });
  await ask('POST', `/api/rollouts/${id}/resume`);
  await vi.waitFor(async () => {
    const { rollout } = await read(id);
    expect(rollout.wave).toBeGreaterThan(stopped.rollout.wave);
  }, WITHIN);
  await controlPlane?.kill();
  await start(release.top);
  const { rollout } = await waitForState(id, 'done');
  expect(rollout.counts).toEqual({
    pending: 0,
    upgrading: 0,
    upgraded: STORES - 2,
    unhealthy: 0,
    'left-out': 0,
  });
  for (const { id: storeId } of stores) {
    const { operations } = (await ask('GET', `/api/stores/${storeId}/operations`)) as {
      operations: { kind: string; state: string }[];
    };
    expect(operations.map(({ kind, state }) => `${kind} ${state}`)).toEqual([
      'upgrade done',
      'create done',
    ]);
  }
});
