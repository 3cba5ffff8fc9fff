/**
 * What a request would commit, file by file, without its being made. Rendered by what the writer
 * renders with, on the branch as it is now; with the Idempotency-Key that the request will carry,
 * the ids are the request's own, and so is every byte. (The message gets one more trailer when it is
 * committed: the head of the audit log at that moment.)
 */
import {
  CreateStore,
  Preview,
  PreviewChange,
  type FileDiff,
  type CreateStore as CreateStoreBody,
} from '../contract.ts';
import { specOf } from '../db/accept-outcome.ts';
import { checkAvailability } from '../db/availability.ts';
import type { Db } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import { decideChange, readSettable, type Change } from '../domain/change.ts';
import { writeCommitMessage } from '../domain/commit-message.ts';
import { deriveIds, type Clock, type Ids } from '../domain/ids.ts';
import type { Offer } from '../domain/request.ts';
import type { Action, StoreSpec } from '../domain/store.ts';
import type { TreeReader } from '../git/types.ts';
import { readCommitted, type RenderAction } from '../render/store.ts';
import { refuseChange } from './accepted.ts';
import { describeTaken } from './names.ts';
import { settleCreate, type Placer } from './placing.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';
import type { Reads } from './reads.ts';
import { route, type Route } from './route.ts';
import { readStore } from './stores.ts';

type PreviewOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly offer: Offer;
  readonly placer: Placer;
  readonly reads: Pick<Reads, 'repository' | 'render'>;
};

const ALTERING = [
  'malformed_json',
  'unsupported_media_type',
  'body_too_large',
  'invalid_request',
  'idempotency_key_invalid',
  'repository_unavailable',
] as const;

export function previewRoutes(options: PreviewOptions): Route[] {
  const { db, clock, ids, offer, reads } = options;

  const chooseIds = (principal: Principal, key: string | null) =>
    key === null
      ? { store: ids.store(), operation: ids.operation() }
      : deriveIds({ tenantId: principal.tenantId, key });

  const answer = async (
    principal: Principal,
    action: Action,
    store: StoreSpec,
    operationId: string,
    then: readonly Action[] = [],
  ) => {
    const operation = { id: operationId, requestedBy: principal.id };
    const message = writeCommitMessage(action, store, operation);
    const subjects = then.map((later) => readSubject(writeCommitMessage(later, store, operation)));
    const body = await describePreview(
      reads,
      { action, store, operationId, at: clock() },
      message,
      subjects,
    );
    return { status: 200, body };
  };

  return [
    route({
      method: 'POST',
      path: '/api/stores/preview',
      policy: 'writer',
      summary: 'What creating a store would commit; nothing is made',
      body: CreateStore,
      idempotent: true,
      answers: { 200: Preview },
      problems: [...ALTERING, 'name_taken', 'host_taken', 'store_deleting', 'no_cluster'],
      handle: async ({ principal, body, idempotencyKey }) => {
        const { store, operation } = chooseIds(principal, idempotencyKey);
        const spec = await describeNewStore(options, principal, body, store);
        return answer(principal, 'create', spec, operation);
      },
    }),
    route({
      method: 'POST',
      path: '/api/stores/{id}/preview',
      policy: 'writer',
      summary: 'What a change, a retry or a delete would commit; nothing is made',
      body: PreviewChange,
      idempotent: true,
      answers: { 200: Preview },
      problems: [
        'not_found',
        ...ALTERING,
        'store_deleting',
        'store_kept',
        'protected',
        'upgrade_needed',
        'not_offered',
        'cluster_not_connected',
      ],
      handle: async (call) => {
        const { principal, body } = call;
        const row = await readStore(db, call);
        const decision = decideChange(row, readChange(body), offer, { now: clock() });
        switch (decision.kind) {
          case 'gone':
            throw notFound();
          case 'refused':
            throw refuseChange(decision);
          case 'invalid':
            throw invalidRequest(decision.errors);
          case 'unchanged':
            return {
              status: 200,
              body: {
                subject: '',
                message: '',
                files: [],
                then: [],
                cluster: row.cluster,
              } satisfies Preview,
            };
          case 'change': {
            const { operation } = chooseIds(principal, call.idempotencyKey);
            const spec = specOf({ ...row, ...readSettable(decision) }, row.tenantSlug);
            return answer(principal, decision.action, spec, operation, FOLLOWING[decision.action]);
          }
        }
      },
    }),
  ];
}

/** The commits that follow when one is live. */
const FOLLOWING: Readonly<Partial<Record<Action, readonly Action[]>>> = {
  retire: ['release', 'remove', 'purge'],
  release: ['remove', 'purge'],
};

function readChange({ plan, domain, options, ...wanted }: PreviewChange): Change {
  if (wanted.delete === true) return { kind: 'delete' };
  if (wanted.purge === true) return { kind: 'delete', now: true };
  for (const kind of ['retry', 'suspend', 'resume', 'repair', 'upgrade'] as const)
    if (wanted[kind] === true) return { kind };
  return { kind: 'update', plan, domain, options };
}

/** What an action would commit on the branch as it is. */
export async function describePreview(
  reads: PreviewOptions['reads'],
  what: Parameters<RenderAction>[0],
  message: string,
  then: readonly string[] = [],
): Promise<Preview> {
  const tip = await reads.repository.readTip();
  const files = await renderDiff(tip, reads.render, what);
  return {
    ...{ subject: readSubject(message), message, files, then: [...then] },
    cluster: what.store.cluster,
  };
}

/** The store that a create would make; refused as the create would be, limits aside. */
async function describeNewStore(
  by: PreviewOptions,
  principal: Principal,
  body: CreateStoreBody,
  id: string,
): Promise<StoreSpec> {
  const { tenant, settings } = await settleCreate(by, { principal, body, key: null });
  const { name, type, chart, chartVersion, plan, options, cluster, host, url } = settings;
  const availability = await checkAvailability(by.db, { tenantId: tenant.id, name, cluster, host });
  if (availability !== 'free') {
    const { code, message } = describeTaken(availability, { name, host });
    const field = code === 'host_taken' && settings.domain !== null ? 'domain' : 'name';
    throw new RequestProblem(code, message, { errors: [{ field, message }] });
  }
  return {
    id,
    name,
    tenantId: tenant.id,
    tenant: tenant.slug,
    type,
    chart,
    chartVersion,
    plan,
    storagePlan: plan,
    options,
    cluster,
    host,
    url,
    generation: 1,
    attempt: 1,
    suspended: false,
    purgeAt: null,
    protected: false,
  };
}

async function renderDiff(
  tip: TreeReader,
  render: RenderAction,
  what: Parameters<RenderAction>[0],
): Promise<FileDiff[]> {
  const committed = await readCommitted(tip, what.store);
  const files: FileDiff[] = [];
  for (const { path, content } of render(what, committed)) {
    const present = await tip.read(path);
    const before = present === null ? null : Buffer.from(present).toString('utf8');
    const after = content === null ? null : Buffer.from(content).toString('utf8');
    if (before !== after) files.push({ path, before, after, note: null });
  }
  return files;
}

function readSubject(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}
