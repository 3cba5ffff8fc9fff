/**
 * Reads what stores and clusters are made of from the checkout: Handlebars sources, charts, engine
 * descriptions. The one edge between `templates/`, `clusters/` and the pure renderers.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import type { EngineCard, PlanCard } from './domain/engine.ts';
import { readEngineFolder } from './engine-folder.ts';
import { PlatformError } from './errors.ts';
import type { ShopAdapter } from './orders/types.ts';
import type { TemplateSources } from './render/template.ts';

/** The checkout's top folder. */
export const TOP = fileURLToPath(new URL('../..', import.meta.url));

/** What the control plane reads of a chart's plans; the chart reads the rest. */
const PlansFile = z.record(
  z.string(),
  z.looseObject({
    web: z.looseObject({ replicas: z.number().int(), workers: z.number().int().optional() }),
    storage: z.record(z.string(), z.string().regex(/^\d+[KMGT]i$/)),
    quota: z
      .looseObject({
        'requests.cpu': z.string().regex(/^\d+m?$/),
        'requests.memory': z.string().regex(/^\d+[KMGT]i$/),
        'requests.storage': z.string().regex(/^\d+[KMGT]i$/),
      })
      .optional(),
  }),
);
const Workload = z.object({
  resources: z.object({
    limits: z.object({
      cpu: z.string().regex(/^\d+m?$/),
      memory: z.string().regex(/^\d+[KMGT]i$/),
    }),
  }),
});

const ChartFile = z.object({
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  type: z.enum(['application', 'library']),
  dependencies: z.array(z.object({ name: z.string(), version: z.string() })).default([]),
});

/** A chart's files as they are vendored: path within the chart → content. */
export type Chart = {
  readonly name: string;
  readonly version: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
};

export type Templates = {
  readonly sources: TemplateSources;
  readonly engines: readonly EngineCard[];
  /** The ways to the shops of each engine that has one. */
  readonly adapters: ReadonlyMap<string, ShopAdapter>;
  readonly charts: readonly Chart[];
};

/** Loads everything once, at start. Throws when a file is missing or malformed. */
export async function loadTemplates(top: string = TOP): Promise<Templates> {
  const sources: Record<string, string> = {};
  for (const folder of ['manifests', 'engines'])
    for (const path of await listFiles(join(top, 'templates', folder)))
      if (path.endsWith('.hbs'))
        sources[`${folder}/${path}`] = await readFile(join(top, 'templates', folder, path), 'utf8');
  for (const path of await listFiles(join(top, 'clusters')))
    if (path.endsWith('.hbs'))
      sources[`clusters/${path}`] = await readFile(join(top, 'clusters', path), 'utf8');

  const charts = await loadCharts(join(top, 'templates/charts'));

  const found: (EngineCard & { readonly place: number })[] = [];
  const adapters = new Map<string, ShopAdapter>();
  for (const type of await listFolders(join(top, 'templates/engines'))) {
    const folder = join(top, 'templates/engines', type);
    const { title, summary, admin, serving, options, adapter, ...rest } =
      await readEngineFolder(folder);
    const chart = charts.find(({ name }) => name === rest.chart);
    if (chart === undefined)
      throw new PlatformError('engine_malformed', `${folder}: no chart named ${rest.chart}.`);
    if (adapter !== null) adapters.set(type, adapter);
    const planCards = readPlans(chart, serving);
    found.push({
      place: rest.place,
      type,
      title,
      summary,
      adminPath: admin,
      orders: adapter !== null,
      options,
      irreversible: rest.irreversible,
      unsuspendable: listUnsuspendable(sources, type),
      chart: chart.name,
      version: chart.version,
      plans: planCards.map((plan) => plan.name),
      planCards,
    });
  }
  const engines = found
    .sort((one, other) => one.place - other.place)
    .map(({ place: _, ...card }): EngineCard => card);
  return { sources, engines, adapters, charts };
}

/**
 * Every chart, whole: a library that it depends on is within it, under `charts/`, so that Argo CD has nothing to fetch.
 * A library is no chart of its own.
 */
