/** By which every line about an operation is found: its own id, its store's and its tenant's. */
import type { QueuedOperation } from '../db/queue.ts';

export function idsOf({
  id,
  storeId,
  spec,
}: Pick<QueuedOperation, 'id' | 'storeId' | 'spec'>): Readonly<
  Record<'operation' | 'store' | 'tenant', string>
> {
  return { operation: id, store: storeId, tenant: spec.tenantId };
}
