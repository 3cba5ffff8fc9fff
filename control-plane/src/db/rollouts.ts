/**
 * Rollouts and their stores. A tick of the conductor reads the stores that are under way, those that
 * are in trouble and the few whose turn is next, each by an index of its own: it costs the same
 * whatever the number of stores.
 */
import { sql, type Selectable } from 'kysely';
import type { Db, Tx } from './open.ts';
import type { Principal } from './principals.ts';
import type { RolloutStoreTable, RolloutTable } from './schema.ts';
import type { OperationState, StoreStatus } from '../domain/store.ts';
import type {
  AskedStore,
  RolloutSelection,
  RolloutState,
  RolloutStore,
  RolloutStoreState,
  Settled,
  UpgradingStore,
} from '../domain/rollout.ts';

export type RolloutRow = Selectable<RolloutTable>;

export type RolloutCounts = Readonly<Record<RolloutStoreState, number>>;

export type NewRollout = {
  readonly id: string;
  readonly type: string;
  readonly toVersion: string;
  readonly selection: RolloutSelection;
  readonly waveSize: number;
  readonly allowedUnhealthy: number;
};

/**
 * Records a rollout with its stores, in an order of its own: a share of them is no choice of anybody's.
 * `open`: there is one of this type that has not ended. `empty`: no store of it has another version.
 */
