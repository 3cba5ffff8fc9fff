/**
 * Where everything is put together: the only module that builds adapters. Started from the command
 * line it runs until SIGINT or SIGTERM; tests start it as a function, with their own configuration.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { startPracticeCluster } from '../../bootstrap/practice/cluster.ts';
import { createAccounts } from './accounts/create.ts';
import { ensureFirstOperator, type FirstSignIn } from './accounts/first-operator.ts';
import { createStoreMails, type StoreMails } from './accounts/store-mails.ts';
import { watchApplications, watchProjects } from './cluster/applications.ts';
import { connectCluster } from './cluster/connection.ts';
import { createClusterReader } from './cluster/reader.ts';
import type { ApplicationWatch } from './cluster/types.ts';
import { readConfig, type Config } from './config.ts';
import { takeDataDir, type DataDir } from './data-dir.ts';
import { startEmbeddedPostgres } from './db/embedded.ts';
import { checkLease } from './db/leases.ts';
import { migrate, openDatabase, type Db } from './db/open.ts';
import { ensureBootstrapToken } from './db/tokens.ts';
import { createIds, type Ids } from './domain/ids.ts';
import { describeError, PlatformError } from './errors.ts';
import { relayPush } from './forge/argocd-webhook.ts';
import { EmbeddedForge } from './forge/embedded.ts';
import { openBranch } from './git/branch.ts';
import type { CommitSha } from './git/types.ts';
import { createApp } from './http/app.ts';
import { createHub } from './http/hub.ts';
import { createMetrics, type Metrics } from './http/metrics.ts';
import type { Reads } from './http/reads.ts';
import { loadPortal, PORTAL_BUILD } from './http/portal.ts';
import { listen } from './http/serve.ts';
import { createLogger, type Logger } from './logger.ts';
import { createOrderReader } from './orders/reader.ts';
import { describeSilence } from './reconcile/hearing.ts';
import { startLoop, type Work } from './reconcile/loop.ts';
import { createObserverMeasures, createPublisherMeasures } from './reconcile/metrics.ts';
import { createObserver } from './reconcile/observe.ts';
import { reportWatch, type ObserverMetrics } from './reconcile/observe-metrics.ts';
import { createPublisher, type FaultPoint, type Push, type Seed } from './reconcile/publish.ts';
import { ARGOCD_NAMESPACE, renderClusterFolder, renderTenant } from './render/cluster.ts';
import { pathOfChart } from './render/paths.ts';
import { createStoreRenderer, type ClusterSettings } from './render/store.ts';
import { openBareRepository } from './repository/bare.ts';
import { loadTemplates, type Templates } from './templates.ts';

export type ControlPlane = {
  /** Where the API and the portal answer. */
  readonly url: string;
  /** The first operator token, when this start made it up; shown once. */
  readonly firstToken: string | null;
  /** The first operator's way in, when this start made it up; shown once. */
  readonly firstSignIn: FirstSignIn | null;
  stop(): Promise<void>;
};

/** Where the observer's identity lives on every cluster (bootstrap/access/observer.yaml). */
const OBSERVER = { namespace: 'shopyard-system', serviceAccount: 'shopyard-observer' };

/**
 * Starts every part. When one cannot start, the ones before it are stopped again and its
 * PlatformError is thrown.
 * @param options.fault tests end the process at these points of the writer
 */
