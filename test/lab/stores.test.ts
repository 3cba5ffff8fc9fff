/**
 * The whole path on real parts: API → commit → real Argo CD → real pods → status. The tests are one
 * story, told in order on two shops and a few short-lived ones; a failed step ends it.
 *
 * Not shown here: that NetworkPolicies are enforced (the lab's network does not; Kind's and k3s's do).
 */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFailed, test, vi } from 'vitest';
import { readConfig } from '../../control-plane/src/config.ts';
import type { Store } from '../../control-plane/src/contract.ts';
import {
  ApiClient,
  startControlPlaneProcess,
  type ControlPlaneProcess,
} from '../support/control-plane-process.ts';
import { exists, hideImage, kubectl, listObjects, printDiagnostics, visit } from './lab.ts';

const run = promisify(execFile);
const PORT = 9_800;
const TOKEN = 'lab-test-operator-token';
const IMAGE = 'localhost/shopyard/woocommerce:1.1.0';
const CACHE_IMAGE = 'localhost/shopyard/redis:1.0.0';
const CREATE_TIMEOUT = 300_000;

let folder: string;
let process_: ControlPlaneProcess | undefined;
let api: ApiClient;
let shop: Store;
let neighbour: Store;
/** Stores that are on their way out, beside what is tried meanwhile. */
const leaving: Store[] = [];
const story = Date.now().toString(36).slice(-4);

async function start(
  options: { env?: Record<string, string>; fault?: 'before-push' | 'after-push' } = {},
): Promise<void> {
  process_ = await startControlPlaneProcess({
    env: {
      SHOPYARD_CLUSTER: 'lab',
      SHOPYARD_CLUSTER_SETTINGS: join(folder, 'cluster.yaml'),
      SHOPYARD_DATA_DIR: join(folder, 'data'),
      SHOPYARD_BOOTSTRAP_TOKEN: TOKEN,
      ...options.env,
    },
    port: PORT,
    log: join(folder, 'control-plane.log'),
    ...(options.fault === undefined ? {} : { fault: options.fault }),
  });
  api = new ApiClient(process_.url, TOKEN);
}

async function git(...args: string[]): Promise<string> {
  const repository = join(folder, 'data/forge/shopyard.git');
  return (await run('git', ['--git-dir', repository, ...args])).stdout.trim();
}

async function listFiles(): Promise<string[]> {
  return (await git('ls-tree', '-r', '--name-only', 'main')).split('\n');
}

const isReady = (store: Store): boolean => store.status === 'ready';
const isDeleted = (store: Store): boolean => store.status === 'deleted';

function applicationOf(store: Store): string {
  return store.namespace.slice('store-'.length);
}

/** Those of what always runs. Jobs' come and go by the clock: WordPress' cron is one. */
async function readPodUids(namespace: string): Promise<string[]> {
  type Pod = { metadata: { uid: string; ownerReferences?: { kind: string }[] } };
  const pods = await listObjects<Pod>(
    'pods',
    '-n',
    namespace,
    '--field-selector=status.phase=Running',
  );
  return pods
    .filter(({ metadata: { ownerReferences = [] } }) =>
      ownerReferences.every(({ kind }) => kind !== 'Job'),
    )
    .map((pod) => pod.metadata.uid)
    .sort();
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-lab-test-'));
  await chmod(folder, 0o755);
  // It deletes more within minutes than the guard lets through without a second operator.
  await writeFile(join(folder, 'cluster.yaml'), 'guard: { removals: 20 }\n');
  await start();
});

afterAll(async () => {
  await process_?.stop();
  await rm(folder, { recursive: true, force: true });
});

function diagnoseOnFailure(): void {
  onTestFailed(() => printDiagnostics(join(folder, 'control-plane.log')));
}

