/**
 * Puts what a repository's history says into the database, in one transaction: tenants, stores, their
 * operations, the place of every commit, what people changed. It only adds what is missing: what is
 * there stays as it is, and what differs or is in the way is named. Run again, it adds nothing.
 *
 * The last operation of each store comes in as one that waits for the writer, and is settled by its
 * commit as after any crash (db/queue.ts): there is no second way of saying what a commit means.
 */
import { sql } from 'kysely';
import { appendAudit } from '../db/audit.ts';
import { replaceDrifts } from '../db/drifts.ts';
import { keepHeld } from '../db/holds.ts';
import { settleIn, type IndexedCommit } from '../db/queue.ts';
import type { Tx } from '../db/open.ts';
import { readCommitTrailers, type CommitTrailers } from '../domain/commit-message.ts';
import { nameApplication, nameNamespace, type StoreSpec } from '../domain/store.ts';
import type { Gathered, GatheredOperation, GatheredStore, GatheredTenant } from './gather.ts';
import type { HistoryCommit, LoggedCommit } from './history.ts';

export type RestoreOptions = {
  /** The branch's name in the tables. */
  readonly repository: string;
  readonly commits: readonly HistoryCommit[];
  readonly gathered: Gathered;
  /** The merchant's own domain among a store's names; null: it has the cluster's. */
  readonly domainOf: (store: StoreSpec) => string | null;
  /** How long the stores may take to be found live. */
  readonly deadlineMs: number;
  readonly at: Date;
};

export type Restored = {
  readonly tenants: readonly string[];
  /** By application: of those that live, those on their way out, and those that are gone. */
  readonly stores: readonly {
    readonly name: string;
    readonly state: 'living' | 'leaving' | 'gone';
  }[];
  readonly operations: number;
  /** Commits that got a place; 0 when all had theirs. */
  readonly commits: number;
  readonly drifted: number;
  /** Stores that were there already. */
  readonly standing: number;
  /** Of those on their way out: kept until a time that is over. They wait for a person. */
  readonly overdue: readonly string[];
  /** What differs, or is in the way: a sentence each. */
  readonly differences: readonly string[];
};

/** Rows of one statement, well below the number of parameters it may have. */
const ROWS = 500;

export async function restore(tx: Tx, options: RestoreOptions): Promise<Restored> {
  const { gathered, at } = options;
  const differences: string[] = [];
  const tenants = await restoreTenants(tx, gathered.tenants, differences);
  const missing = await chooseStores(tx, gathered.stores, tenants.usable, differences);
  await insertStores(tx, missing.stores, options);
  const restoredIds = new Set(missing.stores.map(({ spec }) => spec.id));
  const commits = await indexCommits(tx, options, restoredIds, differences);
  const overdue = await keepOverdue(tx, restoredIds, at);
  // Those that were there may have been changed since the database was: commits that have their
  // places now are not read again by the writer.
  const drifting =
    commits === 0
      ? restoredIds
      : new Set([...restoredIds, ...(await findStanding(tx, gathered.drifts))]);
  const drifts = gathered.drifts.filter(({ storeId }) => drifting.has(storeId));
  await replaceDrifts(tx, [...drifting], drifts, findNewest(drifts), at);
  const restored: Restored = {
    tenants: tenants.added,
    stores: missing.stores.map(({ spec, current }) => ({
      name: nameStore(spec),
      state: current.action === 'purge' ? 'gone' : current.kind === 'delete' ? 'leaving' : 'living',
    })),
    operations: missing.stores.reduce((sum, { operations }) => sum + operations.length, 0),
    commits,
    drifted: new Set(drifts.map(({ storeId }) => storeId)).size,
    standing: missing.standing,
    overdue: missing.stores.flatMap(({ spec }) => (overdue.has(spec.id) ? nameStore(spec) : [])),
    differences,
  };
  if (tenants.added.length + missing.stores.length + commits > 0)
    await appendAudit(tx, [
      {
        at,
        by: { id: null, name: 'npm run rebuild', kind: 'system' },
        tenantId: null,
        storeId: null,
        action: 'database.rebuild',
        outcome: 'done',
        requestId: null,
        address: null,
        detail: {
          commit: options.commits.at(-1)?.sha ?? null,
          tenants: restored.tenants.length,
          stores: restored.stores.length,
          operations: restored.operations,
        },
      },
    ]);
  return restored;
}

