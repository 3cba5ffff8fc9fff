/**
 * The table of all metrics, docs/metrics.md, is written from the code that makes them, and from what a shop of each
 * engine told in the lab (shops/, to which the lab's tests hold it): by `GOLDEN_UPDATE=1 vitest run test/monitoring`. Dashboards and alerts outside this repository are built
 * on the names: a change of one is a breaking change.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { ClusterStates } from '../../control-plane/src/db/cluster-states.ts';
import { openDatabase } from '../../control-plane/src/db/open.ts';
import { measureFleet } from '../../control-plane/src/http/fleet-metrics.ts';
import {
  createCreateMeasures,
  createRequestMeasure,
  measureCredentials,
  measureProbes,
  measureStreams,
} from '../../control-plane/src/http/metrics.ts';
import {
  createLoopMeasures,
  createObserverMeasures,
  createPublisherMeasures,
  createRelayMeasure,
} from '../../control-plane/src/reconcile/metrics.ts';
import { parseExposition, type Family } from '../support/exposition.ts';
import { expectWritten } from '../support/written.ts';

const TABLE = join(import.meta.dirname, '../../docs/metrics.md');

/** What may be a label: each has few values, however many stores and tenants there are. */
const BOUNDED: Readonly<Record<string, string>> = {
  check: 'a check of `/readyz`: one for each part and cluster',
  cluster: 'a cluster of the settings',
  code: 'a code of the API or of a failure, from the source',
  event: 'what happened, from the source',
  method: 'an HTTP method',
  reason: '`moved`, or a code of a failure',
  result: '`delivered`, `refused`, `unreachable`',
  route: 'the template of a route, never a path',
  state: 'what a change waits for: `queued`, `blocked`, `review`, `held`',
  status: 'a store’s status; of requests, the HTTP status',
  type: 'an engine on offer',
  work: '`writer`, `conductor`, `observer` and its cluster',
};

type Described = {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly type: string;
};