export async function startControlPlane(
  config: Config,
  options: { readonly fault?: (point: FaultPoint, operations: number) => void } = {},
): Promise<ControlPlane> {
  // Stopped in reverse order of starting.
  await using cleanup = new AsyncDisposableStack();
  const logger = createLogger(config.SHOPYARD_LOG_LEVEL);
  const clock = (): Date => new Date();
  const ids = createIds();
  const holder = `${process.pid}-${randomBytes(6).toString('hex')}`;
  const registry = new Registry();
  const templates = await loadTemplates();

  const dataDir = takeDataDir(config.SHOPYARD_DATA_DIR);
  cleanup.defer(() => dataDir.release());
  const db = await startDatabase(config, cleanup);
  const firstToken = await ensureFirstToken(db, config, ids, logger);
  const accounts = createAccounts({ db, clock, ids, logger, config, secret: dataDir.secrets.auth });
  cleanup.defer(() => accounts.mailer?.close());
  const firstSignIn = await ensureFirstOperator(db, {
    auth: accounts.auth,
    ids,
    email: config.SHOPYARD_ADMIN_EMAIL,
  });

  // The forge is up before the writer that wants to hear of its pushes.
  const listeners: ((after: CommitSha) => void)[] = [];
  const forge = createForge(config, dataDir, logger, (after) => {
    for (const listener of listeners) listener(after);
  });
  await forge.start();
  cleanup.defer(() => forge.stop());

  const target = await openTarget(config, dataDir, logger, cleanup);

  const repository = `${config.SHOPYARD_REPOSITORY_URL}#${config.SHOPYARD_BRANCH}`;
  const address = {
    repositoryUrl: config.SHOPYARD_REPOSITORY_URL,
    branch: config.SHOPYARD_BRANCH,
  };
  const cluster = describeCluster(config);
  const render = createStoreRenderer(templates.sources, address, (name) => {
    if (name === cluster.name) return cluster;
    throw new PlatformError('unknown_cluster', `There is no cluster named ${name}.`);
  });
  const publisher = createPublisher({
    db,
    logger,
    clock,
    repository,
    openBranch: (signal) =>
      openBranch({ remote: forge.remote, dir: join(dataDir.path, 'clone'), signal }),
    seeds: describeSeeds(templates, address, cluster),
    render,
    renderTenant: (tenant) => renderTenant(templates.sources, { ...address, ...tenant }),
    relay: (push) => relay(config, target.webhook, push, logger),
    measure: createPublisherMeasures(registry),
    ...(options.fault === undefined ? {} : { fault: options.fault }),
  });
  listeners.push((after) => publisher.noticePush(after));

  const hub = createHub({ db, clock, logger });
  hub.start();
  cleanup.defer(() => hub.close());
  const metrics = createMetrics({ registry, db, hub, clock });

  let applications: ApplicationWatch | null = null;
  const writing = startLoop(db, holder, logger, publisher);
  cleanup.defer(() => writing.stop());
  const observing = startLoop(
    db,
    holder,
    logger,
    createObserverWork({
      config,
      kubeconfig: target.kubeconfig,
      db,
      logger,
      clock,
      repository,
      measures: createObserverMeasures(registry)(cluster.name),
      apiMetrics: metrics,
      onQueued: () => publisher.wake(),
      onUnknownRevision: () => publisher.noticePush(null),
      mails:
        accounts.mailer === null
          ? null
          : createStoreMails({ ...accounts, mailer: accounts.mailer, db, clock, logger }),
      onWatch: (watch) => {
        applications = watch;
      },
    }),
  );
  cleanup.defer(() => observing.stop());

  const portalSecret = randomBytes(24).toString('hex');
  const portal = await loadPortal({
    folder: PORTAL_BUILD,
    publicUrl: config.SHOPYARD_PUBLIC_URL,
    apiUrl: `http://${nameLocally(config.HOST)}:${config.PORT}`,
    secret: portalSecret,
  });
  if (portal === null) logger.warn('the portal has not been built: npm run build -w portal');
  const app = createApp({
    db,
    clock,
    ids,
    logger,
    engines: templates.engines,
    clusters: [
      {
        name: cluster.name,
        baseDomain: config.SHOPYARD_BASE_DOMAIN,
        scheme: config.SHOPYARD_STORE_SCHEME,
        port: config.SHOPYARD_STORE_PORT,
      },
    ],
    onAccepted: () => publisher.wake(),
    hub,
    probes: [
      { name: 'writer', check: () => refuseTrouble(writing.trouble()) },
      { name: 'observer', check: () => refuseTrouble(observing.trouble()) },
      {
        name: 'watch',
        // One cluster's absence is no reason to take the API and the others' stores away.
        vital: false,
        // Without a watch another process observes.
        check: () => refuseTrouble(applications && describeSilence(applications, clock())),
      },
    ],
    registry,
    metrics,
    limits: {
      storeLimit: config.SHOPYARD_STORE_LIMIT,
      createsPerMinute: config.SHOPYARD_CREATES_PER_MINUTE,
    },
    deadlineMs: config.SHOPYARD_DEADLINE_SECONDS * 1_000,
    accounts,
    cluster: {
      name: cluster.name,
      kind: config.clusterKind,
      argocdUrl: config.SHOPYARD_ARGOCD_UI_URL ?? null,
    },
    reads: {
      ...openReads(config, target.kubeconfig, forge, clock, cleanup),
      repositoryName: repository,
      render,
      heardAt: () => applications?.heardAt ?? null,
    },
    address: { proxies: config.SHOPYARD_PROXIES, portalSecret },
    portal,
  });
  const handle = app.callback();
  const listener = await listen((request, response) => void handle(request, response), {
    host: config.HOST,
    port: config.PORT,
  });
  cleanup.defer(() => listener.close());

  const running = cleanup.move();
  return {
    url: `http://${config.HOST}:${listener.port}`,
    firstToken,
    firstSignIn,
    // An event stream never ends by itself: the hub closes before the listener waits for it.
    stop: async () => {
      await hub.close();
      await running.disposeAsync();
    },
  };
}

