/** The API: accounts, what pages read, the event streams, and the Koa application of them all. */
import { randomBytes } from 'node:crypto';
import type Koa from 'koa';
import { createAccounts } from '../accounts/create.ts';
import { ensureFirstOperator, isOperator, type FirstSignIn } from '../accounts/first-operator.ts';
import { connectLater, type ClusterConnection } from '../cluster/connection.ts';
import { createClusterReader } from '../cluster/reader.ts';
import type { ClusterReader } from '../cluster/types.ts';
import { countByCluster } from '../db/clusters.ts';
import { createClusterStates, type ClusterStates } from '../db/cluster-states.ts';
import type { Db } from '../db/open.ts';
import { noteUpgrades } from '../db/stores.ts';
import { ensureBootstrapToken } from '../db/tokens.ts';
import { describeLeft } from '../domain/cluster.ts';
import { createApp } from '../http/app.ts';
import { measureFleet } from '../http/fleet-metrics.ts';
import { createHub } from '../http/hub.ts';
import { createRequestMeasure, measureCredentials, measureStreams } from '../http/metrics.ts';
import type { PortalMount } from '../http/portal.ts';
import { notConnected } from '../http/problem.ts';
import type { Reads } from '../http/reads.ts';
import { createLokiLogs } from '../logs/loki.ts';
import type { LogArchive } from '../logs/types.ts';
import { createShops } from '../orders/shops.ts';
import type { Shops } from '../orders/types.ts';
import { ARGOCD_NAMESPACE } from '../render/cluster.ts';
import { openRepository } from './repository.ts';
import type { Shared } from './shared.ts';

export type Api = {
  readonly app: Koa;
  /** The first operator token, when this start made it up; shown once. */
  readonly firstToken: string | null;
  /** The first operator's way in, when this start made it up; shown once. */
  readonly firstSignIn: FirstSignIn | null;
  /** Whom an earlier start made the first operator; null: nobody of the settings’ address. */
  readonly operatorEmail: string | null;
  /** Ends what never ends by itself: the event streams. */
  endStreams(): Promise<void>;
};

/** @param front.portalSecret what a portal shows that may speak for its visitors */
export async function openApi(
  shared: Shared,
  front: { readonly portal: PortalMount | null; readonly portalSecret: string },
): Promise<Api> {
  const { config, logger, clock, ids, registry, links, cleanup, clusters } = shared;
  const db = await shared.database();
  const { engines } = await shared.templates();
  await noteUpgrades(db, { engines });
  await warnOfUnconnected(shared, db);
  const firstToken = await ensureFirstToken(shared, db);
  const accounts = createAccounts({
    ...{ db, clock, ids, logger, config },
    mailer: shared.mailer(),
    secret: shared.dataDir().secrets.auth,
  });
  const firstSignIn = await ensureFirstOperator(db, {
    auth: accounts.auth,
    ids,
    email: config.SHOPYARD_ADMIN_EMAIL,
  });
  const isKnown = firstSignIn === null && (await isOperator(db, config.SHOPYARD_ADMIN_EMAIL));
  const operatorEmail = isKnown ? config.SHOPYARD_ADMIN_EMAIL : null;
  const states = createClusterStates(db, clock);
  const reads = await openReads(shared, states);
  const hub = createHub({ db, clock, logger });
  hub.start();
  cleanup.defer(() => hub.close());
  measureStreams(registry, hub);
  measureFleet({ registry, db, states, clusters, clock });
  measureCredentials(registry, clusters, reads.credentialEnd);
  const app = createApp({
    db,
    clock,
    ids,
    logger,
    engines,
    clusters,
    states,
    onAccepted: () => links.queued(),
    hub,
    probes: shared.probes,
    registry,
    metrics: createRequestMeasure(registry, shared.createMeasures()),
    limits: {
      storeLimit: config.SHOPYARD_STORE_LIMIT,
      createsPerMinute: config.SHOPYARD_CREATES_PER_MINUTE,
    },
    deadlineMs: config.SHOPYARD_DEADLINE_SECONDS * 1_000,
    accounts,
    reads,
    forgeKind: config.SHOPYARD_FORGE,
    hooks: {
      secret: config.SHOPYARD_FORGE_WEBHOOK_SECRET ?? null,
      branch: config.SHOPYARD_BRANCH,
      pushed: (after) => links.pushed(after),
      // The writer looks at the pull requests whenever it looks at the branch.
      reviewed: () => links.pushed(null),
    },
    address: { proxies: config.SHOPYARD_PROXIES, portalSecret: front.portalSecret },
    portal: front.portal,
  });
  return { app, firstToken, firstSignIn, operatorEmail, endStreams: () => hub.close() };
}

async function warnOfUnconnected({ clusters, logger }: Shared, db: Db): Promise<void> {
  const warning = describeLeft(await countByCluster(db), clusters);
  if (warning !== null) logger.warn(warning);
}

/** Makes the first operator token: the given one, or one made up that is shown once. */
async function ensureFirstToken({ config, ids, logger }: Shared, db: Db): Promise<string | null> {
  const given = config.SHOPYARD_BOOTSTRAP_TOKEN;
  const token = given ?? `shop_${randomBytes(24).toString('hex')}`;
  const outcome = await ensureBootstrapToken(db, token, ids);
  if (outcome === 'ignored' && given !== undefined)
    logger.warn('SHOPYARD_BOOTSTRAP_TOKEN is ignored: there is an operator token already');
  return outcome === 'created' && given === undefined ? token : null;
}

/** What pages read of the repository, clusters and shops; nothing is asked before a page is. */
async function openReads(shared: Shared, states: ClusterStates): Promise<Reads> {
  const { clusters, clock } = shared;
  const { adapters } = await shared.templates();
  const connections = new Map<string, ClusterConnection>();
  const readers = new Map<string, ClusterReader>();
  const shops = new Map<string, Shops>();
  const logs = new Map<string, LogArchive>();
  for (const cluster of clusters) {
    const { name, ingressUrl, loki } = cluster;
    const connection = connectLater((await shared.target(cluster)).kubeconfig);
    shared.cleanup.defer(() => connection.close());
    connections.set(name, connection);
    readers.set(name, openReader(connection, name, states));
    if (ingressUrl !== null) shops.set(name, createShops({ adapters, ingressUrl, clock }));
    if (loki !== null) logs.set(name, createLokiLogs(loki, { clock }));
  }
  return {
    repository: await openRepository(shared),
    repositoryName: shared.repository,
    render: await shared.renderer(),
    cluster(name) {
      const reader = readers.get(name);
      if (reader !== undefined) return reader;
      throw notConnected(name);
    },
    credentialEnd: async (cluster) => (await connections.get(cluster)?.credentialEnd()) ?? null,
    logs: (cluster) => logs.get(cluster) ?? null,
    shops: (cluster) => shops.get(cluster) ?? null,
  };
}

function openReader(
  connection: ClusterConnection,
  cluster: string,
  states: ClusterStates,
): ClusterReader {
  return createClusterReader(connection, {
    namespace: ARGOCD_NAMESPACE,
    lastHeard: async () => (await states.hear(cluster)).heardAt,
  });
}
