/** A store's row as the API shows it. The shape is contract.ts's `Store`. */
import type { Store } from '../contract.ts';
import type { StoreRow } from './status.ts';

export function viewStore(row: StoreRow, tenantSlug: string): Store {
  return {
    id: row.id,
    name: row.name,
    tenant: tenantSlug,
    type: row.type,
    plan: row.plan,
    cluster: row.cluster,
    namespace: row.namespace,
    url: row.url,
    status: row.status,
    stage: row.stage,
    detail: row.detail,
    generation: row.generation,
    commit: row.commitSha,
    createdAt: new Date(row.createdAt).toISOString(),
    readyAt: row.readyAt === null ? null : new Date(row.readyAt).toISOString(),
    error:
      row.errorCode === null
        ? null
        : { code: row.errorCode, message: row.errorMessage ?? '', hint: row.errorHint },
  };
}
