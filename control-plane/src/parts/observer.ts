/**
 * The observers: each watches one cluster under a lease of its own, keeps its stores' status, and
 * tells people how theirs ended. A cluster that does not answer holds up no other's.
 */
import { createStoreMails, type StoreMails } from '../accounts/store-mails.ts';
import { watchApplications, watchProjects } from '../cluster/applications.ts';
import { connectLater } from '../cluster/connection.ts';
import { createClusterReader } from '../cluster/reader.ts';
import type { ApplicationWatch } from '../cluster/types.ts';
import type { RegisteredCluster } from '../clusters.ts';
import { recordHearing } from '../db/clusters.ts';
import { checkLease } from '../db/leases.ts';
import type { Db } from '../db/open.ts';
import { describeSilence, keepHearing } from '../reconcile/hearing.ts';
import { startLoop, type Work } from '../reconcile/loop.ts';
import { createObserverMeasures } from '../reconcile/metrics.ts';
import { createObserver } from '../reconcile/observe.ts';
import { reportWatch, type ObserverMetrics } from '../reconcile/observe-metrics.ts';
import { ARGOCD_NAMESPACE } from '../render/cluster.ts';
import { refuseTrouble, type Shared } from './shared.ts';

export async function startObserver(shared: Shared): Promise<void> {
  const { clusters } = shared;
  const db = await shared.database();
  const mails = startMails(shared, db);
  const measuresOf = createObserverMeasures(shared.registry);
  for (const cluster of clusters) {
    const { kubeconfig } = await shared.target(cluster);
    observe(shared, cluster, { db, kubeconfig, measures: measuresOf(cluster.name), mails });
  }
}

/** In every process, with no lease: one that ends may wait for a mail server, and nobody for its lease. */
function startMails(shared: Shared, db: Db): StoreMails | null {
  const { config, clock, logger, cleanup } = shared;
  const mailer = shared.mailer();
  if (mailer === null) return null;
  const publicUrl = config.SHOPYARD_PUBLIC_URL;
  const mails = createStoreMails({ db, mailer, publicUrl, clock, logger });
  const ending = new AbortController();
  const mailing = mails.run(ending.signal);
  cleanup.defer(() => {
    ending.abort();
    return mailing;
  });
  return mails;
}

type ObserverParts = {
  readonly db: Db;
  readonly kubeconfig: string | null;
  readonly measures: ObserverMetrics;
  readonly mails: StoreMails | null;
};

function observe(shared: Shared, cluster: RegisteredCluster, parts: ObserverParts): void {
  const { clock, clusters, probes, cleanup } = shared;
  let applications: ApplicationWatch | null = null;
  const work = createObserverWork(shared, cluster, parts, (watch) => {
    applications = watch;
  });
  const loop = startLoop(
    parts.db,
    shared.holder,
    shared.logger,
    work,
    shared.loopMeasure(work.lease),
  );
  cleanup.defer(() => loop.stop());
  const isOnly = clusters.length === 1;
  const suffix = isOnly ? '' : ` ${cluster.name}`;
  probes.push(
    {
      name: `observer${suffix}`,
      vital: isOnly,
      check: () => refuseTrouble(loop.trouble()),
    },
    {
      name: `watch${suffix}`,
      // One cluster's absence is no reason to take the API and the others' stores away.
      vital: false,
      // Without a watch another process observes.
      check: () => refuseTrouble(applications && describeSilence(applications, clock())),
    },
  );
}

/** @param onWatch the watch of this run; null when it has ended */
function createObserverWork(
  shared: Shared,
  cluster: RegisteredCluster,
  { db, kubeconfig, measures, mails }: ObserverParts,
  onWatch: (watch: ApplicationWatch | null) => void,
): Work {
  const { config, clock, links, repository } = shared;
  const { name } = cluster;
  const logger = shared.logger.child({ cluster: name });
  const creates = shared.createMeasures();
  const namespace = ARGOCD_NAMESPACE;
  return {
    lease: `observer ${name}`,
    async run(lease, signal) {
      const connection = connectLater(kubeconfig);
      const watching = (kind: string) => ({
        connection,
        namespace,
        report: reportWatch(logger, measures, kind),
      });
      const applications = watchApplications(watching('applications'));
      onWatch(applications);
      const observer = createObserver({
        db,
        repository,
        cluster: name,
        guard: cluster.guard,
        clock,
        logger,
        metrics: measures,
        applications,
        projects: watchProjects(watching('projects')),
        reader: createClusterReader(connection, { namespace }),
        checkLease: (tx) => checkLease(tx, lease),
        deadlineSeconds: config.SHOPYARD_DEADLINE_SECONDS,
        onQueued: () => links.queued(),
        onUnknownRevision: () => links.pushed(null),
        onEnd: (store, end, problem) => {
          mails?.poke();
          if (store.operation.kind !== 'create') return;
          if (end === 'failed') creates.creationError(problem?.code ?? 'unknown');
          else
            creates.provisioned(
              store.type,
              (clock().getTime() - store.createdAt.getTime()) / 1_000,
            );
        },
      });
      const ending = new AbortController();
      const whileRunning = AbortSignal.any([signal, ending.signal]);
      const hearing = keepHearing(applications, {
        record: (heard) => recordHearing(db, lease, name, heard),
        signal: whileRunning,
        logger,
      });
      try {
        await observer.run(signal);
      } finally {
        onWatch(null);
        measures.clear();
        connection.close();
        ending.abort();
        await hearing;
      }
    },
  };
}
