/** What the control plane writes into a cluster repository, byte for byte. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Action } from '../../control-plane/src/domain/store.ts';
import { renderClusterFolder, renderTenant } from '../../control-plane/src/render/cluster.ts';
import { createStoreRenderer } from '../../control-plane/src/render/store.ts';
import type { FileChange } from '../../control-plane/src/git/types.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { exampleStore } from '../support/example-store.ts';
import { expectGolden } from '../support/golden.ts';

const { sources } = await loadTemplates();
const address = { repositoryUrl: 'http://git.example/shopyard.git', branch: 'main' };
const render = createStoreRenderer(sources, address, exampleCluster);
const golden = (name: string): string => join(import.meta.dirname, 'golden', name);

function written(changes: readonly FileChange[]): { path: string; content: string }[] {
  return changes.map(({ path, content }) => {
    if (typeof content !== 'string') throw new Error(`${path} is no text`);
    return { path, content };
  });
}

function act(action: Action, isCommitted = true): FileChange[] {
  const at = new Date('2026-11-21T12:00:00Z');
  return render({ action, store: exampleStore(), operationId: 'op_1', at }, isCommitted);
}

test('a created store', async () => {
  await expectGolden(golden('create'), written(act('create', false)));
});

test('a released store: the same Application without its protection', async () => {
  await expectGolden(golden('release'), written(act('release')));
});

test('a removed store: only its Application’s file goes', () => {
  expect(act('remove')).toEqual([{ path: 'clusters/lab/apps/3/abc123-shop.yaml', content: null }]);
});

test('a purged store: its folder goes, a tombstone stays', async () => {
  const [folder, ...rest] = act('purge');
  expect(folder).toEqual({ path: 'clusters/lab/stores/33/abc123-shop/', content: null });
  await expectGolden(golden('purge'), written(rest));
});

test('a store that was never committed leaves nothing behind', () => {
  expect(act('release', false)).toEqual([]);
  expect(act('purge', false)).toEqual([]);
});

test('a new cluster’s folder and a tenant’s fence', async () => {
  const cluster = { ...address, cluster: 'lab', shardDigits: 1 } as const;
  const files = renderClusterFolder(sources, cluster).filter(
    // Sixteen shards are alike: two are enough to read.
    ({ path }) => !/(shards|apps)\/[2-9a-f]/.test(path),
  );
  const tenant = renderTenant(sources, {
    ...address,
    cluster: 'lab',
    tenantId: 'abc123',
    tenant: 'acme',
  });
  await expectGolden(golden('cluster'), written([...files, tenant]));
});
