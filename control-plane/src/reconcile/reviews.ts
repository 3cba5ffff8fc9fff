/**
 * The writer's other way: a change that waits for a review becomes one commit on a branch of its own
 * and a pull request, and is followed until somebody merges or closes it.
 *
 * It runs beside the batches, on a clone of its own, so that a forge that does not answer holds up
 * nobody's direct commits. Each step may be cut off anywhere and is done again: the commit is written
 * down before it is pushed, a branch that has it is not pushed again, and the forge gives back the
 * pull request that a branch has. What was merged is settled by its commit, like everything else that
 * comes to the branch (publish.ts); only a squash without trailers is settled from here.
 */
import { readAuditHead } from '../db/audit.ts';
import type { Lease } from '../db/leases.ts';
import type { Db } from '../db/open.ts';
import { isDatabaseUnavailable } from '../db/outage.ts';
import { settle, settleMerged } from '../db/queue.ts';
import {
  endReview,
  hasReviews,
  isReviewToOpen,
  listOpenReviews,
  listReviewsToOpen,
  listStaleReviews,
  noteReviewCommit,
  noteReviewHead,
  noteReviewTrouble,
  readStanding,
  recordClosed,
  recordReview,
  releaseReview,
  requeueElsewhere,
  takeReview,
  type OpenReview,
  type ReviewedOperation,
  type StaleReview,
} from '../db/reviews.ts';
import type { ReviewCommit } from '../db/schema.ts';
import type { ReviewMode } from '../domain/cluster.ts';
import { writeMergeMessage } from '../domain/commit-message.ts';
import type { EngineCard } from '../domain/engine.ts';
import { nameReviewBranch, readReviewBranch } from '../domain/review.ts';
import { writePullRequest, type PullRequestText } from '../domain/review-text.ts';
import type { OperationState, StoreProblem, StoreSpec } from '../domain/store.ts';
import { describeError, PlatformError } from '../errors.ts';
import type { Forge, PullRequest } from '../forge/types.ts';
import type { Batch, Branch, CommitSha } from '../git/types.ts';
import type { Logger } from '../logger.ts';
import type { RenderAction } from '../render/store.ts';
import { commitOperation } from './commit-operation.ts';
import { idsOf } from './log-ids.ts';
import { createBell, type Work } from './loop.ts';

export type ReviewFaultPoint = 'review-pushed' | 'review-opened';

export type ReviewerOptions = {
  readonly db: Db;
  readonly logger: Logger;
  readonly clock: () => Date;
  readonly repository: string;
  /** The names of the connected ones: reviews of others wait, whatever is decided about them. */
  readonly clusters: readonly string[];
  /** A view of the branch that nobody else uses; asked for when there is the first review. */
  readonly openBranch: (signal: AbortSignal) => Promise<Branch>;
  readonly forge: () => Promise<Forge>;
  readonly render: RenderAction;
  readonly engines: readonly EngineCard[];
  /** What a cluster has reviewed. */
  readonly modeOf: (cluster: string) => ReviewMode;
  /** The merchant's own domain among a store's names; null: it has the cluster's. */
  readonly domainOf: (store: StoreSpec) => string | null;
  /** How long a change may take once it is on the branch. */
  readonly deadlineMs: number;
  /** Something was merged: the branch should be read. */
  readonly onMerged: (sha: CommitSha | null) => void;
  /** How long a forge may take for one answer. */
  readonly patienceMs?: number;
  /** How soon it looks again, and tries again what failed once. */
  readonly paceMs?: number;
  readonly fault?: (point: ReviewFaultPoint) => void;
};

export type Reviewer = {
  /** Something was recorded for it, or the forge has news: it looks at once. */
  ring(news?: 'forge'): void;
  /** null while reviews go well, or somebody else looks after them; else why not, in one sentence. */
  trouble(): string | null;
  /** Runs until the signal ends it, or somebody else holds the lease; never throws. */
  run(lease: Lease, signal: AbortSignal): Promise<void>;
};

/**
 * How long it waits for a ring before it looks at the database by itself. Rings come in swarms: looks
 * at the forge are no closer together either.
 */