async function restoreTenants(
  tx: Tx,
  tenants: readonly GatheredTenant[],
  differences: string[],
): Promise<{ readonly added: string[]; readonly usable: ReadonlySet<string> }> {
  const added: string[] = [];
  const usable = new Set<string>();
  const standing = await tx.selectFrom('tenants').select(['id', 'slug']).execute();
  for (const { id, slug, createdAt, clusters } of tenants) {
    const same = standing.find((one) => one.id === id);
    const namesake = standing.find((one) => one.slug === slug && one.id !== id);
    if (same !== undefined && same.slug !== slug)
      differences.push(`Tenant ${id} is called ${same.slug} here and ${slug} in the repository.`);
    if (same === undefined && namesake !== undefined && !(await isUnused(tx, namesake.id))) {
      differences.push(
        `Tenant ${slug} is ${id} in the repository and ${namesake.id} here, with stores of its own: ` +
          `the stores of ${id} are left out.`,
      );
      continue;
    }
    if (same === undefined) {
      if (namesake === undefined)
        await tx.insertInto('tenants').values({ id, slug, name: slug, createdAt }).execute();
      else await renameTenant(tx, namesake.id, id);
      standing.push({ id, slug });
      added.push(slug);
    }
    usable.add(id);
    if (clusters.length > 0)
      await tx
        .insertInto('tenantClusters')
        .values(clusters.map((cluster) => ({ tenantId: id, cluster, committedAt: createdAt })))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
  }
  return { added, usable };
}

/** A control plane that was started on the empty database has made itself a tenant `platform`. */
async function isUnused(tx: Tx, tenantId: string): Promise<boolean> {
  const store = await tx
    .selectFrom('stores')
    .select('id')
    .where('tenantId', '=', tenantId)
    .limit(1)
    .executeTakeFirst();
  return store === undefined;
}

/** The tenant takes the id that the cluster's namespaces are named by, and keeps what is its own. */
async function renameTenant(tx: Tx, from: string, to: string): Promise<void> {
  await sql`
    with renamed as (update tenants set slug = slug || ' ' || id where id = ${from} returning *)
    insert into tenants (id, slug, name, store_limit, creates_per_minute, created_at)
    select ${to}, split_part(slug, ' ', 1) || ' ', name, store_limit, creates_per_minute, created_at
    from renamed
  `.execute(tx);
  for (const [table, column] of [
    ['tokens', 'tenant_id'],
    ['members', 'tenant_id'],
    ['invitations', 'tenant_id'],
    ['sessions', 'active_tenant_id'],
    ['idempotency', 'tenant_id'],
  ] as const)
    await sql`
      update ${sql.table(table)} set ${sql.ref(column)} = ${to} where ${sql.ref(column)} = ${from}
    `.execute(tx);
  await tx.deleteFrom('tenantClusters').where('tenantId', '=', from).execute();
  await tx.deleteFrom('tenants').where('id', '=', from).execute();
  await sql`update tenants set slug = rtrim(slug) where id = ${to}`.execute(tx);
}

/** Those that are not in the database and have nothing in their way there. */
async function chooseStores(
  tx: Tx,
  gathered: readonly GatheredStore[],
  tenants: ReadonlySet<string>,
  differences: string[],
): Promise<{ readonly stores: readonly GatheredStore[]; readonly standing: number }> {
  const rows = await tx
    .selectFrom('stores')
    .select(['id', 'tenantId', 'name', 'cluster', 'application', 'host', 'generation', 'status'])
    .execute();
  const known = new Map(rows.map((row) => [row.id, row]));
  const taken = new Map<string, string>();
  for (const row of rows)
    if (row.status !== 'deleted') for (const claim of listClaims(row)) taken.set(claim, row.id);
  const stores: GatheredStore[] = [];
  let standing = 0;
  for (const store of gathered.toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime())) {
    const { spec, current } = store;
    const row = known.get(spec.id);
    const name = `Store ${spec.name} of ${spec.tenant} (${spec.id})`;
    if (row !== undefined) {
      standing += 1;
      if (row.generation !== spec.generation)
        differences.push(
          `${name} has generation ${row.generation} here and ${spec.generation} in the repository.`,
        );
      continue;
    }
    if (!tenants.has(spec.tenantId)) continue;
    const claims = current.action === 'purge' ? [] : listClaims(describeClaiming(spec));
    const other = claims.map((claim) => taken.get(claim)).find((one) => one !== undefined);
    if (other !== undefined) {
      differences.push(`${name} is left out: ${other} has its name or its host name here.`);
      continue;
    }
    for (const claim of claims) taken.set(claim, spec.id);
    stores.push(store);
  }
  return { stores, standing };
}