test('two stores created at once become ready, in the API and on the event stream', async () => {
  diagnoseOnFailure();
  const seen = new Map<string, string[]>();
  const stream = new AbortController();
  api.follow(stream.signal, (store) => {
    seen.set(store.id, [...(seen.get(store.id) ?? []), store.status]);
  });
  const startedAt = Date.now();
  const created = await Promise.all(
    [`shop-${story}`, `neighbour-${story}`].map((name) =>
      api.create({ name, type: 'woocommerce' }),
    ),
  );
  const stores = await Promise.all(
    created.map(({ store }) =>
      api.waitFor(store.id, 'ready', isReady, { timeout: CREATE_TIMEOUT }),
    ),
  );
  const [first, second] = stores;
  if (first === undefined || second === undefined) throw new Error('two stores were created');
  [shop, neighbour] = [first, second];
  for (const store of stores)
    await vi.waitFor(() => expect(seen.get(store.id)).toContain('ready'), { timeout: 30_000 });
  stream.abort();
  for (const store of stores) {
    const stages = await api.readStages(store.id);
    const since = stages.map(
      ({ stage, startedAt: at }) =>
        `${stage} ${((Date.parse(at) - startedAt) / 1_000).toFixed(1)} s`,
    );
    console.log(`${store.name}: ${since.join(', ')}`);
    expect(stages.map(({ stage }) => stage)).toEqual([
      'requested', 'committed', 'seen', 'syncing', 'setup', 'verifying', 'ready',
    ]); // prettier-ignore
  }
});

test('each shop’s page answers through Traefik by its own host name', async () => {
  diagnoseOnFailure();
  for (const store of [shop, neighbour]) {
    // Traefik gathers changes for two seconds before it serves a new host.
    await vi.waitFor(
      async () => {
        const page = await visit(new URL(store.url).hostname);
        expect(page.status).toBe(200);
        expect(page.body).toContain('<title>');
        expect(page.body).toContain(store.url);
      },
      { timeout: 30_000 },
    );
  }
});

test('a commit says what, who and which store, and touches that store’s files alone', async () => {
  const sha = (await api.read(shop.id)).commit ?? '';
  const message = await git('show', '-s', '--format=%B', sha);
  expect(message).toMatch(new RegExp(`^Create store ${shop.name} of platform\n`));
  for (const trailer of ['Store-Id', 'Operation-Id', 'Generation', 'Action', 'Requested-By'])
    expect(message).toMatch(new RegExp(`^${trailer}: \\S`, 'm'));
  const paths = (await git('show', '--format=', '--name-only', sha)).split('\n');
  expect(paths).toHaveLength(3);
  for (const path of paths) expect(path).toContain(`/${applicationOf(shop)}`);
});

