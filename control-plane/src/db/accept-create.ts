/**
 * Accepting creates, a batch in one transaction. Within a batch no two requests want the same key,
 * name or host, or count against the same tenant's limits: accept.ts sees to it.
 *
 * The store is inserted before anybody looks whether it is there: the usual create then costs one
 * statement for stores, operations and kept answers together, one look at hosts that are held, and
 * three statements for status, whatever the size of the batch. Who was there first is looked up only
 * for those that were not inserted.
 */
import { sql } from 'kysely';
import { describeAct, type Origin } from './acts.ts';
import { appendAudit } from './audit.ts';
import {
  chooseIds,
  hostTaken,
  LostRace,
  replay,
  specOf,
  startOver,
  WAITING_FOR_COMMIT,
  type AcceptorOptions,
  type Outcome,
} from './accept-outcome.ts';
import { findKeptAnswers, keepAnswer, nameKey, type IdempotencyKey } from './idempotency.ts';
import type { Tx } from './open.ts';
import { findOperations, viewOperation, type OperationRow } from './operations.ts';
import { writeStatus, type StoreRow } from './status.ts';
import type { StoreWithTenant } from './stores.ts';
import type { TenantLimits, TenantRef } from './tenants.ts';
import type { Principal } from './principals.ts';
import { viewStore } from './view.ts';
import type { Accepted } from '../contract.ts';
import type { AuditEntry } from '../domain/audit.ts';
import { checkLimits, RATE_WINDOW_MS } from '../domain/limits.ts';
import { writeOptions } from '../domain/options.ts';
import { compareWithStanding, type Offer, type Settings } from '../domain/request.ts';
import { needsReview, readMode } from '../domain/review.ts';
import { nameApplication, nameNamespace, type StoreSpec } from '../domain/store.ts';

export type CreateRequest = {
  readonly principal: Principal;
  /** The tenant that the store is for. */
  readonly tenant: TenantRef;
  readonly settings: Settings;
  readonly key: IdempotencyKey | null;
  readonly origin: Origin;
};

/** A create on its way through a batch; it is done when it has an outcome. */
type Candidate = {
  readonly request: CreateRequest;
  outcome: Outcome | null;
};

/** Decides and records a batch; the outcomes are in the order of the requests. */
export async function acceptCreates(
  options: AcceptorOptions,
  requests: readonly CreateRequest[],
): Promise<readonly Outcome[]> {
  return startOver((attempts) =>
    options.db.transaction().execute((tx) => decideCreates(tx, options, requests, attempts)),
  );
}

async function decideCreates(
  tx: Tx,
  options: AcceptorOptions,
  requests: readonly CreateRequest[],
  attempts: number,
): Promise<readonly Outcome[]> {
  const now = options.clock();
  const candidates = requests.map((request): Candidate => ({ request, outcome: null }));
  const undecided = () => candidates.filter((one) => one.outcome === null);
  const limited = () => undecided().filter((one) => one.request.principal.role !== 'operator');

  const limits = await lockTenants(tx, limited());
  await replayKept(tx, undecided());
  // What is there already costs nothing: it is looked up before the limits are.
  await compareWithThose(tx, options, limited(), now);
  await holdToLimits(tx, limited(), limits, now);
  const exceeding = await findExceeding(tx, options, undecided());
  const births = undecided().map((candidate) => {
    const exceedsLimits = exceeding.has(candidate.request.tenant.id);
    return describeBirth(options, candidate, { attempts, now, exceedsLimits });
  });
  const born = await insertBirths(tx, births, now);
  await checkHosts(tx, born);
  await recordBirths(tx, born, now);
  await compareWithThose(tx, options, undecided(), now);

  const outcomes = candidates.map(({ outcome }) => {
    if (outcome === null) throw new LostRace('Who was first is gone again.');
    return outcome;
  });
  await appendAudit(
    tx,
    born.map((birth) => describeBirthAct(birth, now)),
  );
  return outcomes;
}

async function replayKept(tx: Tx, candidates: readonly Candidate[]): Promise<void> {
  const kept = await findKeptAnswers(
    tx,
    candidates.flatMap(({ request }) => (request.key === null ? [] : [request.key])),
  );
  for (const candidate of candidates) {
    const { key } = candidate.request;
    const answer = key === null ? undefined : kept.get(nameKey(key));
    if (key !== null && answer !== undefined) candidate.outcome = replay(answer, key);
  }
}

