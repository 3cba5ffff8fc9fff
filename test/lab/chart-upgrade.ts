/** A store taken to the next version of its chart by the control plane of the next release. */
import { expect, vi } from 'vitest';
import type { Store } from '../../control-plane/src/contract.ts';
import { makeNextRelease } from '../support/next-release.ts';
import type { LabControlPlane } from './control-plane.ts';
import { kubectl, listObjects } from './lab.ts';

/** Upgrades the store, in whose next version every pod differs, and waits until no former pod runs. */
export async function upgradeChart(controlPlane: LabControlPlane, store: Store): Promise<void> {
  const { api } = controlPlane;
  const before = await readPodUids(store);
  const release = await makeNextRelease(store.type);
  await controlPlane.startFrom(release);
  await vi.waitFor(
    async () =>
      expect(await api.read(store.id)).toMatchObject({
        chartVersion: release.before,
        upgradeTo: release.version,
      }),
    { timeout: 30_000 },
  );
  const answer = await api.call('POST', `/api/stores/${store.id}/upgrade`);
  expect(answer.status, JSON.stringify(answer.body)).toBe(202);
  const upgraded = await api.waitFor(store.id, 'upgraded', ({ status }) => status === 'ready');
  expect(upgraded).toMatchObject({ chartVersion: release.version, upgradeTo: null });
  const application = store.namespace.slice('store-'.length);
  const path = '{.status.operationState.syncResult.source.path}';
  expect(
    await kubectl('get', 'application', application, '-n', 'argocd', '-o', `jsonpath=${path}`),
  ).toBe(`charts/${store.type}/${release.version}`);
  await vi.waitFor(
    async () => {
      const after = await readPodUids(store);
      expect(after.filter((uid) => before.includes(uid))).toEqual([]);
    },
    { timeout: 60_000, interval: 500 },
  );
}

async function readPodUids(store: Store): Promise<string[]> {
  const pods = await listObjects<{ metadata: { uid: string } }>(
    'pods', '-n', store.namespace, '--field-selector=status.phase=Running',
  ); // prettier-ignore
  return pods.map(({ metadata }) => metadata.uid);
}
