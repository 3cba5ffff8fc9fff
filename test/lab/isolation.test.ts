/**
 * Two tenants' stores side by side: with whatever runs in one, nothing of the other can be read, changed or even
 * listed. Asked of the real API server with the real tokens of the store's own ServiceAccounts.
 *
 * Not shown here: that their pods cannot reach each other (the lab's network enforces no NetworkPolicy; Kind's and
 * k3s's do).
 */
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Store } from '../../control-plane/src/contract.ts';
import { startLabControlPlane, type LabControlPlane } from './control-plane.ts';
import { kubectl, layout, listObjects } from './lab.ts';

const story = Date.now().toString(36).slice(-4);
let controlPlane: LabControlPlane;
let stores: readonly Store[] = [];

const kubeconfig = new KubeConfig();
kubeconfig.loadFromFile(layout.adminKubeconfig);

beforeAll(async () => {
  controlPlane = await startLabControlPlane(9_801);
});
afterAll(async () => {
  const { api } = controlPlane;
  for (const { id } of stores) await api.delete(id);
  for (const { id } of stores)
    await api.waitFor(id, 'deleted', ({ status }) => status === 'deleted', { mayFail: true });
  await controlPlane.stop();
});

/** The API server's answer to the bearer of a token. */
async function ask(token: string, method: string, path: string, body?: object): Promise<number> {
  const server = kubeconfig.getCurrentCluster();
  const ca = await readFile(server?.caFile ?? '');
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, server?.server),
      {
        method,
        ca,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        timeout: 10_000,
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Tokens of all ServiceAccounts that a store's pods run as, by name. */
async function readTokens(namespace: string): Promise<ReadonlyMap<string, string>> {
  const accounts = await listObjects<{ metadata: { name: string } }>(
    'serviceaccounts',
    '-n',
    namespace,
  );
  const tokens = new Map<string, string>();
  for (const { name } of accounts.map(({ metadata }) => metadata))
    tokens.set(name, (await kubectl('create', 'token', name, '-n', namespace)).trim());
  return tokens;
}

test('two tenants have a store each', async () => {
  controlPlane.diagnoseOnFailure();
  const { api } = controlPlane;
  const made: Store[] = [];
  for (const tenant of [`left-${story}`, `right-${story}`]) {
    const answer = await api.call('POST', '/api/tenants', { slug: tenant, name: tenant });
    expect(answer.status).toBe(201);
    made.push((await api.create({ name: tenant, type: 'woocommerce', tenant })).store);
    stores = made;
  }
  for (const { id } of made) await api.waitFor(id, 'ready', ({ status }) => status === 'ready');
  expect(new Set(stores.map(({ namespace }) => namespace)).size).toBe(2);
});

test('neither’s ServiceAccounts can see, make or remove anything of the other’s', async () => {
  controlPlane.diagnoseOnFailure();
  const [left, right] = stores;
  if (left === undefined || right === undefined) throw new Error('there are two stores');
  const pod = (namespace: string): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'intruder', namespace },
    spec: { containers: [{ name: 'c', image: 'intruder' }] },
  });
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'store-admin' } };
  let questions = 0;
  for (const [own, other] of [
    [left.namespace, right.namespace],
    [right.namespace, left.namespace],
  ] as const) {
    const tokens = await readTokens(own);
    expect([...tokens.keys()]).toEqual(expect.arrayContaining(['web', 'database', 'secrets']));
    for (const [account, token] of tokens) {
      const core = `/api/v1/namespaces/${other}`;
      const asked: readonly (readonly [string, string, object?])[] = [
        ['GET', '/api/v1/namespaces'],
        ['GET', core],
        ...['pods', 'services', 'secrets', 'configmaps', 'events', 'persistentvolumeclaims'].map(
          (kind) => ['GET', `${core}/${kind}`] as const,
        ),
        ...['store-admin', 'store-api', 'store-internal'].map(
          (name) => ['GET', `${core}/secrets/${name}`] as const,
        ),
        ['GET', `${core}/pods/database-0/log`],
        ['POST', `${core}/pods`, pod(other)],
        ['POST', `${core}/pods/database-0/exec?command=id`],
        ['POST', `${core}/secrets`, secret],
        ['POST', `${core}/serviceaccounts/secrets/token`, {}],
        ['DELETE', `${core}/pods/database-0`],
        ['DELETE', core],
        ['GET', `/apis/apps/v1/namespaces/${other}/deployments`],
        ['GET', `/apis/networking.k8s.io/v1/namespaces/${other}/ingresses`],
        ['GET', '/api/v1/pods'],
        ['GET', '/api/v1/secrets'],
        ['GET', '/apis/networking.k8s.io/v1/ingresses'],
        ['GET', '/apis/argoproj.io/v1alpha1/namespaces/argocd/applications'],
      ];
      for (const [method, path, body] of asked) {
        const status = await ask(token, method, path, body);
        expect([account, method, path, status]).toEqual([account, method, path, 403]);
        questions += 1;
      }
      // Its own Secrets are files in its pods; the API server gives it none of them either.
      const mine = `/api/v1/namespaces/${own}/secrets`;
      expect([account, await ask(token, 'GET', `${mine}/store-internal`)]).toEqual([account, 403]);
      expect([account, await ask(token, 'GET', mine)]).toEqual([account, 403]);
    }
  }
  console.log(`${questions} questions, each refused`);
  // What is refused above is there to be seen.
  for (const { namespace } of stores)
    expect(await kubectl('get', 'secret', 'store-internal', '-n', namespace, '-o', 'name')).toBe(
      'secret/store-internal\n',
    );
});

test('no account of a store can impersonate, or act in the cluster', async () => {
  const [left] = stores;
  for (const account of ['web', 'database', 'jobs', 'secrets']) {
    const as = `--as=system:serviceaccount:${left?.namespace ?? ''}:${account}`;
    for (const question of [
      ['impersonate', 'serviceaccounts'],
      ['list', 'namespaces'],
      ['get', 'nodes'],
      ['create', 'pods', '-n', 'kube-system'],
      ['*', '*', '--all-namespaces'],
    ]) {
      const answer = await kubectl('auth', 'can-i', ...question, as).catch(() => 'no');
      expect([account, question.join(' '), answer.trim()]).toEqual([
        account,
        question.join(' '),
        'no',
      ]);
    }
  }
});
