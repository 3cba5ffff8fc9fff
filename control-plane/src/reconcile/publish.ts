/**
 * The writer: turns queued operations into commits, one batch at a time.
 *
 * read tip → plan each operation on it → one commit each, one pack, one push by compare-and-swap →
 * settle in one transaction. When anything is in doubt (moved tip, lost reply, crash) the branch is
 * read again and the trailers of what is there settle the operations: git is the proof, so nothing
 * is published twice and nothing acknowledged is lost. Holds the repository's lease.
 */
import { readAuditHead } from '../db/audit.ts';
import type { Lease } from '../db/leases.ts';
import {
  failOperation,
  listQueuedOperations,
  listQueuedTenants,
  readAcknowledged,
  settle,
  type IndexedCommit,
  type QueuedOperation,
  type QueuedTenant,
} from '../db/queue.ts';
import type { Db } from '../db/open.ts';
import {
  readCommitTrailers,
  writeAuditTrailer,
  writeCommitMessage,
} from '../domain/commit-message.ts';
import { describeError, PlatformError } from '../errors.ts';
import type { Batch, Branch, CommitRecord, CommitSha, FileChange } from '../git/types.ts';
import type { Logger } from '../logger.ts';
import { pathOfStore } from '../render/paths.ts';
import type { RenderAction } from '../render/store.ts';
import { createBell, sleep, type Work } from './loop.ts';

/**
 * Files that must be in the repository before the first store. Only what is absent is written; a
 * seed with a `folder` is published whole or not at all (a chart's version never changes).
 */
export type Seed = {
  readonly subject: string;
  readonly files: readonly FileChange[];
  readonly folder?: string;
};

/** Where a test may end the process: after the objects are made, and after the push was answered. */
export type FaultPoint = 'before-push' | 'after-push';

export type PublisherOptions = {
  readonly db: Db;
  readonly logger: Logger;
  readonly clock: () => Date;
  /** Name of the branch in the tables: its address and branch. */
  readonly repository: string;
  readonly openBranch: (signal: AbortSignal) => Promise<Branch>;
  readonly seeds: readonly Seed[];
  readonly render: RenderAction;
  readonly renderTenant: (tenant: QueuedTenant) => FileChange;
  /** Tells Argo CD of commits on the branch; must not throw. */
  readonly relay: (push: Push) => Promise<void>;
  readonly measure: PublisherMeasures;
  /** Called at each fault point with the number of commits about to be pushed for operations. */
  readonly fault?: (point: FaultPoint, operations: number) => void;
};

export type Push = {
  readonly before: CommitSha | null;
  readonly after: CommitSha;
  readonly commits: readonly CommitRecord[];
};

export type PublisherMeasures = {
  batch(operations: number, seconds: number): void;
  retry(reason: string): void;
};

export type Publisher = Work & {
  /** Operations were queued. */
  wake(): void;
  /** Somebody pushed, or a commit was heard of that is not in the index. */
  noticePush(after: CommitSha | null): void;
};

const AUTHOR = { name: 'Shopyard', email: 'shopyard@localhost' };
/** How long the writer waits for a ring before it looks at the queue by itself. */
const IDLE_MS = 1_000;
/** How often the branch is looked at for people's pushes when nobody tells of them. */
const POLL_MS = 30_000;
const ATTEMPTS = 10;
/** Commits told of in one call, at most. */
const RELAYED_COMMITS = 5_000;

export function createPublisher(options: PublisherOptions): Publisher {
  const bell = createBell();
  let pushNotice: { after: CommitSha | null } | null = null;
  return {
    lease: `writer ${options.repository}`,
    wake: () => bell.ring(),
    noticePush(after) {
      pushNotice = { after };
      bell.ring();
    },
    async run(lease, signal) {
      const branch = await options.openBranch(signal);
      const relay = new Relay(options.relay);
      const session = new Session(options, lease, branch, relay, signal);
      await session.start();
      let polledAt = performance.now();
      while (!signal.aborted) {
        const notice = pushNotice;
        pushNotice = null;
        const isForeign = notice !== null && notice.after !== branch.tip;
        if (isForeign || performance.now() - polledAt > POLL_MS) {
          await session.catchUp();
          polledAt = performance.now();
        }
        if (!(await session.publishNext())) await bell.wait(IDLE_MS, signal);
      }
      await relay.stop();
    },
  };
}

type Planned = {
  readonly commits: CommitRecord[];
  readonly unchanged: QueuedOperation[];
  readonly tenants: QueuedTenant[];
};

/**
 * Tells of pushes, one call at a time, beside the next batch. What comes while a call is under way
 * goes out together in the next: an Argo CD that does not answer holds up nothing, and what waits
 * for it does not grow.
 */
