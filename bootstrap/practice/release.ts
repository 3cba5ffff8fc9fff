/**
 * What a chart is made of, in the order in which Argo CD applies it. The practice cluster cannot
 * render Helm's templates: each chart's waves are listed here, and the contract suite compares the
 * walk through them with that of the real one.
 */
import { z } from 'zod';

const amounts = z.object({ cpu: z.string(), memory: z.string() });

export const releaseSchema = z.object({
  chart: z.string(),
  values: z.object({
    store: z.object({
      id: z.string(),
      name: z.string(),
      generation: z.number().int(),
      attempt: z.number().int(),
    }),
    plan: z.string(),
    url: z.string(),
    images: z.record(z.string(), z.string()),
    cluster: z.object({ imageRegistry: z.string() }),
    jobs: z.record(z.string(), z.object({ requests: amounts, limits: amounts })),
  }),
  /** The images there are: those that the chart names by itself. */
  available: z.array(z.string()),
  plans: z.record(
    z.string(),
    z.looseObject({
      quota: z.record(z.string(), z.string()),
      storage: z.record(z.string(), z.string()),
    }),
  ),
});
export type Release = z.infer<typeof releaseSchema>;

/** Values that a resource is made of. */
type Cause = 'generation' | 'attempt' | 'plan' | 'url' | 'images';

export type Resource = {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly changesWith: readonly Cause[];
};

/** A container that runs: the pods of a Deployment or StatefulSet, or a Job's. */
export type Part = {
  readonly kind: 'StatefulSet' | 'Deployment' | 'Job';
  readonly name: string;
  readonly container: string;
  /** Key in the chart's `images`. */
  readonly image: string;
  /** Claims it mounts, with their key in the plan's `storage`. */
  readonly claims: Readonly<Record<string, string>>;
  /** What it says while it starts. */
  readonly log: readonly string[];
};

/** Applied together; the next begins when all of it is healthy. `seconds` are the lab's. */
export type Wave = {
  readonly wave: number;
  readonly seconds: number;
  readonly resources: readonly Resource[];
  /** A hook, or what has to come up before the wave is through. */
  readonly part?: Part;
};

const WOOCOMMERCE: readonly Wave[] = [
  { wave: -5, seconds: 3, resources: [make('', 'Namespace', '')] },
  {
    wave: -3,
    seconds: 2.5,
    resources: [
      ...['database', 'default-deny', 'dns', 'secrets', 'web', 'wordpress'].map((name) =>
        make('networking.k8s.io', 'NetworkPolicy', name),
      ),
      make('', 'LimitRange', 'plan', ['plan']),
      ...['database', 'jobs', 'secrets', 'web'].map((name) => make('', 'ServiceAccount', name)),
      make('', 'ConfigMap', 'shopyard-generation', ['generation']),
      ...['observer', 'secrets'].flatMap((name) => [
        make('rbac.authorization.k8s.io', 'Role', name),
        make('rbac.authorization.k8s.io', 'RoleBinding', name),
      ]),
    ],
  },
  {
    wave: -2,
    seconds: 4.5,
    resources: [],
    part: {
      kind: 'Job',
      name: 'secrets',
      container: 'secrets',
      image: 'woocommerce',
      claims: {},
      log: ['secrets: store-admin made', 'secrets: store-api made'],
    },
  },
  {
    wave: 0,
    seconds: 5,
    resources: [
      make('', 'Service', 'database'),
      make('apps', 'StatefulSet', 'database', ['plan', 'images']),
    ],
    part: {
      kind: 'StatefulSet',
      name: 'database',
      container: 'mariadb',
      image: 'mariadb',
      claims: { 'data-database-0': 'database' },
      log: ['mariadbd: ready for connections', 'mariadbd: socket /run/mysqld, port 3306'],
    },
  },
  {
    wave: 1,
    seconds: 4.5,
    resources: [
      make('', 'PersistentVolumeClaim', 'uploads'),
      make('', 'Service', 'web'),
      make('apps', 'Deployment', 'web', ['plan', 'url', 'attempt', 'images']),
    ],
    part: {
      kind: 'Deployment',
      name: 'web',
      container: 'wordpress',
      image: 'woocommerce',
      claims: { uploads: 'uploads' },
      log: ['web: listening on 8080', 'web: GET /wp-admin/install.php 200'],
    },
  },
  {
    wave: 2,
    seconds: 2.5,
    resources: [],
    part: {
      kind: 'Job',
      name: 'setup',
      container: 'setup',
      image: 'woocommerce',
      claims: {},
      log: [
        'setup: installing WordPress',
        'setup: activating WooCommerce and the theme',
        'setup: cash on delivery, one shipping rate, a sample product',
        'setup: done',
      ],
    },
  },
  {
    wave: 3,
    seconds: 0.2,
    resources: [
      make('', 'ResourceQuota', 'plan', ['plan']),
      make('batch', 'CronJob', 'cron', ['url', 'images']),
      make('networking.k8s.io', 'Ingress', 'web', ['url']),
    ],
  },
];

const CHARTS: Readonly<Record<string, readonly Wave[]>> = { woocommerce: WOOCOMMERCE };

function make(
  group: string,
  kind: string,
  name: string,
  changesWith: readonly Cause[] = [],
): Resource {
  return { group, kind, name, changesWith };
}

export const knowsChart = (chart: string): boolean => Object.hasOwn(CHARTS, chart);

/** The waves with the names that this release gives. */
export function listWaves({ chart, values }: Release, namespace: string): readonly Wave[] {
  return (CHARTS[chart] ?? []).map((wave) => ({
    ...wave,
    resources: wave.resources.map((resource) => ({
      ...resource,
      name:
        resource.kind === 'Namespace'
          ? namespace
          : resource.name === 'plan'
            ? `plan-${values.plan}`
            : resource.name,
    })),
  }));
}

export const nameResource = ({ kind, name }: Pick<Resource, 'kind' | 'name'>): string =>
  `${kind}/${name}`;

/** What a resource is made of: it is applied again when this is another. */
export function printResource(
  { changesWith }: Resource,
  { values: { store, plan, url, images } }: Release,
): string {
  const { generation, attempt } = store;
  const causes = { generation, attempt, plan, url, images };
  return JSON.stringify([store.id, ...changesWith.map((cause) => causes[cause])]);
}
