/**
 * Draws a chart's outline: what its templates render, in which wave, for which plans and options, and made of which
 * values. Drawn from the real Helm's output and published with the chart, for who plays a release without Helm
 * (bootstrap/practice). It relies on what holds for every chart here:
 *
 * - what is rendered depends on the plan, on options that are true or false and on whether the store is suspended, on
 *   nothing else; in which wave, on nothing (that of a suspended store's claims, for which nobody waits, is left out);
 * - a claim's size is in the plan's `storage`, under the claim's name or that of its StatefulSet;
 * - a container's image is one of `images`.
 */
import { z } from 'zod';
import type { Outline } from '../../bootstrap/practice/release.ts';
import { podTemplateOf, waveOf, type Manifest, type Values } from './render-chart.ts';

type Entry = Outline[number];
type Rendering = ReadonlyMap<string, Manifest>;
type Chosen = Readonly<Record<string, string | boolean>>;
type Choice = { readonly path: string; readonly values: readonly (string | boolean)[] };
type Variant = {
  readonly chosen: Chosen;
  readonly values: Values;
  readonly rendering: Rendering;
};

export type ChartToDraw = {
  /** Values of a store of the first plan, complete: with the chart's own. */
  readonly values: Values;
  readonly plans: readonly string[];
  /** Keys of the plans' `storage`. */
  readonly storage: readonly string[];
  /** What an option that is neither true nor false may be besides its default. */
  readonly otherOptions: Values;
  render(values: Values): Promise<readonly Manifest[]>;
};

const section = z.record(z.string(), z.unknown());

/** The outline, in the order of waves. */
export async function drawOutline(chart: ChartToDraw): Promise<Outline> {
  const options = section.parse(chart.values.options ?? {});
  const flags = Object.keys(options).filter((name) => typeof options[name] === 'boolean');
  const choices: readonly Choice[] = [
    { path: 'plan', values: chart.plans },
    ...flags.map((name) => ({ path: `options.${name}`, values: [false, true] })),
    { path: 'store.suspended', values: [true, false] },
  ];
  const render = async (values: Values): Promise<Rendering> => {
    const manifests = await chart.render(values);
    return new Map(manifests.map((one) => [`${one.kind}/${one.metadata.name}`, one]));
  };
  const variants: Variant[] = [];
  for (const chosen of combine(choices)) {
    const values = Object.entries(chosen).reduce<Values>(
      (base, [path, value]) => change(base, path, value),
      chart.values,
    );
    variants.push({ chosen, values, rendering: await render(values) });
  }

  // What each object is made of: it differs where only this value differs.
  const madeOf = new Map<string, Set<string>>();
  const compare = (path: string, one: Rendering, other: Rendering): void => {
    for (const [key, manifest] of one) {
      const changed = other.get(key);
      if (changed === undefined || JSON.stringify(changed) === JSON.stringify(manifest)) continue;
      madeOf.set(key, (madeOf.get(key) ?? new Set()).add(path));
    }
  };
  for (const { path } of choices)
    for (const group of groupBesides(variants, path))
      for (const { rendering } of group.slice(1))
        compare(path, group[0]?.rendering ?? rendering, rendering);
  const running = variants.filter(({ chosen }) => chosen['store.suspended'] === false);
  for (const { values, rendering } of [running.at(0), running.at(-1)].filter(
    (v) => v !== undefined,
  ))
    for (const [path, other] of listChanges(chart))
      compare(path, rendering, await render(change(values, path, other)));

  const keys = [...new Set(variants.flatMap(({ rendering }) => [...rendering.keys()]))];
  const entries = keys.map((key): Entry => {
    const having = variants.filter(({ rendering }) => rendering.has(key));
    const manifest = having.at(-1)?.rendering.get(key);
    if (manifest === undefined) throw new Error(`${key} is rendered nowhere.`);
    const only = nameConditions(having, variants);
    const idle = nameConditions(
      having.filter(({ rendering }) => rendering.get(key)?.spec?.replicas === 0),
      having,
    );
    const [group = ''] = manifest.apiVersion.includes('/') ? manifest.apiVersion.split('/') : [];
    const { kind, metadata, spec } = manifest;
    const deadline = kind === 'Job' ? spec?.activeDeadlineSeconds : undefined;
    const causes = [...(madeOf.get(key) ?? [])].sort();
    return {
      group,
      kind,
      ...(kind === 'Namespace' ? {} : { name: metadata.name }),
      wave: waveOf(manifest),
      ...(only.length === 0 ? {} : { only }),
      ...(causes.length === 0 ? {} : { madeOf: causes }),
      ...(kind === 'CronJob' ? {} : describePods(manifest, chart, idle)),
      ...(deadline === undefined ? {} : { deadline }),
    };
  });
  const place = ({ group, kind, name = '' }: Entry): string => `${group}/${kind}/${name}`;
  return entries.sort((a, b) => a.wave - b.wave || (place(a) < place(b) ? -1 : 1));
}

