/**
 * What a release of a chart is made of, in the order in which Argo CD applies it. The practice cluster
 * cannot render Helm's templates: each chart brings an outline of what its templates render
 * (`outline.yaml`, drawn by templates/charts/outline.ts from the real Helm's output), and the contract
 * suite compares the walk through it with that of the real Argo CD.
 */
import { z } from 'zod';

const conditionSchema = z.record(z.string(), z.union([z.string(), z.boolean()]));

const podsSchema = z.strictObject({
  container: z.string(),
  /** Key in the chart's `images`. */
  image: z.string(),
  /** Claims that are there when it runs, with their key in the plan's `storage`. */
  claims: z.record(z.string(), z.string()).optional(),
  /** There are no pods of it where a release has all values of one of these, by path. */
  idle: z.array(conditionSchema).optional(),
});

const entrySchema = z.strictObject({
  group: z.string(),
  kind: z.string(),
  /** Left out: the namespace itself. */
  name: z.string().optional(),
  wave: z.number().int(),
  /** Only releases with all values of one of these, by path, have it. */
  only: z.array(conditionSchema).optional(),
  /** Values that it is made of, as paths: `options.currency`. */
  madeOf: z.array(z.string()).optional(),
  pods: podsSchema.optional(),
  /** A hook: seconds it may take. */
  deadline: z.number().int().optional(),
});

export const outlineSchema = z.array(entrySchema);
export type Outline = z.infer<typeof outlineSchema>;

const amounts = z.object({ cpu: z.string(), memory: z.string() });

const valuesSchema = z.looseObject({
  store: z.looseObject({
    id: z.string(),
    name: z.string(),
    generation: z.number().int(),
    attempt: z.number().int(),
    suspended: z.boolean().default(false),
  }),
  plan: z.string(),
  storagePlan: z.string(),
  url: z.string(),
  images: z.record(z.string(), z.string()),
  cluster: z.looseObject({ imageRegistry: z.string() }),
  options: z.record(z.string(), z.unknown()).default({}),
  jobs: z.record(z.string(), z.object({ requests: amounts, limits: amounts })),
});

export const releaseSchema = z.object({
  chart: z.string(),
  values: valuesSchema,
  /** The images there are: those that the chart names by itself. */
  available: z.array(z.string()),
  /** Keys of the Secret store-api. */
  apiKeys: z.array(z.string()),
  plans: z.record(
    z.string(),
    z.looseObject({
      quota: z.record(z.string(), z.string()),
      storage: z.record(z.string(), z.string()),
    }),
  ),
  outline: outlineSchema,
});
export type Release = z.infer<typeof releaseSchema>;

export type Resource = Pick<Outline[number], 'group' | 'kind'> & {
  readonly name: string;
  readonly madeOf: readonly string[];
};

/** A container that runs: the pods of a Deployment or StatefulSet, or a Job's. */
export type Part = z.infer<typeof podsSchema> & {
  readonly kind: 'StatefulSet' | 'Deployment' | 'Job';
  readonly name: string;
};
export type Hook = Part & { readonly deadline: number };

/** Applied together; the next begins when all of it is healthy. */
export type Wave = {
  readonly resources: readonly Resource[];
  /** What has to come up before the wave is through. */
  readonly parts: readonly Part[];
  /** What is applied without pods. */
  readonly idle: readonly Part[];
  readonly hooks: readonly Hook[];
};

/** The waves of a release, first to last. */
export function listWaves({ outline, values }: Release, namespace: string): readonly Wave[] {
  const isMet = (condition: z.infer<typeof conditionSchema>): boolean =>
    Object.entries(condition).every(([path, value]) => readValue(values, path) === value);
  const entries = outline.filter(({ only }) => only?.some(isMet) ?? true);
  const waves = [...new Set(entries.map(({ wave }) => wave))].sort((a, b) => a - b);
  return waves.map((wave) => {
    const resources: Resource[] = [];
    const parts: Part[] = [];
    const idle: Part[] = [];
    const hooks: Hook[] = [];
    for (const entry of entries.filter((one) => one.wave === wave)) {
      const { group, kind, name = namespace, madeOf = [], pods, deadline } = entry;
      if (kind === 'Job' && pods !== undefined && deadline !== undefined)
        hooks.push({ kind, name, deadline, ...pods });
      else resources.push({ group, kind, name, madeOf });
      if (pods !== undefined && (kind === 'Deployment' || kind === 'StatefulSet'))
        (pods.idle?.some(isMet) === true ? idle : parts).push({ kind, name, ...pods });
    }
    return { resources, parts, idle, hooks };
  });
}

/** The group of what an earlier release left. */
export function findGroup({ outline }: Release, kind: string): string {
  return outline.find((entry) => entry.kind === kind)?.group ?? '';
}

export const nameResource = ({ kind, name }: Pick<Resource, 'kind' | 'name'>): string =>
  `${kind}/${name}`;

/** What a resource is made of: it is applied again when this is another. */
export function printResource({ madeOf }: Resource, { values }: Release): string {
  return JSON.stringify([values.store.id, ...madeOf.map((path) => readValue(values, path))]);
}

function readValue(values: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) => (value as Readonly<Record<string, unknown>> | undefined)?.[key],
      values,
    );
}