async function loadCharts(folder: string): Promise<Chart[]> {
  const found = await Promise.all(
    (await listFolders(folder)).map((name) => loadChart(join(folder, name), name)),
  );
  return found
    .filter(({ type }) => type === 'application')
    .map(({ name, version, files, dependencies }) => {
      const whole = new Map(files);
      for (const wanted of dependencies) {
        const library = found.find((chart) => chart.name === wanted.name);
        if (library?.version !== wanted.version)
          throw new PlatformError(
            'chart_malformed',
            `Chart ${name} wants ${wanted.name} ${wanted.version}; there is ${library?.version ?? 'none'}.`,
          );
        for (const [path, content] of library.files)
          whole.set(`charts/${library.name}/${path}`, content);
      }
      return { name, version, files: whole };
    });
}

/** Versions whose own values say nothing of being suspended: their chart does not know it. */
function listUnsuspendable(sources: TemplateSources, type: string): string[] {
  return Object.entries(sources).flatMap(([path, source]) => {
    const version = new RegExp(`^engines/${type}/values-([\\d.]+)\\.yaml\\.hbs$`).exec(path)?.[1];
    return version === undefined || source.includes('store.suspended') ? [] : [version];
  });
}

async function loadChart(folder: string, name: string): Promise<Chart & z.infer<typeof ChartFile>> {
  const files = new Map<string, Uint8Array>();
  for (const path of await listFiles(folder))
    if (isPartOfChart(path)) files.set(path, await readFile(join(folder, path)));
  const description = files.get('Chart.yaml');
  if (description === undefined)
    throw new PlatformError('chart_malformed', `${folder} has no Chart.yaml.`);
  return { name, files, ...ChartFile.parse(parse(Buffer.from(description).toString())) };
}

/** Tests, golden output and notes stay in the checkout: they are no part of a published chart. */
function isPartOfChart(path: string): boolean {
  return !/(^|\/)golden\/|\.test\.ts$|(^|\/)README\.md$/.test(path);
}

function readPlans(chart: Chart, serving: readonly string[]): PlanCard[] {
  const file = chart.files.get('plans.yaml');
  const parsed = PlansFile.safeParse(
    file === undefined ? undefined : parse(Buffer.from(file).toString()),
  );
  if (!parsed.success)
    throw new PlatformError(
      'chart_malformed',
      `plans.yaml of chart ${chart.name}: ${z.prettifyError(parsed.error)}`,
    );
  return Object.entries(parsed.data).map(([name, { web, storage, quota, ...workloads }]) => {
    const limits = serving.map((one) => {
      const workload = Workload.safeParse(one === 'web' ? web : workloads[one]);
      if (workload.success) return workload.data.resources.limits;
      throw new PlatformError(
        'chart_malformed',
        `plans.yaml of chart ${chart.name}: ${name} has no limits of ${one}.`,
      );
    });
    return {
      name,
      replicas: web.replicas,
      workers: web.workers ?? null,
      cpu: addProcessors(limits.map(({ cpu }) => cpu)),
      memory: addSizes(limits.map(({ memory }) => memory)),
      // What is kept for backups is not the merchant's to fill.
      storage: addSizes(
        Object.entries(storage).flatMap(([name, size]) => (name === 'backups' ? [] : [size])),
      ),
      quota:
        quota === undefined
          ? null
          : {
              cpu: quota['requests.cpu'],
              memory: quota['requests.memory'],
              storage: quota['requests.storage'],
            },
    };
  });
}

/** The sum of such as `500m` and `2`. */
function addProcessors(amounts: readonly string[]): string {
  const thousandths = amounts.reduce(
    (sum, one) => sum + (one.endsWith('m') ? Number(one.slice(0, -1)) : Number(one) * 1000),
    0,
  );
  return thousandths % 1000 === 0 ? String(thousandths / 1000) : `${thousandths}m`;
}

/** The sum of sizes such as `1Gi`, in the largest unit that divides it. */
function addSizes(sizes: readonly string[]): string {
  const units = ['Ki', 'Mi', 'Gi', 'Ti'];
  let amount = sizes.reduce((sum, size) => {
    const [, number = '0', unit = 'Ki'] = /^(\d+)(.i)$/.exec(size) ?? [];
    return sum + Number(number) * 1024 ** units.indexOf(unit);
  }, 0);
  let unit = 0;
  while (amount % 1024 === 0 && amount > 0 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${amount}${units[unit] ?? ''}`;
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

async function listFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}
