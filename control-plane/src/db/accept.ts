/**
 * Accepting requests: what is recorded when a 202 goes out. All of it — store, operation, stage,
 * event, kept answer — is one transaction; git and clusters are not touched here.
 *
 * Creates that wait at the same moment share a transaction: this is the hot path, and a handful of
 * statements then serve all of them. A create is alone in its transaction only if it is the only
 * one. Within a batch no two requests want the same key, name or host, or count against the same
 * tenant's limits; those stay for the next batch, so what each one sees is what it would see alone.
 *
 * Locks, always in this order: tenants by id, stores by host, idempotency keys. Who loses a race
 * against another process starts over and then sees the winner's row.
 */
import { sql, type Selectable } from 'kysely';
import {
  findKeptAnswers,
  keepAnswer,
  nameKey,
  type IdempotencyKey,
  type KeptAnswer,
} from './idempotency.ts';
import { findOperations, viewOperation, type OperationRow } from './operations.ts';
import { writeStatus, type StoreRow } from './status.ts';
import { ensureTenant, type TenantLimits } from './tenants.ts';
import { viewStore } from './view.ts';
import type { Db, Tx } from './open.ts';
import type { OperationTable } from './schema.ts';
import type { StoreWithTenant } from './stores.ts';
import type { Principal } from './tokens.ts';
import type { Accepted } from '../contract.ts';
import type { Clock, Ids } from '../domain/ids.ts';
import { checkLimits, RATE_WINDOW_MS } from '../domain/limits.ts';
import {
  compareWithStanding,
  decideChange,
  type Change,
  type FieldError,
  type Offer,
  type Settings,
} from '../domain/request.ts';
import { nameApplication, nameNamespace, type StoreName, type StoreSpec } from '../domain/store.ts';

export type Outcome =
  | {
      readonly kind: 'accepted';
      readonly status: 200 | 202;
      readonly body: Accepted;
      /** True when this is a kept answer: nothing happened now. */
      readonly replayed: boolean;
    }
  | { readonly kind: 'key-reused' }
  | {
      readonly kind: 'taken';
      readonly code: 'name_taken' | 'host_taken' | 'store_deleting';
      readonly field: string;
      readonly message: string;
    }
  | { readonly kind: 'full'; readonly limit: number }
  | { readonly kind: 'too-fast'; readonly limit: number; readonly retryAfterSeconds: number };

export type ChangeOutcome =
  | Outcome
  | { readonly kind: 'not-found' }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] };

export type CreateRequest = {
  readonly principal: Principal;
  /** The tenant that the store is for; an operator may name one that is not there yet. */
  readonly tenant: { readonly id: string | null; readonly slug: string };
  readonly settings: Settings;
  readonly key: IdempotencyKey | null;
};

export type ChangeRequest = {
  readonly principal: Principal;
  readonly storeId: string;
  readonly change: Change;
  readonly key: IdempotencyKey | null;
};

export type Acceptor = {
  create(request: CreateRequest): Promise<Outcome>;
  change(request: ChangeRequest): Promise<ChangeOutcome>;
};

export type AcceptorOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly offer: Offer;
  /** What a tenant made on the way may do. */
  readonly limits: TenantLimits;
  /** How long a change may take before it counts as failed, in milliseconds. */
  readonly deadlineMs: number;
};

const BATCH = 64;
const ATTEMPTS = 5;

/** Somebody else was faster: nothing was written; looking again will show what they did. */
class LostRace extends Error {}

/** Takes back what a request recorded on the way to being refused. */
class Withdrawn extends Error {
  readonly outcome: Outcome;
  constructor(outcome: Outcome) {
    super('withdrawn');
    this.outcome = outcome;
  }
}

type Waiting = {
  readonly request: CreateRequest;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
};

