/** A store's row as the API shows it. The shape is contract.ts's `Store`. */
import type { Store } from '../contract.ts';
import type { StoreRow } from './status.ts';
import type { StoreProblem } from '../domain/store.ts';

/** As whoever writes it down knows it: nothing is written about stores of other clusters. */
export function viewStore(row: StoreRow, tenantSlug: string): Store {
  return {
    id: row.id,
    name: row.name,
    tenant: tenantSlug,
    type: row.type,
    chartVersion: row.chartVersion,
    upgradeTo: row.upgradeTo,
    plan: row.plan,
    options: row.options,
    cluster: row.cluster,
    disconnected: false,
    namespace: row.namespace,
    url: row.url,
    status: row.status,
    stage: row.stage,
    detail: row.detail,
    suspended: row.suspended,
    // In an event's row, as in an accepted request's answer, times may be dates or their text.
    purgeAt: row.purgeAt === null ? null : new Date(row.purgeAt).toISOString(),
    protected: row.protected,
    drifted: row.driftSha !== null,
    review: row.reviewNumber === null ? null : { number: row.reviewNumber, url: row.reviewUrl },
    generation: row.generation,
    commit: row.commitSha,
    createdAt: new Date(row.createdAt).toISOString(),
    readyAt: row.readyAt === null ? null : new Date(row.readyAt).toISOString(),
    error: readProblem(row),
  };
}

/** What is wrong with a store, as its row says it. */
export function readProblem(row: StoreRow): StoreProblem | null {
  return row.errorCode === null
    ? null
    : { code: row.errorCode, message: row.errorMessage ?? '', hint: row.errorHint };
}