const PACE_MS = 1_000;
/** How often the forge is asked while reviews are open and it does not call by itself. */
const LOOK_MS = 15_000;
/** Longer than an adapter waits for its forge's limits and an answer: it knows why there is none. */
const PATIENCE_MS = 100_000;
const LONGEST_PAUSE_MS = 60_000;
/** How often what the forge has merged is looked for on the branch before that is trouble. */
const LOOKS_FOR_MERGE = 10;

export function createReviewer(options: ReviewerOptions): Reviewer {
  const bell = createBell();
  const { paceMs = PACE_MS } = options;
  let hasNews = true;
  let trouble: string | null = null;
  return {
    ring(news) {
      if (news === 'forge') hasNews = true;
      bell.ring();
    },
    trouble: () => trouble,
    async run(lease, signal) {
      const desk = new ReviewDesk(options, lease, signal);
      const isEnding = (): boolean => signal.aborted;
      let lookedAt = -Infinity;
      let failures = 0;
      while (!isEnding()) {
        const since = performance.now() - lookedAt;
        const look = since > LOOK_MS || (hasNews && since > paceMs);
        try {
          if (look) {
            hasNews = false;
            lookedAt = performance.now();
          }
          if ((await desk.work(look)) === 'look again') hasNews = true;
          failures = 0;
          trouble = desk.trouble();
        } catch (error) {
          const isOver = error instanceof PlatformError && error.code === 'lease_lost';
          if (isEnding() || isOver) break;
          failures += 1;
          hasNews = true;
          trouble = describeError(error);
          options.logger.warn({ err: error }, `reviews wait: ${describeError(error)}`);
        }
        await bell.wait(Math.min(paceMs * 2 ** failures, LONGEST_PAUSE_MS), signal);
      }
      trouble = null;
    },
  };
}

/** The writer's batches, with the reviews beside them under the same lease. */
export function withReviews(publisher: Work, reviewer: Reviewer): Work {
  return {
    lease: publisher.lease,
    async run(lease, signal) {
      const ending = new AbortController();
      const reviewing = reviewer.run(lease, AbortSignal.any([signal, ending.signal]));
      try {
        await publisher.run(lease, signal);
      } finally {
        ending.abort();
        await reviewing;
      }
    },
  };
}

/** One run under one lease. */
class ReviewDesk {
  readonly #options: ReviewerOptions;
  readonly #lease: Lease;
  readonly #signal: AbortSignal;
  #branch: Promise<Branch> | null = null;
  /** Operations that failed for a reason of their own: tried again later, the others go on. */
  readonly #postponed = new Map<
    string,
    { readonly until: number; readonly failures: number; readonly trouble: string }
  >();
  /** Of what the forge has merged and the branch does not have: how often it was looked for. */
  readonly #missed = new Map<string, number>();
  #isFirst = true;
  /** The forge has merged what the branch, as it was read last, does not have. */
  #isAhead = false;

  constructor(options: ReviewerOptions, lease: Lease, signal: AbortSignal) {
    this.#options = options;
    this.#lease = lease;
    this.#signal = signal;
  }

  /** What one of the reviews waits for, when nothing holds up all of them. */
  trouble(): string | null {
    const [first] = this.#postponed.values();
    return first?.trouble ?? null;
  }