export function createAcceptor(options: AcceptorOptions): Acceptor {
  let queue: Waiting[] = [];
  let running = false;

  async function work(): Promise<void> {
    running = true;
    while (queue.length > 0) {
      const batch = takeBatch(queue);
      const taken = new Set(batch);
      queue = queue.filter((one) => !taken.has(one));
      await settleBatch(batch);
    }
    running = false;
  }

  async function settleBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await acceptCreates(
        options,
        batch.map((one) => one.request),
      );
      for (const [index, one] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome === undefined) throw new Error('A create was left without an outcome.');
        answerFollowers(one.request, outcome);
        one.resolve(outcome);
      }
    } catch (error) {
      // One request must not fail its neighbours: each tries alone.
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const one of batch) await settleBatch([one]);
    }
  }

  /** Those who sent the same key and body meanwhile get the same answer, without another look. */
  function answerFollowers(leader: CreateRequest, outcome: Outcome): void {
    const { key } = leader;
    if (key === null || outcome.kind !== 'accepted') return;
    queue = queue.filter((one) => {
      const follows =
        one.request.key !== null &&
        nameKey(one.request.key) === nameKey(key) &&
        one.request.key.requestHash === key.requestHash;
      if (follows) one.resolve({ ...outcome, replayed: true });
      return !follows;
    });
  }

  return {
    create: (request) =>
      new Promise((resolve, reject) => {
        queue.push({ request, resolve, reject });
        if (!running) void work();
      }),
    change: (request) => startOver(() => acceptChange(options, request)),
  };
}

/** The longest run of waiting creates that do not get in each other's way. */
function takeBatch(queue: readonly Waiting[]): Waiting[] {
  const batch: Waiting[] = [];
  const claimed = new Set<string>();
  for (const one of queue) {
    const { tenant, settings, key, principal } = one.request;
    // A tenant that is still to be made is taken back with its refused store: alone, then.
    if (tenant.id === null) {
      if (batch.length === 0) return [one];
      continue;
    }
    const claims = [
      `name ${tenant.id} ${settings.name}`,
      `host ${settings.cluster} ${settings.host}`,
      ...(key === null ? [] : [`key ${nameKey(key)}`]),
      ...(principal.role === 'operator' ? [] : [`limits ${tenant.id}`]),
    ];
    if (claims.some((claim) => claimed.has(claim))) continue;
    for (const claim of claims) claimed.add(claim);
    batch.push(one);
    if (batch.length === BATCH) break;
  }
  return batch;
}

async function startOver<T>(attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts += 1)
    try {
      return await attempt();
    } catch (error) {
      if (attempts === ATTEMPTS || !(error instanceof LostRace || isDeadlock(error))) throw error;
    }
}

function isDeadlock(error: unknown): boolean {
  return readCode(error) === '40P01';
}

function readCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

// ── creates ─────────────────────────────────────────────────────────────────────────────────────

/** A create on its way through a batch. */
type Candidate = {
  readonly index: number;
  readonly request: CreateRequest;
  readonly tenant: { readonly id: string; readonly slug: string };
};

async function acceptCreates(
  options: AcceptorOptions,
  requests: readonly CreateRequest[],
): Promise<readonly Outcome[]> {
  try {
    return await startOver(() =>
      options.db.transaction().execute((tx) => decideCreates(tx, options, requests)),
    );
  } catch (error) {
    if (error instanceof Withdrawn) return [error.outcome];
    throw error;
  }
}

async function decideCreates(
  tx: Tx,
  options: AcceptorOptions,
  requests: readonly CreateRequest[],
): Promise<readonly Outcome[]> {
  const now = options.clock();
  const outcomes: Outcome[] = [];
  const candidates: Candidate[] = [];
  for (const [index, request] of requests.entries()) {
    const { id, slug } = request.tenant;
    const tenant =
      id === null
        ? await ensureTenant(tx, slug, { makeId: options.ids.tenant, limits: options.limits })
        : { id, slug };
    candidates.push({ index, request, tenant });
  }
  const limited = candidates.filter((one) => one.request.principal.role !== 'operator');
  const limits = await lockTenants(tx, limited);

  const kept = await findKeptAnswers(
    tx,
    requests.flatMap((one) => (one.key === null ? [] : [one.key])),
  );
  const fresh = candidates.filter((one) => {
    const answer = one.request.key && kept.get(nameKey(one.request.key));
    if (answer) outcomes[one.index] = replay(answer, one.request.key);
    return !answer;
  });

  const standing = await findStanding(tx, fresh);
  const same: { readonly candidate: Candidate; readonly store: StoreWithTenant }[] = [];
  const absent = fresh.filter((candidate) => {
    const found = standing[candidate.index];
    if (found === undefined) return true;
    const outcome = compareCandidate(candidate, found);
    if (outcome === null) same.push({ candidate, store: found });
    else outcomes[candidate.index] = outcome;
    return false;
  });

  const usage = await readUsage(
    tx,
    absent.filter((one) => limits.has(one.tenant.id)),
    now,
  );
  const allowed = absent.filter((one) => {
    const limit = limits.get(one.tenant.id);
    const used = usage.get(one.tenant.id);
    if (limit === undefined || used === undefined) return true;
    const check = checkLimits(limit, used, now);
    if (check.kind !== 'within') outcomes[one.index] = check;
    return check.kind === 'within';
  });

  const births = allowed.map((candidate) => describeBirth(options, candidate, now));
  const repeats = await answerRepeats(tx, same);
  await insertBirths(tx, births, repeats, now);
  await writeStatus(
    tx,
    births.map(({ store, operation }) => ({
      storeId: store.id,
      operationId: operation.id,
      status: store.status,
      stage: store.stage,
      detail: store.detail,
      problem: null,
      deadlineAt: store.deadlineAt,
      at: now,
    })),
  );
  for (const { candidate, body } of births)
    outcomes[candidate.index] = { kind: 'accepted', status: 202, body, replayed: false };
  for (const { candidate, body } of repeats)
    outcomes[candidate.index] = { kind: 'accepted', status: 200, body, replayed: false };

  const [only] = outcomes;
  if (requests[0]?.tenant.id === null && births.length === 0 && only !== undefined)
    throw new Withdrawn(only);
  return outcomes;
}