type Claiming = {
  readonly tenantId: string;
  readonly name: string;
  readonly cluster: string;
  readonly application: string;
  readonly host: string;
};

function describeClaiming(spec: GatheredStore['spec']): Claiming {
  return { ...spec, application: nameApplication(spec.tenantId, spec.name) };
}

function nameStore({ name, tenant, cluster }: StoreSpec): string {
  return `${name} of ${tenant} on ${cluster}`;
}

/** What only one living store has. */
function listClaims({ tenantId, name, cluster, application, host }: Claiming): string[] {
  return [`name ${tenantId} ${name}`, `host ${cluster} ${host}`, `at ${cluster} ${application}`];
}

async function insertStores(
  tx: Tx,
  stores: readonly GatheredStore[],
  { domainOf, deadlineMs, at }: RestoreOptions,
): Promise<void> {
  const deadlineAt = new Date(at.getTime() + deadlineMs);
  const rows = stores.map(({ spec, current, createdAt }) => {
    const isLeaving = current.kind === 'delete';
    return {
      id: spec.id,
      tenantId: spec.tenantId,
      name: spec.name,
      type: spec.type,
      chart: spec.chart,
      chartVersion: spec.chartVersion,
      plan: spec.plan,
      storagePlan: spec.storagePlan,
      options: JSON.stringify(spec.options),
      cluster: spec.cluster,
      application: nameApplication(spec.tenantId, spec.name),
      namespace: nameNamespace(spec.tenantId, spec.name),
      host: spec.host,
      url: spec.url,
      domain: domainOf(spec),
      generation: spec.generation,
      attempt: spec.attempt,
      suspended: spec.suspended,
      purgeAt: spec.purgeAt,
      protected: spec.protected,
      // Its commit says the rest, when it is settled.
      status:
        current.action === 'purge'
          ? ('deleted' as const)
          : isLeaving
            ? ('deleting' as const)
            : ('provisioning' as const),
      operationId: current.id,
      deadlineAt: isLeaving ? null : deadlineAt,
      createdAt,
    };
  });
  for (const some of chunk(rows)) await tx.insertInto('stores').values(some).execute();
  // In the order in which they were begun, whosever they are: that is how they are listed.
  const operations = stores
    .flatMap(({ operations: all, current }) => all.map((one) => ({ one, current })))
    .sort((a, b) => a.one.createdAt.getTime() - b.one.createdAt.getTime());
  for (const some of chunk(operations))
    await tx
      .insertInto('operations')
      .values(some.map(({ one, current }) => describeOperation(one, one === current)))
      .execute();
}

function describeOperation(operation: GatheredOperation, isCurrent: boolean) {
  const { spec, id, kind, action, requestedBy, sha, createdAt, committedAt } = operation;
  return {
    id,
    storeId: spec.id,
    tenantId: spec.tenantId,
    cluster: spec.cluster,
    kind,
    action,
    state: isCurrent ? ('queued' as const) : ('done' as const),
    generation: spec.generation,
    spec: JSON.stringify(spec),
    requestedBy,
    commitSha: sha,
    createdAt,
    committedAt,
    finishedAt: isCurrent ? null : committedAt,
    // Whoever wanted to know has been told, or has no account any more.
    mailedState: 'done',
  };
}