export async function insertRollout(
  tx: Tx,
  rollout: NewRollout,
  by: Pick<Principal, 'id' | 'name' | 'kind' | 'tenantId'>,
  now: Date,
): Promise<'made' | 'open' | 'empty'> {
  const { selection, ...columns } = rollout;
  const made = await tx
    .insertInto('rollouts')
    .values({
      ...columns,
      selection: JSON.stringify(selection),
      tenantId: by.tenantId,
      requestedBy: by.id,
      requestedName: by.name,
      requestedKind: by.kind,
      createdAt: now,
      updatedAt: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (made === undefined) return 'open';
  const { numAffectedRows } = await sql`
    insert into rollout_stores (rollout_id, store_id, ordinal)
    select ${rollout.id}, c.id, c.ordinal from (
      select s.id, row_number() over (order by md5(${rollout.id} || s.id), s.id) as ordinal,
        count(*) over () as total
      from stores s where ${isCandidate(rollout)}
    ) c
    where ${selection.kind === 'share' ? sql`c.ordinal <= ceil(c.total * ${selection.percent}::numeric / 100)` : sql`true`}
  `.execute(tx);
  return numAffectedRows === 0n ? 'empty' : 'made';
}

/** The living stores that a selection names and that have another version. */
function isCandidate({ type, toVersion, selection }: Omit<NewRollout, 'id'>) {
  return sql<boolean>`
    s.type = ${type} and s.chart_version <> ${toVersion} and s.status not in ('deleting', 'deleted')
    and ${selection.kind === 'stores' ? sql`s.id = any(${selection.stores})` : sql`true`}
  `;
}

type CandidateGroup = RolloutStore & { readonly cluster: string; readonly count: number };

/** How many stores a rollout would have in view, by what decides whether they have a part. */
export async function countCandidates(
  db: Db,
  wanted: Omit<NewRollout, 'id' | 'waveSize' | 'allowedUnhealthy'>,
): Promise<readonly CandidateGroup[]> {
  const { rows } = await sql<CandidateGroup>`
    select s.cluster, s.status, s.chart_version, count(*) as count from stores s
    where ${isCandidate({ ...wanted, waveSize: 1, allowedUnhealthy: 0 })}
    group by s.cluster, s.status, s.chart_version order by s.cluster, s.chart_version, s.status
  `.execute(db);
  return rows;
}

/** Those of the ids that are no living store of the type. */
export async function findUnknownStores(
  db: Db,
  type: string,
  ids: readonly string[],
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('stores')
    .select('id')
    .where('id', '=', sql<string>`any(${ids})`)
    .where('type', '=', type)
    .where('status', '<>', 'deleted')
    .execute();
  const known = new Set(rows.map(({ id }) => id));
  return ids.filter((id) => !known.has(id));
}

export async function findRollout(db: Db | Tx, id: string): Promise<RolloutRow | null> {
  const row = await db.selectFrom('rollouts').selectAll().where('id', '=', id).executeTakeFirst();
  return row ?? null;
}

/** The newest fifty. */
export async function listRollouts(db: Db): Promise<RolloutRow[]> {
  return db
    .selectFrom('rollouts')
    .selectAll()
    .orderBy('createdAt', 'desc')
    .orderBy('id', 'desc')
    .limit(50)
    .execute();
}

/** How many stores of each rollout are in which state. */
export async function countRolloutStores(
  db: Db | Tx,
  ids: readonly string[],
): Promise<ReadonlyMap<string, RolloutCounts>> {
  const rows = await db
    .selectFrom('rolloutStores')
    .select(['rolloutId', 'state', (is) => is.fn.countAll<number>().as('count')])
    .where('rolloutId', '=', sql<string>`any(${ids})`)
    .groupBy(['rolloutId', 'state'])
    .execute();
  const none = { pending: 0, upgrading: 0, upgraded: 0, unhealthy: 0, 'left-out': 0 };
  const counts = new Map<string, RolloutCounts>(ids.map((id) => [id, none]));
  for (const { rolloutId, state, count } of rows)
    counts.set(rolloutId, { ...(counts.get(rolloutId) ?? none), [state]: count });
  return counts;
}

export type RolloutStoreRow = Selectable<RolloutStoreTable> & {
  readonly name: string;
  readonly tenantSlug: string;
  readonly status: StoreStatus;
  readonly chartVersion: string;
};

/** A page of a rollout's stores, in the order of their turns, after the given ordinal. */
export async function listRolloutStores(
  db: Db,
  rolloutId: string,
  page: {
    readonly after: number;
    readonly limit: number;
    readonly state?: RolloutStoreState | undefined;
  },
): Promise<RolloutStoreRow[]> {
  let select = db
    .selectFrom('rolloutStores as r')
    .innerJoin('stores as s', 's.id', 'r.storeId')
    .innerJoin('tenants as t', 't.id', 's.tenantId')
    .selectAll('r')
    .select(['s.name', 's.status', 's.chartVersion', 't.slug as tenantSlug'])
    .where('r.rolloutId', '=', rolloutId)
    .where('r.ordinal', '>', page.after)
    .orderBy('r.ordinal')
    .limit(page.limit);
  if (page.state !== undefined) select = select.where('r.state', '=', page.state);
  return select.execute();
}

/** The rollout, held until the transaction ends. */
export async function lockRollout(tx: Tx, id: string): Promise<RolloutRow | null> {
  const row = await tx
    .selectFrom('rollouts')
    .selectAll()
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row ?? null;
}

/** Brings a rollout to a state, with the reason when it did not get there by a command. */
export async function setRolloutState(
  tx: Tx,
  id: string,
  state: RolloutState,
  reason: string | null,
  now: Date,
): Promise<void> {
  const hasEnded = state === 'done' || state === 'cancelled';
  await tx
    .updateTable('rollouts')
    .set({ state, reason, updatedAt: now, finishedAt: hasEnded ? now : null })
    .where('id', '=', id)
    .execute();
}

/** Rollouts that run, and those that have upgrades under way whatever became of them. */
export async function findActiveRollouts(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from rollouts where state = 'running'
    union
    select distinct rollout_id as id from rollout_stores where state = 'upgrading'
    order by id
  `.execute(db);
  return rows.map(({ id }) => id);
}

/** Stores whose upgrade is under way, and those of the wave that it is still to be asked for. */
export async function listUpgrading(
  tx: Tx,
  rolloutId: string,
): Promise<{
  readonly asked: readonly (UpgradingStore & {
    readonly storeId: string;
    readonly cluster: string;
  })[];
  readonly unasked: readonly string[];
}> {
  const { rows } = await sql<
    Omit<UpgradingStore, 'operationState'> & {
      readonly storeId: string;
      readonly cluster: string;
      readonly operationState: OperationState | null;
    }
  >`
    select r.store_id, s.cluster, s.status, s.chart_version, o.state as operation_state,
      s.operation_id = r.operation_id as is_current, c.state as current_state
    from rollout_stores r
    join stores s on s.id = r.store_id
    join operations c on c.id = s.operation_id
    left join operations o on o.id = r.operation_id
    where r.rollout_id = ${rolloutId} and r.state = 'upgrading'
    order by r.ordinal
  `.execute(tx);
  return {
    asked: rows.flatMap(({ operationState, ...row }) =>
      operationState === null ? [] : [{ ...row, operationState }],
    ),
    unasked: rows.flatMap((row) => (row.operationState === null ? [row.storeId] : [])),
  };
}

export async function settleStores(
  tx: Tx,
  rolloutId: string,
  settled: readonly (Settled & { readonly storeId: string })[],
  now: Date,
): Promise<void> {
  if (settled.length === 0) return;
  const rows = settled.map(({ storeId, state, reason }) => ({ store_id: storeId, state, reason }));
  await sql`
    update rollout_stores r set state = c.state, reason = c.reason, finished_at = ${now}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c(store_id text, state text, reason text)
    where r.rollout_id = ${rolloutId} and r.store_id = c.store_id
      and r.store_id = any(${rows.map((row) => row.store_id)})
  `.execute(tx);
}

/** Clusters that are not heard, or said nothing since. */
export async function listSilent(tx: Tx, since: Date): Promise<readonly string[]> {
  const rows = await tx
    .selectFrom('clusters')
    .select('name')
    .where((is) => is.or([is('trouble', 'is not', null), is('heardAt', '<', since)]))
    .orderBy('name')
    .execute();
  return rows.map(({ name }) => name);
}

/** Those of the clusters that a rollout has stores on which it is not through with. */
export async function findAwaited(
  tx: Tx,
  rolloutId: string,
  clusters: readonly string[],
): Promise<readonly string[]> {
  if (clusters.length === 0) return [];
  const rows = await tx
    .selectFrom('rolloutStores as r')
    .innerJoin('stores as s', 's.id', 'r.storeId')
    .select('s.cluster')
    .distinct()
    .where('r.rolloutId', '=', rolloutId)
    .where('r.state', 'in', ['pending', 'upgrading'])
    .where('s.cluster', '=', sql<string>`any(${clusters})`)
    .orderBy('s.cluster')
    .execute();
  return rows.map(({ cluster }) => cluster);
}

/** A store that was upgraded, as it is now. */
type StandingStore = {
  readonly storeId: string;
  readonly cluster: string;
  readonly status: StoreStatus;
};

/**
 * Upgraded stores that are failed or degraded, with nothing changed since: by the index of all in
 * trouble. Not those on silent clusters.
 */
export async function listTurned(
  tx: Tx,
  rolloutId: string,
  silent: readonly string[],
): Promise<readonly StandingStore[]> {
  const { rows } = await sql<StandingStore>`
    select s.id as store_id, s.cluster, s.status from stores s cross join lateral (
      select from rollout_stores r
      where r.rollout_id = ${rolloutId} and r.store_id = s.id and r.state = 'upgraded'
        and r.operation_id = s.operation_id
      limit 1
    ) upgraded
    where s.status in ('failed', 'degraded') and s.cluster <> all(${silent})
  `.execute(tx);
  return rows;
}

/** Stores whose upgrade left them unhealthy, as they are now. */
export async function listUnhealthy(
  tx: Tx,
  rolloutId: string,
): Promise<readonly (StandingStore & AskedStore)[]> {
  return tx
    .selectFrom('rolloutStores as r')
    .innerJoin('stores as s', 's.id', 'r.storeId')
    .innerJoin('operations as o', 'o.id', 's.operationId')
    .select(['r.storeId', 's.cluster', 's.status', 's.chartVersion', 'o.state as currentState'])
    .where('r.rolloutId', '=', rolloutId)
    .where('r.state', '=', 'unhealthy')
    .execute();
}

/** Whose turn is next, of those that are not on silent clusters. */
export async function listNext(
  tx: Tx,
  rolloutId: string,
  limit: number,
  silent: readonly string[],
): Promise<readonly (RolloutStore & { readonly storeId: string })[]> {
  return tx
    .selectFrom('rolloutStores as r')
    .innerJoin('stores as s', 's.id', 'r.storeId')
    .select(['r.storeId', 's.status', 's.chartVersion'])
    .where('r.rolloutId', '=', rolloutId)
    .where('r.state', '=', 'pending')
    .where('s.cluster', '<>', sql<string>`all(${silent})`)
    .orderBy('r.ordinal')
    .limit(limit)
    .execute();
}

/** The next wave begins with these stores: their upgrades are still to be asked for. */
export async function beginWave(
  tx: Tx,
  rolloutId: string,
  storeIds: readonly string[],
  now: Date,
): Promise<void> {
  const { wave } = await tx
    .updateTable('rollouts')
    .set((is) => ({ wave: is('wave', '+', 1), updatedAt: now }))
    .where('id', '=', rolloutId)
    .returning('wave')
    .executeTakeFirstOrThrow();
  await tx
    .updateTable('rolloutStores')
    .set({ state: 'upgrading', wave, startedAt: now })
    .where('rolloutId', '=', rolloutId)
    .where('storeId', '=', sql<string>`any(${storeIds})`)
    .execute();
}

/** The key of the request for one store's upgrade. */
export function keyOfUpgrade(rolloutId: string, storeId: string): string {
  return `rollout/${rolloutId}/${storeId}`;
}

/**
 * Those of the wave that were not asked for yet wait for another one. An upgrade that was accepted,
 * and whose note was lost with a conductor, is noted instead: it is under way.
 */
export async function putBackUnasked(
  tx: Tx,
  { id: rolloutId, tenantId }: Pick<RolloutRow, 'id' | 'tenantId'>,
): Promise<void> {
  await sql`
    update rollout_stores r set operation_id = i.body -> 'operation' ->> 'id'
    from idempotency i
    where r.rollout_id = ${rolloutId} and r.state = 'upgrading' and r.operation_id is null
      and i.tenant_id = ${tenantId} and i.key = ${keyOfUpgrade(rolloutId, '')} || r.store_id
      and i.body -> 'operation' ->> 'id' is not null
  `.execute(tx);
  await tx
    .updateTable('rolloutStores')
    .set({ state: 'pending', wave: null, startedAt: null })
    .where('rolloutId', '=', rolloutId)
    .where('state', '=', 'upgrading')
    .where('operationId', 'is', null)
    .execute();
}

/** Notes that a store's upgrade was accepted. */
export async function noteUpgrade(
  tx: Tx,
  rolloutId: string,
  storeId: string,
  operationId: string,
): Promise<void> {
  await tx
    .updateTable('rolloutStores')
    .set({ operationId })
    .where('rolloutId', '=', rolloutId)
    .where('storeId', '=', storeId)
    .where('state', '=', 'upgrading')
    .execute();
}
