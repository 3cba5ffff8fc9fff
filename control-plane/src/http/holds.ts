/**
 * Deletes that wait because a cluster's guard counted too many: one operator's list, another one's
 * decision. Whoever asked for any of them, by whatever token, does not approve.
 */
import { ApproveHold, HoldAnswer, HoldList, type Hold } from '../contract.ts';
import { appendAudit } from '../db/audit.ts';
import { startOver } from '../db/accept-outcome.ts';
import { describeAct } from '../db/acts.ts';
import {
  decideHold,
  findAskers,
  HELD_SHOWN,
  keepHeld,
  listHeld,
  listHolds,
  lockHeldStores,
  lockHold,
  lockWaiting,
  queueHeld,
  type HeldRow,
  type HoldRow,
  type WaitingRow,
} from '../db/holds.ts';
import type { Db, Tx } from '../db/open.ts';
import { endUncommitted } from '../db/uncommitted.ts';
import { findDomain, type Cluster } from '../domain/cluster.ts';
import { isAsker, judgeApproval } from '../domain/guard.ts';
import type { Clock } from '../domain/ids.ts';
import { notConnected, notFound, RequestProblem } from './problem.ts';
import { route, type Answer, type Call, type Route } from './route.ts';

export type HoldRouteOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly clusters: readonly Cluster[];
  readonly deadlineMs: number;
  /** Something was recorded that the writer and the event streams should look at. */
  readonly announce: () => void;
};

/** Approved are the deletes that were looked at. */
type Decision =
  | { readonly kind: 'approved'; readonly operations: readonly string[] }
  | { readonly kind: 'rejected' };

export function holdRoutes(options: HoldRouteOptions): Route[] {
  const { db, clock, clusters, announce } = options;

  const decide = async (call: Call<unknown, unknown>, decision: Decision): Promise<Answer> => {
    const id = readHoldId(call);
    const hold = await startOver(() =>
      db.transaction().execute(async (tx): Promise<HoldRow> => {
        await lockHeldStores(tx, id);
        const row = await lockHold(tx, id);
        if (row === null) throw notFound();
        if (row.state !== 'open')
          throw new RequestProblem(
            'hold_decided',
            `These deletes were ${row.state} by ${row.decidedByName ?? 'somebody'}.`,
          );
        if (!clusters.some(({ name }) => name === row.cluster)) throw notConnected(row.cluster);
        if (decision.kind === 'approved') await checkApprover(tx, row, call);
        const waiting = await lockWaiting(tx, id);
        const decided = decision.kind === 'approved' ? choose(waiting, decision) : waiting;
        await carryOut(tx, options, row, decision.kind, decided);
        const at = clock();
        const act = {
          action: `hold.${decision.kind}`,
          tenantId: null,
          detail: { hold: id, cluster: row.cluster, stores: decided.map(({ store }) => store) },
        };
        await appendAudit(tx, [describeAct(call, act, at)]);
        // More than is shown at once: the rest is decided about next.
        if (decided.length < waiting.length) return row;
        const by = { id: call.principal.id, name: call.principal.name };
        await decideHold(tx, { id, state: decision.kind, by, at });
        return { ...row, state: decision.kind, decidedAt: at, decidedByName: by.name };
      }),
    );
    announce();
    const held = await listHeld(db, [hold.id]);
    return { status: 200, body: { hold: viewHold(hold, held, call) } satisfies HoldAnswer };
  };

  return [
    route({
      method: 'GET',
      path: '/api/holds',
      policy: 'operator',
      summary: 'Deletes that wait, or waited, for a second operator; open ones first',
      answers: { 200: HoldList },
      handle: async (call) => {
        const holds = await listHolds(db);
        const held = await listHeld(
          db,
          holds.map(({ id }) => id),
        );
        const body: HoldList = { holds: holds.map((hold) => viewHold(hold, held, call)) };
        return { status: 200, body };
      },
    }),
    route({
      method: 'POST',
      path: '/api/holds/{id}/approve',
      policy: 'operator',
      summary: 'Let the deletes go on that were looked at; not for whoever asked for one of them',
      body: ApproveHold,
      answers: { 200: HoldAnswer },
      problems: [
        'not_found',
        'malformed_json',
        'invalid_request',
        'hold_decided',
        'hold_moved',
        'cluster_not_connected',
      ],
      handle: (call) => decide(call, { kind: 'approved', ...call.body }),
    }),
    route({
      method: 'POST',
      path: '/api/holds/{id}/reject',
      policy: 'operator',
      summary: 'Stop these deletes: the stores are as they were',
      answers: { 200: HoldAnswer },
      problems: ['not_found', 'hold_decided', 'cluster_not_connected'],
      handle: (call) => decide(call, { kind: 'rejected' }),
    }),
  ];
}

/** An id that cannot be one of ours is nobody's: the same 404. */
function readHoldId(call: Call<unknown, unknown>): string {
  const { id = '' } = call.params;
  if (!/^hold_[a-z0-9]{1,32}$/.test(id)) throw notFound();
  return id;
}

async function checkApprover(
  tx: Tx,
  hold: HoldRow,
  { principal }: Call<unknown, unknown>,
): Promise<void> {
  const approval = judgeApproval(principal, await findAskers(tx, hold.id));
  if (approval.kind === 'refused') throw new RequestProblem('forbidden', approval.message);
}

/** What was looked at, of what waits; what joined since was seen by nobody. */
function choose(
  waiting: readonly WaitingRow[],
  { operations }: Extract<Decision, { kind: 'approved' }>,
): readonly WaitingRow[] {
  const seen = new Set(operations);
  const chosen = waiting.filter(({ id }) => seen.has(id));
  const more = waiting.length - chosen.length;
  if (more > 0 && operations.length < HELD_SHOWN)
    throw new RequestProblem(
      'hold_moved',
      `${more} more ${more === 1 ? 'delete waits' : 'deletes wait'} than you looked at.`,
      { hint: 'Look at the list again.' },
    );
  return chosen;
}

async function carryOut(
  tx: Tx,
  { clusters, deadlineMs, clock }: HoldRouteOptions,
  hold: HoldRow,
  decision: Decision['kind'],
  waiting: readonly WaitingRow[],
): Promise<void> {
  const at = clock();
  if (decision === 'approved') return queueHeld(tx, waiting, at);
  const problem = {
    code: 'delete_refused',
    message: 'A second operator refused the delete.',
    hint: null,
  };
  for (const one of waiting)
    if (one.isKept) await keepHeld(tx, one, at);
    else
      await endUncommitted(tx, {
        ...{ operationId: one.id, state: 'rejected', problem },
        ...{ domainOf: (store) => findDomain(clusters, store), deadlineMs, at },
      });
}

function viewHold(
  hold: HoldRow,
  held: readonly HeldRow[],
  { principal }: Call<unknown, unknown>,
): Hold {
  const own = held.filter(({ holdId }) => holdId === hold.id);
  return {
    id: hold.id,
    cluster: hold.cluster,
    state: hold.state,
    openedAt: hold.openedAt.toISOString(),
    decidedAt: hold.decidedAt?.toISOString() ?? null,
    decidedBy: hold.decidedByName,
    own: own.some((one) => isAsker(principal, { id: one.requestedBy, userId: one.requestedFor })),
    total: own[0]?.total ?? 0,
    operations: own.map((one) => ({
      id: one.operationId,
      state: one.state,
      store: { id: one.storeId, name: one.store },
      tenant: one.tenant,
      requestedBy: { id: one.requestedBy, name: one.requestedByName },
      at: one.createdAt.toISOString(),
    })),
  };
}