test('every pod runs under the restricted standard, in its tenant’s project', async () => {
  type Namespace = { metadata: { labels: Record<string, string> } };
  const namespace = JSON.parse(
    await kubectl('get', 'namespace', shop.namespace, '-o', 'json'),
  ) as Namespace;
  expect(namespace.metadata.labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
  const project = await kubectl(
    'get', 'application', applicationOf(shop), '-n', 'argocd', '-o', 'jsonpath={.spec.project}',
  ); // prettier-ignore
  const destination = await kubectl(
    'get', 'appproject', project, '-n', 'argocd', '-o', 'jsonpath={.spec.destinations[*].namespace}',
  ); // prettier-ignore
  expect(shop.namespace.startsWith(destination.replace('*', ''))).toBe(true);
});

test('the control plane’s own identity can read what it needs and nothing else', async () => {
  const as = '--as=system:serviceaccount:shopyard-system:shopyard-observer';
  const can = async (...question: string[]): Promise<string> =>
    (await kubectl('auth', 'can-i', ...question, as).catch(() => 'no')).trim();
  expect(await can('list', 'applications.argoproj.io', '-n', 'argocd')).toBe('yes');
  expect(await can('get', 'secrets/store-admin', '-n', shop.namespace)).toBe('yes');
  for (const question of [
    ['get', 'secrets/store-internal', '-n', shop.namespace],
    ['list', 'secrets', '-n', shop.namespace],
    ['get', 'secrets/argocd-secret', '-n', 'argocd'],
    ['create', 'pods', '-n', shop.namespace],
    ['delete', 'namespaces'],
    ['patch', 'applications.argoproj.io', '-n', 'argocd'],
    ['create', 'pods/exec', '-n', shop.namespace],
  ])
    expect(await can(...question), question.join(' ')).toBe('no');
});

test('a plan change reaches the pods and leaves the neighbour alone', async () => {
  diagnoseOnFailure();
  const before = await readPodUids(neighbour.namespace);
  const readMemory = (): Promise<string> =>
    kubectl(
      'get', 'deployment', 'web', '-n', shop.namespace,
      '-o', 'jsonpath={.spec.template.spec.containers[0].resources.limits.memory}',
    ); // prettier-ignore
  const small = await readMemory();
  await api.change(shop.id, { plan: 'medium' });
  const changed = await api.waitFor(
    shop.id,
    'ready on the new plan',
    (store) => isReady(store) && store.generation === 2,
  );
  expect(changed.plan).toBe('medium');
  expect(await readMemory()).not.toBe(small);
  expect((await visit(new URL(shop.url).hostname)).status).toBe(200);
  expect(await readPodUids(neighbour.namespace)).toEqual(before);
});

test.each(['before-push', 'after-push'] as const)(
  'killed %s, the control plane completes the create exactly once',
  async (fault) => {
    diagnoseOnFailure();
    await process_?.stop();
    await start({ fault });
    const { store, operation } = await api.create({
      name: `${fault}-${story}`,
      type: 'woocommerce',
    });
    await process_?.ended;
    expect((await git('log', '--format=%B', 'main')).includes(operation.id)).toBe(
      fault === 'after-push',
    );
    const killedAt = Date.now();
    await start();
    await api.waitFor(store.id, 'committed', ({ commit }) => commit !== null, { timeout: 30_000 });
    console.log(`${fault}: committed ${Date.now() - killedAt} ms after the restart began`);
    const bodies = await git('log', '--format=%B', 'main');
    expect(bodies.split(`Operation-Id: ${operation.id}`)).toHaveLength(2);
    // It is not needed any more; a first sync is under way and must not hold up its deletion.
    await api.delete(store.id);
    leaving.push(store);
  },
);

test('a first sync that hangs is deleted all the same; a Retry repairs the other', async () => {
  diagnoseOnFailure();
  await process_?.stop();
  // A short deadline, for these two stores alone.
  await start({ env: { SHOPYARD_DEADLINE_SECONDS: '30' } });
  const showImage = await hideImage(IMAGE);
  const showCacheImage = await hideImage(CACHE_IMAGE);
  try {
    const [hanging, broken] = await Promise.all([
      api.create({
        name: `hanging-${story}`,
        type: 'woocommerce',
        options: { object_cache: true },
      }),
      api.create({ name: `broken-${story}`, type: 'woocommerce' }),
    ]);
    const failed = await api.waitFor(
      broken.store.id,
      'failed with its reason',
      ({ status, error }) => status === 'failed' && error?.code !== 'deadline_passed',
      { timeout: CREATE_TIMEOUT, mayFail: true },
    );
    expect(failed.error).toMatchObject({
      code: 'image_pull',
      message: expect.stringContaining('woocommerce') as string,
      hint: expect.any(String) as string,
    });
    console.log(`broken: ${failed.error?.code ?? ''}: ${failed.error?.message ?? ''}`);
    await process_?.stop();
    await start();
    await api.delete(hanging.store.id);
    leaving.push(hanging.store);

    await showImage();
    const { store } = await api.retry(broken.store.id);
    expect(store.generation).toBe(2);
    const repaired = await api.waitFor(broken.store.id, 'ready', isReady, {
      timeout: 400_000,
    });
    expect(repaired.error).toBeNull();
    await api.delete(broken.store.id);
    leaving.push(broken.store);
    for (const { id, namespace } of leaving) {
      await api.waitFor(id, 'deleted', isDeleted, { timeout: 400_000, mayFail: true });
      expect(await exists('namespace', namespace)).toBe(false);
    }
  } finally {
    for (const show of [showImage, showCacheImage]) await show().catch(() => undefined);
  }
});

test('a person’s git rm of a shard folder deletes nothing', async () => {
  diagnoseOnFailure();
  const file =
    (await listFiles()).find((path) => path.endsWith(`/${applicationOf(shop)}.yaml`)) ?? '';
  const shard = /\/apps\/([0-9a-f])\//.exec(file)?.[1] ?? '';
  const before = await readPodUids(shop.namespace);
  const read = readConfig({
    SHOPYARD_CLUSTER: 'lab',
    HOME: process.env.HOME,
    SHOPYARD_LAB_DIR: process.env.SHOPYARD_LAB_DIR,
    XDG_STATE_HOME: process.env.XDG_STATE_HOME,
  });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const remote = new URL(read.config.SHOPYARD_REPOSITORY_URL);
  remote.username = 'writer';
  remote.password = read.config.SHOPYARD_FORGE_WRITE_PASSWORD ?? '';
  const work = join(folder, 'work');
  const inWork = async (...args: string[]): Promise<string> =>
    (
      await run('git', [
        '-C',
        work,
        '-c',
        'user.name=Ada',
        '-c',
        'user.email=ada@example.com',
        ...args,
      ])
    ).stdout.trim();
  await run('git', ['clone', '-q', remote.href, work]);
  await inWork('rm', '-rq', file.slice(0, file.lastIndexOf('/')));
  await inWork('commit', '-qm', 'Tidy up');
  await inWork('push', '-q');
  const removal = await inWork('rev-parse', 'HEAD');

  // Argo CD has looked at that commit: the shard no longer compares as synced.
  await vi.waitFor(
    async () => {
      const status = await kubectl(
        'get', 'application', `shopyard-shard-${shard}`, '-n', 'argocd',
        '-o', 'jsonpath={.status.sync.status} {.status.conditions[*].type}',
      ); // prettier-ignore
      expect(status).toMatch(/OutOfSync|Unknown|ComparisonError/);
    },
    { timeout: 150_000, interval: 500 },
  );
  expect(await exists('application', applicationOf(shop), 'argocd')).toBe(true);
  expect(await readPodUids(shop.namespace)).toEqual(before);
  expect((await visit(new URL(shop.url).hostname)).status).toBe(200);

  await inWork('revert', '--no-edit', removal);
  await inWork('push', '-q');
  await vi.waitFor(
    async () => {
      const status = await kubectl(
        'get', 'application', `shopyard-shard-${shard}`, '-n', 'argocd',
        '-o', 'jsonpath={.status.sync.status}',
      ); // prettier-ignore
      expect(status).toBe('Synced');
    },
    { timeout: 150_000, interval: 500 },
  );
  await api.waitFor(shop.id, 'ready', isReady, { timeout: 60_000 });
});

test('a delete leaves no namespace, volume, Application or file, and the neighbour alone', async () => {
  diagnoseOnFailure();
  const before = await readPodUids(neighbour.namespace);
  const others = (await listFiles()).filter((path) => !path.includes(applicationOf(shop)));
  await api.delete(shop.id);
  await api.waitFor(shop.id, 'deleted', isDeleted);

  expect(await exists('namespace', shop.namespace)).toBe(false);
  expect(await exists('application', applicationOf(shop), 'argocd')).toBe(false);
  type Volume = { spec: { claimRef?: { namespace: string } } };
  await vi.waitFor(
    async () => {
      const volumes = await listObjects<Volume>('persistentvolumes');
      expect(volumes.filter(({ spec }) => spec.claimRef?.namespace === shop.namespace)).toEqual([]);
    },
    { timeout: 60_000 },
  );
  const files = await listFiles();
  expect(files.filter((path) => path.includes(applicationOf(shop)))).toEqual([
    expect.stringMatching(/^clusters\/lab\/tombstones\//),
  ]);
  expect(files.filter((path) => !path.includes(applicationOf(shop)))).toEqual(others);
  expect(await readPodUids(neighbour.namespace)).toEqual(before);
  expect((await visit(new URL(neighbour.url).hostname)).status).toBe(200);
  expect((await api.read(neighbour.id)).status).toBe('ready');

  // The name is free again; the neighbour goes too, so that the lab is as it was.
  const again = await api.create({ name: shop.name, type: 'woocommerce' });
  for (const id of [again.store.id, neighbour.id]) await api.delete(id);
  for (const id of [again.store.id, neighbour.id])
    await api.waitFor(id, 'deleted', isDeleted, { mayFail: true });
});
