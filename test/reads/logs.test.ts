/**
 * The logs of a store by the API where its cluster has a Loki: pods that are gone are there too, a
 * tenant reads its own stores' alone, and without an answer of Loki's the cluster's own logs are
 * shown, with what to do. Pods are those that a real cluster had; Loki is the stand-in that the
 * contract holds (test/logs).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connect, type ClusterConnection } from '../../control-plane/src/cluster/connection.ts';
import { createClusterReader } from '../../control-plane/src/cluster/reader.ts';
import { Accepted, StoreLog } from '../../control-plane/src/contract.ts';
import { createLokiLogs } from '../../control-plane/src/logs/loki.ts';
import { startApi, type Api, type Person } from '../api/support.ts';
import { HOSTILE } from '../logs/contract.ts';
import { startLokiStandIn, type LokiStandIn } from '../logs/loki-stand-in.ts';
import {
  startScriptedApiServer,
  type ScriptedApiServer,
  type ScriptedObject,
} from '../observer/scripted-api-server.ts';

const HOUR_MS = 3_600_000;
const fixture = join(import.meta.dirname, '../observer/fixtures/namespaces/setup.json');
const { pods } = JSON.parse(readFileSync(fixture, 'utf8')) as { pods: ScriptedObject[] };

let server: ScriptedApiServer;
let connection: ClusterConnection;
let loki: LokiStandIn;
let api: Api;
const people: Record<'mine' | 'theirs', Person> = {} as never;
const stores: Record<'mine' | 'theirs', { id: string; namespace: string }> = {} as never;
/** What the cluster's pod of the set-up is called. */
let setup: { readonly pod: string; readonly container: string };

beforeAll(async () => {
  server = await startScriptedApiServer();
  connection = connect(server.config);
  loki = await startLokiStandIn();
  const reader = createClusterReader(connection, { namespace: 'argocd' });
  const archive = createLokiLogs(
    { url: loki.url, tenant: 'shops', tokenFile: null, user: null },
    { clock: () => new Date() },
  );
  api = await startApi({ reads: { cluster: () => reader, logs: () => archive } });
  for (const tenant of ['mine', 'theirs'] as const) {
    people[tenant] = await api.person('owner', tenant);
    const reply = await api.request('POST', '/api/stores', {
      cookie: people[tenant].cookie,
      body: { name: `shop-${tenant}`, type: 'woocommerce' },
    });
    stores[tenant] = Accepted.parse(reply.body).store;
    const at = `/api/v1/namespaces/${stores[tenant].namespace}/pods`;
    for (const pod of pods) server.putSilently(at, pod);
    await api.db
      .updateTable('stores')
      .set({ createdAt: new Date(Date.now() - 30 * HOUR_MS) })
      .where('id', '=', stores[tenant].id)
      .execute();
  }
  const log = StoreLog.parse((await read()).body);
  setup = { pod: log.pod ?? '', container: log.container ?? '' };
  await push('mine', setup, 0.1, 'secrets: store-admin made');
  await push('mine', { pod: 'shop-6f-gone', container: 'php' }, 0.5, 'out of memory');
  await push('mine', { pod: 'shop-6f-gone', container: 'php' }, 20, 'a long time ago');
  await push('mine', { pod: 'shop-6f-gone', container: 'php' }, 40, 'another shop of this name');
  await push('theirs', { pod: 'shop-6f-theirs', container: 'php' }, 0.5, 'THEIRS');
  await push('theirs', setup, 0.1, 'THEIRS');
});
afterAll(async () => {
  await api.close();
  connection.close();
  await loki.close();
  await server.close();
});
beforeEach(() => {
  loki.fault = () => false;
  loki.asked.splice(0);
  server.faults.splice(0);
});

async function push(
  whose: 'mine' | 'theirs',
  labels: Readonly<Record<string, string>>,
  hoursAgo: number,
  line: string,
): Promise<void> {
  const at = `${Math.round(Date.now() - hoursAgo * HOUR_MS)}000000`;
  const stream = { namespace: stores[whose].namespace, ...labels };
  await fetch(`${loki.url}/loki/api/v1/push`, {
    method: 'POST',
    headers: { 'x-scope-orgid': 'shops' },
    body: JSON.stringify({ streams: [{ stream, values: [[at, line]] }] }),
  });
}

