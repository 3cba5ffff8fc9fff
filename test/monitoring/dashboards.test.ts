/**
 * The dashboards as files, and their queries: ours on a real Prometheus that scrapes a control plane
 * with the practice cluster through two stores' lives; a shop's on what one of each engine told in the
 * lab (shops/, to which the lab's tests hold them), told again; those on the metrics of parts that only
 * a cluster has must be well-formed.
 */
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { tryCommand } from '../../bootstrap/lab/command.ts';
import { DASHBOARDS } from '../../bootstrap/monitoring/dashboards.ts';
import { renderDashboard } from '../../bootstrap/monitoring/grafana.ts';
import { ALERTS } from '../../bootstrap/monitoring/rules.ts';
import type { ApiClient, ControlPlaneProcess } from '../support/control-plane-process.ts';
import { openPractice, type Practice } from '../support/practice.ts';
import {
  findPrometheus,
  startPrometheus,
  type Programs,
  type Prometheus,
  type Target,
} from '../support/prometheus.ts';
import { expectWritten } from '../support/written.ts';

const TOP = join(import.meta.dirname, '../..');
const MONITORING = join(TOP, 'bootstrap/monitoring');
const WITHIN = { timeout: 60_000, interval: 500 };
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const found = await findPrometheus();
if (typeof found === 'string') console.warn(found);

/** Engines whose shops tell of themselves. */
const ENGINES = ['medusa', 'woocommerce'];

type Query = { readonly title: string; readonly source: string; readonly expr: string };

/** As Grafana asks them, of the last minute. */
const QUERIES: readonly Query[] = DASHBOARDS.flatMap((dashboard) =>
  dashboard.panels.flatMap(({ title, source, queries }) =>
    queries.map(({ expr }, index) => ({
      title: `${dashboard.title}, ${title} ${index + 1}`,
      source,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$namespace', 'store-7f3k-acme'),
    })),
  ),
);

test.each(DASHBOARDS.map((one) => [one.uid, one] as const))(
  'the file of %s is what dashboards.ts says',
  async (uid, dashboard) => {
    await expectWritten(join(MONITORING, 'dashboards', `${uid}.json`), renderDashboard(dashboard));
  },
);

test('there is no other dashboard, and no panel twice', async () => {
  const files = await readdir(join(MONITORING, 'dashboards'));
  expect(files.sort()).toEqual(DASHBOARDS.map(({ uid }) => `${uid}.json`).sort());
  expect(new Set(QUERIES.map(({ title }) => title)).size).toBe(QUERIES.length);
});

describe.skipIf(typeof found === 'string')('on a real Prometheus', () => {
  const programs = found as Programs;
  let folder: string;
  let practice: Practice;
  let controlPlane: ControlPlaneProcess;
  let api: ApiClient;
  let prometheus: Prometheus;
  const shops: Server[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shopyard-dashboards-'));
    // A token that ends, as a real cluster's does.
    const claims = { exp: Math.floor(Date.now() / 1_000) + 365 * 86_400 };
    const token = `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
    practice = await openPractice({ speed: 20, token });
    ({ controlPlane, api } = await practice.startControlPlane());
    prometheus = await startPrometheus(programs, {
      targets: [
        { target: new URL(controlPlane.url).host, job: 'shopyard' },
        ...(await Promise.all(ENGINES.map(serveShop))),
      ],
      rules: join(MONITORING, 'rules.yaml'),
    });
  });

  afterAll(async () => {
    await prometheus.stop();
    for (const server of shops) server.close();
    await controlPlane.stop();
    await practice.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** A shop of this engine, with the labels that the add-on's PodMonitor gives it. */
  async function serveShop(engine: string): Promise<Target> {
    const text = await readFile(join(import.meta.dirname, `shops/${engine}.txt`), 'utf8');
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
      response.end(text);
    });
    shops.push(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return {
      target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      job: `monitoring/stores-${engine}`,
      labels: { namespace: `store-7f3k-${engine}`, pod: `${engine}-0` },
    };
  }

  test('every query of every dashboard is well-formed', async () => {
    const rules = QUERIES.map(({ expr }, index) => ({ record: `query_${index}`, expr }));
    const file = join(folder, 'queries.json');
    await writeFile(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }));
    const { status, stdout, stderr } = await tryCommand(programs.promtool, [
      ...['check', 'rules', file],
    ]);
    expect(status, stdout + stderr).toBe(0);
    expect(stdout).toContain(`${rules.length} rules found`);
  });

  test('every query of ours has data after stores lived, and no alert fires', async () => {
    // Of a counter that is born at 1 no rate is known: everything happens twice, a scrape apart.
    for (const name of ['first', 'second']) {
      await api.call('POST', '/api/stores', { name: 'Not a name', type: 'woocommerce' });
      const { store } = await api.create({ name, type: 'woocommerce' });
      await api.waitFor(store.id, 'ready', ({ status }) => status === 'ready', WITHIN);
      await vi.waitFor(
        async () =>
          expect(await readOne('sum(provisioning_duration_seconds_count)')).toBe(
            name === 'first' ? 1 : 2,
          ),
        WITHIN,
      );
    }
    const ours = QUERIES.filter(({ source }) => source === 'shopyard');
    expect(ours.length).toBeGreaterThan(20);
    await vi.waitFor(async () => expect(await findEmpty(ours)).toEqual([]), WITHIN);
    const ready = 'sum(max by (type) (stores_total{status="ready"}))';
    await vi.waitFor(async () => expect(await readOne(ready)).toBe(2), WITHIN);
    // One scrape that takes longer than it may makes the control plane look away until the next.
    const quiet = ALERTS.map(({ name }) => ({ name, health: 'ok', state: 'inactive' }));
    await vi.waitFor(async () => expect(await readAlerts()).toEqual(quiet), WITHIN);
  });

  test.each(ENGINES)('every query of a shop’s has data of a shop of %s', async (engine) => {
    const ofEngine = QUERIES.filter(
      ({ source, expr }) => source === 'store' && (engine === 'woocommerce' || !/_php_/.test(expr)),
    ).map(({ title, expr }) => ({
      title,
      expr: expr.replaceAll('store-7f3k-acme', `store-7f3k-${engine}`),
    }));
    expect(ofEngine.length).toBeGreaterThan(2);
    await vi.waitFor(async () => expect(await findEmpty(ofEngine)).toEqual([]), WITHIN);
  });

  test('when the control plane ends, its alert waits to fire', async () => {
    await controlPlane.stop();
    await vi.waitFor(async () => {
      const alerts = await readAlerts();
      expect(alerts.find(({ name }) => name === 'ControlPlaneDown')?.state).toBe('pending');
    }, WITHIN);
  });

  /** Titles of the queries that have no data. */
  async function findEmpty(queries: readonly Pick<Query, 'title' | 'expr'>[]): Promise<string[]> {
    const answers = await Promise.all(
      queries.map(async ({ title, expr }) => ({ title, series: await prometheus.query(expr) })),
    );
    return answers
      .filter(({ series }) => !series.some(({ value: [, text] }) => Number.isFinite(Number(text))))
      .map(({ title }) => title);
  }

  async function readOne(expression: string): Promise<number> {
    return Number((await prometheus.query(expression))[0]?.value[1]);
  }

  async function readAlerts(): Promise<{ name: string; health: string; state: string }[]> {
    type Rule = { name: string; health: string; state: string };
    const { groups } = (await prometheus.read('rules')) as { groups: { rules: Rule[] }[] };
    return groups
      .flatMap(({ rules }) => rules)
      .map(({ name, health, state }) => ({ name, health, state }));
  }
});
