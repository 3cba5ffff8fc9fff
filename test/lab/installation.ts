/**
 * The control plane as an operator installs it: its image in the lab's store, a Postgres in the cluster, a real Gitea
 * with the cluster repository, the Secrets, and Argo CD following the chart there. What it makes it takes away again,
 * except the observer's account and rights, which the lab has anyway.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, vi } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { packImage } from '../../bootstrap/image/pack.ts';
import { buildOneImage, importImages } from '../../bootstrap/lab/images.ts';
import { applyManifests, applyObjects } from '../../bootstrap/lab/kubernetes.ts';
import { network, ports } from '../../bootstrap/lab/layout.ts';
import { TOP } from '../../control-plane/src/templates.ts';
import { ApiClient } from '../support/control-plane-process.ts';
import { startGitea, type Gitea } from '../support/gitea.ts';
import { followRepository, stopFollowing } from './follow-repository.ts';
import { kubectl, labContext, layout, listObjects } from './lab.ts';

const run = promisify(execFile);
const CHART = 'bootstrap/charts/shopyard';
export const NAMESPACE = 'shopyard-system';
export const HOST = 'shopyard.localhost';
export const ROLES = ['api', 'observer', 'portal', 'writer'] as const;
/** Two of each. */
const REPLICAS = 2;
/** A few Node processes start at once on a machine that is busy with other tests. */
const PATIENCE = { timeout: 240_000, interval: 500 };

export type Installation = {
  /** By the Service of the API's pods, as an operator. */
  readonly api: ApiClient;
  readonly url: string;
  readonly token: string;
  /** Waits until all is up, with the pods of one version only, and Argo CD says so; returns the pods by their ids. */
  waitUntilUp(): Promise<ReadonlyMap<string, Pod>>;
  /** A commit of other values; returns its id. */
  changeSettings(settings: Readonly<Record<string, unknown>>): Promise<string>;
  /** The messages of the branch's commits, from a fresh clone. */
  readCommits(): Promise<readonly string[]>;
  /** Every file on the branch, from a fresh clone. */
  listFiles(): Promise<readonly string[]>;
  remove(): Promise<void>;
};

export type Pod = {
  readonly metadata: { readonly name: string; readonly uid: string; readonly labels: Labels };
  readonly spec: { readonly serviceAccountName: string };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
};
type Labels = Readonly<Record<string, string>>;

type Application = {
  readonly status?: {
    readonly sync?: { readonly status: string; readonly revision?: string };
    readonly health?: { readonly status: string };
    readonly conditions?: readonly object[];
    readonly operationState?: { readonly message?: string };
  };
};

export async function install(): Promise<Installation> {
  const cleanup = new AsyncDisposableStack();
  try {
    return await installWith(cleanup);
  } catch (error) {
    await cleanup.disposeAsync();
    throw error;
  }
}

