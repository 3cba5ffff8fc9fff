/** The routes of rollouts: operators upgrade stores in waves. The conductor carries them on. */
import {
  CreateRollout,
  RolloutAnswer,
  RolloutDetail,
  RolloutList,
  RolloutPreview,
  RolloutQuery,
  type Rollout,
} from '../contract.ts';
import { describeAct } from '../db/acts.ts';
import { appendAudit } from '../db/audit.ts';
import type { Db } from '../db/open.ts';
import {
  countCandidates,
  countRolloutStores,
  findRollout,
  findUnknownStores,
  insertRollout,
  listRollouts,
  listRolloutStores,
  lockRollout,
  setRolloutState,
  type RolloutCounts,
  type RolloutRow,
  type RolloutStoreRow,
} from '../db/rollouts.ts';
import { describeUnconnected, type Cluster } from '../domain/cluster.ts';
import type { Clock, Ids } from '../domain/ids.ts';
import type { Engine } from '../domain/request.ts';
import { commandRollout, explainLeftOut, type RolloutCommand } from '../domain/rollout.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';
import { route, type Call, type Route } from './route.ts';

const BODY = ['malformed_json', 'unsupported_media_type', 'invalid_request'] as const;

const SUMMARIES: Readonly<Record<RolloutCommand, string>> = {
  pause: 'Begin no further wave; upgrades that are under way go on',
  resume: 'Go on, after a pause or after it stopped by itself',
  cancel: 'End a rollout; what was upgraded stays so',
};

export function rolloutRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly engines: readonly Engine[];
  readonly clusters: readonly Pick<Cluster, 'name'>[];
}): Route[] {
  const { db, clock, ids, engines } = options;
  const connected = new Set(options.clusters.map(({ name }) => name));

  /** What is wanted, complete; throws a 422 that names each field which is wrong. */
  const resolve = async (body: CreateRollout) => {
    const engine = engines.find(({ type }) => type === body.type);
    if (engine === undefined)
      throw invalidRequest([
        {
          field: 'type',
          message: `No such type; there is ${engines.map(({ type }) => type).join(', ')}.`,
        },
      ]);
    if (body.toVersion !== undefined && body.toVersion !== engine.version)
      throw invalidRequest([
        { field: 'toVersion', message: `The version on offer is ${engine.version}.` },
      ]);
    if (body.selection.kind === 'stores') {
      const unknown = await findUnknownStores(db, engine.type, body.selection.stores);
      if (unknown.length > 0)
        throw invalidRequest([
          {
            field: 'selection.stores',
            message: `No such ${engine.type} stores: ${unknown.join(', ')}.`,
          },
        ]);
    }
    return { ...body, toVersion: engine.version };
  };

  const command = (name: RolloutCommand): Route =>
    route({
      method: 'POST',
      path: `/api/rollouts/{id}/${name}`,
      policy: 'operator',
      summary: SUMMARIES[name],
      answers: { 200: RolloutAnswer },
      problems: ['not_found', 'rollout_state'],
      handle: async (call) => {
        const id = readRolloutId(call);
        await db.transaction().execute(async (tx) => {
          const rollout = await lockRollout(tx, id);
          if (rollout === null) throw notFound();
          const next = commandRollout(rollout.state, name);
          if (!next.ok) throw new RequestProblem('rollout_state', next.message);
          const now = clock();
          await setRolloutState(tx, id, next.state, null, now);
          const { type, toVersion: version } = rollout;
          const detail = { rollout: id, type, version };
          await appendAudit(tx, [
            describeAct(call, { action: `rollout.${name}`, tenantId: null, detail }, now),
          ]);
        });
        return { status: 200, body: await show(db, id) };
      },
    });

  return [
    route({
      method: 'GET',
      path: '/api/rollouts',
      policy: 'operator',
      summary: 'List rollouts, newest first',
      answers: { 200: RolloutList },
      handle: async () => {
        const rows = await listRollouts(db);
        const counts = await countRolloutStores(
          db,
          rows.map(({ id }) => id),
        );
        return {
          status: 200,
          body: {
            rollouts: rows.map((row) => viewRollout(row, counts.get(row.id))),
          } satisfies RolloutList,
        };
      },
    }),
    route({
      method: 'POST',
      path: '/api/rollouts/preview',
      policy: 'operator',
      summary: 'How many stores a rollout would upgrade, and which it would leave out',
      body: CreateRollout,
      answers: { 200: RolloutPreview },
      problems: BODY,
      handle: async ({ body }) => {
        const wanted = await resolve(body);
        return { status: 200, body: await preview(db, wanted, connected) };
      },
    }),
    route({
      method: 'POST',
      path: '/api/rollouts',
      policy: 'operator',
      summary: 'Upgrade stores of a type to its current version, in waves',
      body: CreateRollout,
      answers: { 201: RolloutAnswer },
      problems: [...BODY, 'rollout_open', 'nothing_to_upgrade'],
      handle: async (call) => {
        const wanted = await resolve(call.body);
        const { type, toVersion, selection, waveSize, allowedUnhealthy } = wanted;
        const id = ids.account('ro');
        await db.transaction().execute(async (tx) => {
          const now = clock();
          const made = await insertRollout(
            tx,
            { id, type, toVersion, selection, waveSize, allowedUnhealthy },
            call.principal,
            now,
          );
          if (made === 'open')
            throw new RequestProblem('rollout_open', `A rollout of ${type} has not ended yet.`, {
              hint: 'Wait for it, or cancel it.',
            });
          if (made === 'empty')
            throw new RequestProblem(
              'nothing_to_upgrade',
              `Every store that is meant has ${type} ${toVersion}.`,
            );
          const detail = {
            rollout: id,
            type,
            version: toVersion,
            selection: selection.kind,
            ...(selection.kind === 'share' ? { percent: selection.percent } : {}),
            ...(selection.kind === 'stores' ? { stores: selection.stores } : {}),
            ...{ waveSize, allowedUnhealthy },
          };
          await appendAudit(tx, [
            describeAct(call, { action: 'rollout.create', tenantId: null, detail }, now),
          ]);
        });
        return {
          status: 201,
          body: await show(db, id),
          headers: { Location: `/api/rollouts/${id}` },
        };
      },
    }),
    route({
      method: 'GET',
      path: '/api/rollouts/{id}',
      policy: 'operator',
      summary: 'Show a rollout with its stores',
      query: RolloutQuery,
      answers: { 200: RolloutDetail },
      problems: ['not_found', 'invalid_request'],
      handle: async (call) => {
        const id = readRolloutId(call);
        const { rollout } = await show(db, id);
        const { limit, state, cursor } = call.query;
        const after = readCursor(cursor);
        const rows = await listRolloutStores(db, id, { after, limit: limit + 1, state });
        const more = rows.length > limit;
        if (more) rows.pop();
        const last = rows.at(-1);
        return {
          status: 200,
          body: {
            rollout,
            stores: rows.map(viewRolloutStore),
            next: more && last !== undefined ? String(last.ordinal) : null,
          } satisfies RolloutDetail,
        };
      },
    }),
    command('pause'),
    command('resume'),
    command('cancel'),
  ];
}