/** The values other than plan and flags that objects may be made of, with another value each. */
function listChanges({
  values,
  otherOptions,
}: ChartToDraw): readonly (readonly [string, unknown])[] {
  const images = section.parse(values.images);
  return [
    ['store.generation', 2],
    ['store.attempt', 2],
    ['url', 'https://other.example.com'],
    ...Object.keys(images).map((name) => [`images.${name}`, 'another:9.9.9'] as const),
    ...Object.entries(otherOptions).map(([name, other]) => [`options.${name}`, other] as const),
  ];
}

function describePods(manifest: Manifest, chart: ChartToDraw, idle: Chosen[]): Pick<Entry, 'pods'> {
  const template = podTemplateOf(manifest);
  const [container] = template?.spec.containers ?? [];
  if (template === undefined || container === undefined) return {};
  const { cluster, images } = z
    .looseObject({ cluster: z.looseObject({ imageRegistry: z.string() }), images: section })
    .parse(chart.values);
  const { name } = manifest.metadata;
  const image = Object.keys(images).find(
    (key) => container.image === `${cluster.imageRegistry}/${String(images[key])}`,
  );
  if (image === undefined) throw new Error(`${name} runs an image that the values do not name.`);
  const claims = new Map<string, string>();
  for (const { metadata } of manifest.spec?.volumeClaimTemplates ?? [])
    claims.set(`${metadata.name}-${name}-0`, name);
  for (const volume of template.spec.volumes ?? []) {
    const claim = z.object({ claimName: z.string() }).safeParse(volume.persistentVolumeClaim);
    if (claim.success) claims.set(claim.data.claimName, claim.data.claimName);
  }
  for (const size of claims.values())
    if (!chart.storage.includes(size)) throw new Error(`plans.yaml gives no storage for ${size}.`);
  return {
    pods: {
      container: container.name,
      image,
      ...(claims.size === 0 ? {} : { claims: Object.fromEntries([...claims].sort()) }),
      ...(idle.length === 0 ? {} : { idle }),
    },
  };
}

/** What was chosen in some of these variants, as far as it tells them from the others; [] when they are all or none. */
function nameConditions(some: readonly Variant[], all: readonly Variant[]): Chosen[] {
  const paths = Object.keys(all[0]?.chosen ?? {}).filter((path) =>
    groupBesides(all, path).some((group) => {
      const count = group.filter((variant) => some.includes(variant)).length;
      return count > 0 && count < group.length;
    }),
  );
  if (paths.length === 0) return [];
  const conditions = some.map(({ chosen }) => JSON.stringify(pick(chosen, paths)));
  return [...new Set(conditions)].map((text) => JSON.parse(text) as Chosen);
}

/** Every way to choose. */
function combine(choices: readonly Choice[]): readonly Chosen[] {
  return choices.reduce<readonly Chosen[]>(
    (all, { path, values }) =>
      all.flatMap((chosen) => values.map((value) => ({ ...chosen, [path]: value }))),
    [{}],
  );
}

/** Variants that differ in nothing but what was chosen at a path. */
function groupBesides(variants: readonly Variant[], path: string): readonly (readonly Variant[])[] {
  const rest = ({ chosen }: Variant): string => JSON.stringify({ ...chosen, [path]: null });
  return [...Map.groupBy(variants, rest).values()];
}

function pick(chosen: Chosen, paths: readonly string[]): Chosen {
  return Object.fromEntries(Object.entries(chosen).filter(([path]) => paths.includes(path)));
}

/** The values with another one at a path. */
function change(values: Values, path: string, to: unknown): Values {
  const [key = '', ...rest] = path.split('.');
  const inner = rest.length === 0 ? to : change(section.parse(values[key]), rest.join('.'), to);
  return { ...values, [key]: inner };
}
