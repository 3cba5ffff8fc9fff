/**
 * Every chart as it is published (its library within it), in a folder of the test's own, and values as a cluster
 * repository holds them. For tests.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadTemplates, TOP } from '../../control-plane/src/templates.ts';
import { placeChart, readManifests, runHelm, type Manifest, type Values } from './render-chart.ts';

/** The namespace that the example store belongs in. */
export const namespace = 'store-abc123-shop';

export interface PublishedChart {
  readonly name: string;
  /** Where it is, published. */
  readonly folder: string;
  /** Where it is in the checkout. */
  readonly source: string;
  readonly plans: readonly string[];
  /** Its options that are yes or no, with their defaults. */
  readonly flags: Readonly<Record<string, boolean>>;
  readonly schema: Schema;
}

export interface Schema {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly definitions: Readonly<Record<string, unknown>>;
}

/** Publishes every chart; `remove` takes the folders away. */
export async function publishCharts(): Promise<{
  readonly charts: readonly PublishedChart[];
  readonly remove: () => Promise<void>;
}> {
  const into = await mkdtemp(join(tmpdir(), 'shopyard-charts-'));
  const charts: PublishedChart[] = [];
  for (const chart of (await loadTemplates()).charts) {
    const read = (path: string): unknown => {
      const content = chart.files.get(path);
      if (content === undefined) throw new Error(`Chart ${chart.name} has no ${path}.`);
      return parse(Buffer.from(content).toString());
    };
    const { options } = read('values.yaml') as { options: Record<string, unknown> };
    charts.push({
      name: chart.name,
      folder: await placeChart(chart, into),
      source: join(TOP, 'templates/charts', chart.name),
      plans: Object.keys(read('plans.yaml') as object),
      flags: Object.fromEntries(
        Object.entries(options).flatMap(([name, value]) =>
          typeof value === 'boolean' ? [[name, value]] : [],
        ),
      ),
      schema: read('values.schema.json') as Schema,
    });
  }
  return { charts, remove: () => rm(into, { recursive: true }) };
}

/** What Helm makes of a chart, as text. */
export function renderText(
  helm: string,
  { folder }: PublishedChart,
  values: Values,
  { into = namespace } = {},
): Promise<string> {
  return runHelm(helm, ['template', 'abc123-shop', folder, '--namespace', into], values);
}

export async function render(
  helm: string,
  chart: PublishedChart,
  values: Values,
): Promise<Manifest[]> {
  return readManifests(await renderText(helm, chart, values));
}

/** A store's values; changes go one level deep in `store` and `cluster`. */
export function storeValues(changes: Values = {}): Values {
  return {
    plan: 'small',
    storagePlan: 'small',
    url: 'http://shop.localhost:8088',
    ...changes,
    store: {
      id: 'st_aaaaaaaaaaaaaaaa',
      name: 'shop',
      tenant: 'abc123',
      generation: 1,
      attempt: 1,
      ...(changes['store'] as Values | undefined),
    },
    cluster: {
      ingressClass: 'traefik',
      storageClass: '',
      imageRegistry: 'registry.example/shopyard',
      observer: { namespace: 'shopyard-system', serviceAccount: 'shopyard-observer' },
      ...(changes['cluster'] as Values | undefined),
    },
  };
}

/** Backups to an S3 server of the operator's. */
export const s3Backup: Values = {
  schedule: '0 2 * * *',
  keepDaily: 14,
  keepWeekly: 0,
  target: 's3',
  s3: { endpoint: 'http://s3.example.com:8333', bucket: 'shop-backups', secretName: 'backup-s3' },
};

/** Every way to answer these yes-or-no options. */
export function combine(flags: readonly string[]): Readonly<Record<string, boolean>>[] {
  return flags.reduce<Record<string, boolean>[]>(
    (all, flag) => all.flatMap((one) => [false, true].map((on) => ({ ...one, [flag]: on }))),
    [{}],
  );
}

/** Stores that show a chart from its least to its most. */
export function exampleStores({ flags }: PublishedChart): Readonly<Record<string, Values>> {
  return {
    small: storeValues(),
    'large-https': storeValues({
      plan: 'large',
      url: 'https://shop.example.com',
      store: { generation: 7, attempt: 2 },
    }),
    'every-option': storeValues({
      plan: 'medium',
      url: 'https://shop.example.com',
      options: Object.fromEntries(Object.keys(flags).map((flag) => [flag, true])),
      cluster: {
        ingressAnnotations: { 'traefik.ingress.kubernetes.io/router.entrypoints': 'websecure' },
        tlsSecret: 'wildcard',
        backup: s3Backup,
      },
    }),
    suspended: storeValues({
      plan: 'large',
      options: Object.fromEntries(Object.keys(flags).map((flag) => [flag, true])),
      store: { generation: 8, suspended: true },
    }),
  };
}