/** An id that cannot be one of ours is nobody's: the same 404. */
function readRolloutId({ params: { id = '' } }: Pick<Call<unknown, unknown>, 'params'>): string {
  if (!/^ro_[a-z0-9]{1,32}$/.test(id)) throw notFound();
  return id;
}

function readCursor(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  if (!/^\d{1,9}$/.test(cursor))
    throw invalidRequest([{ field: 'cursor', message: 'This is not a cursor of ours.' }]);
  return Number(cursor);
}

async function show(db: Db, id: string): Promise<RolloutAnswer> {
  const row = await findRollout(db, id);
  if (row === null) throw notFound();
  const counts = await countRolloutStores(db, [id]);
  return { rollout: viewRollout(row, counts.get(id)) };
}

async function preview(
  db: Db,
  wanted: CreateRollout & { readonly toVersion: string },
  connected: ReadonlySet<string>,
): Promise<RolloutPreview> {
  const groups = await countCandidates(db, wanted);
  const { selection, waveSize, toVersion } = wanted;
  // Whom a share takes is decided when it is begun: what is told of it is to be expected.
  const total = groups.reduce((sum, { count }) => sum + count, 0);
  const taken = selection.kind === 'share' ? Math.ceil((total * selection.percent) / 100) : total;
  const reasons = new Map<string, number>();
  for (const { cluster, count, ...store } of groups) {
    const reason = connected.has(cluster)
      ? explainLeftOut(store, toVersion)
      : describeUnconnected(cluster).message;
    if (reason !== null) reasons.set(reason, (reasons.get(reason) ?? 0) + count);
  }
  const leftOut = [...reasons].map(([reason, count]) => ({
    reason,
    stores: total === 0 ? 0 : Math.round((count * taken) / total),
  }));
  const stores = taken - leftOut.reduce((sum, one) => sum + one.stores, 0);
  return { toVersion, stores, waves: Math.ceil(stores / waveSize), leftOut };
}

function viewRollout(row: RolloutRow, counts: RolloutCounts | undefined): Rollout {
  return {
    id: row.id,
    type: row.type,
    toVersion: row.toVersion,
    selection: row.selection,
    waveSize: row.waveSize,
    allowedUnhealthy: row.allowedUnhealthy,
    state: row.state,
    reason: row.reason,
    wave: row.wave,
    counts: counts ?? { pending: 0, upgrading: 0, upgraded: 0, unhealthy: 0, 'left-out': 0 },
    requestedBy: { id: row.requestedBy, name: row.requestedName },
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

function viewRolloutStore(row: RolloutStoreRow): RolloutDetail['stores'][number] {
  return {
    store: {
      id: row.storeId,
      name: row.name,
      tenant: row.tenantSlug,
      status: row.status,
      chartVersion: row.chartVersion,
    },
    state: row.state,
    reason: row.reason,
    wave: row.wave,
    operation: row.operationId,
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}
