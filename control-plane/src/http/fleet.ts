/** The operators' view: clusters, stores in trouble, and how the platform's parts are. */
import type { KnownCluster } from '../clusters.ts';
import { Fleet, PlatformHealth } from '../contract.ts';
import type { ClusterStates } from '../db/cluster-states.ts';
import { startCounts, type StoreCounter } from '../db/counts.ts';
import type { Db } from '../db/open.ts';
import { listTroubled } from '../db/stores.ts';
import type { Clock } from '../domain/ids.ts';
import { writeMoment } from '../domain/moments.ts';
import { runProbe, type Probe } from './platform.ts';
import type { Reads } from './reads.ts';
import { route, type Route } from './route.ts';
import { viewKnown } from './stores.ts';

/** A delete that takes longer is worth a look. */
const LONG_DELETE_MS = 10 * 60 * 1000;

/** A credential that ends sooner needs somebody. As the alert's (bootstrap/monitoring/rules.ts). */
const CREDENTIAL_DAYS = 14;
const DAY_MS = 24 * 60 * 60 * 1000;

/** What to do when a part is not ready. */
const ADVICE: Readonly<Record<string, string>> = {
  database:
    'Requests are refused until Postgres answers. Check DATABASE_URL and the server’s log; the ' +
    'embedded one’s is in the data folder.',
  repository:
    'Previews and changes cannot be shown. Check the disk of the data folder and that git is ' +
    'installed.',
  forge: 'The git server is started again by itself. The log says why it ended.',
  writer:
    'Requests are accepted and wait; nothing is committed. Check that the forge answers and takes ' +
    'our credential.',
  reviews:
    'Changes that need a review wait; all others go on. Check that the forge answers, and that our ' +
    'credential may open and close pull requests.',
  conductor: 'Rollouts wait; it starts again by itself. The log has more.',
  observer: 'Stores keep the status they had; it starts again by itself. The log has more.',
  watch:
    'Stores keep the status they had. Check that the API server answers and that the observer’s ' +
    'account may read (bootstrap/access/observer.yaml).',
  cluster:
    'Pods, events, logs and logins cannot be shown. Check the API server and the kubeconfig.',
  credential:
    'Put a new one into the kubeconfig: the file is read anew, without a restart ' +
    '(docs/runbooks/cluster-credential-expiring.md).',
};

export function fleetRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly clusters: readonly KnownCluster[];
  readonly states: ClusterStates;
  readonly counter: StoreCounter;
  readonly probes: readonly Probe[];
  readonly reads: Pick<Reads, 'cluster' | 'credentialEnd' | 'repository'>;
}): Route[] {
  const { db, clock, clusters, states, counter, reads } = options;
  const nameOf = (part: string, cluster: string): string =>
    clusters.length === 1 ? part : `${part} ${cluster}`;
  /** Those that end: the others are no part that anybody has to look after. */
  const probeCredentials = async (): Promise<Probe[]> => {
    const ends = clusters.map(async ({ name }) => ({
      name: nameOf('credential', name),
      // What cannot be read is the cluster's own trouble.
      end: await reads.credentialEnd(name).catch(() => null),
    }));
    return (await Promise.all(ends)).flatMap(({ name, end }) =>
      end === null ? [] : [{ name, check: () => refuseEnding(end, clock()) }],
    );
  };
  const probes: readonly Probe[] = [
    ...options.probes,
    {
      name: 'repository',
      check: async () => {
        await reads.repository.readTip();
      },
    },
    ...clusters.map(({ name }): Probe => ({
      name: nameOf('cluster', name),
      check: async () => {
        await reads.cluster(name).applicationExists('shopyard-root');
      },
    })),
  ];
  return [
    route({
      method: 'GET',
      path: '/api/fleet',
      policy: 'operator',
      summary: 'The clusters with their stores by status, and the stores in trouble',
      answers: { 200: Fleet },
      handle: async () => {
        const now = clock();
        const [counts, troubled] = await Promise.all([
          counter.count(null),
          listTroubled(db, new Date(now.getTime() - LONG_DELETE_MS)),
        ]);
        // Stores may be left of a cluster that is no longer connected.
        const names = new Set([...clusters.map(({ name }) => name), ...counts.keys()]);
        const views = [...names].map(async (name) => {
          const known = clusters.find((one) => one.name === name);
          const { kind = null, argocdUrl = null } = known ?? {};
          const { heardAt, trouble } = await states.hear(name);
          return {
            ...{ name, kind, argocdUrl },
            trouble:
              known === undefined ? 'It is not among the clusters of the settings.' : trouble,
            heardAt: heardAt?.toISOString() ?? null,
            stores: counts.get(name) ?? startCounts(),
          };
        });
        return {
          status: 200,
          body: {
            clusters: await Promise.all(views),
            stuck: troubled.map((row) => viewKnown(row, clusters)),
          } satisfies Fleet,
        };
      },
    }),
    route({
      method: 'GET',
      path: '/api/health',
      policy: 'operator',
      summary: 'How each part of the platform is, and what to do about one that is not well',
      answers: { 200: PlatformHealth },
      handle: async () => {
        const checks = await Promise.all([...probes, ...(await probeCredentials())].map(runProbe));
        return {
          status: 200,
          body: {
            parts: checks.map((check) => ({
              ...check,
              // One of several clusters' is called by its part and its cluster.
              advice: check.ready
                ? null
                : (ADVICE[check.name.split(' ', 1)[0] ?? ''] ?? 'The log has more.'),
            })),
          } satisfies PlatformHealth,
        };
      },
    }),
  ];
}

function refuseEnding(end: Date, now: Date): void {
  const days = Math.floor((end.getTime() - now.getTime()) / DAY_MS);
  if (days >= CREDENTIAL_DAYS) return;
  const at = writeMoment(end);
  if (end <= now)
    throw new Error(`It ended on ${at}: nothing is heard of the cluster until there is a new one.`);
  const left = days === 0 ? 'within a day' : days === 1 ? 'in a day' : `in ${days} days`;
  throw new Error(`It ends ${left}, on ${at}; after that nothing is heard of the cluster.`);
}
