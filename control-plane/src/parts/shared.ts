/**
 * What the parts of one process have in common: opened by the first part that needs it, closed after
 * the last, in reverse order. A part that needs none of it opens nothing: a portal alone has no
 * database and no data folder.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { openMailer } from '../accounts/create.ts';
import type { Mailer } from '../accounts/mail.ts';
import type { RegisteredCluster } from '../clusters.ts';
import { listSecrets, type Config } from '../config.ts';
import { takeDataDir, type DataDir } from '../data-dir.ts';
import { startEmbeddedPostgres } from '../db/embedded.ts';
import { migrate, openDatabase, type Db } from '../db/open.ts';
import { createIds, type Clock, type Ids } from '../domain/ids.ts';
import { PlatformError } from '../errors.ts';
import type { EmbeddedServer } from '../forge/embedded-server.ts';
import type { Forge } from '../forge/types.ts';
import type { CommitSha } from '../git/types.ts';
import { createCreateMeasures, type CreateMeasures } from '../http/metrics.ts';
import { probeDatabase, type Probe } from '../http/platform.ts';
import { createLogger } from '../logger.ts';
import type { LoopMeasure } from '../reconcile/loop.ts';
import { createLoopMeasures } from '../reconcile/metrics.ts';
import { createStoreRenderer, type RenderAction } from '../render/store.ts';
import { loadTemplates, type Templates } from '../templates.ts';
import { openForge } from './repository.ts';

export type Shared = {
  readonly config: Config;
  readonly logger: ReturnType<typeof createLogger>;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly registry: Registry;
  /** By which leases know this process. */
  readonly holder: string;
  /** Closes what was opened. */
  readonly cleanup: AsyncDisposableStack;
  /** What must work in this process; parts add theirs. */
  readonly probes: Probe[];
  readonly links: Links;
  /** At least one, in the order of the settings. */
  readonly clusters: readonly RegisteredCluster[];
  /** Throws PlatformError `unknown_cluster`. */
  findCluster(name: string): RegisteredCluster;
  /** The cluster repository as the stores' Applications name it. */
  readonly address: { readonly repositoryUrl: string; readonly branch: string };
  /** Its name in the tables. */
  readonly repository: string;
  dataDir(): DataDir;
  database(): Promise<Db>;
  templates(): Promise<Templates>;
  renderer(): Promise<RenderAction>;
  /** What keeps the cluster repository. */
  forge(): Promise<Forge>;
  target(cluster: RegisteredCluster): Promise<Target>;
  mailer(): Mailer | null;
  createMeasures(): CreateMeasures;
  /** Of one loop, by its name: writer, conductor, observer and its cluster. */
  loopMeasure(work: string): LoopMeasure;
};

/**
 * What parts of one process tell each other at once. Parts apart look for themselves: the writer for
 * operations every second, and for people's pushes every half minute.
 */
export type Links = {
  /** The git server, when it is in this process. */
  forge: EmbeddedServer | null;
  /** Something was recorded for the writer. */
  queued: () => void;
  /** Somebody pushed; null: a commit was heard of that is not in the index. */
  pushed: (after: CommitSha | null) => void;
};

/** How a cluster is reached: to read it, and to tell its Argo CD of a push. */
export type Target = {
  /** null: by the pod's own ServiceAccount. */
  readonly kubeconfig: string | null;
  readonly webhook: RegisteredCluster['webhook'];
};