async function installWith(cleanup: AsyncDisposableStack): Promise<Installation> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-in-pods-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const image = await provideImage(join(folder, 'image'));
  const gitea = await startGitea(network.address);
  cleanup.defer(() => gitea.stop());
  const writer = await gitea.createAccount('shopyard');
  const reader = await gitea.createAccount('argocd', ['read:repository']);
  const repository = await gitea.createRepository('cluster', ['shopyard']);
  await gitea.call('PUT', `${repository.path}/collaborators/argocd`, { permission: 'read' });
  // The lab's Argo CD listens on loopback, where pods do not reach it: Gitea tells it of pushes.
  await gitea.call('POST', `${repository.path}/hooks`, {
    type: 'gitea',
    active: true,
    events: ['push'],
    config: {
      url: `http://127.0.0.1:${ports.argocdServer}/api/webhook`,
      content_type: 'json',
    },
  });

  const settings = {
    SHOPYARD_PUBLIC_URL: `http://${HOST}:${ports.ingress}`,
    SHOPYARD_FORGE: 'gitea',
    SHOPYARD_REPOSITORY_URL: repository.url,
    SHOPYARD_FORGE_TOKEN_FILE: '/etc/shopyard/forge-token',
    SHOPYARD_STORE_LIMIT: 10_000,
    SHOPYARD_CREATES_PER_MINUTE: 10_000,
  };
  const git = openWorkTree(join(folder, 'work'), repository.url, gitea.adminToken);
  await git.init();
  await git.commit('Install the control plane', async (tree) => {
    const chart = join(tree, 'charts/shopyard/0.1.0');
    await cp(join(TOP, CHART), chart, {
      recursive: true,
      filter: (path) => !path.endsWith('.ts') && !path.endsWith('/golden'),
    });
    await writeFileIn(tree, 'platform/shopyard.yaml', stringify(describeValues(settings, image)));
  });

  const token = randomBytes(16).toString('hex');
  cleanup.defer(removeFromCluster);
  await applyObjects(labContext, describeSecrets({ token, forgeToken: writer.token }));
  await applyObjects(labContext, describeDatabase());
  await kubectl('rollout', 'status', 'deployment/shopyard-database', '-n', NAMESPACE, WAIT);
  await allowAppRole();
  cleanup.defer(stopFollowing);
  await followRepository(repository.url, { username: 'argocd', password: reader.token });
  await applyManifests(labContext, await readApplication(repository.url));

  const readAddress = async (): Promise<string> => {
    const address = '-o=jsonpath={.spec.clusterIP}';
    return `http://${await kubectl('get', 'service', 'shopyard-api', '-n', NAMESPACE, address)}`;
  };
  await vi.waitFor(readAddress, PATIENCE).catch(async (error: unknown) => {
    throw new Error(`Argo CD installs nothing: ${JSON.stringify(await readStatus())}`, {
      cause: error,
    });
  });
  const url = await readAddress();
  return {
    api: new ApiClient(url, token),
    url,
    token,
    waitUntilUp,
    changeSettings: (changes) =>
      replaceFile(
        gitea,
        `${repository.path}/contents/platform/shopyard.yaml`,
        stringify(describeValues({ ...settings, ...changes }, image)),
        'Change settings of the control plane',
      ),
    readCommits: async () => (await git.readBranch('log', '--format=%B%x00')).split('\0'),
    listFiles: async () => (await git.readBranch('ls-tree', '-r', '--name-only')).split('\n'),
    remove: () => cleanup.disposeAsync(),
  };
}

/** Less than a command gets. */
const WAIT = '--timeout=100s';

/** The checkout's image, in the lab's containerd. */
async function provideImage(folder: string): Promise<string> {
  await packImage(TOP, folder);
  const image = await buildOneImage(labContext.paths, folder, process.env);
  await importImages(labContext.paths, layout, [image]);
  return image.image;
}

function describeValues(settings: Readonly<Record<string, unknown>>, image: string): object {
  const [, repository = '', tag = ''] = /^(.+):([^:]+)$/.exec(image) ?? [];
  const role = {
    replicas: REPLICAS,
    resources: {
      requests: { cpu: '25m', memory: '128Mi' },
      limits: { cpu: '2', memory: '512Mi' },
    },
  };
  return {
    image: { repository, tag },
    settings,
    secrets: {
      DATABASE_URL: { name: 'shopyard-database-app', key: 'uri' },
      SHOPYARD_AUTH_SECRET: { name: 'shopyard', key: 'auth' },
      SHOPYARD_PORTAL_SECRET: { name: 'shopyard', key: 'portal' },
      SHOPYARD_BOOTSTRAP_TOKEN: { name: 'shopyard', key: 'token' },
    },
    secretFiles: 'shopyard-files',
    clusters: [
      {
        name: 'lab',
        inCluster: true,
        baseDomain: 'localhost',
        scheme: 'http',
        port: ports.ingress,
      },
    ],
    roles: Object.fromEntries(ROLES.map((name) => [name, role])),
  };
}

const OF_DATABASE = { 'app.kubernetes.io/name': 'shopyard-database' };
const PASSWORD = randomBytes(16).toString('hex');

