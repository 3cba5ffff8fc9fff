/**
 * The writer: turns queued operations into commits, one batch at a time.
 *
 * read tip → plan each operation on it → one commit each, one pack, one push by compare-and-swap →
 * settle in one transaction. When anything is in doubt (moved tip, lost reply, crash) the branch is
 * read again and the trailers of what is there settle the operations: git is the proof, so nothing
 * is published twice and nothing acknowledged is lost. Holds the repository's lease.
 */
import { readAuditHead } from '../db/audit.ts';
import { renewLease, type Lease } from '../db/leases.ts';
import type { EndRules } from '../db/uncommitted.ts';
import {
  failOperation,
  findReviewedHeads,
  listQueuedOperations,
  listQueuedTenants,
  readAcknowledged,
  settle,
  type IndexedCommit,
  type QueuedOperation,
  type QueuedTenant,
} from '../db/queue.ts';
import type { Db } from '../db/open.ts';
import { readCommitTrailers, writeAuditTrailer } from '../domain/commit-message.ts';
import { describeError, PlatformError } from '../errors.ts';
import type { Batch, Branch, CommitRecord, CommitSha, FileChange } from '../git/types.ts';
import type { Logger } from '../logger.ts';
import { isSealed } from '../render/seal.ts';
import type { Seed } from '../render/seeds.ts';
import type { RenderAction } from '../render/store.ts';
import { commitChanges, commitOperation } from './commit-operation.ts';
import { idsOf } from './log-ids.ts';
import { createBell, sleep, type Work } from './loop.ts';
import { createRelay, type Relay, type SendPush } from './relay.ts';
import type { ReviewFaultPoint } from './reviews.ts';

/**
 * Where a test may end or stop the process: when operations were found, after the objects are made,
 * after the push was answered, after it was settled; of a review, after its branch was pushed, and
 * after its pull request was opened.
 */
export type FaultPoint =
  'accepted' | 'before-push' | 'after-push' | 'acknowledged' | ReviewFaultPoint;

export type PublisherOptions = EndRules & {
  readonly db: Db;
  readonly logger: Logger;
  readonly clock: () => Date;
  /** Name of the branch in the tables: its address and branch. */
  readonly repository: string;
  /** The names of the connected ones: what is queued for others waits. */
  readonly clusters: readonly string[];
  readonly openBranch: (signal: AbortSignal) => Promise<Branch>;
  readonly seeds: readonly Seed[];
  readonly render: RenderAction;
  readonly renderTenant: (tenant: QueuedTenant) => FileChange;
  /** Each tells one Argo CD of commits on the branch; must not throw. */
  readonly relays: readonly SendPush[];
  readonly measure: PublisherMeasures;
  /** Called at each fault point with the number of operations, or of commits for them. */
  readonly fault?: (point: FaultPoint, operations: number) => void;
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

/** How long the writer waits for a ring before it looks at the queue by itself. */
const IDLE_MS = 1_000;
/** How often the branch is looked at for people's pushes when nobody tells of them. */
const POLL_MS = 30_000;
const ATTEMPTS = 10;

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
      const relay = createRelay(options.relays, signal);
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
      await relay.end();
    },
  };
}

