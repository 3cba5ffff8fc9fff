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
import type { StoreWithTenant } from '../db/stores.ts';
import { writeCommitMessage } from '../domain/commit-message.ts';
import { deriveIds, type Clock, type Ids } from '../domain/ids.ts';
import {
  decideChange,
  resolveCreate,
  type Change,
  type FieldError,
  type Offer,
} from '../domain/request.ts';
import type { Action, StoreSpec } from '../domain/store.ts';
import type { TreeReader } from '../git/types.ts';
import { pathOfStore } from '../render/paths.ts';
import type { RenderAction } from '../render/store.ts';
import { describeTaken } from './names.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';
import type { Reads } from './reads.ts';
import { route, type Route } from './route.ts';
import { chooseTenant, readStore } from './stores.ts';

type PreviewOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly offer: Offer;
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
    const tip = await reads.repository.readTip();
    const files = await renderDiff(tip, reads.render, { action, store, operationId, at: clock() });
    const body: Preview = {
      subject: readSubject(message),
      message,
      files,
      then: then.map((later) => readSubject(writeCommitMessage(later, store, operation))),
    };
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
      problems: [...ALTERING, 'name_taken', 'host_taken', 'store_deleting'],
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
      problems: ['not_found', ...ALTERING, 'store_deleting'],
      handle: async (call) => {
        const { principal, body } = call;
        const row = await readStore(db, call);
        const decision = decideChange(row, readChange(body), offer);
        switch (decision.kind) {
          case 'gone':
            throw notFound();
          case 'refused':
            throw new RequestProblem('store_deleting', decision.message);
          case 'invalid':
            throw invalidRequest(decision.errors);
          case 'unchanged':
            return {
              status: 200,
              body: { subject: '', message: '', files: [], then: [] } satisfies Preview,
            };
          case 'change': {
            const { operation } = chooseIds(principal, call.idempotencyKey);
            const next: StoreWithTenant = { ...row, ...readNext(decision) };
            const spec = specOf(next, row.tenantSlug);
            return decision.operation === 'delete'
              ? answer(principal, 'release', spec, operation, ['remove', 'purge'])
              : answer(principal, decision.operation, spec, operation);
          }
        }
      },
    }),
  ];
}

function readNext(decision: Extract<ReturnType<typeof decideChange>, { kind: 'change' }>) {
  const { plan, domain, host, url, generation, attempt } = decision;
  return { plan, domain, host, url, generation, attempt };
}

function readChange(body: PreviewChange): Change {
  if (body.delete === true) return { kind: 'delete' };
  if (body.retry === true) return { kind: 'retry' };
  return { kind: 'update', plan: body.plan, domain: body.domain };
}

/** The store that a create would make; refused as the create would be, limits aside. */
async function describeNewStore(
  options: PreviewOptions,
  principal: Principal,
  body: CreateStoreBody,
  id: string,
): Promise<StoreSpec> {
  const { db, ids, offer } = options;
  const errors: FieldError[] = [];
  if (body.tenant !== undefined && principal.role !== 'operator')
    errors.push({ field: 'tenant', message: 'Only operators name a tenant.' });
  const resolved = resolveCreate(body, offer);
  if (!resolved.ok) errors.push(...resolved.errors);
  if (!resolved.ok || errors.length > 0) throw invalidRequest(errors);
  const tenant = await chooseTenant(db, principal, body.tenant);
  const { name, type, chart, chartVersion, plan, cluster, host, url } = resolved.settings;
  const availability = await checkAvailability(db, { tenantId: tenant.id, name, cluster, host });
  if (availability !== 'free') {
    const { code, message } = describeTaken(availability, { name, host });
    const field = code === 'host_taken' && resolved.settings.domain !== null ? 'domain' : 'name';
    throw new RequestProblem(code, message, { errors: [{ field, message }] });
  }
  return {
    id,
    name,
    // A tenant that is still to be made has no id yet: this one is a sample.
    tenantId: tenant.id ?? ids.tenant(),
    tenant: tenant.slug,
    type,
    chart,
    chartVersion,
    plan,
    storagePlan: plan,
    cluster,
    host,
    url,
    generation: 1,
    attempt: 1,
  };
}

async function renderDiff(
  tip: TreeReader,
  render: RenderAction,
  what: Parameters<RenderAction>[0],
): Promise<FileDiff[]> {
  const isCommitted = await tip.exists(`${pathOfStore(what.store)}/store.yaml`);
  const files: FileDiff[] = [];
  for (const { path, content } of render(what, isCommitted)) {
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
