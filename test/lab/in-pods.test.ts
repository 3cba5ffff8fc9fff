/**
 * The control plane itself in pods: installed by Argo CD from the cluster repository, two pods of each part; it makes a
 * store, is replaced while stores are asked for, and may see of the cluster what it needs and nothing else. One story,
 * told in order.
 *
 * Not shown here: that its NetworkPolicies are enforced (the lab's network does not; Kind's and k3s's do).
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFailed, test, vi } from 'vitest';
import type { Operation, Store } from '../../control-plane/src/contract.ts';
import { listShards } from '../../control-plane/src/render/paths.ts';
import { HOST, install, listPods, NAMESPACE, ROLES, type Installation } from './installation.ts';
import { exists, kubectl, printDiagnostics, visit } from './lab.ts';
import { describeQuestion, mapAtOnce, openCaller, type Question } from './observer-rights.ts';

const story = Date.now().toString(36).slice(-4);
/** Of one stage, on a machine that is busy with other tests. */
const PATIENCE = { timeout: 240_000, interval: 500 };
let installation: Installation | undefined;
let store: Store | undefined;

function started(): Installation {
  if (installation === undefined) throw new Error('nothing is installed');
  return installation;
}

beforeAll(async () => {
  installation = await install();
});

afterAll(async () => {
  if (store !== undefined) {
    const [, tenant = ''] = /^store-([a-z0-9]+)-/.exec(store.namespace) ?? [];
    const mine = [`-lshopyard.dev/tenant=${tenant}`, '-n', 'argocd', '--timeout=100s'];
    await stopSyncingStores();
    await kubectl('delete', 'applications', ...mine);
    await kubectl('delete', 'appprojects', ...mine);
  }
  await installation?.remove();
});

function diagnoseOnFailure(): void {
  onTestFailed(async () => {
    await printDiagnostics();
    const of = ['-n', NAMESPACE];
    for (const args of [
      ['get', 'application', 'shopyard', '-n', 'argocd', '-o', 'jsonpath={.status}'],
      ['get', 'events', ...of, '--sort-by=.lastTimestamp'],
      ...ROLES.map((role) => [
        'logs',
        ...of,
        '--prefix',
        '--tail=30',
        `-lapp.kubernetes.io/component=${role}`,
      ]),
    ])
      console.log(`--- ${args.join(' ')}\n${await kubectl(...args).catch(String)}`);
  });
}

const SHARDS = listShards(1).map((shard) => `shopyard-shard-${shard}`);

/**
 * Argo CD leaves new stores' files alone: for those that nobody needs to run. The root, which would give the shards
 * their policy back, goes first; both have it again when the next control plane's repository is followed.
 */
async function stopSyncingStores(): Promise<void> {
  const patch = ['--type=merge', '--patch={"spec":{"syncPolicy":{"automated":null}}}'];
  for (const name of ['shopyard-root', ...SHARDS])
    await kubectl('patch', 'application', name, '-n', 'argocd', ...patch);
}

test('Argo CD installs it from the cluster repository, two pods of each part', async () => {
  diagnoseOnFailure();
  const pods = [...(await started().waitUntilUp()).values()];
  const restarts = pods.flatMap(({ status }) => status.containerStatuses?.[0]?.restartCount ?? []);
  expect(restarts).toEqual(pods.map(() => 0));
  const answer = await fetch(`${started().url}/readyz`);
  expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)]);
  // The portal's pods and the API's, at one address behind the Ingress.
  await vi.waitFor(async () => {
    const page = await visit(HOST, '/sign-in');
    expect(page).toMatchObject({ status: 200, body: expect.stringContaining('<html') as string });
    expect((await visit(HOST, '/api/openapi.json')).status).toBe(200);
  }, PATIENCE);
});

test('it creates a store, which becomes ready and answers', async () => {
  diagnoseOnFailure();
  const { api } = started();
  ({ store } = await api.create({ name: `tulips-${story}`, type: 'woocommerce' }));
  store = await api.waitFor(store.id, 'ready', ({ status }) => status === 'ready');
  const { hostname } = new URL(store.url);
  await vi.waitFor(async () => expect((await visit(hostname)).status).toBe(200), PATIENCE);
});