async function startDatabase(config: Config, cleanup: AsyncDisposableStack): Promise<Db> {
  let url = config.DATABASE_URL;
  if (url === undefined) {
    const server = await startEmbeddedPostgres(join(config.SHOPYARD_DATA_DIR, 'postgres'));
    cleanup.defer(() => server.stop());
    url = server.url;
  }
  await migrate(url);
  const db = openDatabase(url);
  cleanup.defer(() => db.destroy());
  return db;
}

/** Makes the first operator token: the given one, or one made up that is shown once. */
async function ensureFirstToken(
  db: Db,
  config: Config,
  ids: Ids,
  logger: Logger,
): Promise<string | null> {
  const given = config.SHOPYARD_BOOTSTRAP_TOKEN;
  const token = given ?? `shop_${randomBytes(24).toString('hex')}`;
  const outcome = await ensureBootstrapToken(db, token, ids);
  if (outcome === 'ignored' && given !== undefined)
    logger.warn('SHOPYARD_BOOTSTRAP_TOKEN is ignored: there is an operator token already');
  return outcome === 'created' && given === undefined ? token : null;
}

/** How the cluster is reached: to read it, and to tell its Argo CD of a push. */
type Target = {
  readonly kubeconfig: string;
  readonly webhook: { readonly url: string; readonly secret: string } | null;
};

/** The configured cluster; the practice cluster is started here and stopped with the rest. */
async function openTarget(
  config: Config,
  dataDir: DataDir,
  logger: Logger,
  cleanup: AsyncDisposableStack,
): Promise<Target> {
  if (config.SHOPYARD_KUBECONFIG !== null) {
    const url = config.SHOPYARD_ARGOCD_WEBHOOK_URL;
    const secret = config.SHOPYARD_ARGOCD_WEBHOOK_SECRET;
    return {
      kubeconfig: config.SHOPYARD_KUBECONFIG,
      webhook: url === undefined || secret === undefined ? null : { url, secret },
    };
  }
  const secret = randomBytes(24).toString('hex');
  const practice = await startPracticeCluster({
    dir: join(dataDir.path, 'practice'),
    cluster: config.SHOPYARD_CLUSTER_NAME,
    repository: {
      url: config.SHOPYARD_REPOSITORY_URL,
      username: 'reader',
      password: config.SHOPYARD_FORGE_READ_PASSWORD ?? dataDir.secrets.forgeRead,
      branch: config.SHOPYARD_BRANCH,
    },
    webhookSecret: secret,
    ...(config.SHOPYARD_STORE_PORT === undefined ? {} : { shopPort: config.SHOPYARD_STORE_PORT }),
    logger,
  });
  cleanup.defer(() => practice.stop());
  return { kubeconfig: practice.kubeconfig, webhook: { url: practice.webhookUrl, secret } };
}