class Relay {
  readonly #send: (push: Push) => Promise<void>;
  #waiting: Push | null = null;
  #sending: Promise<void> | null = null;

  constructor(send: (push: Push) => Promise<void>) {
    this.#send = send;
  }

  add(push: Push): void {
    this.#waiting = this.#waiting === null ? push : joinPushes(this.#waiting, push);
    this.#sending ??= this.#sendAll();
  }

  /** Waits for the call that is under way; Argo CD finds the rest by itself. */
  async stop(): Promise<void> {
    this.#waiting = null;
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting !== null) {
      const push = this.#waiting;
      this.#waiting = null;
      await this.#send(push);
    }
    this.#sending = null;
  }
}

/** Without commits it says that anything may have changed: of a gap, or of too much. */
function joinPushes(earlier: Push, later: Push): Push {
  const commits = [...earlier.commits, ...later.commits];
  const isWhole =
    earlier.after === later.before &&
    earlier.commits.length > 0 &&
    later.commits.length > 0 &&
    commits.length <= RELAYED_COMMITS;
  return { before: earlier.before, after: later.after, commits: isWhole ? commits : [] };
}

/** One run under one lease on one open branch. */
class Session {
  readonly #options: PublisherOptions;
  readonly #lease: Lease;
  readonly #branch: Branch;
  readonly #relay: Relay;
  readonly #signal: AbortSignal;

  constructor(
    options: PublisherOptions,
    lease: Lease,
    branch: Branch,
    relay: Relay,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#lease = lease;
    this.#branch = branch;
    this.#relay = relay;
    this.#signal = signal;
  }

