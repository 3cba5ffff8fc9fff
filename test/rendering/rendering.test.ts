/** What the control plane writes into a cluster repository, byte for byte. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Action, StoreSpec } from '../../control-plane/src/domain/store.ts';
import { renderClusterFolder, renderTenant } from '../../control-plane/src/render/cluster.ts';
import { createStoreRenderer, type CommittedStore } from '../../control-plane/src/render/store.ts';
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

/** A store that is on the branch. */
const committed = { intent: 'spec:\n  chartVersion: 1.2.0\n', entries: [] };

function act(
  action: Action,
  { present = committed, store = exampleStore() }: Partial<Acted> = {},
): FileChange[] {
  const at = new Date('2026-11-21T12:00:00Z');
  return render({ action, store, operationId: 'op_1', at }, present);
}

type Acted = {
  /** What the branch has of it; null: nothing. */
  readonly present: CommittedStore | null;
  readonly store: StoreSpec;
};

test('a created store', async () => {
  await expectGolden(golden('create'), written(act('create', { present: null })));
});

describe('the certificate of a store', () => {
  const issuer = { 'cert-manager.io/cluster-issuer': 'letsencrypt' };
  const headers = { 'traefik.ingress.kubernetes.io/router.middlewares': 'x-headers@kubernetescrd' };

  /** What the values of a store say of it, on a cluster with that certificate. */
  function readTls(tlsSecret: string | null, host: string): unknown {
    const renderAction = createStoreRenderer(sources, address, (name) => {
      const cluster = exampleCluster(name);
      const ingressAnnotations = { ...issuer, ...headers };
      return { ...cluster, values: { ...cluster.values, ingressAnnotations, tlsSecret } };
    });
    const store = exampleStore({ host, url: `https://${host}` });
    const at = new Date(0);
    const files = renderAction({ action: 'create', store, operationId: 'op_1', at }, null);
    const values = files.find(({ path }) => path.endsWith('values-1.2.0.yaml'))?.content;
    const { cluster } = parse(String(values)) as { cluster: Record<string, unknown> };
    return { annotations: cluster['ingressAnnotations'], tlsSecret: cluster['tlsSecret'] };
  }

  test('its own, by cert-manager', () => {
    const own = { annotations: { ...issuer, ...headers }, tlsSecret: null };
    expect(readTls(null, 'shop.localhost')).toEqual(own);
    expect(readTls(null, 'shop.example.com')).toEqual(own);
  });

  test.each(['', 'wildcard'])('one for all under the base domain: “%s”', (tlsSecret) => {
    expect(readTls(tlsSecret, 'shop.localhost')).toEqual({ annotations: headers, tlsSecret });
  });

  test('a domain of the merchant’s own is not under the base domain', () => {
    expect(readTls('wildcard', 'shop.example.com')).toEqual({
      annotations: { ...issuer, ...headers },
      tlsSecret: null,
    });
  });
});

test('a released store: the same Application without its protection', async () => {
  await expectGolden(golden('release'), written(act('release')));
});

test('a removed store: only its Application’s file is emptied', () => {
  const [{ path, content } = { path: '', content: null }, ...more] = act('remove');
  expect(path).toBe('clusters/lab/apps/3/abc123-shop.yaml');
  expect(parse(String(content))).toBeNull();
  expect(more).toEqual([]);
});

test('a purged store: its files go, a tombstone stays', async () => {
  const [file, folder, ...rest] = act('purge');
  expect(file).toEqual({ path: 'clusters/lab/apps/3/abc123-shop.yaml', content: null });
  expect(folder).toEqual({ path: 'clusters/lab/stores/33/abc123-shop/', content: null });
  await expectGolden(golden('purge'), written(rest));
});

describe('a store that is changed', () => {
  const folder = 'clusters/lab/stores/33/abc123-shop';
  const read = (files: readonly FileChange[], name: string): unknown =>
    parse(String(files.find(({ path }) => path === `${folder}/${name}`)?.content));
  const removed = (files: readonly FileChange[]): string[] =>
    files.filter(({ content }) => content === null).map(({ path }) => path);

  test.each([
    ['suspend', { suspended: true }],
    ['retire', { suspended: true, purgeAt: '2026-11-28T12:00:00.000Z' }],
  ] as const)('runs nothing, and its files say so: %s', (action, changes) => {
    const files = act(action, { store: exampleStore(changes) });
    expect(read(files, 'store.yaml')).toMatchObject({ spec: changes });
    expect(read(files, 'values-1.2.0.yaml')).toMatchObject({ store: { suspended: true } });
  });

  test('has the values of the version before until the commit after an upgrade', () => {
    const store = exampleStore({ chartVersion: '1.3.0' });
    const entries = ['store.yaml', 'values-1.1.0.yaml', 'values-1.2.0.yaml', 'note.txt'];
    const upgraded = act('upgrade', { store, present: { ...committed, entries } });
    expect(upgraded.map(({ path }) => path)).toContain(`${folder}/values-1.3.0.yaml`);
    expect(removed(upgraded)).toEqual([`${folder}/values-1.1.0.yaml`]);
    const after = {
      intent: 'spec:\n  chartVersion: 1.3.0\n',
      entries: [...entries, 'values-1.3.0.yaml'],
    };
    expect(removed(act('update', { store, present: after }))).toEqual([
      `${folder}/values-1.1.0.yaml`,
      `${folder}/values-1.2.0.yaml`,
    ]);
  });

  test('loses what is not ours when it is repaired', () => {
    const entries = ['store.yaml', 'values-1.2.0.yaml', 'note.txt', 'more/'];
    for (const intent of [committed.intent, 'not ours: [}'])
      expect(removed(act('repair', { present: { intent, entries } }))).toEqual([
        `${folder}/note.txt`,
        `${folder}/more/`,
      ]);
  });

  test('has nothing but its protection changed by that', () => {
    const store = exampleStore({ protected: true, plan: 'large', generation: 7 });
    const [intent] = act('create', { present: null }).filter(({ path }) =>
      path.endsWith('/store.yaml'),
    );
    const present = { intent: String(intent?.content), entries: [] };
    const files = act('protect', { store, present });
    expect(files.map(({ path }) => path)).toEqual([`${folder}/store.yaml`]);
    expect(read(files, 'store.yaml')).toEqual({
      ...(parse(present.intent) as object),
      spec: { ...(parse(present.intent) as { spec: object }).spec, protected: true },
    });
    const earlier = { intent: 'spec:\n  plan: small\n', entries: [] };
    expect(read(act('protect', { store, present: earlier }), 'store.yaml')).toEqual({
      spec: { plan: 'small', protected: true },
    });
    expect(() => act('protect', { store, present: { intent: '[]', entries: [] } })).toThrow(
      'describes no store',
    );
    expect(act('protect', { present: null })).toEqual([]);
  });
});

test('a store that was never committed leaves nothing behind', () => {
  expect(act('release', { present: null })).toEqual([]);
  expect(act('purge', { present: null })).toEqual([]);
});

test('a store whose folder somebody removed has its guard taken off all the same', () => {
  const store = exampleStore();
  const action = { store, operationId: 'op_1', at: new Date(0), isCommitted: true } as const;
  const files = render({ ...action, action: 'release' }, null);
  expect(files.map(({ path }) => path)).toEqual(['clusters/lab/apps/3/abc123-shop.yaml']);
  expect(String(files[0]?.content)).not.toContain('Prune=false');
});

test('a new cluster’s folder and a tenant’s fence', async () => {
  const cluster = { ...address, cluster: 'lab', shardDigits: 1, policiesVersion: '1.0.0' } as const;
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