/** Where this process reaches what it listens on. */
function nameLocally(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
}

function createForge(
  config: Config,
  dataDir: DataDir,
  logger: Logger,
  onPush: (after: CommitSha) => void,
): EmbeddedForge {
  return new EmbeddedForge({
    dir: join(dataDir.path, 'forge'),
    host: config.SHOPYARD_FORGE_HOST,
    port: config.SHOPYARD_FORGE_PORT,
    branch: config.SHOPYARD_BRANCH,
    readPassword: config.SHOPYARD_FORGE_READ_PASSWORD ?? dataDir.secrets.forgeRead,
    writePassword: config.SHOPYARD_FORGE_WRITE_PASSWORD ?? dataDir.secrets.forgeWrite,
    onPush: ({ after }) => onPush(after),
    log: { info: (message) => logger.debug(message), warn: (message) => logger.warn(message) },
  });
}

function describeCluster(config: Config): ClusterSettings {
  return {
    name: config.SHOPYARD_CLUSTER_NAME,
    shardDigits: config.SHOPYARD_SHARD_DIGITS,
    values: {
      ingressClass: config.SHOPYARD_INGRESS_CLASS,
      storageClass: config.SHOPYARD_STORAGE_CLASS,
      imageRegistry: config.SHOPYARD_IMAGE_REGISTRY,
      observer: OBSERVER,
    },
  };
}

function describeSeeds(
  templates: Templates,
  address: { readonly repositoryUrl: string; readonly branch: string },
  cluster: ClusterSettings,
): Seed[] {
  const charts = templates.charts.map(({ name, version, files }): Seed => {
    const folder = pathOfChart(name, version);
    return {
      subject: `Publish chart ${name} ${version}`,
      folder,
      files: [...files].map(([path, content]) => ({ path: `${folder}/${path}`, content })),
    };
  });
  return [
    ...charts,
    {
      subject: `Lay out cluster ${cluster.name}`,
      files: renderClusterFolder(templates.sources, {
        ...address,
        cluster: cluster.name,
        shardDigits: cluster.shardDigits,
      }),
    },
  ];
}

function createObserverWork(options: {
  readonly config: Config;
  readonly kubeconfig: string;
  readonly db: Db;
  readonly logger: Logger;
  readonly clock: () => Date;
  readonly repository: string;
  readonly measures: ObserverMetrics;
  readonly apiMetrics: Metrics;
  readonly onQueued: () => void;
  readonly onUnknownRevision: () => void;
  readonly mails: StoreMails | null;
  /** The watch of this run; null when it has ended. */
  readonly onWatch: (watch: ApplicationWatch | null) => void;
}): Work {
  const { config, kubeconfig, logger, measures, apiMetrics, clock, mails, onWatch, ...rest } =
    options;
  const cluster = config.SHOPYARD_CLUSTER_NAME;
  const namespace = ARGOCD_NAMESPACE;
  return {
    lease: `observer ${cluster}`,
    async run(lease, signal) {
      const connection = connectCluster(kubeconfig);
      const watching = (kind: string) => ({
        connection,
        namespace,
        report: reportWatch(logger, measures, kind),
      });
      const applications = watchApplications(watching('applications'));
      onWatch(applications);
      const observer = createObserver({
        ...rest,
        cluster,
        clock,
        logger,
        metrics: measures,
        applications,
        projects: watchProjects(watching('projects')),
        reader: createClusterReader(connection, { namespace }),
        checkLease: (tx) => checkLease(tx, lease),
        deadlineSeconds: config.SHOPYARD_DEADLINE_SECONDS,
        onEnd: (store, end, problem) => {
          mails?.poke();
          if (store.operation.kind !== 'create') return;
          if (end === 'failed') apiMetrics.creationError(problem?.code ?? 'unknown');
          else
            apiMetrics.provisioned(
              store.type,
              (clock().getTime() - store.createdAt.getTime()) / 1_000,
            );
        },
      });
      const ending = new AbortController();
      const mailing = mails?.run(AbortSignal.any([signal, ending.signal]));
      try {
        await observer.run(signal);
      } finally {
        onWatch(null);
        connection.close();
        ending.abort();
        await mailing;
      }
    },
  };
}