  async start(): Promise<void> {
    await this.catchUp();
    for (const seed of this.#options.seeds)
      await this.#publish(async (batch) => {
        const absent = await this.#findAbsent(batch, seed);
        const commit = await this.#commit(batch, absent, `${seed.subject}\n`);
        return { commits: commit === null ? [] : [commit], unchanged: [], tenants: [] };
      });
  }

  /** Publishes what waits, at most one batch; false when nothing did. */
  async publishNext(): Promise<boolean> {
    const { db } = this.#options;
    const [tenants, operations] = await Promise.all([
      listQueuedTenants(db),
      listQueuedOperations(db),
    ]);
    if (tenants.length + operations.length === 0) return false;
    const startedAt = performance.now();
    let left = operations;
    await this.#publish(async (batch, attempt) => {
      // After a doubtful push some of these may have turned out to be on the branch already.
      if (attempt > 0) left = await listQueuedOperations(db);
      return this.#plan(batch, tenants, left);
    });
    this.#options.measure.batch(left.length, (performance.now() - startedAt) / 1_000);
    return true;
  }

  /** Reads the branch and settles every commit that the database has not heard of. */
  async catchUp(): Promise<void> {
    const { db, repository, logger } = this.#options;
    const acknowledged = (await readAcknowledged(db, repository)) as CommitSha | null;
    const result = await this.#branch.refresh(acknowledged);
    const { tip } = this.#branch;
    if (tip === null || tip === acknowledged) return;
    if (acknowledged === null || result.kind === 'rewritten') {
      // First sight of a repository that has a history, or a history that was replaced: what is
      // there is taken as it is; stores whose commits are gone show as drift.
      if (acknowledged !== null) logger.warn({ repository, tip }, 'the branch was rewritten');
      await this.#settle({
        commits: [describeUnknownTip(tip, this.#options.clock())],
        unchanged: [],
        tenants: [],
      });
      return;
    }
    if (result.commits.length === 0) return;
    const settled = await this.#settle({
      commits: result.commits.map(indexCommit),
      unchanged: [],
      tenants: [],
    });
    logger.info({ commits: result.commits.length, settled }, 'read commits from the branch');
    this.#relay.add({ before: acknowledged, after: tip, commits: result.commits });
  }

  /** Plans on the tip, pushes, settles; on any doubt reads the branch again and starts over. */
  async #publish(plan: (batch: Batch, attempt: number) => Promise<Planned>): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const reason = await this.#tryPublish(plan, attempt);
      if (reason === null || this.#signal.aborted) return;
      this.#options.measure.retry(reason);
      if (attempt === ATTEMPTS)
        throw new PlatformError('branch_contended', `The branch kept moving: ${reason}`, {
          retryable: true,
        });
      await sleep(Math.random() * Math.min(50 * 2 ** attempt, 2_000), this.#signal);
      await this.catchUp();
    }
  }

  /** Returns null when it is done, else why it has to be done again. */
  async #tryPublish(
    plan: (batch: Batch, attempt: number) => Promise<Planned>,
    attempt: number,
  ): Promise<string | null> {
    const batch = this.#branch.begin();
    const planned = await plan(batch, attempt);
    const operations = planned.commits.map(indexCommit).filter((one) => one.operationId !== null);
    this.#options.fault?.('before-push', operations.length);
    try {
      const result = await batch.push();
      if (result.kind === 'moved') return 'moved';
      this.#options.fault?.('after-push', operations.length);
      await this.#settle({
        commits: planned.commits.map(indexCommit),
        unchanged: planned.unchanged,
        tenants: planned.tenants,
      });
      if (result.kind === 'pushed') this.#relay.add({ ...result, commits: planned.commits });
      return null;
    } catch (error) {
      if (error instanceof PlatformError && error.retryable && error.code !== 'lease_lost') {
        this.#options.logger.warn({ err: error }, 'push in doubt, reading the branch again');
        return error.code;
      }
      throw error;
    }
  }

  async #plan(
    batch: Batch,
    tenants: readonly QueuedTenant[],
    operations: readonly QueuedOperation[],
  ): Promise<Planned> {
    const { db, clock, logger, render } = this.#options;
    const planned: Planned = { commits: [], unchanged: [], tenants: [...tenants] };
    const auditHead = await readAuditHead(db);
    for (const tenant of tenants) {
      const commit = await this.#commit(
        batch,
        [this.#options.renderTenant(tenant)],
        `Fence tenant ${tenant.tenant} on cluster ${tenant.cluster}\n\n` +
          'Its AppProject: only this repository, only its own namespaces.\n\n' +
          [`Tenant-Id: ${tenant.tenantId}`, 'Action: tenant', ...writeAuditTrailer(auditHead)].join(
            '\n',
          ),
      );
      if (commit !== null) planned.commits.push(commit);
    }
    for (const operation of operations) {
      try {
        const isCommitted = await batch.tree.exists(`${pathOfStore(operation.spec)}/store.yaml`);
        const changes = render(
          {
            action: operation.action,
            store: operation.spec,
            operationId: operation.id,
            at: operation.createdAt,
          },
          isCommitted,
        );
        const message = writeCommitMessage(operation.action, operation.spec, operation, auditHead);
        const commit = await this.#commit(batch, changes, message);
        if (commit === null) planned.unchanged.push(operation);
        else planned.commits.push(commit);
      } catch (error) {
        // One operation that cannot be planned must not hold up the others.
        if (!(error instanceof PlatformError) || error.retryable) throw error;
        logger.error({ err: error, operation: operation.id }, 'operation cannot be published');
        const problem = {
          code: error.code,
          message: `This change cannot be written to the repository: ${describeError(error)}`,
          hint: error.hint ?? 'Ask the operator; the log has the details.',
        };
        await failOperation(db, this.#lease, operation, problem, clock());
      }
    }
    return planned;
  }

  /** Adds a commit to the batch; null when it would change nothing. */
  async #commit(
    batch: Batch,
    changes: readonly FileChange[],
    message: string,
  ): Promise<CommitRecord | null> {
    const at = this.#options.clock();
    const result = await batch.commit(changes, { message, author: AUTHOR, at });
    return result.kind === 'unchanged'
      ? null
      : {
          sha: result.sha,
          parent: result.parent,
          message,
          author: { ...AUTHOR, at },
          changedPaths: result.changedPaths,
        };
  }

  async #findAbsent(batch: Batch, seed: Seed): Promise<FileChange[]> {
    const absent: FileChange[] = [];
    const differing: string[] = [];
    for (const file of seed.files) {
      const present = await batch.tree.read(file.path);
      if (present === null) absent.push(file);
      else if (!Buffer.from(file.content ?? '').equals(present)) differing.push(file.path);
    }
    if (differing.length > 0)
      this.#options.logger.warn(
        { seed: seed.subject, paths: differing.slice(0, 5), count: differing.length },
        'the repository has other content than this release; what is published stays',
      );
    if (seed.folder !== undefined && absent.length < seed.files.length) return [];
    return absent;
  }

  #settle(what: {
    commits: readonly IndexedCommit[];
    unchanged: readonly QueuedOperation[];
    tenants: readonly QueuedTenant[];
  }): Promise<number> {
    const { db, repository, clock } = this.#options;
    return settle(db, this.#lease, { repository, ...what, at: clock() });
  }
}

function indexCommit(commit: CommitRecord): IndexedCommit {
  return {
    sha: commit.sha,
    subject: commit.message.split('\n', 1)[0] ?? '',
    author: commit.author.name,
    at: commit.author.at,
    ...readCommitTrailers(commit.message),
  };
}

function describeUnknownTip(sha: CommitSha, at: Date): IndexedCommit {
  return {
    sha,
    subject: '(first seen)',
    author: '',
    at,
    operationId: null,
    action: null,
    storeId: null,
  };
}
