/**
 * Operations that end without a commit: refused by people, or not to be written. Their stores are
 * again what the last commit made of them, whatever the row said of the change meanwhile.
 */
import { sql } from 'kysely';
import type { Tx } from './open.ts';
import { lockStoresOf, writeStatus } from './status.ts';
import {
  completeSpec,
  type Action,
  type OperationKind,
  type OperationState,
  type RecordedSpec,
  type Stage,
  type StoreProblem,
  type StoreSpec,
  type StoreStatus,
} from '../domain/store.ts';
import { isNewer } from '../domain/versions.ts';

/** What every end without a commit needs to know. */
export type EndRules = {
  /** The merchant's own domain among a store's names; null: it has the cluster's. */
  readonly domainOf: (store: StoreSpec) => string | null;
  /** What a change gets that goes on, from now. */
  readonly deadlineMs: number;
};

export type UncommittedEnd = EndRules & {
  readonly operationId: string;
  readonly state: 'rejected' | 'failed';
  readonly problem: StoreProblem;
  readonly at: Date;
};

type EndedRow = {
  readonly storeId: string;
  readonly seq: number;
  readonly isCurrent: boolean;
  readonly status: StoreStatus;
  readonly stage: Stage;
  readonly chartVersion: string;
  readonly upgradeTo: string | null;
};

/**
 * Ends an operation whose change never came to the branch. Its store is again what its last
 * committed operation made of it; a store that never was on the branch is `rejected`, and `failed`
 * where the change could not be written. That it was to be reviewed stays on record: whoever asks
 * again for what nobody agreed to is reviewed again. False: it no longer waited for anything.
 */
export async function endUncommitted(tx: Tx, ended: UncommittedEnd): Promise<boolean> {
  const { operationId, state, problem, at } = ended;
  await lockStoresOf(tx, [operationId]);
  const { rows } = await sql<EndedRow>`
    update operations o set state = ${state}, finished_at = ${at}, error_code = ${problem.code},
      error_message = ${problem.message}
    from stores s
    where o.id = ${operationId} and s.id = o.store_id and o.state in ('queued', 'held', 'review')
    returning o.store_id, o.seq, s.operation_id = o.id as is_current, s.status, s.stage,
      s.chart_version, s.upgrade_to
  `.execute(tx);
  const [store] = rows;
  if (store === undefined) return false;
  // What went beside the store's change leaves nothing behind but itself.
  if (!store.isCurrent) return true;
  const { storeId } = store;
  const last = await findLastCommitted(tx, storeId, store.seq);
  if (last === null) {
    await writeStatus(tx, [
      { storeId, operationId, status: state, stage: store.stage, detail: null, problem, at },
    ]);
    return true;
  }
  const spec = completeSpec(last.spec);
  // Not `protected`: that is set beside every other change.
  await sql`
    update stores set operation_id = ${last.id}, plan = ${spec.plan}, host = ${spec.host},
      url = ${spec.url}, options = ${JSON.stringify(spec.options)}::jsonb,
      chart_version = ${spec.chartVersion}, generation = ${spec.generation},
      attempt = ${spec.attempt}, suspended = ${spec.suspended}, purge_at = ${spec.purgeAt},
      domain = ${ended.domainOf(spec)}, held_host = null,
      upgrade_to = ${findUpgrade(store, spec)},
      review_number = null, review_url = null
    where id = ${storeId} and operation_id = ${operationId}
  `.execute(tx);
  // A change that was still on its way when this one took over goes on, from what it had come to.
  const goesOn = last.state === 'superseded';
  const isKept = last.kind === 'delete' && last.committed === 'retire';
  if (goesOn)
    await sql`
      update operations set state = 'waiting', finished_at = null,
        action = ${isKept ? 'retire' : last.action}
      where id = ${last.id}
    `.execute(tx);
  await writeStatus(tx, [
    {
      storeId,
      operationId: last.id,
      status: statusOf(last, spec, store.status),
      stage: last.stage,
      detail: null,
      problem:
        last.state === 'failed' && last.errorCode !== null
          ? { code: last.errorCode, message: last.errorMessage ?? '', hint: null }
          : null,
      ...(goesOn && last.kind !== 'delete'
        ? { deadlineAt: new Date(at.getTime() + ended.deadlineMs) }
        : {}),
      at,
    },
  ]);
  return true;
}

/** The newest version that the row knows of, where it is newer than what the store is again. */
function findUpgrade({ chartVersion, upgradeTo }: EndedRow, spec: StoreSpec): string | null {
  const newest = upgradeTo ?? chartVersion;
  return isNewer(newest, spec.chartVersion) ? newest : null;
}

type LastCommitted = {
  readonly id: string;
  readonly kind: OperationKind;
  readonly action: Action;
  /** Its last step that is on the branch. */
  readonly committed: Action;
  readonly state: OperationState;
  readonly spec: RecordedSpec;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** How far it came. */
  readonly stage: Stage;
};

async function findLastCommitted(
  tx: Tx,
  storeId: string,
  before: number,
): Promise<LastCommitted | null> {
  const { rows } = await sql<LastCommitted>`
    select o.id, o.kind, o.action, o.state, o.spec, o.error_code, o.error_message,
      coalesce((select c.action from commits c where c.operation_id = o.id and c.sha = o.commit_sha
        limit 1), o.action) as committed,
      coalesce((select g.stage from stages g where g.operation_id = o.id
        order by g.ordinal desc limit 1), 'committed') as stage
    from operations o
    where o.store_id = ${storeId} and o.committed_at is not null and o.kind <> 'protect'
      and o.seq < ${before}
    order by o.seq desc limit 1
  `.execute(tx);
  return rows[0] ?? null;
}

/** What the last committed operation says; whether a live store is well says what was seen last. */
function statusOf(
  { kind, committed, state }: LastCommitted,
  { suspended }: StoreSpec,
  now: StoreStatus,
): StoreStatus {
  if (kind === 'delete') return committed === 'retire' ? 'suspended' : 'deleting';
  if (state === 'failed') return 'failed';
  if (state !== 'done') return 'provisioning';
  if (suspended) return 'suspended';
  return now === 'degraded' ? 'degraded' : 'ready';
}

/** Whether a store's row has settings that its last commit has not. */
export async function differsFromCommitted(
  tx: Tx,
  store: Pick<StoreSpec, 'id' | 'chartVersion' | 'plan' | 'host' | 'options'>,
): Promise<boolean> {
  const { rows } = await sql<{ same: boolean }>`
    select o.spec->>'chartVersion' = ${store.chartVersion} and o.spec->>'plan' = ${store.plan}
      and o.spec->>'host' = ${store.host}
      and o.spec->'options' = ${JSON.stringify(store.options)}::jsonb as same
    from operations o
    where o.store_id = ${store.id} and o.committed_at is not null and o.kind <> 'protect'
    order by o.seq desc limit 1
  `.execute(tx);
  return rows[0]?.same !== true;
}