const read = (query = '', whose: 'mine' | 'theirs' = 'mine', as: Person = people[whose]) =>
  api.request('GET', `/api/stores/${stores[whose].id}/logs${query}`, { cookie: as.cookie });

test('the set-up’s, out of Loki, and what else it has: pods that are gone', async () => {
  expect(setup.pod).toMatch(/^setup-/);
  const log = StoreLog.parse((await read()).body);
  expect(log).toEqual({
    ...setup,
    lines: ['secrets: store-admin made'],
    source: 'loki',
    problem: null,
    gone: [{ pod: 'shop-6f-gone', container: 'php' }],
  });
});

test('a pod that is gone, for as long as is asked, and never from before the store', async () => {
  const gone = async (more: string) =>
    StoreLog.parse((await read(`?pod=shop-6f-gone&container=php${more}`)).body).lines;
  expect(await gone('&hours=1')).toEqual(['out of memory']);
  expect(await gone('')).toEqual(['a long time ago', 'out of memory']);
  expect(await gone('&hours=168')).toEqual(['a long time ago', 'out of memory']);
  expect((await read('?hours=169')).status).toBe(422);
});

test('a tenant reads its own store’s, whatever it names', async () => {
  expect((await read('', 'theirs', people.mine)).status).toBe(404);
  expect(loki.asked).toEqual([]);
  const names = [
    'shop-6f-theirs',
    stores.theirs.namespace,
    ...HOSTILE.map((one) => encodeURIComponent(one)),
  ];
  for (const name of names)
    for (const query of [`?pod=${name}`, `?container=${name}`, `?pod=${name}&container=${name}`]) {
      const reply = await read(query);
      expect([200, 422], query).toContain(reply.status);
      expect(reply.text, query).not.toContain('THEIRS');
      if (reply.status === 200) expect(StoreLog.parse(reply.body).lines, query).toEqual([]);
    }
  // Whatever was asked of Loki, it was asked of this namespace, and by names that it has.
  const asked = loki.asked.map((one) => {
    const { searchParams } = new URL(one, 'http://loki');
    return searchParams.get('query') ?? searchParams.get('match[]') ?? '';
  });
  expect(new Set(asked)).toEqual(new Set([`{namespace="${stores.mine.namespace}"}`]));
  expect((await read('?pod=shop-6f-theirs', 'theirs')).text).toContain('THEIRS');
});

test('a cluster that does not answer hides nothing that Loki has', async () => {
  server.faults.push((_url, response) => !!response.writeHead(500).end());
  const log = StoreLog.parse((await read('?pod=shop-6f-gone')).body);
  expect(log).toMatchObject({ source: 'loki', lines: ['a long time ago', 'out of memory'] });
  expect(log.gone).toContainEqual(setup);
});

test('without an answer of Loki’s: the cluster’s own, with what to do', async () => {
  server.faults.push((url, response) => {
    if (!url.pathname.endsWith('/log')) return false;
    response.end('by the cluster\n');
    return true;
  });
  loki.fault = (_request, response) => !!response.writeHead(503).end('ring is unhealthy');
  const reply = await read('');
  expect(StoreLog.parse(reply.body)).toEqual({
    ...setup,
    lines: ['by the cluster'],
    source: 'cluster',
    problem: {
      code: 'logs_unreachable',
      message: 'Loki answered with an error (503): “ring is unhealthy”.',
      hint: expect.stringContaining('An operator checks') as unknown,
    },
    gone: [],
  });
  const request = reply.headers.get('X-Request-Id') ?? '';
  expect(api.log.filter((line) => line.includes(request) && line.includes('Loki'))).toHaveLength(1);
  server.faults.push((_url, response) => !!response.writeHead(500).end());
  expect((await read('')).body).toMatchObject({ status: 503, code: 'cluster_unreachable' });
});