/** What it is for, by hand and not read from the chart; everywhere, unless a namespace is named. */
const READ = ['get', 'list'];
const NEEDED: readonly {
  readonly group: string;
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly namespace?: string;
}[] = [
  { group: '', resources: ['namespaces', 'pods/log'], verbs: ['get'] },
  {
    group: '',
    resources: ['pods', 'events', 'persistentvolumeclaims', 'resourcequotas'],
    verbs: READ,
  },
  { group: 'apps', resources: ['deployments', 'replicasets', 'statefulsets'], verbs: READ },
  { group: 'batch', resources: ['jobs'], verbs: READ },
  {
    group: 'argoproj.io',
    resources: ['applications', 'appprojects'],
    verbs: [...READ, 'watch'],
    namespace: 'argocd',
  },
  // What the API server lets everybody ask about themselves.
  { group: 'authentication.k8s.io', resources: ['selfsubjectreviews'], verbs: ['create'] },
  {
    group: 'authorization.k8s.io',
    resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
    verbs: ['create'],
  },
];

const isNeeded = ({ verb, group, resource, namespace }: Question): boolean =>
  NEEDED.some(
    (one) =>
      one.group === group &&
      one.resources.includes(resource) &&
      one.verbs.includes(verb) &&
      (one.namespace === undefined || one.namespace === namespace),
  );

test('the observer’s account may do what it needs, and no other verb on any kind', async () => {
  diagnoseOnFailure();
  const account = 'shopyard-observer';
  const users = (await listPods()).filter(({ spec }) => spec.serviceAccountName === account);
  expect(users).toHaveLength(4);
  const mine = store?.namespace ?? '';
  const caller = await openCaller(
    (await kubectl('create', 'token', account, '-n', NAMESPACE)).trim(),
  );
  try {
    const questions = caller.listQuestions(['argocd', 'kube-system', NAMESPACE, mine]);
    expect(questions.length).toBeGreaterThan(3_000);
    const allowed = await caller.findAllowed(questions);
    expect(allowed.map(describeQuestion).sort()).toEqual(
      questions.filter(isNeeded).map(describeQuestion).sort(),
    );

    // The same as real requests: what is served, in the store's namespace and the cluster.
    const real = questions.filter(
      (one) => ['', mine].includes(one.namespace) && !isNeeded(one) && caller.isHarmless(one),
    );
    expect(real.length).toBeGreaterThan(300);
    const statuses = await mapAtOnce(real, (one) => caller.tryReally(one));
    expect(
      real.flatMap((one, index) =>
        statuses[index] === 403 ? [] : [`${describeQuestion(one)}: ${String(statuses[index])}`],
      ),
    ).toEqual([]);

    // By name: the two Secrets of a store's page and what says its generation, only there, only to be read.
    const named = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'].flatMap((verb) =>
      [mine, 'argocd', NAMESPACE].flatMap((namespace) => [
        ...['store-admin', 'store-api', 'store-internal', 'argocd-secret', 'shopyard'].map(
          (name) => ({ verb, group: '', resource: 'secrets', namespace, name }),
        ),
        ...['shopyard-generation', 'argocd-cm'].map((name) => ({
          ...{ verb, group: '', resource: 'configmaps', namespace, name },
        })),
      ]),
    );
    expect((await caller.findAllowed(named)).map(describeQuestion).sort()).toEqual(
      [
        ...['store-admin', 'store-api'].map((name) => `get secrets ${name} in ${mine}`),
        ...[mine, 'argocd', NAMESPACE].map((one) => `get configmaps shopyard-generation in ${one}`),
      ].sort(),
    );
    const secret = (name: string): string => `/api/v1/namespaces/${mine}/secrets/${name}`;
    expect((await caller.ask('GET', secret('store-admin'))).status).toBe(200);
    expect((await caller.ask('GET', secret('store-internal'))).status).toBe(403);
    for (const path of ['/metrics', '/logs/', '/debug/pprof/', '/configz'])
      expect([path, (await caller.ask('GET', path)).status]).toEqual([path, 403]);
    console.log(
      `${questions.length} questions, ${allowed.length} allowed; ${real.length} real requests refused`,
    );
  } finally {
    caller.close();
  }
});

