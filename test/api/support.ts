/** The API on a real port with a real database: what the tests of this folder talk to. */
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { createAuth, type AuthOptions } from '../../control-plane/src/accounts/auth.ts';
import { createAttempts, type AttemptRules } from '../../control-plane/src/accounts/attempts.ts';
import { addPerson } from '../../control-plane/src/accounts/add-person.ts';
import type { ClusterReader } from '../../control-plane/src/cluster/types.ts';
import type { ClusterKind } from '../../control-plane/src/clusters.ts';
import { createClusterStates } from '../../control-plane/src/db/cluster-states.ts';
import { DEFAULT_RULES } from '../../control-plane/src/domain/cluster.ts';
import type { Accounts } from '../../control-plane/src/accounts/settings.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { openDatabase, type Db } from '../../control-plane/src/db/open.ts';
import { ensureTenant } from '../../control-plane/src/db/tenants.ts';
import { createToken, ensureBootstrapToken } from '../../control-plane/src/db/tokens.ts';
import type { Role } from '../../control-plane/src/contract.ts';
import { createIds } from '../../control-plane/src/domain/ids.ts';
import { createApp, createRoutes, type AppOptions } from '../../control-plane/src/http/app.ts';
import { measureFleet } from '../../control-plane/src/http/fleet-metrics.ts';
import { createHub, type Hub, type HubOptions } from '../../control-plane/src/http/hub.ts';
import {
  createCreateMeasures,
  createRequestMeasure,
  measureProbes,
  measureCredentials,
  measureStreams,
} from '../../control-plane/src/http/metrics.ts';
import { probeDatabase } from '../../control-plane/src/http/platform.ts';
import type { Reads } from '../../control-plane/src/http/reads.ts';
import { listen } from '../../control-plane/src/http/serve.ts';
import type { RouteDescription } from '../../control-plane/src/http/route.ts';
import { createStoreRenderer } from '../../control-plane/src/render/store.ts';
import { loadTemplates, type Templates } from '../../control-plane/src/templates.ts';

export const BOOTSTRAP = 'bootstrap-token-for-tests';
/** What the portal shows when it names its visitor's address. */
export const PORTAL_SECRET = 'a secret between the portal and the API';

export type Reply = {
  readonly status: number;
  readonly headers: Headers;
  // Tests read what they expect to be there.
  readonly body: Record<string, unknown>;
  readonly text: string;
};

/** What the forge signs its webhooks with. */
export const HOOK_SECRET = 'a secret between the forge and the API';

/** Where browsers believe the API to be. */
export const ORIGIN = 'http://shopyard.test';
export const PASSWORD = 'a password for tests';

export type Person = {
  readonly id: string;
  readonly email: string;
  readonly sessionId: string;
  /** What a browser sends along. */
  readonly cookie: string;
};

