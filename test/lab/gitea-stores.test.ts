/**
 * A store's life by pull requests, on a real Gitea and a real Argo CD: every change waits until a
 * person has merged it in Gitea, and Gitea's history tells of all of it. One story, told in order.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFailed, test, vi } from 'vitest';
import type { Store } from '../../control-plane/src/contract.ts';
import {
  ApiClient,
  startControlPlaneProcess,
  type ControlPlaneProcess,
} from '../support/control-plane-process.ts';
import { startGitea, type Gitea } from '../support/gitea.ts';
import { followRepository, stopFollowing } from './follow-repository.ts';
import { exists, listObjects, printDiagnostics, visit } from './lab.ts';

const PORT = 9_840;
const TOKEN = 'lab-test-operator-token';
const SECRET = randomBytes(16).toString('hex');
const NAME = `tea-${Date.now().toString(36).slice(-4)}`;
const TOP = join(import.meta.dirname, '../..');
/** Of one stage, on a machine that is busy with other tests. */
const PATIENCE = { timeout: 300_000 };

let folder: string;
let gitea: Gitea;
let repository: { readonly url: string; readonly path: string };
let env: Readonly<Record<string, string>>;
let controlPlane: ControlPlaneProcess | undefined;
let api: ApiClient;
let store: Store;
let created: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-lab-gitea-'));
  await chmod(folder, 0o755);
  gitea = await startGitea();
  const { token } = await gitea.createAccount('shopyard');
  const reader = await gitea.createAccount('argocd', ['read:repository']);
  repository = await gitea.createRepository('cluster', ['shopyard']);
  await gitea.call('PUT', `${repository.path}/collaborators/argocd`, { permission: 'read' });
  await gitea.call('POST', `${repository.path}/hooks`, {
    type: 'gitea',
    active: true,
    events: ['push', 'pull_request'],
    config: {
      url: `http://127.0.0.1:${PORT}/api/hooks/forge`,
      content_type: 'json',
      secret: SECRET,
    },
  });
  await followRepository(repository.url, { username: 'argocd', password: reader.token });
  const settings = join(folder, 'cluster.yaml');
  await writeFile(settings, 'review: always\nretentionDays: 30\n');
  await writeFile(join(folder, 'token'), `${token}\n`, { mode: 0o600 });
  env = {
    SHOPYARD_CLUSTER: 'lab',
    SHOPYARD_CLUSTER_SETTINGS: settings,
    SHOPYARD_DATA_DIR: join(folder, 'data'),
    SHOPYARD_BOOTSTRAP_TOKEN: TOKEN,
    SHOPYARD_FORGE: 'gitea',
    SHOPYARD_REPOSITORY_URL: repository.url,
    SHOPYARD_FORGE_TOKEN_FILE: join(folder, 'token'),
    SHOPYARD_FORGE_WEBHOOK_SECRET: SECRET,
  };
  await start();
});

async function start(): Promise<void> {
  const log = join(folder, 'control-plane.log');
  controlPlane = await startControlPlaneProcess({ env, port: PORT, log });
  api = new ApiClient(controlPlane.url, TOKEN);
}

afterAll(async () => {
  await controlPlane?.stop();
  await stopFollowing();
  await gitea.stop();
  await rm(folder, { recursive: true, force: true });
});

function diagnoseOnFailure(): void {
  onTestFailed(() => printDiagnostics(join(folder, 'control-plane.log')));
}

type PullRequest = {
  readonly number: number;
  readonly title: string;
  readonly body: string;
  readonly merged: boolean;
  readonly labels: readonly { readonly name: string }[];
};

/** Waits for the change's pull request, and merges it as a person does in Gitea. */
async function mergeReview(): Promise<PullRequest> {
  const waiting = await api.waitFor(store.id, 'under review', ({ review }) => review !== null, {
    ...PATIENCE,
    mayFail: true,
  });
  const { number, url } = waiting.review ?? { number: 0, url: null };
  expect(url).toBe(`${repository.url.replace(/\.git$/, '')}/pulls/${number}`);
  const path = `${repository.path}/pulls/${number}`;
  const shown = (await gitea.call('GET', path)) as PullRequest;
  // Gitea looks whether it conflicts first.
  await vi.waitFor(() => gitea.call('POST', `${path}/merge`, { Do: 'merge' }), PATIENCE);
  return shown;
}

