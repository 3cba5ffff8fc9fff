/** One operation as one commit of a batch: what both ways to the branch have in common. */
import type { QueuedOperation } from '../db/queue.ts';
import type { AuditHead } from '../domain/audit.ts';
import { COMMIT_AUTHOR, writeCommitMessage } from '../domain/commit-message.ts';
import { PlatformError } from '../errors.ts';
import type { Batch, CommitRecord, FileChange } from '../git/types.ts';
import { readCommitted, type RenderAction } from '../render/store.ts';

/**
 * Plans an operation on the batch's tree and commits it there; null when it would change nothing.
 * Throws the PlatformError of what cannot be rendered, and of what would be written over.
 */
export async function commitOperation(
  batch: Batch,
  operation: QueuedOperation,
  by: { readonly render: RenderAction; readonly auditHead: AuditHead | null; readonly at: Date },
): Promise<CommitRecord | null> {
  const { action, spec, id, createdAt, isCommitted } = operation;
  if (operation.isDrifted) throw refuseDrifted();
  const committed = await readCommitted(batch.tree, spec);
  const changes = by.render(
    { action, store: spec, operationId: id, at: createdAt, isCommitted },
    committed,
  );
  const message = writeCommitMessage(action, spec, operation, by.auditHead);
  return commitChanges(batch, changes, message, by.at);
}

/** Adds a commit of ours to the batch; null when it would change nothing. */
export async function commitChanges(
  batch: Batch,
  changes: readonly FileChange[],
  message: string,
  at: Date,
): Promise<CommitRecord | null> {
  const result = await batch.commit(changes, { message, author: COMMIT_AUTHOR, at });
  if (result.kind === 'unchanged') return null;
  const { sha, parent, changedPaths } = result;
  return { sha, parent, message, author: { ...COMMIT_AUTHOR, at }, changedPaths };
}

/** Nobody’s edit is written over by somebody who does not know of it. */
function refuseDrifted(): PlatformError {
  return new PlatformError('drifted', 'somebody changed the store’s files in the repository.', {
    hint: 'Look at the difference, then adopt it, or repair the store.',
  });
}