  /** Everything that can be done now. */
  async work(look: boolean): Promise<'done' | 'look again'> {
    const { db, repository, clusters } = this.#options;
    if (this.#isFirst) await requeueElsewhere(db, this.#lease, repository);
    this.#forgetPostponed();
    const isLooking = look || this.#isFirst;
    const [toOpen, open, stale] = await Promise.all([
      listReviewsToOpen(db, clusters),
      listOpenReviews(db, repository, { isDecided: !isLooking }),
      listStaleReviews(db, repository),
    ]);
    const isIdle = toOpen.length + open.length + stale.length === 0;
    // What a process before this one opened and did not record is found on the forge alone.
    if (isIdle && !(this.#isFirst && (await hasReviews(db, repository)))) {
      this.#isFirst = false;
      return 'done';
    }
    this.#isAhead = false;
    const forge = await this.#options.forge();
    // First what makes room: a store has one open pull request at a time.
    const busy = new Set<string>();
    for (const one of stale)
      if (!(await this.#try(`#${one.number}`, null, () => this.#closeStale(forge, one))))
        busy.add(one.storeId);
    for (const one of open)
      if (one.decision !== null && this.#isConnected(one.operation))
        await this.#try(one.operation.id, one.operation, () => this.#carryOut(forge, one));
    for (const one of toOpen)
      if (!busy.has(one.storeId)) await this.#try(one.id, one, () => this.#open(forge, one));
    if (isLooking) await this.#look(forge, await listOpenReviews(db, repository));
    this.#isFirst = false;
    return this.#hasFallenBehind() ? 'look again' : 'done';
  }

  #isConnected({ cluster }: ReviewedOperation): boolean {
    return this.#options.clusters.includes(cluster);
  }

  #hasFallenBehind(): boolean {
    return this.#isAhead;
  }

  /** What was not tried again when its time came is over. */
  #forgetPostponed(): void {
    for (const [key, { until }] of this.#postponed)
      if (performance.now() - until > LONGEST_PAUSE_MS) this.#postponed.delete(key);
  }

  /**
   * False: it did not work, now or a while ago. What fails is that review's own and holds up no
   * other; a forge or a database that does not answer ends the whole round.
   * @param isQuiet of what holds up every review nothing is said on the store
   */
  async #try(
    key: string,
    operation: ReviewedOperation | null,
    step: () => Promise<void>,
    isQuiet = false,
  ): Promise<boolean> {
    const { db, logger, clock, paceMs = PACE_MS } = this.#options;
    const known = this.#postponed.get(key);
    // As a call: it changes while the step runs.
    const isEnding = (): boolean => this.#signal.aborted;
    if (isEnding() || (known !== undefined && performance.now() < known.until)) return false;
    try {
      await step();
      this.#postponed.delete(key);
      return true;
    } catch (error) {
      const code = error instanceof PlatformError ? error.code : null;
      if (isEnding() || code === 'lease_lost' || isDatabaseUnavailable(error)) throw error;
      const failures = (known?.failures ?? 0) + 1;
      const pause = Math.min(paceMs * 2 ** failures, LONGEST_PAUSE_MS);
      const problem = describeTrouble(error);
      this.#postponed.set(key, {
        failures,
        until: performance.now() + pause,
        trouble: `${key}: ${problem.message}`,
      });
      // Not for a reason of its own: the others would fare no better.
      const isShared = code !== null && /^(forge|remote)_(?!refused$|failed$)/.test(code);
      if (operation !== null && !(isQuiet && isShared))
        await noteReviewTrouble(db, this.#lease, operation, problem, clock());
      if (isShared) throw error;
      const ids = operation === null ? {} : idsOf(operation);
      logger.warn({ err: error, review: key, ...ids }, 'a review cannot go on');
      return false;
    }
  }

  // ── opening ──

  async #open(forge: Forge, operation: ReviewedOperation): Promise<void> {
    const branch = await this.#refresh();
    // Before the first commit there is nothing to go from: the writer seeds the branch first.
    if (branch.tip === null) return;
    const name = nameReviewBranch(operation.spec, operation.id);
    const head = await branch.readHead(name);
    const known = operation.reviewCommit;
    // Somebody may have pushed to it before it has a pull request: that stays.
    const isThere = known !== null && head !== null && head !== known.replaces;
    const commit = isThere ? known : await this.#push(branch, operation, name, head);
    if (typeof commit === 'string') return;
    await this.#publish(forge, operation, name, commit);
  }

