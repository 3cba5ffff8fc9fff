/**
 * The table of all metrics, docs/metrics.md, is written from the code that makes them: by
 * `GOLDEN_UPDATE=1 vitest run test/monitoring`. Dashboards and alerts outside this repository are built
 * on the names: a change of one is a breaking change.
 */
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

function renderTable(metrics: readonly Described[]): string {
  const quote = (word: string): string => `\`${word}\``;
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    '# Metrics',
    '',
    'Every process answers `/metrics` with those of the parts that it runs. Names and labels are stable.',
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
  ].join('\n');
}

test('docs/metrics.md is the table of all metrics', async () => {
  await expectWritten(TABLE, renderTable(await listMetrics()));
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
