/**
 * Commit messages: what, who and which store in words, then trailers for machines. After a crash
 * the trailers are the proof of what was applied.
 */
import type { AuditHead } from './audit.ts';
import type { Action, StoreSpec } from './store.ts';

export type CommitTrailers = {
  readonly operationId: string | null;
  readonly action: string | null;
  readonly storeId: string | null;
};

const SUBJECTS: Readonly<Record<Action, (store: string) => string>> = {
  create: (store) => `Create ${store}`,
  update: (store) => `Change ${store}`,
  retry: (store) => `Retry ${store}`,
  release: (store) => `Release ${store} for deletion`,
  remove: (store) => `Remove ${store}`,
  purge: (store) => `Purge the files of ${store}`,
};

const BODIES: Readonly<Record<Action, string>> = {
  create: 'Argo CD will install it in a namespace of its own.',
  update: 'Argo CD will bring the running store to these settings.',
  retry: 'A new generation of the same settings, with fresh web pods.',
  release: 'Takes the protection off its Application, so that removing the file deletes it.',
  remove: 'Argo CD will delete its workloads, volumes, Secrets and namespace.',
  purge: 'Its Application and namespace are gone; a tombstone stays.',
};

/**
 * The message of one action on one store.
 * @param operation.requestedBy opaque id of who asked
 * @param auditHead the newest row of the audit log, for the commit to vouch for
 */
export function writeCommitMessage(
  action: Action,
  store: StoreSpec,
  operation: { readonly id: string; readonly requestedBy: string },
  auditHead: AuditHead | null = null,
): string {
  return [
    SUBJECTS[action](`store ${store.name} of ${store.tenant}`),
    '',
    BODIES[action],
    `Store: ${store.name} (${store.type}, plan ${store.plan}) of tenant ${store.tenant},`,
    `at ${store.url} on cluster ${store.cluster}. Requested by ${operation.requestedBy}.`,
    '',
    `Store-Id: ${store.id}`,
    `Operation-Id: ${operation.id}`,
    `Generation: ${store.generation}`,
    `Action: ${action}`,
    `Requested-By: ${operation.requestedBy}`,
    ...writeAuditTrailer(auditHead),
    '',
  ].join('\n');
}

/** The trailer that anchors the audit log outside the database; an empty log has none. */
export function writeAuditTrailer(head: AuditHead | null): string[] {
  return head === null || head.seq === 0 ? [] : [`Audit-Head: ${head.seq} ${head.hash}`];
}

/** Reads the trailers of a message's last paragraph; anything else is a person's commit. */
export function readCommitTrailers(message: string): CommitTrailers {
  const last =
    message
      .trimEnd()
      .split(/\n\s*\n/)
      .at(-1) ?? '';
  const read = (key: string): string | null =>
    new RegExp(`^${key}: (\\S+)$`, 'm').exec(last)?.[1] ?? null;
  return { operationId: read('Operation-Id'), action: read('Action'), storeId: read('Store-Id') };
}