export function createShared(config: Config, cleanup: AsyncDisposableStack): Shared {
  const secrets = new Set(listSecrets(config));
  const logger = createLogger(config.SHOPYARD_LOG_LEVEL, secrets);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  const probes: Probe[] = [];
  const { clusters } = config;
  const findCluster = (name: string): RegisteredCluster => {
    const found = clusters.find((one) => one.name === name);
    if (found !== undefined) return found;
    throw new PlatformError('unknown_cluster', `There is no cluster named ${name}.`);
  };
  const address = {
    repositoryUrl: config.SHOPYARD_REPOSITORY_URL,
    branch: config.SHOPYARD_BRANCH,
  };
  const dataDir = once(() => {
    const taken = takeDataDir(config.SHOPYARD_DATA_DIR);
    for (const secret of Object.values(taken.secrets)) secrets.add(secret);
    cleanup.defer(() => taken.release());
    return taken;
  });
  const templates = once(() => loadTemplates());
  const loopMeasures = once(() => createLoopMeasures(registry));
  const shared: Shared = {
    config,
    logger,
    clock: () => new Date(),
    ids: createIds(),
    registry,
    holder: `${process.pid}-${randomBytes(6).toString('hex')}`,
    cleanup,
    probes,
    links: {
      forge: null,
      queued: () => undefined,
      pushed: () => undefined,
    },
    clusters,
    findCluster,
    address,
    repository: `${config.SHOPYARD_REPOSITORY_URL}#${config.SHOPYARD_BRANCH}`,
    dataDir,
    database: once(async () => {
      dataDir(); // first: it says who else is there
      const db = await openOrStartDatabase(config, cleanup);
      probes.push(probeDatabase(db));
      return db;
    }),
    templates,
    renderer: once(async () =>
      createStoreRenderer((await templates()).sources, address, findCluster),
    ),
    target: onceEach((cluster) => openTarget(shared, cluster)),
    forge: once(() => openForge(shared)),
    mailer: once(() => {
      const mailer = openMailer(config);
      cleanup.defer(() => mailer?.close());
      return mailer;
    }),
    createMeasures: once(() => createCreateMeasures(registry)),
    loopMeasure: (work) => loopMeasures()(work),
  };
  return shared;
}

/** For probes: throws when there is trouble to tell of. */
export function refuseTrouble(trouble: string | null): void {
  if (trouble !== null) throw new PlatformError('not_ready', trouble, { retryable: true });
}

function once<T>(open: () => T): () => T {
  let opened: { readonly value: T } | null = null;
  return () => (opened ??= { value: open() }).value;
}

function onceEach<K, T>(open: (key: K) => T): (key: K) => T {
  const opened = new Map<K, () => T>();
  return (key) => {
    const known = opened.get(key) ?? once(() => open(key));
    opened.set(key, known);
    return known();
  };
}

async function openOrStartDatabase(config: Config, cleanup: AsyncDisposableStack): Promise<Db> {
  let url = config.DATABASE_URL;
  if (url === undefined) {
    const server = await startEmbeddedPostgres(join(config.SHOPYARD_DATA_DIR, 'postgres'));
    cleanup.defer(() => server.stop());
    url = server.url;
  }
  await migrate(url);
  const db = openDatabase(url, { poolSize: config.SHOPYARD_DATABASE_CONNECTIONS });
  cleanup.defer(() => db.destroy());
  return db;
}

/** How to reach a cluster; a practice cluster is started here and stopped with the rest. */
async function openTarget(shared: Shared, cluster: RegisteredCluster): Promise<Target> {
  const { access, name, webhook } = cluster;
  const { config, logger, cleanup } = shared;
  if (access.kind !== 'practice')
    return { kubeconfig: access.kind === 'pod' ? null : access.path, webhook };
  const secret = randomBytes(24).toString('hex');
  const remote = await (await shared.forge()).remote('read');
  // Loaded by those who have one alone: the image of a control plane in parts is without it.
  const { startPracticeCluster } = await import('../../../bootstrap/practice/cluster.ts');
  const practice = await startPracticeCluster({
    dir: join(shared.dataDir().path, name === 'practice' ? name : `practice-${name}`),
    cluster: name,
    repository: { ...remote, url: config.SHOPYARD_REPOSITORY_URL },
    webhookSecret: secret,
    ...(cluster.port === undefined ? {} : { shopPort: cluster.port }),
    logger,
  });
  cleanup.defer(() => practice.stop());
  return { kubeconfig: practice.kubeconfig, webhook: { url: practice.webhookUrl, secret } };
}
