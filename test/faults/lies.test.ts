/**
 * Row 9: git and the cluster's API answer wrongly for a while, to a whole control plane with stores
 * that run. Nothing is deleted by it, what is asked for meanwhile is done after it, and the stores
 * are ready again by themselves.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { connectCluster } from '../../control-plane/src/cluster/connection.ts';
import { createClusterReader } from '../../control-plane/src/cluster/reader.ts';
import type { Store } from '../../control-plane/src/contract.ts';
import { startProxy } from '../../control-plane/src/forge/testing.ts';
import { ApiClient } from '../support/control-plane-process.ts';
import { chooseRounds, tally } from './tally.ts';
import { openWorld, SECRETS, type World } from './world.ts';

const ROUNDS = chooseRounds({ short: 1, full: 2 });
/** After how many lies the stores are waited for; short: after the last of a kind. */
const LIES_AT_ONCE = chooseRounds({ short: 4, full: 1 });
const WITHIN = { timeout: 80_000, mayFail: true };

const HTML = '<!doctype html><title>Sign in</title>';

type Lie = (request: IncomingMessage, response: ServerResponse) => unknown;

const GIT_LIES: Readonly<Record<string, Lie>> = {
  'git answers 500': (_, response) => response.writeHead(500).end('oops'),
  'git answers HTML with 200': (_, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end(HTML),
  'git answers nothing with 200': (_, response) => response.writeHead(200).end(),
};

/** Told instead of a LIST of Applications. */
const LIST_LIES: Readonly<Record<string, Lie>> = {
  'LIST answers 500': (_, response) => response.writeHead(500).end('{}'),
  'LIST answers HTML with 200': (_, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end(HTML),
  'LIST is empty': (_, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        apiVersion: 'argoproj.io/v1alpha1',
        kind: 'ApplicationList',
        metadata: { resourceVersion: '1' },
        items: [],
      }),
    ),
  'LIST is cut': (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' });
    response.write('{"kind":"ApplicationList","metadata":{"resourceVersion":"1"},"items":[');
    setTimeout(() => response.destroy(), 20);
  },
};

const isLast = (index: number, lies: Readonly<Record<string, Lie>>): boolean =>
  (index + 1) % LIES_AT_ONCE === 0 || index + 1 === Object.keys(lies).length;

const isReady = (store: Store): boolean => store.status === 'ready';