async function change(method: string, path: string, body?: object): Promise<void> {
  const answer = await api.call(method, `/api/stores/${store.id}${path}`, body);
  expect(answer).toMatchObject({ status: 202 });
}

/** While its change is under review a store's status is what it was: the stage tells when it is done. */
const isReady = ({ status, stage }: Store): boolean => status === 'ready' && stage === 'ready';

type Pod = {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly ownerReferences?: readonly { readonly kind: string }[];
  };
  readonly status: {
    readonly phase: string;
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
};
type Application = {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: object;
  readonly status: { readonly history?: readonly object[]; readonly operationState?: object };
};
type Claim = {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly volumeName?: string };
  readonly status: { readonly phase: string };
};

/** Pods that run or are about to; those of Jobs that have ended stay. */
async function listRunning(): Promise<string[]> {
  const pods = await listObjects<Pod>('pods', '-n', store.namespace);
  return pods
    .filter(({ status }) => ['Running', 'Pending'].includes(status.phase))
    .map(({ metadata: { name, deletionTimestamp = 'not' }, status: { phase } }) =>
      [name, phase, 'told to go:', deletionTimestamp].join(' '),
    );
}

/** Each volume of the store, by its claim. */
async function listVolumes(): Promise<Record<string, string>> {
  const claims = await listObjects<Claim>('persistentvolumeclaims', '-n', store.namespace);
  return Object.fromEntries(
    claims.map(({ metadata, spec, status }) => [
      metadata.name,
      `${status.phase} ${spec.volumeName ?? ''}`,
    ]),
  );
}

/** What there would be another of, had Argo CD done anything. */
async function readTraces(): Promise<object> {
  const applications = await listObjects<Application>('applications', '-n', 'argocd');
  const name = store.namespace.replace(/^store-/, '');
  const { metadata, spec, status } =
    applications.find((one) => one.metadata.name === name) ?? expect.fail(`no ${name}`);
  const { history, operationState } = status;
  const pods = await listObjects<Pod>('pods', '-n', store.namespace);
  // Those of Jobs come and go by the clock: WordPress' cron is one.
  const running = pods.filter(
    ({ metadata: { ownerReferences = [] }, status: { phase } }) =>
      phase === 'Running' && !ownerReferences.some(({ kind }) => kind === 'Job'),
  );
  return {
    ...{ uid: metadata.uid, spec, history, operationState },
    pods: running.map((pod) => [
      pod.metadata.uid,
      pod.status.containerStatuses?.map(({ restartCount }) => restartCount),
    ]),
  };
}

async function readStatus(): Promise<number> {
  return (await visit(new URL(store.url).hostname)).status;
}

test('a store waits for its pull request, and is ready once a person has merged it', async () => {
  diagnoseOnFailure();
  ({ store } = await api.create({ name: NAME, type: 'woocommerce', plan: 'small' }));
  const shown = await mergeReview();
  expect(shown.title).toContain(NAME);
  expect(shown.body).toContain(NAME);
  expect(shown.labels.length).toBeGreaterThan(0);
  console.log(`--- the pull request\n# ${shown.title}\n\n${shown.body}`);
  store = await api.waitFor(store.id, 'ready', isReady, PATIENCE);
  created = store.commit ?? '';
  expect(created).toMatch(/^[0-9a-f]{40}$/);
});

test('a change is merged and applied; a rollback takes it back, with auto-sync on', async () => {
  diagnoseOnFailure();
  await change('PATCH', '', { plan: 'medium' });
  await mergeReview();
  await api.waitFor(store.id, 'medium', (now) => isReady(now) && now.plan === 'medium', PATIENCE);
  await change('POST', '/rollback', { commit: created });
  const shown = await mergeReview();
  expect(shown.body).toContain('medium');
  await api.waitFor(store.id, 'small', (now) => isReady(now) && now.plan === 'small', PATIENCE);
});