export type Api = {
  readonly db: Db;
  readonly accounts: Accounts;
  readonly url: string;
  readonly databaseUrl: string;
  readonly hub: Hub;
  readonly routes: readonly RouteDescription[];
  /** Lines of the log so far. */
  readonly log: readonly string[];
  /** How often the writer was poked. */
  readonly accepted: () => number;
  /** What webhooks told, oldest first: the tip after a push, the number of a pull request. */
  readonly told: readonly (
    readonly ['pushed', string | null] | readonly ['reviewed', number | null]
  )[];
  /** Moves the API's clock on. */
  readonly advance: (ms: number) => void;
  /** While this runs, no time passes by the API's clock but what `advance` says. */
  inOneMoment<T>(run: () => Promise<T>): Promise<T>;
  /** `cookie` stands for a browser on our pages: no token then, and our Origin. */
  request(
    method: string,
    path: string,
    options?: {
      readonly token?: string | null;
      readonly cookie?: string;
      readonly body?: unknown;
      readonly raw?: string;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): Promise<Reply>;
  /** A token of that role; its tenant is made when it is not there. */
  token(role: Role, tenant?: string): Promise<{ readonly id: string; readonly token: string }>;
  /** Somebody of that role who has just signed in; an operator's tenant is none. */
  person(role: Role | 'guest', tenant?: string): Promise<Person>;
  signIn(email: string, password?: string): Promise<string>;
  setLimits(
    tenant: string,
    limits: { readonly storeLimit?: number; readonly createsPerMinute?: number },
  ): Promise<void>;
  close(): Promise<void>;
};

export async function startApi(
  options: {
    readonly probes?: AppOptions['probes'];
    readonly hub?: Partial<HubOptions>;
    /** Another process on the same database. */
    readonly databaseUrl?: string;
    readonly accounts?: Partial<Accounts>;
    readonly auth?: Partial<AuthOptions>;
    readonly attempts?: Partial<AttemptRules>;
    /** Ports to what pages read; those left out have nothing to show. */
    readonly reads?: Partial<Reads>;
    /** null: no webhooks. */
    readonly hookSecret?: string | null;
    readonly clusterKind?: ClusterKind;
    /** Default: one, `lab`. */
    readonly clusters?: AppOptions['clusters'];
    readonly forgeKind?: AppOptions['forgeKind'];
    /** Engines and charts; default: the checkout's. */
    readonly templates?: Templates;
  } = {},
): Promise<Api> {
  const database = await openOrCreate(options.databaseUrl);
  const { db } = database;
  const ids = createIds();
  const log: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void log.push(line) });
  let offset = 0;
  let stoppedAt: number | null = null;
  let accepted = 0;
  const told: Api['told'][number][] = [];
  const clock = () => new Date((stoppedAt ?? Date.now()) + offset);
  const hub = createHub({ db, clock, logger, ...options.hub });
  const registry = new Registry();
  const auth = createAuth({
    db,
    ids,
    logger,
    publicUrl: ORIGIN,
    secret: 'a secret of tests, of at least so many characters',
    oidc: null,
    sendPasswordReset: null,
    isExpected: () => Promise.resolve(true),
    ...options.auth,
  });
  const plenty = { most: 1_000_000, seconds: 60 };
  const accounts: Accounts = {
    auth,
    attempts: createAttempts(db, clock, {
      perAddress: plenty,
      perAccount: plenty,
      perMailbox: plenty,
      ...options.attempts,
    }),
    publicUrl: ORIGIN,
    oidc: null,
    mailer: null,
    openSignUp: false,
    tenantsPerUser: 1,
    ...options.accounts,
  };
  const offered = options.templates ?? (await templates);
  const appOptions: AppOptions = {
    db,
    clock,
    ids,
    logger,
    engines: offered.engines,
    reads: { ...readNothing(offered), ...options.reads },
    clusters: options.clusters ?? [
      {
        ...DEFAULT_RULES,
        name: 'lab',
        baseDomain: 'localhost',
        scheme: 'http',
        port: 8088,
        kind: options.clusterKind ?? 'lab',
        argocdUrl: 'http://argocd.test',
      },
    ],
    states: createClusterStates(db, clock),
    onAccepted: () => {
      accepted += 1;
    },
    hub,
    probes: [probeDatabase(db), ...(options.probes ?? [])],
    registry,
    metrics: createRequestMeasure(registry, createCreateMeasures(registry)),
    limits: { storeLimit: 5, createsPerMinute: 1 },
    accounts,
    hooks: {
      secret: options.hookSecret === undefined ? HOOK_SECRET : options.hookSecret,
      branch: 'main',
      pushed: (after) => void told.push(['pushed', after]),
      reviewed: (number) => void told.push(['reviewed', number]),
    },
    address: { portalSecret: PORTAL_SECRET },
    forgeKind: options.forgeKind ?? 'embedded',
  };
  measureStreams(registry, hub);
  measureProbes(registry, appOptions.probes);
  measureFleet({ ...appOptions, clock });
  measureCredentials(registry, appOptions.clusters, appOptions.reads.credentialEnd);
  await ensureBootstrapToken(db, BOOTSTRAP, ids);
  hub.start();
  const app = createApp(appOptions);
  const handle = app.callback();
  const listener = await listen((request, response) => void handle(request, response), {
    host: '127.0.0.1',
    port: 0,
  });
  const url = `http://127.0.0.1:${listener.port}`;
  const request: Api['request'] = async (
    method,
    path,
    { cookie, token = cookie === undefined ? BOOTSTRAP : null, body, raw, headers } = {},
  ) => {
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(cookie === undefined ? {} : { Cookie: cookie, Origin: ORIGIN }),
        ...(sent === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(sent === undefined ? {} : { body: sent }),
    });
    const text = await response.text();
    const json = /^application\/(problem\+)?json/.test(response.headers.get('Content-Type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: json ? (JSON.parse(text) as Record<string, unknown>) : {},
      text,
    };
  };
  const signIn: Api['signIn'] = async (email, password = PASSWORD) => {
    const reply = await request('POST', '/api/auth/sign-in/email', {
      token: null,
      body: { email, password },
    });
    if (reply.status !== 200) throw new Error(`${email} cannot sign in: ${reply.text}`);
    return cookieOf(reply);
  };
  return {
    db,
    accounts,
    url,
    databaseUrl: database.url,
    hub,
    routes: createRoutes({ ...appOptions, registry: new Registry() }),
    log,
    accepted: () => accepted,
    told,
    advance: (ms) => {
      offset += ms;
    },
    inOneMoment: async (run) => {
      stoppedAt = Date.now();
      try {
        return await run();
      } finally {
        stoppedAt = null;
      }
    },
    request,
    signIn,
    token: async (role, tenant = 'platform') => {
      const { id } = await ensureTenant(db, tenant, { makeId: ids.tenant });
      return createToken(db, ids, { tenantId: id, role, name: role, expiresAt: null });
    },
    person: async (role, tenant = 'platform') => {
      const email = `${ids.account(role)}@people.test`;
      passwordHash ??= (await auth.$context).password.hash(PASSWORD);
      const hash = await passwordHash;
      const { id } = await db.transaction().execute(async (tx) => {
        const isOperator = role === 'operator';
        const person = await addPerson(tx, ids, {
          email,
          name: `A ${role}`,
          operator: isOperator,
          passwordHash: hash,
        });
        if (role === 'guest' || role === 'operator') return person;
        const { id: tenantId } = await ensureTenant(tx, tenant, { makeId: ids.tenant });
        await tx
          .insertInto('members')
          .values({ id: ids.account('mem'), tenantId, userId: person.id, role })
          .execute();
        return person;
      });
      const cookie = await signIn(email);
      const session = await db
        .selectFrom('sessions')
        .select('id')
        .where('userId', '=', id)
        .executeTakeFirstOrThrow();
      return { id, email, cookie, sessionId: session.id };
    },
    setLimits: async (tenant, limits) => {
      await db.updateTable('tenants').set(limits).where('slug', '=', tenant).execute();
    },
    close: async () => {
      await hub.close();
      await listener.close();
      await database.close();
    },
  };
}