test(
  'row 9: whatever git and LIST answer, nothing is deleted',
  { timeout: 600_000 },
  async ({ task }) => {
    const world = await openWorld();
    let told = 0;
    const lies: { git: Lie | null; list: Lie | null; expired: boolean } = {
      git: null,
      list: null,
      expired: false,
    };
    const watches = new Set<ServerResponse>();
    await using git = await startProxy(world.repository.forge.remote, (request, response) => {
      if (lies.git === null) return 'pass';
      told += 1;
      lies.git(request, response);
      return 'answered';
    });
    await using cluster = await startProxy(await readServer(world), (request, response) => {
      const url = new URL(request.url ?? '/', 'http://cluster');
      if (!url.pathname.endsWith('/applications')) return 'pass';
      if (url.searchParams.get('watch') === 'true') {
        if (lies.expired) {
          lies.expired = false;
          response.writeHead(410).end('{}');
          return 'answered';
        }
        watches.add(response);
        response.once('close', () => watches.delete(response));
        return 'pass';
      }
      if (lies.list === null) return 'pass';
      told += 1;
      lies.list(request, response);
      return 'answered';
    });
    /** Ends the watch, and has the next one told that it is too old: a LIST follows. */
    const relist = (): void => {
      lies.expired = true;
      for (const response of watches) response.destroy();
    };
    try {
      const kubeconfig = await writeKubeconfig(world, cluster.remote.url);
      const { url } = await world.start('api,writer,observer', {
        env: { SHOPYARD_CLUSTER: kubeconfig, SHOPYARD_REPOSITORY_URL: git.remote.url },
      });
      const api = new ApiClient(url, SECRETS.token);
      const stores: Store[] = [];
      const create = async (name: string): Promise<void> => {
        stores.push((await api.create({ name, type: 'woocommerce' })).store);
      };
      /** Those that have been ready. */
      let running: readonly Store[] = [];
      const untilReady = async (): Promise<void> => {
        await Promise.all(stores.map(({ id }) => api.waitFor(id, 'ready', isReady, WITHIN)));
        running = [...stores];
      };
      const untilTold = (more: number): Promise<void> => {
        const wanted = told + more;
        return vi.waitFor(() => expect(told).toBeGreaterThanOrEqual(wanted), 30_000);
      };
      for (const name of ['one', 'two', 'three']) await create(name);
      await untilReady();
      let asked = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const [index, lie] of Object.values(GIT_LIES).entries()) {
          lies.git = lie;
          asked += 1;
          await create(`asked-${asked}`);
          await untilTold(3);
          lies.git = null;
          if (isLast(index, GIT_LIES)) await untilReady();
          await expectNothingDeleted(world, api, running);
        }
        for (const [index, lie] of Object.values(LIST_LIES).entries()) {
          lies.list = lie;
          relist();
          await untilTold(1);
          // A store asked for meanwhile is committed: by then the lie was looked at.
          asked += 1;
          await create(`asked-${asked}`);
          const { id } = stores.at(-1) ?? { id: '' };
          await api.waitFor(id, 'committed', ({ commit }) => commit !== null, WITHIN);
          await expectNothingDeleted(world, api, running);
          lies.list = null;
          relist();
          if (isLast(index, LIST_LIES)) await untilReady();
          await expectNothingDeleted(world, api, running);
        }
        await emptyTheTree(world, async () => {
          asked += 1;
          await create(`asked-${asked}`);
          await expectNothingDeleted(world, api, running);
        });
        await untilReady();
        await expectNothingDeleted(world, api, running);
      }
      tally(task, {
        done: `${told} wrong answers in ${ROUNDS * 8} spells, ${stores.length} stores`,
      });
    } finally {
      await world.close();
    }
  },
);

/** A person removes every file, and brings them back. */
async function emptyTheTree(world: World, meanwhile: () => Promise<void>): Promise<void> {
  const { repository } = world;
  const tip = await repository.commitAsPerson('Remove everything', async (folder) => {
    for (const name of await readdir(folder))
      if (name !== '.git') await rm(join(folder, name), { recursive: true });
  });
  await meanwhile();
  await repository.revertAsPerson(tip);
}

async function expectNothingDeleted(
  world: World,
  api: ApiClient,
  stores: readonly Store[],
): Promise<void> {
  const { db } = world.database;
  const operations = await db.selectFrom('operations').select('kind').distinct().execute();
  expect(operations.map(({ kind }) => kind)).not.toContain('delete');
  for (const { id } of stores)
    expect(['deleting', 'deleted']).not.toContain((await api.read(id)).status);
  const removed = await world.repository.git(
    ...['log', '--author=Shopyard', '--diff-filter=D', '--format=', '--name-only', 'main'],
  );
  expect(removed.trim()).toBe('');
  const connection = connectCluster(world.practice.kubeconfig);
  try {
    const reader = createClusterReader(connection, { namespace: 'argocd' });
    for (const { name, namespace } of stores)
      expect(await reader.applicationExists(namespace.slice('store-'.length)), name).toBe(true);
  } finally {
    connection.close();
  }
}

type Kubeconfig = { clusters: [{ cluster: { server: string } }] };

async function readServer(world: World): Promise<Parameters<typeof startProxy>[0]> {
  const read = JSON.parse(await readFile(world.practice.kubeconfig, 'utf8')) as Kubeconfig;
  return { ...world.repository.forge.remote, url: read.clusters[0].cluster.server };
}

/** The practice cluster's kubeconfig, by another way there. */
async function writeKubeconfig(world: World, url: string): Promise<string> {
  const read = JSON.parse(await readFile(world.practice.kubeconfig, 'utf8')) as Kubeconfig;
  read.clusters[0].cluster.server = url.replace(/\/$/, '');
  const path = join(world.folder, 'kubeconfig');
  await writeFile(path, JSON.stringify(read));
  return path;
}
