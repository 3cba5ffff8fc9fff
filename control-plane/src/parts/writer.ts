/** The writer: it alone writes the cluster repository, under a lease. */
import { join } from 'node:path';
import { relayPush } from '../forge/argocd-webhook.ts';
import { findDomain } from '../domain/cluster.ts';
import type { StoreSpec } from '../domain/store.ts';
import { openBranch } from '../git/branch.ts';
import { loadMonitoring } from '../monitoring.ts';
import { loadPolicies } from '../policies.ts';
import { watchDeliveries } from '../reconcile/deliveries.ts';
import { startLoop } from '../reconcile/loop.ts';
import {
  createPublisherMeasures,
  createRelayMeasure,
  type RelayMeasure,
} from '../reconcile/metrics.ts';
import { createPublisher, type FaultPoint } from '../reconcile/publish.ts';
import type { SendPush } from '../reconcile/relay.ts';
import { createReviewer, withReviews } from '../reconcile/reviews.ts';
import { renderTenant } from '../render/cluster.ts';
import { renderSeeds } from '../render/seeds.ts';
import type { RegisteredCluster } from '../clusters.ts';
import { refuseTrouble, type Shared } from './shared.ts';

/** @param fault tests end the process at these points */
export async function startWriter(
  shared: Shared,
  fault?: (point: FaultPoint, operations: number) => void,
): Promise<void> {
  const { config, logger, clock, registry, links, probes, cleanup, repository, address, clusters } =
    shared;
  const db = await shared.database();
  const templates = await shared.templates();
  // Before the loop: closed after it.
  await shared.forge();
  const { path } = shared.dataDir();
  const stopping = new AbortController();
  const view = (clone: string) => async (signal: AbortSignal) => {
    const forge = await shared.forge();
    await forge.check(signal);
    return openBranch({ remote: await forge.remote('write'), dir: join(path, clone), signal });
  };
  const render = await shared.renderer();
  const rules = {
    clusters: clusters.map(({ name }) => name),
    domainOf: (store: StoreSpec) => findDomain(clusters, store),
    deadlineMs: config.SHOPYARD_DEADLINE_SECONDS * 1_000,
  };
  const publisher = createPublisher({
    ...rules,
    db,
    logger,
    clock,
    repository,
    openBranch: view('clone'),
    seeds: renderSeeds(
      { ...templates, policies: await loadPolicies(), monitoring: await loadMonitoring() },
      address,
      clusters,
    ),
    render,
    renderTenant: (tenant) => renderTenant(templates.sources, { ...address, ...tenant }),
    relays: await openRelays(shared, stopping.signal),
    measure: createPublisherMeasures(registry),
    ...(fault === undefined ? {} : { fault }),
  });
  const reviewer = createReviewer({
    db,
    logger,
    clock,
    repository,
    openBranch: view('clone-reviews'),
    forge: () => shared.forge(),
    render,
    engines: templates.engines,
    modeOf: (cluster) => shared.findCluster(cluster).review,
    ...rules,
    onMerged: (sha) => publisher.noticePush(sha),
    ...(fault === undefined ? {} : { fault: (point) => fault(point, 1) }),
  });
  links.queued = () => {
    publisher.wake();
    reviewer.ring();
  };
  links.pushed = (after) => {
    publisher.noticePush(after);
    reviewer.ring('forge');
  };
  // The webhook may have reached another process, be there an API in this one or not.
  cleanup.defer(watchDeliveries(db, () => links.pushed(null)));
  const work = withReviews(publisher, reviewer);
  const loop = startLoop(db, shared.holder, logger, work, shared.loopMeasure('writer'));
  cleanup.defer(async () => {
    stopping.abort();
    await loop.stop();
  });
  probes.push({ name: 'writer', check: () => refuseTrouble(loop.trouble()) });
  // Direct commits go on without it.
  probes.push({
    name: 'reviews',
    vital: false,
    check: () => refuseTrouble(reviewer.trouble()),
  });
}

/** One for each cluster whose Argo CD can be told. */
async function openRelays(shared: Shared, signal: AbortSignal): Promise<SendPush[]> {
  const relays: SendPush[] = [];
  const names = shared.clusters.map(({ name }) => name);
  const measure = createRelayMeasure(shared.registry, names);
  for (const cluster of shared.clusters) {
    const { webhook } = await shared.target(cluster);
    if (webhook !== null) relays.push(describeRelay(shared, cluster, { webhook, measure, signal }));
  }
  return relays;
}

/** Argo CD polls too: a call that fails costs a minute and nothing else. */
function describeRelay(
  { address, logger }: Shared,
  cluster: RegisteredCluster,
  how: {
    readonly webhook: NonNullable<RegisteredCluster['webhook']>;
    readonly measure: RelayMeasure;
    readonly signal: AbortSignal;
  },
): SendPush {
  const { webhook, measure, signal } = how;
  return async (push) => {
    const result = await relayPush({ ...webhook, ...address, signal }, push);
    if (!signal.aborted) measure(cluster.name, result.kind);
    if (result.kind !== 'delivered' && !signal.aborted)
      logger.warn(
        { result, after: push.after, cluster: cluster.name },
        'Argo CD was not told of a push',
      );
  };
}