test('suspended, nothing of it runs and all data stays; started again, it is the same shop', async () => {
  diagnoseOnFailure();
  const volumes = await listVolumes();
  expect(Object.keys(volumes).length).toBeGreaterThan(0);
  await expect.poll(readStatus, PATIENCE).toBe(200);
  await change('POST', '/suspend');
  await mergeReview();
  await api.waitFor(store.id, 'suspended', ({ stage }) => stage === 'suspended', PATIENCE);
  await expect.poll(listRunning, PATIENCE).toEqual([]);
  expect(await listVolumes()).toEqual(volumes);
  await expect.poll(readStatus, PATIENCE).toBe(503);
  await change('POST', '/resume');
  await mergeReview();
  await api.waitFor(store.id, 'ready', isReady, PATIENCE);
  await expect.poll(readStatus, PATIENCE).toBe(200);
  expect(await listVolumes()).toEqual(volumes);
});

test('deleted, it is kept, and comes back whole', async () => {
  diagnoseOnFailure();
  await change('DELETE', '');
  await mergeReview();
  await api.waitFor(
    store.id,
    'kept',
    ({ status, stage, purgeAt }) => status === 'suspended' && stage === 'kept' && purgeAt !== null,
    PATIENCE,
  );
  expect(await exists('namespace', store.namespace)).toBe(true);
  await change('POST', '/resume');
  await mergeReview();
  await api.waitFor(store.id, 'ready', (now) => isReady(now) && now.purgeAt === null, PATIENCE);
});

test('its database lost, it is found again by a rebuild, and Argo CD notices nothing', async () => {
  diagnoseOnFailure();
  const pickOut = ({ id, name, url, namespace, generation, plan, commit, status }: Store) => ({
    ...{ id, name, url, namespace, generation, plan, commit, status },
  });
  const before = pickOut(await api.read(store.id));
  const traces = await readTraces();
  await controlPlane?.stop();
  await rm(join(folder, 'data/postgres'), { recursive: true });

  const { PATH, HOME } = process.env;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(TOP, 'control-plane/src/rebuild.ts')],
    { cwd: TOP, env: { PATH, HOME, ...env } },
  );
  console.log(stdout);
  expect(stdout).toContain('Restored: 1 tenants, 1 stores');
  await start();
  expect(pickOut(await api.waitFor(store.id, 'ready', isReady, PATIENCE))).toEqual(before);
  expect(await readTraces()).toEqual(traces);
});

test('deleted at once, it is gone', async () => {
  diagnoseOnFailure();
  await change('DELETE', '?now=true');
  await mergeReview();
  await api.waitFor(store.id, 'deleted', ({ status }) => status === 'deleted', PATIENCE);
  expect(await exists('namespace', store.namespace)).toBe(false);
});

test('Gitea’s history tells of all of it', async () => {
  const path = `${repository.path}/commits?sha=main&limit=50&stat=false&files=false`;
  const commits = (await gitea.call('GET', path)) as { commit: { message: string } }[];
  const messages = commits.map(({ commit }) => commit.message).reverse();
  const actions = messages
    .filter((message) => message.includes(`Store-Id: ${store.id}`))
    .map((message) => /^Action: (.*)$/m.exec(message)?.[1]);
  expect(actions).toEqual([
    'create', 'update', 'rollback', 'suspend', 'resume', 'retire', 'resume', 'release', 'remove',
    'purge',
  ]); // prettier-ignore
  const pulls = (await gitea.call(
    'GET',
    `${repository.path}/pulls?state=all&limit=50`,
  )) as PullRequest[];
  expect(pulls).toHaveLength(8);
  expect(pulls.every(({ merged }) => merged)).toBe(true);
  const branches = (await gitea.call('GET', `${repository.path}/branches`)) as { name: string }[];
  expect(branches.map(({ name }) => name)).toEqual(['main']);
});