function describeSecrets(given: {
  readonly token: string;
  readonly forgeToken: string;
}): Parameters<typeof applyObjects>[1] {
  const secret = (name: string, stringData: Readonly<Record<string, string>>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: NAMESPACE },
    stringData,
  });
  const random = (): string => randomBytes(24).toString('hex');
  return [
    secret('shopyard', { auth: random(), portal: random(), token: given.token }),
    secret('shopyard-files', { 'forge-token': given.forgeToken }),
    secret('shopyard-database-app', {
      password: PASSWORD,
      uri: `postgresql://shopyard:${PASSWORD}@shopyard-database.${NAMESPACE}:5432/shopyard`,
    }),
  ];
}

/** A Postgres whose user is an ordinary one, as CloudNativePG gives it. Its data goes with the pod. */
function describeDatabase(): Parameters<typeof applyObjects>[1] {
  const metadata = { name: 'shopyard-database', namespace: NAMESPACE, labels: OF_DATABASE };
  const ping = ['pg_isready', '--quiet', '--host=127.0.0.1', '--username=shopyard'];
  const folders = { data: '/var/lib/postgresql/data', run: '/var/run/postgresql', tmp: '/tmp' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: OF_DATABASE, ports: [{ port: 5432, targetPort: 5432 }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 1,
        strategy: { type: 'Recreate' },
        selector: { matchLabels: OF_DATABASE },
        template: {
          metadata: { labels: OF_DATABASE },
          spec: {
            automountServiceAccountToken: false,
            securityContext: {
              runAsNonRoot: true,
              runAsUser: 999,
              runAsGroup: 999,
              fsGroup: 999,
              seccompProfile: { type: 'RuntimeDefault' },
            },
            containers: [
              {
                name: 'postgres',
                image: 'localhost/shopyard/postgres:1.0.0',
                imagePullPolicy: 'IfNotPresent',
                command: ['shopyard-database'],
                args: ['-c', 'max_connections=200'],
                env: [
                  { name: 'POSTGRES_DATABASE', value: 'shopyard' },
                  { name: 'POSTGRES_USER', value: 'shopyard' },
                  { name: 'POSTGRES_PASSWORD_FILE', value: '/secrets/password' },
                ],
                // Once only: the one database of a busy machine is not taken out of service for being slow.
                startupProbe: {
                  exec: { command: ping },
                  ...{ periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 100 },
                },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  readOnlyRootFilesystem: true,
                  capabilities: { drop: ['ALL'] },
                },
                volumeMounts: [
                  ...Object.entries(folders).map(([name, mountPath]) => ({ name, mountPath })),
                  { name: 'secrets', mountPath: '/secrets', readOnly: true },
                ],
              },
            ],
            volumes: [
              ...Object.keys(folders).map((name) => ({ name, emptyDir: {} })),
              { name: 'secrets', secret: { secretName: 'shopyard-database-app' } },
            ],
          },
        },
      },
    },
  ];
}

/** What README.md has an administrator of the database do, since an ordinary user makes no roles. */
async function allowAppRole(): Promise<void> {
  const statement = 'create role shopyard_app nologin; grant shopyard_app to shopyard';
  const psql = ['psql', '--username=postgres', '--dbname=postgres', '--quiet', '-c', statement];
  await kubectl('exec', '-n', NAMESPACE, 'deployment/shopyard-database', '--', ...psql);
}

/** The chart's own example, for this repository. */
async function readApplication(repositoryUrl: string): Promise<string> {
  const text = await readFile(join(TOP, CHART, 'argocd.yaml'), 'utf8');
  const mine = text.replaceAll('https://git.example.com/shops/cluster.git', repositoryUrl);
  expect(parseAllDocuments(mine)).toHaveLength(2);
  return mine;
}

async function readStatus(): Promise<Application['status']> {
  const text = await kubectl('get', 'application', 'shopyard', '-n', 'argocd', '-o', 'json');
  return (JSON.parse(text) as Application).status;
}

export async function listPods(): Promise<readonly Pod[]> {
  return listObjects<Pod>('pods', '-n', NAMESPACE, '-l', 'app.kubernetes.io/name=shopyard');
}

const isReady = ({ status }: Pod): boolean =>
  status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true;