/** What pages read of the repository, the cluster and the shops; nothing is asked before a page is. */
function openReads(
  config: Config,
  kubeconfig: string,
  forge: EmbeddedForge,
  clock: () => Date,
  cleanup: AsyncDisposableStack,
): Pick<Reads, 'repository' | 'cluster' | 'orders'> {
  const repository = openBareRepository({
    repository: forge.repositoryDir,
    branch: config.SHOPYARD_BRANCH,
  });
  cleanup.defer(() => repository.close());
  const connection = connectCluster(kubeconfig);
  cleanup.defer(() => connection.close());
  const { SHOPYARD_STORE_SCHEME: scheme, SHOPYARD_STORE_PORT: port } = config;
  const ingressUrl =
    config.SHOPYARD_INGRESS_URL ??
    (config.SHOPYARD_BASE_DOMAIN === 'localhost'
      ? `${scheme}://127.0.0.1${port === undefined ? '' : `:${port}`}`
      : null);
  return {
    repository,
    cluster: createClusterReader(connection, { namespace: ARGOCD_NAMESPACE }),
    orders: ingressUrl === null ? null : createOrderReader({ ingressUrl, clock }),
  };
}

/** Argo CD polls too: a relay that fails costs a minute and nothing else. */
async function relay(
  config: Config,
  webhook: Target['webhook'],
  push: Push,
  logger: Logger,
): Promise<void> {
  if (webhook === null) return;
  const result = await relayPush(
    {
      ...webhook,
      repositoryUrl: config.SHOPYARD_REPOSITORY_URL,
      branch: config.SHOPYARD_BRANCH,
    },
    push,
  );
  if (result.kind !== 'delivered')
    logger.warn({ result, after: push.after }, 'Argo CD was not told of a push');
}

function refuseTrouble(trouble: string | null): void {
  if (trouble !== null) throw new PlatformError('not_ready', trouble, { retryable: true });
}

/** The command line: settings from the environment, one sentence when something is in the way. */
async function run(): Promise<void> {
  // A person at a terminal wants to see what is wrong, not every request.
  const read = readConfig(
    process.stdout.isTTY ? { SHOPYARD_LOG_LEVEL: 'warn', ...process.env } : process.env,
  );
  if (!read.ok) {
    console.error(`Shopyard cannot start; these settings need a look:\n`);
    for (const problem of read.problems) console.error(`  ${problem}`);
    process.exitCode = 2;
    return;
  }
  let controlPlane: ControlPlane;
  try {
    controlPlane = await startControlPlane(read.config);
  } catch (error) {
    const { field, hint } = error instanceof PlatformError ? error : {};
    console.error(
      `Shopyard cannot start. ${describeError(error)}${hint === undefined ? '' : ` ${hint}`}`,
    );
    if (field !== undefined) console.error(`The setting is ${field}.`);
    if (!(error instanceof PlatformError)) console.error(error);
    process.exitCode = 1;
    return;
  }
  console.log(`Shopyard is at ${controlPlane.url} (API described at ${controlPlane.url}/api/docs)`);
  console.log(`Its data is in ${read.config.SHOPYARD_DATA_DIR}`);
  if (read.config.clusterKind === 'practice')
    console.log(
      'It builds on the practice cluster: shops go through every step; nothing is running',
    );
  const { firstToken, firstSignIn } = controlPlane;
  if (firstSignIn !== null)
    console.log(
      `Sign in as ${firstSignIn.email} with the password ${firstSignIn.password} (shown this once)`,
    );
  if (firstToken !== null) console.log(`The first operator token, shown once: ${firstToken}`);

  let isStopping = false;
  const stop = (): void => {
    if (isStopping) return;
    isStopping = true;
    controlPlane.stop().catch((error: unknown) => {
      console.error(`Shopyard did not stop cleanly: ${describeError(error)}`);
      process.exitCode = 1;
    });
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

if (import.meta.main) await run();
