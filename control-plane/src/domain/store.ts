/**
 * What a store is: its names, its status, its stages. Pure values; every other module speaks these
 * words. A store's Application name is `<tenant id>-<store name>` and its namespace
 * `store-<tenant id>-<store name>`: tenant ids all have the same length, so no tenant's prefix is
 * another's.
 */
import { createHash } from 'node:crypto';

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
 * To be gone: requested → releasing → removing → purging → gone.
 */
export const APPLY_STAGES = [
  'requested',
  'committed',
  'seen',
  'syncing',
  'setup',
  'verifying',
  'ready',
] as const;
export const DELETE_STAGES = ['requested', 'releasing', 'removing', 'purging', 'gone'] as const;
export type Stage = (typeof APPLY_STAGES)[number] | (typeof DELETE_STAGES)[number];

export const OPERATION_KINDS = ['create', 'update', 'retry', 'delete'] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** What one commit of an operation does: the `Action` trailer. A delete walks the last three. */
export const ACTIONS = ['create', 'update', 'retry', 'release', 'remove', 'purge'] as const;
export type Action = (typeof ACTIONS)[number];

/** queued: the writer's turn. waiting: the cluster's turn. The rest are ends. */
export const OPERATION_STATES = ['queued', 'waiting', 'done', 'failed', 'superseded'] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

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
  readonly cluster: string;
  /** Host name only, lower case. */
  readonly host: string;
  /** Public origin: scheme, host and port where it is not the scheme's own. */
  readonly url: string;
  /** Rises with every change; the cluster shows which one is live. */
  readonly generation: number;
  /** Rises with Retry only: fresh web pods. */
  readonly attempt: number;
};

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