test('the store goes again', async () => {
  diagnoseOnFailure();
  const { api } = started();
  if (store === undefined) throw new Error('there is a store');
  await api.delete(store.id);
  await api.waitFor(store.id, 'deleted', ({ status }) => status === 'deleted');
  expect(await exists('namespace', store.namespace)).toBe(false);
});

type Accepted = { readonly store: Store; readonly operation: Operation };

test('replaced while stores are asked for, it loses none and answers everybody', async () => {
  diagnoseOnFailure();
  const { api, url, token } = started();
  const before = await started().waitUntilUp();
  // Committed is enough: dozens of shops are more than this machine runs.
  await stopSyncingStores();
  const accepted: Accepted[] = [];
  const broken: string[] = [];

  /** As a client does: a connection that breaks is tried again with the same key; any other answer is wrong. */
  const create = async (name: string): Promise<Accepted> => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
    };
    const body = JSON.stringify({ name, type: 'woocommerce' });
    for (;;) {
      let answer: { readonly status: number; readonly text: string };
      try {
        const signal = AbortSignal.timeout(30_000);
        const response = await fetch(`${url}/api/stores`, {
          method: 'POST',
          headers,
          body,
          signal,
        });
        answer = { status: response.status, text: await response.text() };
      } catch (error) {
        broken.push(String((error as Error).cause ?? error));
        await delay(100);
        continue;
      }
      // What an ending pod could not carry out, it says so.
      if (answer.status === 503 && answer.text.includes('was not carried out')) {
        broken.push(answer.text);
        await delay(100);
        continue;
      }
      if (answer.status !== 202) throw new Error(`${name}: ${answer.status} ${answer.text}`);
      return JSON.parse(answer.text) as Accepted;
    }
  };

  let isReplaced = false;
  const client = async (letter: string): Promise<void> => {
    for (let count = 0; !isReplaced; count += 1) {
      accepted.push(await create(`${letter}-${story}-${count}`));
      await delay(1_000);
    }
  };
  const clients = Promise.all(['a', 'b'].map(client));
  clients.catch(() => undefined); // looked at below
  try {
    await vi.waitFor(() => expect(accepted.length).toBeGreaterThan(3), PATIENCE);
    await started().changeSettings({ SHOPYARD_LOG_LEVEL: 'debug' });
    await vi.waitFor(async () => {
      const left = (await listPods()).filter(({ metadata }) => before.has(metadata.uid));
      expect(left.map(({ metadata }) => metadata.name)).toEqual([]);
    }, PATIENCE);
    await started().waitUntilUp();
  } finally {
    isReplaced = true;
  }
  await clients;
  console.log(
    `${accepted.length} accepted, ${broken.length} connections broken: ${[...new Set(broken)].join('; ')}`,
  );
  expect(accepted.length).toBeGreaterThan(20);

  for (const { store: one } of accepted)
    await api.waitFor(one.id, 'committed', ({ commit }) => commit !== null);
  const operations = (await started().readCommits()).flatMap(
    (message) => /^Operation-Id: (\S+)$/m.exec(message)?.[1] ?? [],
  );
  const files = await started().listFiles();
  for (const { store: one, operation } of accepted) {
    const commits = operations.filter((id) => id === operation.id).length;
    const applications = files.filter(
      (path) => path.startsWith('clusters/lab/apps/') && path.endsWith(`-${one.name}.yaml`),
    );
    expect([one.name, commits, applications.length]).toEqual([one.name, 1, 1]);
  }
  // Nor was one made twice: what there is was acknowledged.
  const made = files.filter((path) =>
    new RegExp(`/[a-z0-9]{6}-[ab]-${story}-\\d+\\.yaml$`).test(path),
  );
  expect(made.filter((path) => path.includes('/apps/'))).toHaveLength(accepted.length);
});