function replay(answer: KeptAnswer, key: IdempotencyKey | null): Outcome {
  return answer.requestHash === key?.requestHash
    ? {
        kind: 'accepted',
        status: answer.status === 200 ? 200 : 202,
        body: answer.body,
        replayed: true,
      }
    : { kind: 'key-reused' };
}

/** Creates of one tenant take turns, so that two at once cannot both be the last one allowed. */
async function lockTenants(
  tx: Tx,
  candidates: readonly Candidate[],
): Promise<ReadonlyMap<string, TenantLimits>> {
  if (candidates.length === 0) return new Map();
  const rows = await tx
    .selectFrom('tenants')
    .select(['id', 'storeLimit', 'createsPerMinute'])
    .where('id', '=', sql<string>`any(${candidates.map((one) => one.tenant.id)})`)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/** The store that has the wanted name, else the one that has the wanted host; by request. */
async function findStanding(
  tx: Tx,
  candidates: readonly Candidate[],
): Promise<readonly StoreWithTenant[]> {
  const found: StoreWithTenant[] = [];
  if (candidates.length === 0) return found;
  const wanted = candidates.map(({ index, tenant, request: { settings } }) => ({
    index,
    tenant_id: tenant.id,
    name: settings.name,
    cluster: settings.cluster,
    host: settings.host,
  }));
  // Lateral with a limit: one index probe each, whatever the planner believes of the sizes.
  const { rows } = await sql<StoreWithTenant & { index: number }>`
    select w.index, s.*, t.slug as tenant_slug
    from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb)
      as w(index int, tenant_id text, name text, cluster text, host text)
    cross join lateral (
      (select 1 as rank, n.* from stores n
        where n.tenant_id = w.tenant_id and n.name = w.name and n.status <> 'deleted' limit 1)
      union all
      (select 2 as rank, h.* from stores h
        where h.cluster = w.cluster and h.host = w.host and h.status <> 'deleted' limit 1)
      order by rank limit 1
    ) s
    join tenants t on t.id = s.tenant_id
  `.execute(tx);
  for (const row of rows) found[row.index] = row;
  return found;
}

/** What is said about a create whose name or host is there already; null: it is the same store. */
function compareCandidate(candidate: Candidate, store: StoreWithTenant): Outcome | null {
  const { settings } = candidate.request;
  if (store.tenantId !== candidate.tenant.id || store.name !== settings.name)
    return hostTaken(settings.host, settings.domain === null ? 'name' : 'domain');
  const difference = compareWithStanding(store, settings);
  switch (difference.kind) {
    case 'same':
      return null;
    case 'leaving':
      return { kind: 'taken', code: 'store_deleting', field: 'name', message: difference.message };
    case 'differs':
      return {
        kind: 'taken',
        code: 'name_taken',
        field: difference.field,
        message: difference.message,
      };
  }
}

function hostTaken(host: string, field: string): Outcome {
  return {
    kind: 'taken',
    code: 'host_taken',
    field,
    message: `The host name ${host} is in use on this cluster.`,
  };
}

async function readUsage(
  tx: Tx,
  candidates: readonly Candidate[],
  now: Date,
): Promise<ReadonlyMap<string, { readonly stores: number; readonly creates: Date[] }>> {
  const usage = new Map<string, { stores: number; creates: Date[] }>();
  if (candidates.length === 0) return usage;
  const { rows } = await sql<{ tenantId: string; stores: number; creates: Date[] | null }>`
    select c.tenant_id,
      (select count(*) from stores s where s.tenant_id = c.tenant_id and s.status <> 'deleted')
        as stores,
      (select array_agg(o.created_at order by o.created_at desc) from operations o
        where o.requested_by = c.principal and o.kind = 'create' and o.created_at > ${new Date(
          now.getTime() - RATE_WINDOW_MS,
        )}) as creates
    from unnest(${candidates.map((one) => one.tenant.id)}::text[],
      ${candidates.map((one) => one.request.principal.id)}::text[]) as c(tenant_id, principal)
  `.execute(tx);
  for (const row of rows)
    usage.set(row.tenantId, { stores: row.stores, creates: row.creates ?? [] });
  return usage;
}

type Birth = {
  readonly candidate: Candidate;
  readonly store: StoreRow;
  readonly operation: OperationRow;
  readonly spec: StoreSpec;
  readonly body: Accepted;
};

const WAITING_FOR_COMMIT = 'waiting for its commit';

function describeBirth(options: AcceptorOptions, candidate: Candidate, now: Date): Birth {
  const { tenant, request } = candidate;
  const { settings } = request;
  const id = options.ids.store();
  const operationId = options.ids.operation();
  const store: StoreRow = {
    id,
    tenantId: tenant.id,
    name: settings.name,
    type: settings.type,
    chart: settings.chart,
    chartVersion: settings.chartVersion,
    plan: settings.plan,
    cluster: settings.cluster,
    application: nameApplication(tenant.id, settings.name),
    namespace: nameNamespace(tenant.id, settings.name),
    host: settings.host,
    url: settings.url,
    domain: settings.domain,
    generation: 1,
    attempt: 1,
    status: 'provisioning',
    stage: 'requested',
    detail: WAITING_FOR_COMMIT,
    errorCode: null,
    errorMessage: null,
    errorHint: null,
    commitSha: null,
    commitPosition: null,
    operationId,
    createdAt: now,
    updatedAt: now,
    readyAt: null,
    deadlineAt: new Date(now.getTime() + options.deadlineMs),
    deletedAt: null,
  };
  const operation: OperationRow = {
    id: operationId,
    storeId: id,
    kind: 'create',
    action: 'create',
    state: 'queued',
    generation: 1,
    requestedBy: request.principal.id,
    commitSha: null,
    errorCode: null,
    errorMessage: null,
    createdAt: now,
    committedAt: null,
    finishedAt: null,
  };
  return {
    candidate,
    store,
    operation,
    spec: specOf(store, tenant.slug),
    body: { store: viewStore(store, tenant.slug), operation: viewOperation(operation) },
  };
}

function specOf(store: StoreRow, tenantSlug: string): StoreSpec {
  return {
    id: store.id,
    // Every name in the table has passed checkStoreName.
    name: store.name as StoreName,
    tenantId: store.tenantId,
    tenant: tenantSlug,
    type: store.type,
    chart: store.chart,
    chartVersion: store.chartVersion,
    plan: store.plan,
    cluster: store.cluster,
    host: store.host,
    url: store.url,
    generation: store.generation,
    attempt: store.attempt,
  };
}

type Repeat = { readonly candidate: Candidate; readonly body: Accepted };

/** Creates of a store that is there already, just so: the store and its current operation. */
async function answerRepeats(
  tx: Tx,
  same: readonly { readonly candidate: Candidate; readonly store: StoreWithTenant }[],
): Promise<readonly Repeat[]> {
  const operations = await findOperations(
    tx,
    same.map((one) => one.store.operationId),
  );
  return same.map(({ candidate, store }) => {
    const operation = operations.get(store.operationId);
    if (operation === undefined) throw new Error(`Store ${store.id} has no operation.`);
    return {
      candidate,
      body: { store: viewStore(store, store.tenantSlug), operation: viewOperation(operation) },
    };
  });
}

/** New stores, their operations and the kept answers: one statement. */
async function insertBirths(
  tx: Tx,
  births: readonly Birth[],
  repeats: readonly Repeat[],
  now: Date,
): Promise<void> {
  const answers = [
    ...births.map(({ candidate, body }) => ({ candidate, body, status: 202 })),
    ...repeats.map(({ candidate, body }) => ({ candidate, body, status: 200 })),
  ].flatMap(({ candidate: { request }, body, status }) =>
    request.key === null
      ? []
      : [
          {
            tenant_id: request.key.tenantId,
            key: request.key.key,
            request_hash: request.key.requestHash,
            status,
            body,
          },
        ],
  );
  if (births.length === 0 && answers.length === 0) return;
  const stores = births
    .map(({ store }) => store)
    .sort((a, b) => (`${a.cluster}/${a.host}` < `${b.cluster}/${b.host}` ? -1 : 1))
    .map((store) => ({
      id: store.id,
      tenant_id: store.tenantId,
      name: store.name,
      type: store.type,
      chart: store.chart,
      chart_version: store.chartVersion,
      plan: store.plan,
      cluster: store.cluster,
      application: store.application,
      namespace: store.namespace,
      host: store.host,
      url: store.url,
      domain: store.domain,
      operation_id: store.operationId,
    }));
  const operations = births.map(({ operation, spec }) => ({
    id: operation.id,
    store_id: operation.storeId,
    tenant_id: spec.tenantId,
    cluster: spec.cluster,
    kind: operation.kind,
    action: operation.action,
    generation: operation.generation,
    spec,
    requested_by: operation.requestedBy,
  }));
  answers.sort((a, b) => (nameKeyOfRow(a) < nameKeyOfRow(b) ? -1 : 1));
  const { rows } = await sql<{ stores: number; answers: number }>`
    with born as (
      insert into stores (id, tenant_id, name, type, chart, chart_version, plan, cluster,
        application, namespace, host, url, domain, operation_id, created_at, updated_at)
      select r.*, ${now}::timestamptz, ${now}::timestamptz
      from jsonb_to_recordset(${JSON.stringify(stores)}::jsonb) as r(
        id text, tenant_id text, name text, type text, chart text, chart_version text, plan text,
        cluster text, application text, namespace text, host text, url text, domain text,
        operation_id text)
      on conflict do nothing
      returning id
    ), queued as (
      insert into operations (id, store_id, tenant_id, cluster, kind, action, generation, spec,
        requested_by, created_at)
      select r.*, ${now}::timestamptz
      from jsonb_to_recordset(${JSON.stringify(operations)}::jsonb) as r(
        id text, store_id text, tenant_id text, cluster text, kind text, action text,
        generation int, spec jsonb, requested_by text)
      join born on born.id = r.store_id
    ), kept as (
      insert into idempotency (tenant_id, key, request_hash, status, body, created_at)
      select r.*, ${now}::timestamptz
      from jsonb_to_recordset(${JSON.stringify(answers)}::jsonb) as r(
        tenant_id text, key text, request_hash text, status int, body jsonb)
      on conflict do nothing
      returning key
    )
    select (select count(*) from born) as stores, (select count(*) from kept) as answers
  `.execute(tx);
  const written = rows[0];
  if (written?.stores !== stores.length || written.answers !== answers.length)
    throw new LostRace('Another process took a name, a host or a key first.');
}

function nameKeyOfRow(row: { readonly tenant_id: string; readonly key: string }): string {
  return `${row.tenant_id}/${row.key}`;
}

// ── changes ─────────────────────────────────────────────────────────────────────────────────────

async function acceptChange(
  options: AcceptorOptions,
  request: ChangeRequest,
): Promise<ChangeOutcome> {
  const wanted: { host: string | null } = { host: null };
  try {
    return await options.db.transaction().execute(async (tx) => {
      const store = await lockStore(tx, request.principal, request.storeId);
      if (store === null) return { kind: 'not-found' };
      if (request.key !== null) {
        const kept = (await findKeptAnswers(tx, [request.key])).get(nameKey(request.key));
        if (kept !== undefined) return replay(kept, request.key);
      }
      const decision = decideChange(store, request.change, options.offer);
      switch (decision.kind) {
        case 'gone':
          return { kind: 'not-found' };
        case 'refused':
        case 'invalid':
          return decision;
        case 'unchanged': {
          const operations = await findOperations(tx, [store.operationId]);
          const operation = operations.get(store.operationId);
          if (operation === undefined) throw new Error(`Store ${store.id} has no operation.`);
          const body = {
            store: viewStore(store, store.tenantSlug),
            operation: viewOperation(operation),
          };
          const status = request.change.kind === 'delete' ? 202 : 200;
          return keep(tx, request.key, status, body, options.clock());
        }
        case 'change': {
          wanted.host = decision.host;
          const now = options.clock();
          const body = await recordChange(tx, options, request, store, decision, now);
          return keep(tx, request.key, 202, body, now);
        }
      }
    });
  } catch (error) {
    if (wanted.host !== null && isHostTaken(error)) return hostTaken(wanted.host, 'domain');
    throw error;
  }
}

function isHostTaken(error: unknown): boolean {
  return (
    readCode(error) === '23505' &&
    error instanceof Error &&
    'constraint' in error &&
    error.constraint === 'stores_host'
  );
}

async function lockStore(
  tx: Tx,
  principal: Principal,
  storeId: string,
): Promise<StoreWithTenant | null> {
  const scope = principal.role === 'operator' ? null : principal.tenantId;
  const { rows } = await sql<StoreWithTenant>`
    select s.*, t.slug as tenant_slug from stores s join tenants t on t.id = s.tenant_id
    where s.id = ${storeId} and (${scope}::text is null or s.tenant_id = ${scope})
    for no key update of s
  `.execute(tx);
  return rows[0] ?? null;
}

async function keep(
  tx: Tx,
  key: IdempotencyKey | null,
  status: 200 | 202,
  body: Accepted,
  now: Date,
): Promise<Outcome> {
  if (key !== null && !(await keepAnswer(tx, key, { status, body }, now)))
    throw new LostRace('The key was used meanwhile.');
  return { kind: 'accepted', status, body, replayed: false };
}

/** A new operation takes the store over: earlier ones that are still under way are superseded. */
async function recordChange(
  tx: Tx,
  options: AcceptorOptions,
  request: ChangeRequest,
  store: StoreWithTenant,
  decision: Extract<ReturnType<typeof decideChange>, { kind: 'change' }>,
  now: Date,
): Promise<Accepted> {
  const operationId = options.ids.operation();
  const leaving = decision.operation === 'delete';
  const { plan, domain, host, url, generation, attempt } = decision;
  const next: StoreRow = { ...store, plan, domain, host, url, generation, attempt, operationId };
  await tx
    .updateTable('stores')
    .set({ plan, domain, host, url, generation, attempt, operationId })
    .where('id', '=', store.id)
    .execute();
  await tx
    .updateTable('operations')
    .set({ state: 'superseded', finishedAt: now })
    .where('storeId', '=', store.id)
    .where('state', 'in', ['queued', 'waiting'])
    .execute();
  const operation: OperationRow & Pick<Selectable<OperationTable>, 'tenantId' | 'cluster'> = {
    id: operationId,
    storeId: store.id,
    tenantId: store.tenantId,
    cluster: store.cluster,
    kind: decision.operation,
    action: decision.operation === 'delete' ? 'release' : decision.operation,
    state: 'queued',
    generation,
    requestedBy: request.principal.id,
    commitSha: null,
    errorCode: null,
    errorMessage: null,
    createdAt: now,
    committedAt: null,
    finishedAt: null,
  };
  await tx
    .insertInto('operations')
    .values({ ...operation, spec: JSON.stringify(specOf(next, store.tenantSlug)) })
    .execute();
  const [row] = await writeStatus(tx, [
    {
      storeId: store.id,
      operationId,
      status: leaving ? 'deleting' : 'provisioning',
      stage: 'requested',
      detail: WAITING_FOR_COMMIT,
      problem: null,
      // A removal never fails by its age: it goes on until everything is gone.
      deadlineAt: leaving ? null : new Date(now.getTime() + options.deadlineMs),
      at: now,
    },
  ]);
  if (row === undefined) throw new Error(`Store ${store.id} changed while it was locked.`);
  return { store: viewStore(row, store.tenantSlug), operation: viewOperation(operation) };
}
