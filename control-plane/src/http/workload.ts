/** What a store's namespace says of itself, read from its cluster on demand. */
import { AdminLogin, StoreEvents, StorePods, StoreResources } from '../contract.ts';
import type { ClusterReader } from '../cluster/types.ts';
import { recordAct, type Act } from '../db/acts.ts';
import type { Db } from '../db/open.ts';
import type { StoreWithTenant } from '../db/stores.ts';
import type { EngineCard } from '../domain/engine.ts';
import type { Clock } from '../domain/ids.ts';
import type { PodFacts } from '../domain/observation-workload.ts';
import { PlatformError } from '../errors.ts';
import { RequestProblem } from './problem.ts';
import type { Reads } from './reads.ts';
import { route, type Route } from './route.ts';
import { readStore } from './stores.ts';

const CLUSTER = [
  'not_found',
  'cluster_not_connected',
  'cluster_unreachable',
  'cluster_refused',
] as const;

/** Events that one answer holds at most: the newest. */
const MOST_EVENTS = 200;

export function workloadRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly engines: readonly EngineCard[];
  readonly reads: Pick<Reads, 'cluster'>;
}): Route[] {
  const { db, clock, engines, reads } = options;
  return [
    route({
      method: 'GET',
      path: '/api/stores/{id}/events',
      policy: 'reader',
      summary: 'What Kubernetes tells of a store, newest first',
      answers: { 200: StoreEvents },
      problems: CLUSTER,
      handle: async (call) => {
        const store = await readStore(db, call);
        const events = (await reads.cluster(store.cluster).listEvents(store.namespace))
          .toSorted((a, b) => b.at.getTime() - a.at.getTime())
          .slice(0, MOST_EVENTS)
          .map(({ at, type, reason, message, about, count }) => ({
            at: at.toISOString(),
            type: type === 'Warning' ? ('Warning' as const) : ('Normal' as const),
            reason,
            message,
            object: about,
            count,
          }));
        return { status: 200, body: { events } satisfies StoreEvents };
      },
    }),
    route({
      method: 'GET',
      path: '/api/stores/{id}/pods',
      policy: 'reader',
      summary: 'The pods of a store',
      answers: { 200: StorePods },
      problems: CLUSTER,
      handle: async (call) => {
        const store = await readStore(db, call);
        const pods = (await reads.cluster(store.cluster).listPods(store.namespace)).map(viewPod);
        return { status: 200, body: { pods } satisfies StorePods };
      },
    }),
    route({
      method: 'GET',
      path: '/api/stores/{id}/resources',
      policy: 'reader',
      summary: 'What a store may use of its cluster, and what it uses',
      answers: { 200: StoreResources },
      problems: CLUSTER,
      handle: async (call) => {
        const store = await readStore(db, call);
        const quota = [...(await reads.cluster(store.cluster).listQuotas(store.namespace))].sort(
          (a, b) => (a.resource < b.resource ? -1 : 1),
        );
        return { status: 200, body: { quota } satisfies StoreResources };
      },
    }),
    route({
      method: 'POST',
      path: '/api/stores/{id}/reveal',
      policy: 'writer',
      recent: true,
      summary: 'The login to a store’s administration; put on record',
      answers: { 200: AdminLogin },
      problems: [...CLUSTER, 'login_not_ready'],
      handle: async (call) => {
        const store = await readStore(db, call);
        const record = (act: Pick<Act, 'outcome' | 'detail'>) =>
          recordAct({ db, clock }, call, {
            action: 'reveal',
            tenantId: store.tenantId,
            storeId: store.id,
            ...act,
          });
        let login: AdminLogin;
        try {
          login = await readLogin(reads.cluster(store.cluster), store, engines);
        } catch (error) {
          const reason = error instanceof PlatformError ? error.code : 'internal';
          await record({ outcome: 'failed', detail: { store: store.name, reason } });
          throw error;
        }
        // No record, no login.
        await record({ detail: { store: store.name, username: login.username } });
        return { status: 200, body: login, headers: { 'Cache-Control': 'no-store' } };
      },
    }),
  ];
}

function viewPod(pod: PodFacts): StorePods['pods'][number] {
  return {
    name: pod.name,
    component: pod.component,
    job: pod.job,
    phase: pod.deleting ? 'Terminating' : pod.phase,
    ready: pod.containers.length > 0 && pod.containers.every((container) => container.ready),
    restarts: pod.containers.reduce((sum, container) => sum + container.restarts, 0),
    startedAt: pod.startedAt?.toISOString() ?? null,
    containers: pod.containers.map(({ name, image, state, ready, restarts, waiting, ended }) => ({
      name,
      image,
      state,
      ready,
      restarts,
      reason: (waiting?.reason ?? (state === 'ended' ? ended?.reason : undefined)) || null,
    })),
  };
}

async function readLogin(
  cluster: ClusterReader,
  store: StoreWithTenant,
  engines: readonly EngineCard[],
): Promise<AdminLogin> {
  const secret = await readStoreSecret(cluster, store, 'store-admin');
  const { username, password, email } = secret ?? {};
  if (username === undefined || password === undefined)
    throw new RequestProblem('login_not_ready', 'The store has no login yet.', {
      hint: 'Its set-up makes one. Wait until the store is ready.',
    });
  const path = engines.find((one) => one.type === store.type)?.adminPath ?? '/';
  return { username, password, email: email ?? null, url: new URL(path, store.url).href };
}

/**
 * One of the two Secrets; null: it is not there yet. Before the store's own Role is there, the
 * cluster does not let us look.
 */
export async function readStoreSecret(
  cluster: ClusterReader,
  store: StoreWithTenant,
  name: 'store-admin' | 'store-api',
): Promise<Readonly<Record<string, string>> | null> {
  try {
    return await cluster.readSecret(store.namespace, name);
  } catch (error) {
    const isEarly = store.readyAt === null || store.status === 'deleted';
    if (isEarly && error instanceof PlatformError && error.code === 'cluster_refused') return null;
    throw error;
  }
}
