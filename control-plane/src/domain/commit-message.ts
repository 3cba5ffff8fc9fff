/**
 * Commit messages: what, who and which store in words, then trailers for machines. After a crash
 * the trailers are the proof of what was applied.
 */
import type { AuditHead } from './audit.ts';
import type { Action, StoreSpec } from './store.ts';

/** Who commits: the platform, whoever asked for it. */
export const COMMIT_AUTHOR = { name: 'Shopyard', email: 'shopyard@localhost' } as const;

export type CommitTrailers = {
  readonly operationId: string | null;
  readonly action: string | null;
  readonly storeId: string | null;
};

const SUBJECTS: Readonly<Record<Action, (store: string, spec: StoreSpec) => string>> = {
  create: (store) => `Create ${store}`,
  update: (store) => `Change ${store}`,
  retry: (store) => `Retry ${store}`,
  upgrade: (store) => `Upgrade ${store}`,
  rollback: (store) => `Roll back ${store}`,
  suspend: (store) => `Suspend ${store}`,
  resume: (store) => `Resume ${store}`,
  repair: (store) => `Restore the files of ${store}`,
  protect: (store, spec) => `${spec.protected ? 'Protect' : 'Unprotect'} ${store}`,
  retire: (store) => `Retire ${store}`,
  release: (store) => `Release ${store} for deletion`,
  remove: (store) => `Remove ${store}`,
  purge: (store) => `Purge the files of ${store}`,
};

const BODIES: Readonly<Record<Action, (store: StoreSpec, change: Named) => string>> = {
  create: () => 'Argo CD will install it in a namespace of its own.',
  update: (_, { adopts }) =>
    adopts === null
      ? 'Argo CD will bring the running store to these settings.'
      : `What ${adopts} changed by hand is what the store is to be from now on.`,
  retry: () => 'A new generation of the same settings, with fresh web pods.',
  upgrade: (store) => `Argo CD will bring it to version ${store.chartVersion} of its chart.`,
  rollback: (_, { restores }) =>
    `Its settings are again those of ${restores ?? 'an earlier commit'}.`,
  suspend: () => 'Argo CD will stop what runs; its data and its Secrets stay.',
  resume: () => 'Argo CD will start it again with the data it had.',
  repair: () => 'Its files are again what its settings say, whatever somebody else wrote there.',
  protect: (store) =>
    store.protected
      ? 'It cannot be deleted until this is taken back.'
      : 'It can be deleted again. Nothing else changes.',
  retire: (store) =>
    `Argo CD will stop what runs. Its data is kept until ${store.purgeAt ?? 'it is deleted'}; then it goes.`,
  release: () => 'Takes the protection off its Application, so that removing the file deletes it.',
  remove: () => 'Argo CD will delete its workloads, volumes, Secrets and namespace.',
  purge: () => 'Its Application and namespace are gone; a tombstone stays.',
};

/** Commits that a change names: by their full names, or null. */
type Named = {
  /** What it undoes. */
  readonly reverts: string | null;
  /** The one whose state it restores. */
  readonly restores: string | null;
  /** The person's commit that became the spec. */
  readonly adopts: string | null;
};

const NOTHING_NAMED: Named = { reverts: null, restores: null, adopts: null };

/**
 * The message of one action on one store.
 * @param operation.requestedBy opaque id of who asked
 * @param operation.createdAt when; what a delete keeps is counted from its commit, however late that is
 * @param auditHead the newest row of the audit log, for the commit to vouch for
 */
export function writeCommitMessage(
  action: Action,
  store: StoreSpec,
  operation: {
    readonly id: string;
    readonly requestedBy: string;
    readonly createdAt?: Date;
  } & Partial<Named>,
  auditHead: AuditHead | null = null,
): string {
  const named: Named = { ...NOTHING_NAMED, ...operation };
  const { createdAt } = operation;
  return [
    SUBJECTS[action](`store ${store.name} of ${store.tenant}`, store),
    '',
    BODIES[action](store, named),
    `Store: ${store.name} (${store.type}, plan ${store.plan}) of tenant ${store.tenant},`,
    `at ${store.url} on cluster ${store.cluster}. Requested by ${operation.requestedBy}.`,
    '',
    `Store-Id: ${store.id}`,
    `Operation-Id: ${operation.id}`,
    `Generation: ${store.generation}`,
    `Action: ${action}`,
    `Requested-By: ${operation.requestedBy}`,
    ...(action === 'retire' && createdAt !== undefined
      ? [`Requested-At: ${createdAt.toISOString()}`]
      : []),
    ...(named.reverts === null ? [] : [`Reverts: ${named.reverts}`]),
    ...(named.adopts === null ? [] : [`Adopts: ${named.adopts}`]),
    ...writeAuditTrailer(auditHead),
    '',
  ].join('\n');
}

/**
 * The message of the merge of a reviewed change: the change's own, so that whoever reads the branch
 * by its first parents finds the same trailers, and who approved it.
 */
export function writeMergeMessage(
  action: Action,
  store: StoreSpec,
  operation: Parameters<typeof writeCommitMessage>[2],
  review: {
    readonly number: number;
    readonly approvedBy: string;
    readonly auditHead: AuditHead | null;
  },
): string {
  const message = writeCommitMessage(action, store, operation, review.auditHead);
  const [subject = '', ...rest] = message.trimEnd().split('\n');
  return [`${subject} (#${review.number})`, ...rest, `Approved-By: ${review.approvedBy}`, ''].join(
    '\n',
  );
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