type Planned = {
  readonly commits: CommitRecord[];
  /** Those of the commits that are of an operation, by their sha. */
  readonly operations: Map<CommitSha, QueuedOperation>;
  readonly unchanged: QueuedOperation[];
  readonly tenants: QueuedTenant[];
};

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
        const changes = await this.#planSeed(batch, seed);
        const commit = await commitChanges(
          batch,
          changes,
          `${seed.subject}\n`,
          this.#options.clock(),
        );
        return {
          commits: commit === null ? [] : [commit],
          operations: new Map(),
          unchanged: [],
          tenants: [],
        };
      });
  }

  /** Publishes what waits, at most one batch; false when nothing did. */
  async publishNext(): Promise<boolean> {
    const { db, repository, clusters } = this.#options;
    const [tenants, operations] = await Promise.all([
      listQueuedTenants(db),
      listQueuedOperations(db, repository, clusters),
    ]);
    if (tenants.length + operations.length === 0) return false;
    this.#options.fault?.('accepted', operations.length);
    const startedAt = performance.now();
    let left = operations;
    await this.#publish(async (batch, attempt) => {
      // After a doubtful push some of these may have turned out to be on the branch already.
      if (attempt > 0) left = await listQueuedOperations(db, repository, clusters);
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
      // there is taken as it is; stores whose files are others now show as drift.
      if (acknowledged !== null) logger.warn({ repository, tip }, 'the branch was rewritten');
      const changes = result.kind === 'rewritten' ? (result.changes ?? undefined) : undefined;
      await this.#settle({
        commits: [{ ...describeUnknownTip(tip, this.#options.clock()), changes }],
        unchanged: [],
        tenants: [],
      });
      return;
    }
    if (result.commits.length === 0) return;
    const settled = await this.#settle({
      commits: await this.#index(result.commits),
      unchanged: [],
      tenants: [],
    });
    logger.info({ commits: result.commits.length, settled }, 'read commits from the branch');
    this.#relay.add({ before: acknowledged, after: tip, commits: result.commits });
  }

  /**
   * What the commits say of themselves. A merge says little: what it brought is known by the head of
   * its pull request, so that the operation is settled by the commit that is on the branch.
   */
  async #index(commits: readonly CommitRecord[]): Promise<IndexedCommit[]> {
    const { db, repository } = this.#options;
    const merged = commits.flatMap((commit) => commit.otherParents ?? []);
    const heads = await findReviewedHeads(db, repository, merged);
    return commits.map((commit) => {
      const indexed = indexCommit(commit);
      const head = commit.otherParents?.find((sha) => heads.has(sha));
      return indexed.operationId !== null || head === undefined
        ? indexed
        : { ...indexed, ...heads.get(head) };
    });
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
      const result = await batch.push(() => this.#holdLease());
      if (result.kind === 'moved') return 'moved';
      this.#options.fault?.('after-push', operations.length);
      await this.#settle({
        commits: planned.commits.map(indexCommit),
        unchanged: planned.unchanged,
        tenants: planned.tenants,
      });
      this.#options.fault?.('acknowledged', operations.length);
      for (const [commit, operation] of planned.operations)
        this.#options.logger.info({ ...idsOf(operation), commit }, 'committed');
      for (const operation of planned.unchanged)
        this.#options.logger.info(idsOf(operation), 'nothing to commit: it is so already');
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

  /**
   * Between planning and pushing the process may have been stopped past its lease, and what it
   * planned withdrawn by another writer without a commit that would make the push fail.
   */
  async #holdLease(): Promise<void> {
    if (!(await renewLease(this.#options.db, this.#lease)))
      throw new PlatformError('lease_lost', `Another process holds ${this.#lease.name}.`, {
        retryable: true,
      });
  }

  async #plan(
    batch: Batch,
    tenants: readonly QueuedTenant[],
    operations: readonly QueuedOperation[],
  ): Promise<Planned> {
    const { db, clock, logger, render, domainOf, deadlineMs } = this.#options;
    const planned: Planned = {
      commits: [],
      operations: new Map(),
      unchanged: [],
      tenants: [...tenants],
    };
    const auditHead = await readAuditHead(db);
    for (const tenant of tenants) {
      const commit = await commitChanges(
        batch,
        [this.#options.renderTenant(tenant)],
        `Fence tenant ${tenant.tenant} on cluster ${tenant.cluster}\n\n` +
          'Its AppProject: only this repository, only its own namespaces.\n\n' +
          [`Tenant-Id: ${tenant.tenantId}`, 'Action: tenant', ...writeAuditTrailer(auditHead)].join(
            '\n',
          ),
        clock(),
      );
      if (commit !== null) planned.commits.push(commit);
    }
    for (const operation of operations) {
      try {
        const commit = await commitOperation(batch, operation, { render, auditHead, at: clock() });
        if (commit === null) planned.unchanged.push(operation);
        else {
          planned.commits.push(commit);
          planned.operations.set(commit.sha, operation);
        }
      } catch (error) {
        // One operation that cannot be planned must not hold up the others.
        if (!(error instanceof PlatformError) || error.retryable) throw error;
        logger.error({ err: error, ...idsOf(operation) }, 'operation cannot be published');
        const problem = {
          code: error.code,
          message: `This change cannot be written to the repository: ${describeError(error)}`,
          hint: error.hint ?? 'Ask the operator; the log has the details.',
        };
        const rules = { domainOf, deadlineMs, at: clock() };
        await failOperation(db, this.#lease, operation, problem, rules);
      }
    }
    return planned;
  }

  async #planSeed(batch: Batch, seed: Seed): Promise<FileChange[]> {
    const changes: FileChange[] = [];
    const differing: string[] = [];
    for (const file of seed.files) {
      const present = await batch.tree.read(file.path);
      if (present === null || file.content === null) {
        if (present !== file.content) changes.push(file);
      } else if (!Buffer.from(file.content).equals(present)) {
        if (isSealed(Buffer.from(present).toString('utf8'))) changes.push(file);
        else differing.push(file.path);
      }
    }
    if (differing.length > 0)
      this.#options.logger.warn(
        { seed: seed.subject, paths: differing.slice(0, 5), count: differing.length },
        'the repository has other content than this release; what is published stays',
      );
    if (seed.folder !== undefined && changes.length < seed.files.length) return [];
    return changes;
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
    changes: commit.changes,
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
