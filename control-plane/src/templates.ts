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
import { ORDER_APIS } from './domain/orders.ts';
import { PlatformError } from './errors.ts';
import type { TemplateSources } from './render/template.ts';

/** The checkout's top folder. */
export const TOP = fileURLToPath(new URL('../..', import.meta.url));

const EngineFile = z.strictObject({
  title: z.string(),
  chart: z.string(),
  summary: z.string(),
  /** Where its administration is, on the store's own address. */
  admin: z.string().startsWith('/'),
  /** By which API it tells of its orders; left out: by none. */
  orders: z.enum(ORDER_APIS).optional(),
});

/** What the control plane reads of a chart's plans; the chart reads the rest. */
const PlansFile = z.record(
  z.string(),
  z.object({
    web: z.object({
      replicas: z.number().int(),
      workers: z.number().int().optional(),
      resources: z.object({ limits: z.object({ cpu: z.string(), memory: z.string() }) }),
    }),
    storage: z.record(z.string(), z.string().regex(/^\d+[KMGT]i$/)),
  }),
);

/** A chart's files as they are vendored: path within the chart → content. */
export type Chart = {
  readonly name: string;
  readonly version: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
};

export type Templates = {
  readonly sources: TemplateSources;
  readonly engines: readonly EngineCard[];
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

  const charts: Chart[] = [];
  for (const name of await listFolders(join(top, 'templates/charts')))
    charts.push(await loadChart(join(top, 'templates/charts', name), name));

  const engines: EngineCard[] = [];
  for (const type of await listFolders(join(top, 'templates/engines'))) {
    const file = join(top, 'templates/engines', type, 'engine.yaml');
    const parsed = EngineFile.safeParse(parse(await readFile(file, 'utf8')));
    if (!parsed.success)
      throw new PlatformError('engine_malformed', `${file}: ${z.prettifyError(parsed.error)}`);
    const chart = charts.find(({ name }) => name === parsed.data.chart);
    if (chart === undefined)
      throw new PlatformError('engine_malformed', `${file}: no chart named ${parsed.data.chart}.`);
    const { title, summary, admin, orders = null } = parsed.data;
    const planCards = readPlans(chart);
    engines.push({
      type,
      title,
      summary,
      adminPath: admin,
      orderApi: orders,
      chart: chart.name,
      version: chart.version,
      plans: planCards.map((plan) => plan.name),
      planCards,
    });
  }
  return { sources, engines, charts };
}

async function loadChart(folder: string, name: string): Promise<Chart> {
  const files = new Map<string, Uint8Array>();
  for (const path of await listFiles(folder))
    if (isPartOfChart(path)) files.set(path, await readFile(join(folder, path)));
  const description = files.get('Chart.yaml');
  if (description === undefined)
    throw new PlatformError('chart_malformed', `${folder} has no Chart.yaml.`);
  const { version } = z
    .object({ version: z.string().regex(/^\d+\.\d+\.\d+$/) })
    .parse(parse(Buffer.from(description).toString()));
  return { name, version, files };
}

/** Tests, golden output and notes stay in the checkout: they are no part of a published chart. */
function isPartOfChart(path: string): boolean {
  return !/(^|\/)golden\/|\.test\.ts$|(^|\/)README\.md$/.test(path);
}

function readPlans(chart: Chart): PlanCard[] {
  const file = chart.files.get('plans.yaml');
  const parsed = PlansFile.safeParse(
    file === undefined ? undefined : parse(Buffer.from(file).toString()),
  );
  if (!parsed.success)
    throw new PlatformError(
      'chart_malformed',
      `plans.yaml of chart ${chart.name}: ${z.prettifyError(parsed.error)}`,
    );
  return Object.entries(parsed.data).map(([name, { web, storage }]) => ({
    name,
    replicas: web.replicas,
    workers: web.workers ?? null,
    cpu: web.resources.limits.cpu,
    memory: web.resources.limits.memory,
    storage: addSizes(Object.values(storage)),
  }));
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