/** All that any process of the product has, in the order of their names; nothing is asked. */
async function listMetrics(): Promise<Described[]> {
  const registry = new Registry();
  const db = openDatabase('postgres://nobody@127.0.0.1:1/none');
  const states: ClusterStates = {
    read: () => Promise.reject(new Error('nothing is asked')),
    hear: () => Promise.reject(new Error('nothing is asked')),
    note: () => undefined,
  };
  createRequestMeasure(registry, createCreateMeasures(registry));
  measureStreams(registry, { clients: 0, lagSeconds: 0 });
  measureProbes(registry, []);
  measureCredentials(registry, [], () => Promise.resolve(null));
  measureFleet({ registry, db, states, clusters: [], clock: () => new Date() });
  createPublisherMeasures(registry);
  createRelayMeasure(registry, []);
  createObserverMeasures(registry);
  createLoopMeasures(registry);
  await db.destroy();
  const metrics = registry.getMetricsAsArray() as unknown as (Described & {
    readonly constructor: { readonly name: string };
  })[];
  return metrics
    .map(({ name, help, labelNames, constructor }) => ({
      name,
      help,
      labelNames,
      type: constructor.name.toLowerCase(),
    }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** What shops tell, by engine. */
async function readShops(): Promise<ReadonlyMap<string, readonly Family[]>> {
  const folder = join(import.meta.dirname, 'shops');
  const read = async (file: string) =>
    [
      file.replace('.txt', ''),
      parseExposition(await readFile(join(folder, file), 'utf8')),
    ] as const;
  return new Map(await Promise.all((await readdir(folder)).sort().map(read)));
}

const quote = (word: string): string => `\`${word}\``;
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function renderShops(shops: ReadonlyMap<string, readonly Family[]>): string[] {
  const all = [...shops.values()].flat();
  const names = [...new Set(all.map(({ name }) => name))].sort();
  return [
    '## Shops',
    '',
    'A shop’s pod tells of itself on a port of its own, 9117, which is called `metrics`. No Service names it,',
    'and it is open to the namespace `monitoring` alone. The add-on’s Prometheus asks once a minute and adds the',
    'labels `namespace`, which is the store’s, and `pod`. It keeps nothing but `shopyard_store_*`, a hundred series',
    'of a pod at most, since a shop may have been broken into; an own Prometheus should do the same.',
    '',
    row(['Name', 'Type', 'Labels', 'Engines', 'Meaning']),
    row(['---', '---', '---', '---', '---']),
    ...names.map((name) => {
      const engines = [...shops].filter(([, told]) => told.some((one) => one.name === name));
      const families = all.filter((one) => one.name === name);
      const labels = new Set(families.flatMap(({ samples }) => [...samples.keys()]));
      return row([
        quote(name),
        families[0]?.type ?? '',
        [...new Set([...labels].filter(Boolean).map((one) => quote(one.split('=')[0] ?? '')))].join(
          ', ',
        ),
        engines.map(([engine]) => quote(engine)).join(', '),
        families[0]?.help ?? '',
      ]);
    }),
    '',
    'Of orders and connections each pod tells the whole shop’s: take the `max` over pods. Workers and errors are a',
    'pod’s own: the sum. What cannot be known is left out: with its database away a shop tells',
    '`shopyard_store_database_up` 0, and neither orders nor connections. A shop on an older chart has none of it.',
    '',
    '- **Orders**: `status` is the engine’s own word, and every status is there from the start. WooCommerce’s are',
    '  `pending`, `processing`, `on-hold`, `completed`, `cancelled`, `refunded`, `failed`, and `other` for those of',
    '  plugins; Medusa’s `pending`, `completed`, `archived`, `canceled`, `requires_action`. Each question counts them',
    '  anew: 100,000 took MariaDB 30 ms, by an index alone, and Postgres 70 ms. After two seconds the database gives',
    '  the question up, and they are left out.',
    '- **PHP errors**: fatal ones, as a visitor’s 500. Whoever opens a file of WordPress’s that is not made for it',
    '  brings one about, too: look at the log before at the shop. The counter starts again with the pod.',
    '- **PHP workers**: `state` is `busy` (with a visitor, or a connection that is kept for the next request) or',
    '  `idle` (started, and waiting). Apache starts more as they are needed, up to the limit. The question is',
    '  answered by a worker, and not counted. It waits for one as visitors do: a shop that has none for ten seconds',
    '  is not told of, and Prometheus’ own `up` of it is 0.',
    '',
  ];
}

function renderTable(
  metrics: readonly Described[],
  shops: ReadonlyMap<string, readonly Family[]>,
): string {
  return [
    '# Metrics',
    '',
    'Every process of the control plane answers `/metrics` with those of the parts that it runs; what shops tell',
    'of themselves is [below](#shops). Names and labels are stable.',
    'What is read from the database (`stores_*`, `queue_*`, `cluster_*`) is told by every process with',
    'an API: take the `max` over processes, not the sum. So is the end of a cluster’s credential, read from',
    'the process’s own file: take the `min`. Beside these there are the usual `process_*` and `nodejs_*`.',
    'A test writes this page from the code.',
    '',
    row(['Name', 'Type', 'Labels', 'Meaning']),
    row(['---', '---', '---', '---']),
    ...metrics.map(({ name, type, labelNames, help }) =>
      row([quote(name), type, labelNames.map(quote).join(', '), help]),
    ),
    '',
    '## Labels',
    '',
    'No label has a store, a tenant, a person or a path as its value.',
    '',
    row(['Label', 'Values']),
    row(['---', '---']),
    ...Object.entries(BOUNDED).map(([label, values]) => row([quote(label), values])),
    '',
    ...renderShops(shops),
  ].join('\n');
}

test('docs/metrics.md is the table of all metrics', async () => {
  await expectWritten(TABLE, renderTable(await listMetrics(), await readShops()));
});

test('names say their unit, labels are bounded, and every metric says what it means', async () => {
  const metrics = await listMetrics();
  for (const { name, type, help, labelNames } of metrics) {
    expect(name).toMatch(/^[a-z]+(_[a-z]+)+$/);
    expect(help.length, name).toBeGreaterThan(20);
    expect(
      labelNames.filter((label) => !(label in BOUNDED)),
      name,
    ).toEqual([]);
    if (type === 'counter') expect(name).toMatch(/_total$/);
    if (type === 'histogram') expect(name).toMatch(/_(seconds|operations|stores)$/);
  }
  const used = new Set(metrics.flatMap(({ labelNames }) => labelNames));
  expect([...used].sort()).toEqual(Object.keys(BOUNDED).sort());
});

test('shops of all engines mean the same by a name, and their labels are bounded', async () => {
  const known = new Map<string, string>();
  for (const [engine, families] of await readShops())
    for (const { name, type, help, samples } of families) {
      expect(name).toMatch(/^shopyard_store(_[a-z]+)+$/);
      expect([name, help]).toEqual([name, known.get(name) ?? help]);
      known.set(name, help);
      expect(type === 'counter', name).toBe(name.endsWith('_total'));
      for (const labels of samples.keys())
        expect(labels, `${engine}, ${name}`).toMatch(/^((status|state)="[a-z_-]+")?$/);
    }
  expect(known.size).toBeGreaterThan(5);
});
