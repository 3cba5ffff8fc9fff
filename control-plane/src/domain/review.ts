/**
 * Which changes somebody looks at before they reach the branch, and by which names a pull request
 * of ours is known. Pure; what a reviewer reads is written in review-text.ts.
 */
import type { ReviewMode } from './cluster.ts';
import { nameApplication, type OperationKind, type StoreSpec } from './store.ts';

/** What takes something away that a later change does not simply bring back. */
const DESTRUCTIVE: ReadonlySet<OperationKind> = new Set(['delete', 'rollback', 'upgrade']);

export function isDestructive(kind: OperationKind): boolean {
  return DESTRUCTIVE.has(kind);
}

/**
 * Whether a change waits for a review, by its cluster's mode.
 * @param change.exceedsLimits more than the tenant may have, asked for by somebody who may
 */
export function needsReview(
  mode: ReviewMode,
  change: { readonly kind: OperationKind; readonly exceedsLimits: boolean },
): boolean {
  // Protection is the store's own guard: it must never wait for anybody.
  if (change.kind === 'protect') return false;
  switch (mode) {
    case 'never':
      return false;
    case 'destructive':
      return isDestructive(change.kind) || change.exceedsLimits;
    case 'always':
      return true;
  }
}

/** What a cluster has reviewed; everything where it is not known: its settings may say so. */
export function readMode(
  offer: { readonly clusters: readonly { readonly name: string; readonly review: ReviewMode }[] },
  cluster: string,
): ReviewMode {
  return offer.clusters.find(({ name }) => name === cluster)?.review ?? 'always';
}

/** The branch of one change: a store's Application and the operation, so no two are alike. */
export function nameReviewBranch(
  store: Pick<StoreSpec, 'tenantId' | 'name'>,
  operationId: string,
): string {
  return `store/${nameApplication(store.tenantId, store.name)}/${operationId}`;
}

/** The operation a branch of ours is for; null for any other branch. */
export function readReviewBranch(branch: string): string | null {
  return /^store\/[a-z0-9-]+\/(op_[a-z0-9]+)$/.exec(branch)?.[1] ?? null;
}