/** Decides those whose name or host is there: the same store again, or somebody else's. */
async function compareWithThose(
  tx: Tx,
  { offer }: AcceptorOptions,
  candidates: readonly Candidate[],
  now: Date,
): Promise<void> {
  const standing = await findStanding(tx, candidates);
  const operations = await findOperations(
    tx,
    [...standing.values()].map((store) => store.operationId),
  );
  for (const [candidate, store] of standing) {
    candidate.outcome = compareCandidate(candidate, store, offer);
    if (candidate.outcome !== null) continue;
    const operation = operations.get(store.operationId);
    if (operation === undefined) throw new Error(`Store ${store.id} has no operation.`);
    const body = {
      store: viewStore(store, store.tenantSlug),
      operation: viewOperation(operation),
    };
    const { key } = candidate.request;
    if (key !== null && !(await keepAnswer(tx, key, { status: 200, body }, now)))
      throw new LostRace('The key was used meanwhile.');
    candidate.outcome = { kind: 'accepted', status: 200, body, replayed: false };
  }
}

async function holdToLimits(
  tx: Tx,
  candidates: readonly Candidate[],
  limits: ReadonlyMap<string, TenantLimits>,
  now: Date,
): Promise<void> {
  const usage = await readUsage(tx, candidates, now);
  for (const candidate of candidates) {
    const limit = limits.get(candidate.request.tenant.id);
    const used = usage.get(candidate.request.tenant.id);
    if (limit === undefined || used === undefined)
      throw new Error(`The limits of tenant ${candidate.request.tenant.id} are not known.`);
    const check = checkLimits(limit, used, now);
    if (check.kind === 'full') candidate.outcome = { ...check, kept: used.kept };
    else if (check.kind === 'too-fast') candidate.outcome = check;
  }
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
    .where('id', '=', sql<string>`any(${candidates.map((one) => one.request.tenant.id)})`)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/** The store that has the wanted name, else the one that has the wanted host. */
async function findStanding(
  tx: Tx,
  candidates: readonly Candidate[],
): Promise<ReadonlyMap<Candidate, StoreWithTenant>> {
  const found = new Map<Candidate, StoreWithTenant>();
  if (candidates.length === 0) return found;
  const wanted = candidates.map(({ request: { tenant, settings } }, index) => ({
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
      union all
      (select 3 as rank, h.* from stores h
        where h.cluster = w.cluster and h.held_host = w.host and h.held_host is not null
          and h.status <> 'deleted' limit 1)
      order by rank limit 1
    ) s
    join tenants t on t.id = s.tenant_id
  `.execute(tx);
  for (const row of rows) {
    const candidate = candidates[row.index];
    if (candidate !== undefined) found.set(candidate, row);
  }
  return found;
}

/** What is said about a create whose name or host is there already; null: it is the same store. */
function compareCandidate(
  candidate: Candidate,
  store: StoreWithTenant,
  { clusters }: Pick<Offer, 'clusters'>,
): Outcome | null {
  const { settings, tenant } = candidate.request;
  if (store.tenantId !== tenant.id || store.name !== settings.name)
    return hostTaken(settings.host, settings.domain === null ? 'name' : 'domain');
  const difference = compareWithStanding(store, settings);
  switch (difference.kind) {
    case 'same':
      // What it is now, nobody knows: it is not the answer to who wants such a store.
      return clusters.some(({ name }) => name === store.cluster)
        ? null
        : {
            kind: 'taken',
            code: 'name_taken',
            field: 'name',
            message: `A store “${store.name}” exists on the cluster “${store.cluster}”, which is not connected.`,
          };
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

/**
 * Tenants that have all they may have, of creates by operators, whom that does not hold: looked for
 * where it has the create reviewed.
 */
async function findExceeding(
  tx: Tx,
  { offer }: AcceptorOptions,
  candidates: readonly Candidate[],
): Promise<ReadonlySet<string>> {
  const asked = candidates.filter(
    ({ request: { principal, settings } }) =>
      principal.role === 'operator' && readMode(offer, settings.cluster) === 'destructive',
  );
  if (asked.length === 0) return new Set();
  const { rows } = await sql<{ id: string }>`
    select t.id from tenants t
    where t.id = any(${asked.map(({ request }) => request.tenant.id)})
      and t.store_limit <= (select count(*) from stores s
        where s.tenant_id = t.id and s.status <> 'deleted')
  `.execute(tx);
  return new Set(rows.map(({ id }) => id));
}

async function readUsage(
  tx: Tx,
  candidates: readonly Candidate[],
  now: Date,
): Promise<ReadonlyMap<string, Usage>> {
  const usage = new Map<string, Usage>();
  if (candidates.length === 0) return usage;
  const { rows } = await sql<Omit<Usage, 'creates'> & { tenantId: string; creates: Date[] | null }>`
    select c.tenant_id, s.stores, s.kept,
      (select array_agg(o.created_at order by o.created_at desc) from operations o
        where o.requested_by = any(array(
            select c.principal union select k.id from tokens k where k.user_id = c.principal))
          and o.kind = 'create' and o.created_at > ${new Date(now.getTime() - RATE_WINDOW_MS)}
      ) as creates
    from unnest(${candidates.map((one) => one.request.tenant.id)}::text[],
      ${candidates.map(({ request: { principal } }) => principal.userId ?? principal.id)}::text[]
    ) as c(tenant_id, principal)
    cross join lateral (
      select count(*) as stores, count(*) filter (where s.purge_at is not null) as kept
      from stores s where s.tenant_id = c.tenant_id and s.status <> 'deleted'
    ) s
  `.execute(tx);
  for (const { tenantId, stores, kept, creates } of rows)
    usage.set(tenantId, { stores, kept, creates: creates ?? [] });
  return usage;
}

type Usage = {
  /** Of the tenant, those that are not gone. */
  readonly stores: number;
  /** Of these, the deleted ones that are kept for a time. */
  readonly kept: number;
  /** When those of the last minute were accepted, newest first. */
  readonly creates: Date[];
};

type Birth = {
  readonly candidate: Candidate;
  /** Somebody looks at it before it reaches the branch. */
  readonly isReviewed: boolean;
  readonly store: StoreRow;
  readonly operation: OperationRow;
  readonly spec: StoreSpec;
  readonly body: Accepted;
};

function describeBirth(
  options: AcceptorOptions,
  candidate: Candidate,
  by: { readonly attempts: number; readonly now: Date; readonly exceedsLimits: boolean },
): Birth {
  const { request } = candidate;
  const { settings, tenant } = request;
  const { attempts, now, exceedsLimits } = by;
  const mode = readMode(options.offer, settings.cluster);
  const isReviewed = needsReview(mode, { kind: 'create', exceedsLimits });
  const { store: id, operation: operationId } = chooseIds(options, request.key, attempts);
  const store: StoreRow = {
    id,
    tenantId: tenant.id,
    name: settings.name,
    type: settings.type,
    chart: settings.chart,
    chartVersion: settings.chartVersion,
    plan: settings.plan,
    storagePlan: settings.plan,
    options: settings.options,
    cluster: settings.cluster,
    application: nameApplication(tenant.id, settings.name),
    namespace: nameNamespace(tenant.id, settings.name),
    host: settings.host,
    heldHost: null,
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
    deadlineAt: isReviewed ? null : new Date(now.getTime() + options.deadlineMs),
    deletedAt: null,
    driftSha: null,
    suspended: false,
    purgeAt: null,
    protected: false,
    upgradeTo: null,
    reviewNumber: null,
    reviewUrl: null,
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
    needsReview: isReviewed,
    reviewNumber: null,
    errorCode: null,
    errorMessage: null,
    createdAt: now,
    committedAt: null,
    finishedAt: null,
  };
  return {
    candidate,
    isReviewed,
    store,
    operation,
    spec: specOf(store, tenant.slug),
    body: { store: viewStore(store, tenant.slug), operation: viewOperation(operation) },
  };
}

/** New stores, their operations and the kept answers: one statement. Returns those that are new. */
async function insertBirths(
  tx: Tx,
  births: readonly Birth[],
  now: Date,
): Promise<readonly Birth[]> {
  if (births.length === 0) return [];
  // In an order that every process keeps: two batches then wait for each other, never both.
  const ordered = births.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  const stores = ordered.map(({ store }) => ({
    id: store.id,
    tenant_id: store.tenantId,
    name: store.name,
    type: store.type,
    chart: store.chart,
    chart_version: store.chartVersion,
    plan: store.plan,
    storage_plan: store.storagePlan,
    cluster: store.cluster,
    application: store.application,
    namespace: store.namespace,
    host: store.host,
    url: store.url,
    domain: store.domain,
    options: store.options,
    operation_id: store.operationId,
    // As writeStatus is about to write it: a row whose indexed columns stay is cheap to update.
    deadline_at: store.deadlineAt,
  }));
  const operations = ordered.map(({ operation, spec, isReviewed }) => ({
    id: operation.id,
    store_id: operation.storeId,
    tenant_id: spec.tenantId,
    cluster: spec.cluster,
    kind: operation.kind,
    action: operation.action,
    generation: operation.generation,
    spec,
    requested_by: operation.requestedBy,
    needs_review: isReviewed,
  }));
  const answers = ordered
    .flatMap(({ candidate: { request }, store, body }) =>
      request.key === null ? [] : [{ key: request.key, storeId: store.id, body }],
    )
    .sort((a, b) => (nameKey(a.key) < nameKey(b.key) ? -1 : 1))
    .map(({ key, storeId, body }) => ({
      store_id: storeId,
      tenant_id: key.tenantId,
      key: key.key,
      request_hash: key.requestHash,
      body,
    }));
  const { rows } = await sql<{ id: string; kept: number }>`
    with born as (
      insert into stores (id, tenant_id, name, type, chart, chart_version, plan, storage_plan,
        cluster, application, namespace, host, url, domain, options, operation_id, deadline_at,
        created_at, updated_at)
      select r.*, ${now}::timestamptz, ${now}::timestamptz
      from jsonb_to_recordset(${JSON.stringify(stores)}::jsonb) as r(
        id text, tenant_id text, name text, type text, chart text, chart_version text, plan text,
        storage_plan text, cluster text, application text, namespace text, host text, url text,
        domain text, options jsonb, operation_id text, deadline_at timestamptz)
      where not exists (select 1 from stores h
        where h.cluster = r.cluster and h.held_host = r.host and h.held_host is not null
          and h.status <> 'deleted')
      on conflict do nothing
      returning id
    ), queued as (
      insert into operations (id, store_id, tenant_id, cluster, kind, action, generation, spec,
        requested_by, needs_review, created_at)
      select r.*, ${now}::timestamptz
      from jsonb_to_recordset(${JSON.stringify(operations)}::jsonb) as r(
        id text, store_id text, tenant_id text, cluster text, kind text, action text,
        generation int, spec jsonb, requested_by text, needs_review boolean)
      join born on born.id = r.store_id
    ), kept as (
      insert into idempotency (tenant_id, key, request_hash, status, body, created_at)
      select r.tenant_id, r.key, r.request_hash, 202, r.body, ${now}::timestamptz
      from jsonb_to_recordset(${JSON.stringify(answers)}::jsonb) as r(
        store_id text, tenant_id text, key text, request_hash text, body jsonb)
      join born on born.id = r.store_id
      on conflict do nothing
      returning key
    )
    select born.id, (select count(*) from kept) as kept from born
  `.execute(tx);
  const ids = new Set(rows.map((row) => row.id));
  const keyed = answers.filter((one) => ids.has(one.store_id));
  if (rows[0] !== undefined && rows[0].kept !== keyed.length)
    throw new LostRace('A key was used meanwhile.');
  return births.filter(({ store }) => ids.has(store.id));
}

/**
 * The insert may have waited until a store moved away from its host, and knows only of what was held
 * before: asked now, whoever holds it is seen.
 */
async function checkHosts(tx: Tx, born: readonly Birth[]): Promise<void> {
  if (born.length === 0) return;
  const { rows } = await sql`
    select from unnest(${born.map(({ store }) => store.cluster)}::text[],
      ${born.map(({ store }) => store.host)}::text[]) as r(cluster, host)
    join stores h on h.cluster = r.cluster and h.held_host = r.host and h.held_host is not null
      and h.status <> 'deleted'
    limit 1
  `.execute(tx);
  if (rows.length > 0) throw new LostRace('A host is held since.');
}

function describeBirthAct({ candidate, store, operation }: Birth, now: Date): AuditEntry {
  const { principal, origin } = candidate.request;
  const { name, type, plan, options, cluster, host } = store;
  return describeAct(
    { ...origin, principal },
    {
      tenantId: store.tenantId,
      storeId: store.id,
      action: 'store.create',
      detail: {
        name,
        type,
        plan,
        options: writeOptions(options),
        cluster,
        host,
        operation: operation.id,
      },
    },
    now,
  );
}

function orderOf({ store }: Birth): string {
  return `${store.cluster}/${store.host}`;
}

async function recordBirths(tx: Tx, born: readonly Birth[], now: Date): Promise<void> {
  await writeStatus(
    tx,
    born.map(({ store, operation }) => ({
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
  for (const { candidate, body } of born)
    candidate.outcome = { kind: 'accepted', status: 202, body, replayed: false };
}
