/** Two tenants with somebody in every role, and things of each to ask for. */
import { sql } from 'kysely';
import { Accepted, type Role } from '../../control-plane/src/contract.ts';
import type { TreeReader } from '../../control-plane/src/git/types.ts';
import { nameApplication } from '../../control-plane/src/domain/store.ts';
import type { RepositoryReader } from '../../control-plane/src/repository/types.ts';
import { startApi, type Api, type Person, type Reply } from '../api/support.ts';

/** Who asks. `stranger` owns the other tenant; `token` is an owner's of the own one. */
export const CALLERS = [
  'anyone',
  'guest',
  'viewer',
  'member',
  'owner',
  'operator',
  'token',
  'stranger',
] as const;
export type Caller = (typeof CALLERS)[number];

export type Side = 'own' | 'other';

/** The tenants' slugs, from where everybody but the stranger stands. */
export const TENANTS: Readonly<Record<Side, string>> = { own: 'mine', other: 'theirs' };

/** A token, a browser's cookie, or (both missing) nothing. */
export type Shown = { readonly token: string | null; readonly cookie?: string };

export type World = {
  readonly api: Api;
  readonly people: ReadonlyMap<Caller, Person>;
  /** One of each tenant's stores. */
  readonly stores: Readonly<Record<Side, string>>;
  /** A commit of each tenant's. */
  readonly commits: Readonly<Record<Side, string>>;
  /** A number that was not used before, for names. */
  next(): number;
  /** A store of its own to be changed or deleted. */
  store(side: Side): Promise<string>;
  /** Somebody of that role, to be changed or removed. */
  somebody(side: Side, role: Exclude<Role, 'operator'>): Promise<Person>;
  /** What the caller shows; `anew` is somebody else of that kind, whose session may be used up. */
  become(caller: Caller, options?: { readonly anew?: boolean }): Promise<Shown>;
  ask(shown: Shown, method: string, path: string, body?: unknown): Promise<Reply>;
  /** All there is, in short: a refused request leaves it as it was. */
  snapshot(): Promise<string>;
  close(): Promise<void>;
};

/** What requests change. Attempts are counted, and refusals may be on record. */
const TABLES = [
  'tenants',
  'members',
  'invitations',
  'sessions',
  'accounts',
  'tokens',
  'stores',
  'operations',
  'pull_requests',
  'stages',
  'events',
  'idempotency',
] as const;

export async function createWorld(): Promise<World> {
  const paths = new Map<string, string>();
  const api = await startApi({ reads: { repository: readCommits(paths) } });
  let counter = 0;
  const next = () => (counter += 1);
  const people = new Map<Caller, Person>();
  for (const role of ['guest', 'viewer', 'member', 'owner', 'operator'] as const)
    people.set(role, await api.person(role, TENANTS.own));
  people.set('stranger', await api.person('owner', TENANTS.other));
  const { token } = await api.token('owner', TENANTS.own);
  for (const slug of Object.values(TENANTS))
    await api.setLimits(slug, { storeLimit: 100_000, createsPerMinute: 100_000 });

  const store = async (side: Side) => {
    const reply = await api.request('POST', '/api/stores', {
      body: { name: `store-${next()}`, type: 'woocommerce', tenant: TENANTS[side] },
    });
    return Accepted.parse(reply.body).store.id;
  };
  const stores = { own: await store('own'), other: await store('other') };
  const commit = async (side: Side) => {
    const { tenantId, name } = await api.db
      .selectFrom('stores')
      .select(['tenantId', 'name'])
      .where('id', '=', stores[side])
      .executeTakeFirstOrThrow();
    const sha = String(next()).padStart(40, '0');
    await api.db
      .insertInto('commits')
      .values({
        repository: REPOSITORY,
        position: next(),
        sha,
        operationId: null,
        action: 'create',
        storeId: stores[side],
        tenantId,
        subject: 'Create it',
        author: 'Shopyard',
        committedAt: new Date(),
      })
      .execute();
    paths.set(sha, `clusters/lab/stores/0/${nameApplication(tenantId, name)}/values.yaml`);
    return sha;
  };
  return {
    api,
    people,
    stores,
    commits: { own: await commit('own'), other: await commit('other') },
    next,
    store,
    somebody: (side, role) => api.person(role, TENANTS[side]),
    become: async (caller, { anew = false } = {}) => {
      if (caller === 'anyone') return { token: null };
      if (caller === 'token') return { token };
      const person = anew
        ? await api.person(
            caller === 'stranger' ? 'owner' : caller,
            caller === 'stranger' ? TENANTS.other : TENANTS.own,
          )
        : people.get(caller);
      if (person === undefined) throw new Error(`There is no ${caller}.`);
      return { token: null, cookie: person.cookie };
    },
    ask: (shown, method, path, body) => send(api, method, path, { ...shown, body }),
    snapshot: async () => {
      const parts = TABLES.map(
        (table) => sql<string>`
          (select md5(coalesce(string_agg(r::text, '|' order by r::text), ''))
            from ${sql.table(table)} r)`,
      );
      const { rows } = await sql<{ all: string }>`
        select ${sql.join(parts, sql` || `)} as all
      `.execute(api.db);
      return rows[0]?.all ?? '';
    },
    close: () => api.close(),
  };
}

export const REPOSITORY = 'http://forge.test/shopyard.git#main';

const EMPTY: TreeReader = {
  list: () => Promise.resolve(null),
  read: () => Promise.resolve(null),
  exists: () => Promise.resolve(false),
  oid: () => Promise.resolve(null),
};

/** Commits that each changed one file. */
function readCommits(paths: ReadonlyMap<string, string>): RepositoryReader {
  return {
    readTip: () => Promise.resolve(EMPTY),
    readChange: (sha) => {
      const path = paths.get(sha);
      const author = { name: 'Shopyard', email: 'shopyard@people.test', at: new Date() };
      return Promise.resolve(
        path === undefined
          ? null
          : { sha, message: 'Create it', author, paths: [path], before: EMPTY, after: EMPTY },
      );
    },
  };
}

/** An event stream answers for ever: its head is enough. */
async function send(
  api: Api,
  method: string,
  path: string,
  options: Parameters<Api['request']>[2] = {},
): Promise<Reply> {
  if (path !== '/api/events') return api.request(method, path, options);
  const abort = new AbortController();
  const { token, cookie } = options;
  const response = await fetch(api.url + path, {
    signal: abort.signal,
    headers: {
      ...(typeof token !== 'string' ? {} : { Authorization: `Bearer ${token}` }),
      ...(cookie === undefined ? {} : { Cookie: cookie }),
    },
  });
  const { status, headers } = response;
  const text = status === 200 ? '' : await response.text();
  abort.abort();
  return {
    status,
    headers,
    text,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}