async function waitUntilUp(): Promise<ReadonlyMap<string, Pod>> {
  return vi.waitFor(async () => {
    const status = await readStatus();
    expect(status).toMatchObject({ sync: { status: 'Synced' }, health: { status: 'Healthy' } });
    const pods = await listPods();
    const seen = pods
      .filter(isReady)
      .map(({ metadata }) => metadata.labels['app.kubernetes.io/component'])
      .sort();
    expect(seen).toEqual(ROLES.flatMap((role) => Array<string>(REPLICAS).fill(role)));
    expect(pods).toHaveLength(seen.length);
    return new Map(pods.map((pod) => [pod.metadata.uid, pod]));
  }, PATIENCE);
}

/** Everything but the observer's account and rights: the lab's own control plane has their token. */
async function removeFromCluster(): Promise<void> {
  const gone = ['--ignore-not-found', WAIT];
  await kubectl('delete', 'application', 'shopyard', '-n', 'argocd', ...gone);
  await kubectl('delete', 'appproject', 'shopyard-control-plane', '-n', 'argocd', ...gone);
  const kinds = [
    ...['deployments', 'services', 'configmaps', 'ingresses', 'networkpolicies'],
    'poddisruptionbudgets',
  ].join();
  const mine = 'app.kubernetes.io/name in (shopyard, shopyard-database)';
  await kubectl('delete', kinds, '-n', NAMESPACE, '-l', mine, ...gone);
  await kubectl('delete', 'serviceaccount', 'shopyard', '-n', NAMESPACE, ...gone);
  const secrets = ['shopyard', 'shopyard-files', 'shopyard-database-app'];
  await kubectl('delete', 'secret', ...secrets, '-n', NAMESPACE, ...gone);
  await kubectl('wait', '--for=delete', 'pods', '-n', NAMESPACE, '-l', mine, WAIT);
  await applyManifests(
    labContext,
    await readFile(join(TOP, 'bootstrap/access/observer.yaml'), 'utf8'),
  );
}

async function writeFileIn(tree: string, path: string, content: string): Promise<void> {
  await mkdir(dirname(join(tree, path)), { recursive: true });
  await writeFile(join(tree, path), content);
}

/**
 * Commits another content of a file, by Gitea itself: the writer pushes all the time, and from a work
 * tree a loaded machine is late each time. Returns the commit's id.
 */
async function replaceFile(
  gitea: Gitea,
  path: string,
  text: string,
  message: string,
): Promise<string> {
  const { sha } = (await gitea.call('GET', path)) as { sha: string };
  const content = Buffer.from(text).toString('base64');
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { commit } = (await gitea.call('PUT', path, {
        ...{ branch: 'main', sha, content, message },
      })) as { commit: { sha: string } };
      return commit.sha;
    } catch (error) {
      // The writer was faster than Gitea, too.
      if (attempt === 30) throw error;
      await sleep(200);
    }
  }
}

/** An operator's own clone of the cluster repository. */
function openWorkTree(tree: string, url: string, token: string) {
  const git = async (...args: string[]): Promise<string> => {
    const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];
    const access = ['-c', `http.extraHeader=Authorization: token ${token}`];
    const options = { maxBuffer: 1 << 28 };
    return (await run('git', ['-C', tree, ...identity, ...access, ...args], options)).stdout.trim();
  };
  const update = async (): Promise<void> => {
    await git('fetch', '--quiet', 'origin', 'main');
    await git('reset', '--quiet', '--hard', 'FETCH_HEAD');
  };
  return {
    async init(): Promise<void> {
      await mkdir(tree);
      await git('init', '--quiet', '--initial-branch=main');
      await git('remote', 'add', 'origin', url);
    },
    async commit(message: string, change: (tree: string) => Promise<void>): Promise<void> {
      if ((await git('ls-remote', 'origin', 'refs/heads/main')) !== '') await update();
      await change(tree);
      await git('add', '--all');
      await git('commit', '--quiet', '--message', message);
      await git('push', '--quiet', 'origin', 'HEAD:refs/heads/main');
    },
    async readBranch(command: string, ...args: string[]): Promise<string> {
      await git('fetch', '--quiet', 'origin', 'main');
      return git(command, ...args, 'FETCH_HEAD');
    },
  };
}
