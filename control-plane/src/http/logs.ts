/**
 * What a store's containers wrote. Out of Loki where its cluster has one, pods that are gone among
 * them; when Loki does not answer, as the cluster itself keeps them, and the answer says so.
 *
 * A question names the store's own namespace, and of what was asked for only pods and containers that
 * are known to be in it: nobody reads another store's. What is older than the store is not its own,
 * though one of the same name may have written it.
 */
import { StoreLog, StoreLogQuery } from '../contract.ts';
import type { Db } from '../db/open.ts';
import type { StoreWithTenant } from '../db/stores.ts';
import type { Clock } from '../domain/ids.ts';
import type { PodFacts } from '../domain/observation-workload.ts';
import { describeError, PlatformError } from '../errors.ts';
import { createClusterLogs } from '../logs/cluster.ts';
import type { LogArchive, LogSource, LogWriter } from '../logs/types.ts';
import type { Reads } from './reads.ts';
import { route, type Route } from './route.ts';
import { readStore } from './stores.ts';

const HOUR_MS = 60 * 60 * 1000;
/** How far back an archive is asked when nobody says. */
const DEFAULT_HOURS = 24;

type LogReads = Pick<Reads, 'cluster' | 'logs'>;
type Question = {
  readonly store: StoreWithTenant;
  readonly query: StoreLogQuery;
  readonly now: Date;
};

export function logRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly reads: LogReads;
}): Route[] {
  const { db, clock, reads } = options;
  return [
    route({
      method: 'GET',
      path: '/api/stores/{id}/logs',
      policy: 'reader',
      summary: 'The last lines of a container; without a pod’s name, of the set-up Job',
      query: StoreLogQuery,
      answers: { 200: StoreLog },
      problems: [
        'not_found',
        'cluster_not_connected',
        'cluster_unreachable',
        'cluster_refused',
        'invalid_request',
      ],
      handle: async (call) => {
        const store = await readStore(db, call);
        const question = { store, query: call.query, now: clock() };
        const archive = reads.logs(store.cluster);
        if (archive === null)
          return { status: 200, body: await readFromCluster(reads, question, null) };
        try {
          return { status: 200, body: await readFromArchive(archive, reads, question) };
        } catch (error) {
          if (!(error instanceof PlatformError)) throw error;
          call.log.warn({ store: store.id, error: describeError(error) }, 'Loki was not read');
          const { code, message, hint = null } = error;
          const problem = { code, message, hint };
          return { status: 200, body: await readFromCluster(reads, question, problem) };
        }
      },
    }),
  ];
}

async function readFromCluster(
  reads: LogReads,
  question: Question,
  problem: StoreLog['problem'],
): Promise<StoreLog> {
  const { store, query } = question;
  const cluster = reads.cluster(store.cluster);
  const pods = await cluster.listPods(store.namespace);
  // It keeps the newest lines only: all of them, unless somebody wants fewer.
  const since = query.hours === undefined ? new Date(0) : startOf(question, query.hours);
  const chosen = choose(pods, [], query);
  const lines = await readLines(createClusterLogs(cluster), question, chosen, since);
  return { ...chosen, lines, source: 'cluster', problem, gone: [] };
}

async function readFromArchive(
  archive: LogArchive,
  reads: LogReads,
  question: Question,
): Promise<StoreLog> {
  const { store, query } = question;
  const since = startOf(question, query.hours ?? DEFAULT_HOURS);
  const [pods, writers] = await Promise.all([
    listPods(reads, store),
    archive.listWriters(store.namespace, since),
  ]);
  const gone = writers.filter(({ pod }) => pods.every(({ name }) => name !== pod));
  const chosen = choose(pods, gone, query);
  const lines = await readLines(archive, question, chosen, since);
  return { ...chosen, lines, source: 'loki', problem: null, gone: [...gone] };
}

/** An archive has the lines of a cluster that does not answer, too. */
async function listPods(reads: LogReads, store: StoreWithTenant): Promise<readonly PodFacts[]> {
  try {
    return await reads.cluster(store.cluster).listPods(store.namespace);
  } catch (error) {
    if (error instanceof PlatformError) return [];
    throw error;
  }
}

/** The moment so many hours ago; before the store was asked for there is nothing of it. */
function startOf({ store, now }: Question, hours: number): Date {
  return new Date(Math.max(store.createdAt.getTime(), now.getTime() - hours * HOUR_MS));
}

type Chosen = { readonly pod: string | null; readonly container: string | null };

/** What is asked for, of what there is: no other name gets any further. */
function choose(
  pods: readonly PodFacts[],
  gone: readonly LogWriter[],
  query: StoreLogQuery,
): Chosen {
  const pod =
    query.pod === undefined
      ? pods
          .filter((one) => one.job === 'setup')
          .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime())[0]
      : pods.find((one) => one.name === query.pod);
  if (pod !== undefined) {
    const container =
      query.container === undefined
        ? lastStarted(pod)
        : pod.containers.find((one) => one.name === query.container)?.name;
    return { pod: pod.name, container: container ?? null };
  }
  const left = gone.findLast(
    (one) =>
      (query.pod === undefined ? one.pod.startsWith('setup-') : one.pod === query.pod) &&
      (query.container === undefined || one.container === query.container),
  );
  return left ?? { pod: null, container: null };
}

/** The container to look at: the one that is running or ended last, in the pod's own order. */
function lastStarted(pod: PodFacts): string | undefined {
  const begun = pod.containers.filter((one) => one.state !== 'waiting' || one.ended !== null);
  return (begun.at(-1) ?? pod.containers[0])?.name;
}

async function readLines(
  source: LogSource,
  { store, query }: Question,
  { pod, container }: Chosen,
  since: Date,
): Promise<string[]> {
  if (pod === null || container === null) return [];
  const { lines } = query;
  return [...(await source.readLines(store.namespace, { pod, container }, { lines, since }))];
}
