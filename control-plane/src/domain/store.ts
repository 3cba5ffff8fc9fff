/**
 * What a store is: its names, its status, its stages. Pure values; every other module speaks these
 * words. A store's Application name is `<tenant id>-<store name>` and its namespace
 * `store-<tenant id>-<store name>`: tenant ids all have the same length, so no tenant's prefix is
 * another's.
 */
import { createHash } from 'node:crypto';
import type { StoreOptions } from './options.ts';

export type StoreName = string & { readonly __brand: 'StoreName' };

export const STORE_STATUSES = [
  'provisioning',
  'ready',
  'degraded',
  'failed',
  'rejected',
  'suspended',
  'deleting',
  'deleted',
] as const;
export type StoreStatus = (typeof STORE_STATUSES)[number];

/**
 * The steps a change walks, in order.
 * To be live: requested → committed → seen → syncing → setup → verifying → ready.
 * To be suspended: requested → committed → seen → syncing → verifying → suspended.
 * To be gone: requested → releasing → removing → purging → gone; a store whose data is kept for a
 * time is retiring and kept first.
 * Whatever waits for a pull request is in review before its commit.
 */
export const APPLY_STAGES = [
  'requested',
  'review',
  'committed',
  'seen',
  'syncing',
  'setup',
  'verifying',
  'ready',
] as const;
export const SUSPEND_STAGES = [
  'requested',
  'review',
  'committed',
  'seen',
  'syncing',
  'verifying',
  'suspended',
] as const;
export const DELETE_STAGES = [
  'requested',
  'review',
  'retiring',
  'kept',
  'releasing',
  'removing',
  'purging',
  'gone',
] as const;
export type Stage =
  (typeof APPLY_STAGES)[number] | (typeof SUSPEND_STAGES)[number] | (typeof DELETE_STAGES)[number];

/** Stages that not every change has: entered when they happen, never taken for granted. */
export const OPTIONAL_STAGES: ReadonlySet<Stage> = new Set(['review', 'retiring', 'kept']);

/** The steps that a store in this state walks. */
export function listStagesOf(store: {
  readonly status: StoreStatus;
  readonly suspended: boolean;
  /** When its data goes; null while nobody deleted it, or when nothing is kept. */
  readonly purgeAt: Date | null;
}): readonly Stage[] {
  if (store.status === 'deleting' || store.status === 'deleted' || store.purgeAt !== null)
    return DELETE_STAGES;
  return store.suspended ? SUSPEND_STAGES : APPLY_STAGES;
}

/**
 * Each takes its store over from what came before, but for protect: that one goes beside whatever
 * is under way, and nothing of what runs depends on it.
 */
export const OPERATION_KINDS = [
  'create',
  'update',
  'retry',
  'upgrade',
  'rollback',
  'suspend',
  'resume',
  'repair',
  'protect',
  'delete',
] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

/**
 * What one commit of an operation does: the `Action` trailer. A delete walks release, remove and
 * purge; where data is kept for a time it retires the store first.
 */
export const ACTIONS = [
  'create',
  'update',
  'retry',
  'upgrade',
  'rollback',
  'suspend',
  'resume',
  'repair',
  'protect',
  'retire',
  'release',
  'remove',
  'purge',
] as const;
export type Action = (typeof ACTIONS)[number];

/**
 * queued: the writer's turn. held: a second operator's. review: its pull request is open. waiting:
 * the cluster's turn. The rest are ends.
 */
export const OPERATION_STATES = [
  'queued',
  'held',
  'review',
  'waiting',
  'done',
  'failed',
  'rejected',
  'superseded',
] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

/** States of an operation whose change is not on the branch yet. */
export const UNCOMMITTED_STATES = ['queued', 'held', 'review'] as const;
/** States of an operation that has not come to its end. */
export const OPEN_STATES = [...UNCOMMITTED_STATES, 'waiting'] as const;

export function isUncommitted(state: OperationState): boolean {
  return (UNCOMMITTED_STATES as readonly OperationState[]).includes(state);
}

/** Why a store is not as it should be, in words. `code` is stable; `hint` says what to do next. */
export type StoreProblem = {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
};

/** Everything that decides a store's files: a snapshot of this travels with each operation. */
export type StoreSpec = {
  readonly id: string;
  readonly name: StoreName;
  readonly tenantId: string;
  readonly tenant: string;
  readonly type: string;
  readonly chart: string;
  readonly chartVersion: string;
  readonly plan: string;
  /** The plan its volumes were sized by when it was made: storage does not follow a plan change. */
  readonly storagePlan: string;
  readonly options: StoreOptions;
  readonly cluster: string;
  /** Host name only, lower case. */
  readonly host: string;
  /** Public origin: scheme, host and port where it is not the scheme's own. */
  readonly url: string;
  /** Rises with every change; the cluster shows which one is live. */
  readonly generation: number;
  /** Rises with Retry only: fresh web pods. */
  readonly attempt: number;
  /** Nothing of it runs; its data stays. */
  readonly suspended: boolean;
  /** A deleted store's data is kept until then, as RFC 3339; null: nobody deleted it. */
  readonly purgeAt: string | null;
  /** It cannot be deleted until this is taken back. */
  readonly protected: boolean;
};

/** What a spec on record may lack: it was written before there was such a thing. */
const LATER_FIELDS = { suspended: false, purgeAt: null, protected: false } as const;
export type RecordedSpec = Omit<StoreSpec, keyof typeof LATER_FIELDS> &
  Partial<Pick<StoreSpec, keyof typeof LATER_FIELDS>>;

/** A spec as it was recorded, whole. */
export function completeSpec(recorded: RecordedSpec): StoreSpec {
  return { ...LATER_FIELDS, ...recorded };
}

export function nameApplication(tenantId: string, name: string): string {
  return `${tenantId}-${name}`;
}

export function nameNamespace(tenantId: string, name: string): string {
  return `store-${tenantId}-${name}`;
}

export function nameProject(tenantId: string): string {
  return `tenant-${tenantId}`;
}

/** First two hex digits of the SHA-256 of the store's id: spreads stores over folders and shards. */
export function hashStoreId(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 2);
}