/** Gives every commit its place, unless they have theirs; settles the operations that are new. */
async function indexCommits(
  tx: Tx,
  { repository, commits, gathered, at }: RestoreOptions,
  restoredIds: ReadonlySet<string>,
  differences: string[],
): Promise<number> {
  const index = await tx
    .selectFrom('commits')
    .select(['sha', 'position', 'operationId', 'action', 'storeId'])
    .where('repository', '=', repository)
    .orderBy('position')
    .execute();
  // What was known of a commit that does not say it itself stays known.
  const untold = new Map<string, CommitTrailers>(
    [...gathered.untold].filter(([, { storeId }]) => restoredIds.has(storeId)),
  );
  for (const { sha, operationId, action, storeId } of index)
    if (operationId !== null) untold.set(sha, { operationId, action, storeId });
  const described = describeCommits(commits, untold);
  if (described.length === 0) {
    if (index.length > 0)
      differences.push(
        `The repository’s branch has no commits; the ${index.length} that are known here stay known.`,
      );
    return 0;
  }
  const isWhole =
    index.length === described.length &&
    index.every(({ sha, position }, at) => position === at + 1 && sha === described[at]?.sha);
  if (isWhole && restoredIds.size === 0) return 0;
  await tx.deleteFrom('commits').where('repository', '=', repository).execute();
  await tx.deleteFrom('repositories').where('repository', '=', repository).execute();
  await settleIn(tx, {
    repository,
    commits: described,
    unchanged: [],
    tenants: [],
    at,
  });
  await sql`
    update stores s set commit_position = c.position
    from commits c
    where c.repository = ${repository} and c.sha = s.commit_sha
      and s.commit_position is distinct from c.position
  `.execute(tx);
  return described.length;
}

/**
 * Keeps those whose time is over from the clock: that a second operator refused their removal, or
 * that somebody asked to have them back, is nowhere in git.
 */
async function keepOverdue(
  tx: Tx,
  restoredIds: ReadonlySet<string>,
  at: Date,
): Promise<ReadonlySet<string>> {
  const rows = await tx
    .selectFrom('stores as s')
    .innerJoin('operations as o', 'o.id', 's.operationId')
    .select(['o.id', 's.id as storeId'])
    .where('s.id', '=', sql<string>`any(${[...restoredIds]})`)
    .where('s.purgeAt', '<=', at)
    .where('o.action', '=', 'retire')
    .execute();
  for (const row of rows)
    await keepHeld(tx, row, at, 'its time was over when the database was rebuilt');
  return new Set(rows.map(({ storeId }) => storeId));
}

/**
 * The index as the writer keeps it: a merge that says nothing of an operation itself stands for what
 * it brought. Of several operations in one merge, each but the last has a place of its own before it.
 */
function describeCommits(
  commits: readonly HistoryCommit[],
  untold: ReadonlyMap<string, CommitTrailers>,
): IndexedCommit[] {
  const read = ({ sha, message }: LoggedCommit): CommitTrailers =>
    untold.get(sha) ?? readCommitTrailers(message);
  const rows = commits.flatMap((commit) => {
    const brought = new Map<string, IndexedCommit>();
    for (const one of commit.brought) {
      const trailers = read(one);
      if (trailers.operationId !== null)
        brought.set(trailers.operationId, describeCommit(one, trailers));
    }
    const own = read(commit);
    const last = own.operationId === null ? [...brought.values()].at(-1) : undefined;
    const row = describeCommit(commit, last ?? own);
    brought.delete(row.operationId ?? '');
    return [...brought.values(), row];
  });
  // An operation's step is settled once: by the last commit that names it.
  const settled = new Set<string>();
  return rows
    .toReversed()
    .map((row) => {
      const step = `${row.operationId ?? ''} ${row.action ?? ''}`;
      const isLast = row.operationId !== null && !settled.has(step);
      settled.add(step);
      return isLast ? row : { ...row, operationId: null };
    })
    .reverse();
}

function describeCommit(
  { sha, message, author, at }: LoggedCommit,
  { operationId, action, storeId }: CommitTrailers,
): IndexedCommit {
  const subject = message.split('\n', 1)[0] ?? '';
  return { sha, subject, author, at, operationId, action, storeId };
}

/** The living stores among those that a person changed. */
async function findStanding(tx: Tx, drifts: Gathered['drifts']): Promise<ReadonlySet<string>> {
  const ids = [...new Set(drifts.map(({ storeId }) => storeId))];
  const rows = await tx
    .selectFrom('stores')
    .select('id')
    .where('id', '=', sql<string>`any(${ids})`)
    .where('status', '<>', 'deleted')
    .execute();
  return new Set(rows.map(({ id }) => id));
}

/** The newest change of each store that a person changed. */
function findNewest(drifts: Gathered['drifts']): ReadonlyMap<string, string> {
  const sorted = drifts.toSorted((a, b) => a.at.getTime() - b.at.getTime());
  return new Map(sorted.map(({ storeId, sha }) => [storeId, sha]));
}

function chunk<T>(rows: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(rows.length / ROWS) }, (_, n) =>
    rows.slice(n * ROWS, (n + 1) * ROWS),
  );
}
