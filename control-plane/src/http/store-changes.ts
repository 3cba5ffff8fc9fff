/**
 * The routes that change a store: each records what is asked for, and the rest follows from its
 * commit. What may be done to which store is domain/change.ts's.
 */
import type { Acceptor } from '../db/accept.ts';
import { findPast } from '../db/changes.ts';
import type { Db } from '../db/open.ts';
import { specOf } from '../db/accept-outcome.ts';
import { Accepted, ChangeStore, DeleteQuery, Preview, RollbackStore } from '../contract.ts';
import { decideChange, readSettable, type Change } from '../domain/change.ts';
import { writeCommitMessage } from '../domain/commit-message.ts';
import type { Clock, Ids } from '../domain/ids.ts';
import type { Offer } from '../domain/request.ts';
import { ALTERING, answerOutcome, keyOf, refuseChange } from './accepted.ts';
import { describePreview } from './preview.ts';
import { invalidRequest, notFound, RequestProblem, type ProblemCode } from './problem.ts';
import type { Reads } from './reads.ts';
import { route, type Answer, type Call, type Route } from './route.ts';
import { readStore, readStoreId } from './stores.ts';

type StoreChangeOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly offer: Offer;
  readonly acceptor: Acceptor;
  readonly reads: Pick<Reads, 'repository' | 'render'>;
  /** Something was recorded that the writer and the event streams should look at. */
  readonly announce: () => void;
};

/** What a change without a body may be refused for. */
const REFUSALS = [
  'not_found',
  'idempotency_key_invalid',
  'idempotency_key_reused',
  'store_deleting',
  'store_kept',
  'cluster_not_connected',
] as const;

/** Changes that need nothing said but their name. */
const PLAIN = [
  { kind: 'retry', policy: 'writer', summary: 'Try again: a new generation with fresh web pods' },
  { kind: 'suspend', policy: 'writer', summary: 'Stop what runs of a store; its data stays' },
  {
    kind: 'resume',
    policy: 'writer',
    summary: 'Start a suspended store again, or one that was deleted and is kept',
  },
  { kind: 'repair', policy: 'writer', summary: 'Write a store’s files again as they should be' },
  { kind: 'upgrade', policy: 'owner', summary: 'Bring a store to its chart’s newest version' },
] as const;

/** What the answers to a change mean. */
const CHANGED = {
  202: 'Recorded: the store and the operation that changes it',
  200: 'It is so already: nothing is done',
} as const;

const FURTHER: Readonly<Partial<Record<Change['kind'], readonly ProblemCode[]>>> = {
  suspend: ['upgrade_needed'],
  upgrade: ['not_offered'],
};

export function storeChangeRoutes(options: StoreChangeOptions): Route[] {
  const { acceptor, announce } = options;

  /** @param said what the request says besides its path */
  async function change(
    call: Call<unknown, unknown>,
    wanted: Change,
    said: unknown = null,
  ): Promise<Answer> {
    const outcome = await acceptor.change({
      principal: call.principal,
      storeId: readStoreId(call),
      change: wanted,
      key: keyOf(call, said),
      origin: call,
    });
    return answerOutcome(outcome, announce);
  }

  return [
    route({
      method: 'PATCH',
      path: '/api/stores/{id}',
      policy: 'writer',
      summary: 'Change a store’s plan, domain or options, or (owners) its protection',
      body: ChangeStore,
      idempotent: true,
      answers: { 202: Accepted, 200: Accepted },
      meanings: CHANGED,
      problems: [
        'not_found',
        ...ALTERING,
        'host_taken',
        'store_deleting',
        'store_kept',
        'cluster_not_connected',
      ],
      handle: (call) => {
        const { protected: isProtected, ...settings } = call.body;
        if (isProtected === undefined)
          return change(call, { kind: 'update', ...settings }, { kind: 'update', ...settings });
        needOwner(call, 'protection');
        if (Object.values(settings).some((value) => value !== undefined))
          throw invalidRequest([
            { field: 'protected', message: 'It is changed by itself: nothing else beside it.' },
          ]);
        return change(call, { kind: 'protect', protected: isProtected }, call.body);
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/stores/{id}',
      policy: 'writer',
      summary: 'Delete a store: its data goes, at once or when it was kept for its time',
      query: DeleteQuery,
      answers: { 202: Accepted },
      problems: [
        'not_found',
        'invalid_request',
        'protected',
        'upgrade_needed',
        'cluster_not_connected',
      ],
      handle: (call) => {
        const { now } = call.query;
        if (now) needOwner(call, 'purge');
        return change(call, { kind: 'delete', now }, now ? { now } : null);
      },
    }),
    ...PLAIN.map(({ kind, policy, summary }) =>
      route({
        method: 'POST',
        path: `/api/stores/{id}/${kind}`,
        policy,
        summary,
        idempotent: true,
        answers:
          kind === 'retry' || kind === 'repair'
            ? { 202: Accepted }
            : { 202: Accepted, 200: Accepted },
        meanings: CHANGED,
        problems: [...REFUSALS, ...(FURTHER[kind] ?? [])],
        handle: (call) => change(call, { kind }),
      }),
    ),
    route({
      method: 'POST',
      path: '/api/stores/{id}/rollback',
      policy: 'owner',
      summary: 'Give a store the settings again that it had at one of its commits',
      body: RollbackStore,
      idempotent: true,
      answers: { 202: Accepted },
      problems: [
        'not_found',
        ...ALTERING,
        'host_taken',
        'store_deleting',
        'store_kept',
        'rollback_refused',
        'cluster_not_connected',
      ],
      handle: (call) => change(call, { kind: 'rollback', commit: call.body.commit }, call.body),
    }),
    route({
      method: 'GET',
      path: '/api/stores/{id}/rollback',
      policy: 'reader',
      summary: 'What going back to one of a store’s commits would commit; nothing is changed',
      query: RollbackStore,
      answers: { 200: Preview },
      problems: [
        'not_found',
        'invalid_request',
        'store_deleting',
        'store_kept',
        'rollback_refused',
        'cluster_not_connected',
        'repository_unavailable',
      ],
      handle: (call) => previewRollback(options, call),
    }),
  ];
}

async function previewRollback(
  { db, clock, ids, offer, reads }: StoreChangeOptions,
  call: Call<unknown, RollbackStore>,
): Promise<Answer> {
  const { commit } = call.query;
  const row = await readStore(db, call);
  const decision = decideChange(row, { kind: 'rollback', commit }, offer, {
    now: clock(),
    past: await findPast(db, row.id, commit),
  });
  switch (decision.kind) {
    case 'gone':
      throw notFound();
    case 'refused':
      throw refuseChange(decision);
    case 'change': {
      const store = specOf({ ...row, ...readSettable(decision) }, row.tenantSlug);
      const operation = { ...decision, id: ids.operation(), requestedBy: call.principal.id };
      const body = await describePreview(
        reads,
        { action: 'rollback', store, operationId: operation.id, at: clock() },
        writeCommitMessage('rollback', store, operation),
      );
      return { status: 200, body };
    }
    case 'invalid':
    case 'unchanged':
      throw new Error(`A rollback is never ${decision.kind}.`);
  }
}

/** The route is for writers; this part of it is not. */
function needOwner({ principal }: Call<unknown, unknown>, what: string): void {
  if (principal.role !== 'owner' && principal.role !== 'operator')
    throw new RequestProblem(
      'forbidden',
      `Your role (${principal.role}) may not do this: the ${what} is an owner’s to decide.`,
    );
}
