/** Every chart's outline.yaml says what the real Helm renders of it; `npm run golden:update` draws it anew. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { outlineSchema } from '../../bootstrap/practice/release.ts';
import { loadTemplates, type Chart } from '../../control-plane/src/templates.ts';
import { drawOutline } from './outline.ts';
import { findHelm, placeChart, readManifests, runHelm, type Values } from './render-chart.ts';

const helm = findHelm();
const published = await mkdtemp(join(tmpdir(), 'shopyard-outlines-'));
afterAll(() => rm(published, { recursive: true }));
const { charts } = await loadTemplates();

/** Options that are words: another than the default. */
const otherOptions: Values = { currency: 'JPY', country: 'FR', theme: 'twentytwentythree' };
const valuesFile = z.looseObject({
  cluster: z.looseObject({}),
  options: z.record(z.string(), z.unknown()).optional(),
});
const plansFile = z.record(
  z.string(),
  z.looseObject({ storage: z.record(z.string(), z.string()) }),
);

async function draw(chart: Chart): Promise<string> {
  const folder = await placeChart(chart, published);
  const read = async (file: string): Promise<unknown> =>
    parse(await readFile(join(folder, file), 'utf8'));
  const own = valuesFile.parse(await read('values.yaml'));
  const plans = plansFile.parse(await read('plans.yaml'));
  const names = Object.keys(plans);
  const values: Values = {
    ...own,
    store: { id: 'st_aaaaaaaaaaaaaaaa', name: 'shop', tenant: 'abc123', generation: 1, attempt: 1 },
    plan: names[0],
    storagePlan: names[0],
    url: 'http://shop.localhost:8088',
    cluster: {
      ...own.cluster,
      imageRegistry: 'registry.example',
      observer: { namespace: 'shopyard-system', serviceAccount: 'shopyard-observer' },
    },
  };
  const outline = await drawOutline({
    values,
    plans: names,
    storage: [...new Set(Object.values(plans).flatMap(({ storage }) => Object.keys(storage)))],
    otherOptions: Object.fromEntries(
      Object.entries(otherOptions).filter(([name]) => Object.hasOwn(own.options ?? {}, name)),
    ),
    render: async (changed) =>
      readManifests(
        await runHelm(
          helm ?? '',
          ['template', 'abc123-shop', folder, '--namespace', 'store-abc123-shop'],
          changed,
        ),
      ),
  });
  const head =
    '# What Helm renders of this chart, for who plays it without Helm. Drawn by outline.ts, not by hand.\n';
  return head + stringify(outlineSchema.parse(outline), { lineWidth: 0, singleQuote: true });
}

test.skipIf(helm === undefined).each(charts.map((chart) => [chart.name, chart] as const))(
  'the outline of %s is what Helm renders',
  async (name, chart) => {
    const drawn = await draw(chart);
    const file = join(import.meta.dirname, name, 'outline.yaml');
    if (process.env.GOLDEN_UPDATE === '1') await writeFile(file, drawn);
    expect(parse(drawn)).toEqual(parse(await readFile(file, 'utf8')));
  },
  120_000,
);