const templates = loadTemplates();

/** A cluster that answers, and has nothing. */
export const EMPTY_CLUSTER: ClusterReader = {
  applicationExists: () => Promise.resolve(true),
  readApplication: () => Promise.resolve(null),
  readNamespace: () => Promise.resolve(null),
  readGeneration: () => Promise.resolve({ configMap: null, setup: null }),
  listPods: () => Promise.resolve([]),
  listJobs: () => Promise.resolve([]),
  listClaims: () => Promise.resolve([]),
  listEvents: () => Promise.resolve([]),
  listQuotas: () => Promise.resolve([]),
  readSecret: () => Promise.resolve(null),
  readLog: () => Promise.resolve(null),
};

/** Ports that work and find nothing. */
function readNothing({ sources }: Templates): Reads {
  const address = { repositoryUrl: 'http://forge.test/shopyard.git', branch: 'main' };
  return {
    repository: {
      readTip: () =>
        Promise.resolve({
          list: () => Promise.resolve(null),
          read: () => Promise.resolve(null),
          exists: () => Promise.resolve(false),
          oid: () => Promise.resolve(null),
        }),
      readChange: () => Promise.resolve(null),
    },
    repositoryName: 'http://forge.test/shopyard.git#main',
    render: createStoreRenderer(sources, address, exampleCluster),
    cluster: () => EMPTY_CLUSTER,
    credentialEnd: () => Promise.resolve(null),
    logs: () => null,
    shops: () => ({
      listOrders: () => Promise.resolve({ orders: [], complete: true }),
      placeTestOrder: () => Promise.resolve({ number: '1', total: '9.90', currency: 'EUR' }),
    }),
  };
}

/** Hashing is slow on purpose: everybody in a test file has the same password. */
let passwordHash: Promise<string> | undefined;

/** The cookies that an answer sets, as a browser sends them back. */
export function cookieOf(reply: Reply): string {
  return reply.headers
    .getSetCookie()
    .map((one) => one.split(';')[0])
    .join('; ');
}

async function openOrCreate(url: string | undefined): Promise<TestDatabase> {
  if (url === undefined) return createTestDatabase();
  const db = openDatabase(url);
  return { db, url, close: () => db.destroy() };
}

/** Everything a refused request must leave as it was. */
export async function countRecords(db: Db): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of [
    'stores',
    'operations',
    'stages',
    'events',
    'idempotency',
    'tenants',
  ] as const) {
    const row = await db
      .selectFrom(table)
      .select((is) => is.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    counts[table] = row.count;
  }
  return counts;
}
