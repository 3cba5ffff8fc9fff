/** What a store's namespace says of itself, read from its cluster on demand. */
import {
  AdminLogin,
  StoreEvents,
  StoreLog,
  StoreLogQuery,
  StorePods,
  StoreResources,
} from '../contract.ts';
import type { ClusterReader } from '../cluster/types.ts';
import type { Db } from '../db/open.ts';
import type { StoreWithTenant } from '../db/stores.ts';
import type { EngineCard } from '../domain/engine.ts';
import type { Clock } from '../domain/ids.ts';
import type { PodFacts } from '../domain/observation-workload.ts';
import { PlatformError } from '../errors.ts';
import { recordAct, type Act } from './act.ts';
import { RequestProblem } from './problem.ts';
import type { Reads } from './reads.ts';
import { route, type Route } from './route.ts';
import { readStore } from './stores.ts';

const CLUSTER = ['not_found', 'cluster_unreachable', 'cluster_refused'] as const;

/** Events that one answer holds at most: the newest. */
const MOST_EVENTS = 200;

export function workloadRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly engines: readonly EngineCard[];
  readonly reads: Pick<Reads, 'cluster'>;
}): Route[] {
  const { db, clock, engines, reads } = options;
  const { cluster } = reads;
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
        const events = (await cluster.listEvents(store.namespace))
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
        const pods = (await cluster.listPods(store.namespace)).map(viewPod);
        return { status: 200, body: { pods } satisfies StorePods };
      },
    }),
    route({
      method: 'GET',
      path: '/api/stores/{id}/logs',
      policy: 'reader',
      summary: 'The last lines of a container; without a pod’s name, of the set-up Job',
      query: StoreLogQuery,
      answers: { 200: StoreLog },
      problems: [...CLUSTER, 'invalid_request'],
      handle: async (call) => {
        const store = await readStore(db, call);
        return { status: 200, body: await readLog(cluster, store.namespace, call.query) };
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
        const quota = [...(await cluster.listQuotas(store.namespace))].sort((a, b) =>
          a.resource < b.resource ? -1 : 1,
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
          login = await readLogin(cluster, store, engines);
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

async function readLog(
  cluster: ClusterReader,
  namespace: string,
  query: StoreLogQuery,
): Promise<StoreLog> {
  const pods = await cluster.listPods(namespace);
  const pod =
    query.pod === undefined
      ? pods
          .filter((one) => one.job === 'setup')
          .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime())[0]
      : pods.find((one) => one.name === query.pod);
  // The containers that a pod has are known here: no name reaches the cluster that is not one.
  const container =
    query.container === undefined
      ? lastStarted(pod)
      : pod?.containers.find((one) => one.name === query.container)?.name;
  if (pod === undefined || container === undefined)
    return { pod: pod?.name ?? null, container: null, lines: [] };
  const text = await cluster.readLog(namespace, pod.name, { container, lines: query.lines });
  const lines = (text ?? '').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return { pod: pod.name, container, lines };
}

/** The container to look at: the one that is running or ended last, in the pod's own order. */
function lastStarted(pod: PodFacts | undefined): string | undefined {
  const begun = pod?.containers.filter((one) => one.state !== 'waiting' || one.ended !== null);
  return (begun?.at(-1) ?? pod?.containers[0])?.name;
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