  /** The change as one commit on the tip, on its own branch. `later`: the tip is not known yet. */
  async #push(
    branch: Branch,
    operation: ReviewedOperation,
    name: string,
    head: CommitSha | null,
  ): Promise<ReviewCommit | 'unchanged' | 'refused' | 'later'> {
    const { db } = this.#options;
    const standing = await this.#readStanding(branch, operation);
    if (standing === 'later') return standing;
    const batch = branch.begin();
    const drawn = await this.#plan(branch, batch, standing);
    if (drawn === 'refused') return drawn;
    if (drawn === 'unchanged') {
      await this.#settleUnchanged(operation, branch.tip);
      return drawn;
    }
    const planned = { ...drawn, replaces: head };
    await noteReviewCommit(db, this.#lease, operation.id, planned);
    const pushed = await batch.pushTo(name, head);
    if (pushed.kind !== 'pushed')
      throw new PlatformError('branch_contended', `Somebody else pushed to ${name}.`, {
        retryable: true,
      });
    this.#options.fault?.('review-pushed');
    return planned;
  }

  async #plan(
    branch: Branch,
    batch: Batch,
    operation: ReviewedOperation,
  ): Promise<Omit<ReviewCommit, 'replaces'> | 'unchanged' | 'refused'> {
    const { db, clock, render } = this.#options;
    try {
      const auditHead = await readAuditHead(db);
      const commit = await commitOperation(batch, operation, { render, auditHead, at: clock() });
      if (commit === null) return 'unchanged';
      const files: Record<string, string | null> = {};
      const left: Record<string, string | null> = {};
      for (const path of commit.changedPaths ?? []) {
        files[path] = await branch.tree.oid(path);
        left[path] = await batch.tree.oid(path);
      }
      return { sha: commit.sha, base: commit.parent, action: operation.action, files, left };
    } catch (error) {
      if (!(error instanceof PlatformError) || error.retryable) throw error;
      const message = `This change cannot be written to the repository: ${describeError(error)}`;
      await this.#end(operation, 'failed', {
        code: error.code,
        message,
        hint: error.hint ?? 'Ask the operator; the log has the details.',
      });
      return 'refused';
    }
  }

  /**
   * The operation with what people have done to its store until this tip, which is known once the
   * writer has read it: what they wrote is not written over. `later` too when it waits for something
   * else by now, or no longer: the next round has it as it is.
   */
  async #readStanding(
    { tip }: Branch,
    operation: ReviewedOperation,
  ): Promise<ReviewedOperation | 'later'> {
    if (tip === null) return 'later';
    const { db, repository } = this.#options;
    const { isCurrent, isRead, isDrifted } = await readStanding(db, repository, operation, tip);
    if (!isCurrent) return 'later';
    if (isRead) return { ...operation, isDrifted };
    this.#isAhead = true;
    this.#options.onMerged(tip);
    return 'later';
  }

  /** Opens the pull request of a pushed branch, or takes up the one that it has. */
  async #publish(
    forge: Forge,
    operation: ReviewedOperation,
    branch: string,
    commit: ReviewCommit,
  ): Promise<void> {
    const { db, clock, repository, logger } = this.#options;
    const written = this.#write(operation, commit);
    const pullRequest = await this.#within(
      forge.openPullRequest({ branch, headSha: commit.sha, ...written }),
    );
    this.#options.fault?.('review-opened');
    const { number, url } = pullRequest;
    const opened = { repository, operation, number, url, branch, commit, ...written, at: clock() };
    await recordReview(db, this.#lease, opened);
    logger.info({ ...idsOf(operation), number, branch }, 'a change waits for its review');
  }

  #write(operation: ReviewedOperation, commit: ReviewCommit): PullRequestText {
    const { kind, action, before, spec, id, createdAt, requestedBy, requesterName } = operation;
    return writePullRequest(
      {
        kind,
        action,
        before,
        after: spec,
        operationId: id,
        requestedAt: createdAt,
        requestedBy: { id: requestedBy, name: requesterName },
        mode: this.#options.modeOf(operation.cluster),
        paths: Object.keys(commit.files),
      },
      this.#options.engines.find((engine) => engine.type === spec.type),
    );
  }

  // ── following ──

  /** What the forge says of every open review, and what the branch does to their files. */
  async #look(forge: Forge, open: readonly OpenReview[]): Promise<void> {
    const listed = await this.#within(forge.listPullRequests());
    const byNumber = new Map(listed.map((one) => [one.number, one]));
    const [first] = open;
    const branch = first === undefined ? null : await this.#refresh();
    for (const review of open) {
      const { operation, number } = review;
      if (!this.#isConnected(operation)) continue;
      const follow = async () => {
        await this.#follow(forge, review, byNumber.get(number), branch);
      };
      await this.#try(operation.id, operation, follow, true);
    }
    const known = new Set(open.map((one) => one.number));
    for (const one of listed)
      if (!known.has(one.number))
        await this.#try(`#${one.number}`, null, () => this.#closeStray(forge, one));
  }

  /**
   * @param known the branch as it was a moment ago; null: it is looked at now
   * @returns false when all is as it was
   */
  async #follow(
    forge: Forge,
    review: OpenReview,
    listed: PullRequest | undefined,
    known: Branch | null = null,
  ): Promise<boolean> {
    const { db, repository } = this.#options;
    const { number, operation } = review;
    const found = listed ?? (await this.#within(forge.findPullRequest(number)));
    // Gone from the forge, its number with it, is nobody's decision: its branch gets another.
    if (found === null || found.branch !== review.branch) {
      await this.#recordGone(number, 'It is gone from the forge.');
      await this.#open(forge, operation);
      return true;
    }
    switch (found.state) {
      case 'merged':
        await this.#settleMerged(review, found.mergedSha);
        return true;
      case 'closed':
        await this.#reject(review, null);
        return true;
      case 'open': {
        const isPushed = found.headSha !== review.headSha;
        if (isPushed) await noteReviewHead(db, this.#lease, repository, number, found.headSha);
        const branch = known ?? (await this.#refresh());
        const isStanding =
          !operation.isDrifted &&
          !(await this.#isOvertaken(branch, operation.reviewCommit)) &&
          !(await this.#isUnpushed(branch, review, found.headSha));
        if (isStanding) return isPushed;
        // What moved the branch may have been its own merge, after the forge was asked.
        const now = await this.#within(forge.findPullRequest(number));
        if (now?.state !== 'open') return this.#follow(forge, review, now ?? undefined);
        if (!operation.isDrifted && !isOurs(now.headSha, operation.reviewCommit))
          throw new PlatformError(
            'review_conflicts',
            'its branch has commits of somebody else’s, and the main branch has changed the same files.',
            { hint: 'Merge it with git, or close it and ask for the change again.' },
          );
        await this.#rebuild(forge, review, now.headSha);
        return true;
      }
    }
  }

  /** Whether a file that the change touches is another now than when it was written. */
  async #isOvertaken({ tree, tip }: Branch, commit: ReviewCommit | null): Promise<boolean> {
    if (commit === null) return true;
    if (commit.base === tip) return false;
    for (const [path, oid] of Object.entries(commit.files))
      if ((await tree.oid(path)) !== oid) return true;
    return false;
  }

  /** Whether its commit was noted, and then not pushed: the branch has what it was to replace. */
  async #isUnpushed(
    branch: Branch,
    { operation, branch: name }: OpenReview,
    listed: CommitSha,
  ): Promise<boolean> {
    const replaces = operation.reviewCommit?.replaces ?? null;
    // A forge may list what it had a moment ago.
    return replaces === listed && (await branch.readHead(name)) === replaces;
  }

  /** The same change as one commit on the new tip, in the same pull request. */
  async #rebuild(forge: Forge, review: OpenReview, head: CommitSha): Promise<void> {
    const { operation, branch, number } = review;
    const commit = await this.#push(await this.#refresh(), operation, branch, head);
    if (commit === 'later') return;
    if (commit === 'unchanged')
      return this.#close(forge, number, 'There is nothing left of it to merge.');
    if (commit === 'refused') return this.#close(forge, number, 'The change could not be made.');
    await this.#publish(forge, operation, branch, commit);
  }

  /** On a forge of our own somebody decided in the portal. */
  async #carryOut(forge: Forge, review: OpenReview): Promise<void> {
    const { number, operation, decision } = review;
    if (decision === 'rejected') {
      const close = () => forge.closePullRequest(number, review.reason ?? 'Rejected.');
      if ((await this.#asDecided(review, close)) === 'taken back') return;
      // It may have been merged before, by git or by a merge whose answer was lost.
      const found = await this.#within(forge.findPullRequest(number));
      if (found?.state === 'merged') return this.#settleMerged(review, found.mergedSha);
      return this.#reject(review, review.reason);
    }
    // What was looked at is not what there is: somebody looks again.
    if (decision !== 'approved' || review.decidedHead !== review.headSha) return;
    const standing = await this.#readStanding(await this.#refresh(), operation);
    if (standing === 'later') return;
    if (standing.isDrifted) {
      await this.#follow(forge, { ...review, operation: standing }, undefined);
      return;
    }
    const auditHead = await readAuditHead(this.#options.db);
    const message = writeMergeMessage(operation.action, operation.spec, operation, {
      number,
      approvedBy: review.decidedBy ?? 'unknown',
      auditHead,
    });
    const { headSha } = review;
    const merge = () => forge.mergePullRequest(number, { headSha, message });
    const result = await this.#asDecided(review, merge);
    if (result === 'taken back') return;
    switch (result.kind) {
      case 'merged':
        return this.#settleMerged(review, result.sha);
      case 'closed':
        return this.#reject(review, null);
      case 'conflict':
        if (await this.#follow(forge, review, undefined)) return;
        throw new PlatformError(
          'review_conflicts',
          'its branch cannot be merged: the main branch has changed the same files.',
          { hint: 'Reject it and ask for the change again, or merge the branch with git.' },
        );
      case 'moved':
        await this.#follow(forge, review, undefined);
        return;
      case 'not-ready':
        throw new PlatformError('review_not_ready', `It cannot be merged yet: ${result.reason}`);
    }
  }

  /** Does what was decided, if that still stands; meanwhile nobody decides anything else. */
  async #asDecided<T>(review: OpenReview, act: () => Promise<T>): Promise<T | 'taken back'> {
    const { db, repository } = this.#options;
    if (!(await takeReview(db, this.#lease, repository, review))) return 'taken back';
    // However long the forge takes: it may still do it when nobody waits for its answer any more.
    const release = () => releaseReview(db, this.#lease, repository, review.number);
    return this.#within(act().finally(release));
  }

  /** By its commit; that is on the branch, and perhaps not read yet. */
  async #settleMerged(review: OpenReview, sha: CommitSha | null): Promise<void> {
    const { db, clock, repository } = this.#options;
    const { id, storeId, action, reviewCommit } = review.operation;
    const branch = await this.#refresh();
    if (sha !== null) {
      const own: string[] = [];
      for (const [path, oid] of Object.entries(reviewCommit?.left ?? {}))
        if ((await branch.tree.oid(path)) === oid) own.push(path);
      const merged = { repository, operationId: id, storeId, action, sha, own, at: clock() };
      if (await settleMerged(db, this.#lease, merged)) {
        this.#missed.delete(id);
        return;
      }
    }
    const looks = (this.#missed.get(id) ?? 0) + 1;
    this.#missed.set(id, looks);
    if (looks < LOOKS_FOR_MERGE) {
      this.#isAhead = true;
      this.#options.onMerged(sha);
      return;
    }
    // Somebody's push may have led around it: then it came with the tip.
    if (looks === LOOKS_FOR_MERGE && sha !== null && (await branch.refresh(sha)).kind === 'ok') {
      this.#missed.set(id, looks - 1);
      return this.#settleUnchanged(review.operation, branch.tip);
    }
    throw new PlatformError(
      'review_lost',
      `the forge says that it is merged, and the branch that Argo CD follows does not have ${sha ?? 'it'}.`,
      { hint: 'Merge it there with git, or ask for the change again.' },
    );
  }

  /** What it asks for is on the branch already: so it is from the tip on, whoever made it so. */
  async #settleUnchanged(operation: ReviewedOperation, tip: CommitSha | null): Promise<void> {
    const { db, clock, repository } = this.#options;
    const { id, storeId, action } = operation;
    const at = clock();
    if (tip === null || action === 'release') {
      const unchanged = { repository, commits: [], unchanged: [operation], tenants: [], at };
      await settle(db, this.#lease, unchanged);
      return;
    }
    const there = { repository, operationId: id, storeId, action, sha: tip, at, own: null };
    if (await settleMerged(db, this.#lease, there)) return;
    this.#isAhead = true;
    this.#options.onMerged(tip);
  }

  // ── ending ──

  async #reject(review: OpenReview, reason: string | null): Promise<void> {
    const words = reason === null || reason === '' ? '.' : `: ${reason}`;
    await this.#end(review.operation, 'rejected', {
      code: 'review_rejected',
      message: `Pull request #${review.number} was closed without being merged${words}`,
      hint: null,
    });
  }

  async #end(
    operation: ReviewedOperation,
    state: 'rejected' | 'failed',
    problem: StoreProblem,
  ): Promise<void> {
    const { db, clock, repository, domainOf, deadlineMs } = this.#options;
    const ended = { operation, state, problem, domainOf, deadlineMs, at: clock() };
    await endReview(db, this.#lease, repository, ended);
  }

  async #closeStale(forge: Forge, stale: StaleReview): Promise<void> {
    const { number, branch, operationState } = stale;
    const comment = ENDED[operationState] ?? 'Nothing waits for it any more.';
    const found = await this.#within(forge.findPullRequest(number));
    // In a repository that was made anew the number is somebody else's.
    if (found?.branch !== branch) return this.#recordGone(number, comment);
    await this.#close(forge, number, comment);
  }

  /** An open pull request of our kind that the table does not follow. */
  async #closeStray(forge: Forge, { number, branch }: PullRequest): Promise<void> {
    const operationId = readReviewBranch(branch);
    if (operationId === null) return;
    const { db } = this.#options;
    if (await isReviewToOpen(db, operationId)) return;
    await this.#close(forge, number, 'Nothing in Shopyard waits for it.');
  }

  async #close(forge: Forge, number: number, comment: string): Promise<void> {
    await this.#within(forge.closePullRequest(number, comment));
    await this.#recordGone(number, comment);
  }

  async #recordGone(number: number, comment: string): Promise<void> {
    const { db, clock, repository } = this.#options;
    await recordClosed(db, this.#lease, repository, { number, comment, at: clock() });
  }

  // ── the two ends it talks to ──

  async #refresh(): Promise<Branch> {
    this.#branch ??= this.#options.openBranch(this.#signal);
    let branch: Branch;
    try {
      branch = await this.#branch;
    } catch (error) {
      this.#branch = null;
      throw error;
    }
    await branch.refresh(null);
    return branch;
  }

  /**
   * Adapters have deadlines of their own; this one is for those that forget. Nobody waits for the
   * forge when the run ends: the next writer must not wait for its lease.
   */
  async #within<T>(call: Promise<T>): Promise<T> {
    const { patienceMs = PATIENCE_MS } = this.#options;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const giveUp = (): void => {
      reject(
        new PlatformError('forge_unreachable', 'The forge does not answer.', { retryable: true }),
      );
    };
    const timer = setTimeout(giveUp, patienceMs);
    this.#signal.addEventListener('abort', giveUp);
    if (this.#signal.aborted) giveUp();
    try {
      return await Promise.race([call, late]);
    } finally {
      clearTimeout(timer);
      this.#signal.removeEventListener('abort', giveUp);
    }
  }
}

/** What a pull request is told that is closed because its operation is over. */
const ENDED: Readonly<Partial<Record<OperationState, string>>> = {
  superseded: 'A newer change of the same store took its place.',
  waiting: 'Its change is on the branch.',
  done: 'Its change is on the branch.',
  rejected: 'The change was rejected.',
  failed: 'The change could not be made.',
};

/** Whether a review branch is at a commit of ours. */
function isOurs(head: CommitSha, commit: ReviewCommit | null): boolean {
  return commit === null || head === commit.sha || head === commit.replaces;
}

function describeTrouble(error: unknown): StoreProblem {
  if (!(error instanceof PlatformError))
    return {
      code: 'review_failed',
      message: 'The review of this change cannot go on yet, for a reason of our own.',
      hint: 'Ask the operator; the log has the details.',
    };
  return {
    code: error.code,
    message: `The review of this change cannot go on yet: ${describeError(error)}`,
    hint: error.hint ?? null,
  };
}
