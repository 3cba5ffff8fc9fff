/**
 * Pull requests without a forge: they are rows of the table `pull_requests`, their branches are in
 * the repository that our own git server serves, and a merge is made here and pushed like everything
 * else, by compare-and-swap. Git is the proof here too: a pull request whose head is on the main
 * branch is merged, whoever did it, and the row is brought up to it.
 */
import { sql } from 'kysely';
import { COMMIT_AUTHOR } from '../domain/commit-message.ts';
import type { Clock } from '../domain/ids.ts';
import type { Db } from '../db/open.ts';
import { PlatformError } from '../errors.ts';
import { describeRejection } from '../git/branch.ts';
import { mergeTrees } from '../git/merge.ts';
import { encodeCommit, ZERO_OID } from '../git/objects.ts';
import { encodePack } from '../git/pack.ts';
import { createTransport } from '../git/transport.ts';
import { Folder } from '../git/tree.ts';
import type { CommitSha, RemoteSettings } from '../git/types.ts';
import type { RepositoryObjects } from '../repository/bare.ts';
import { runGit } from './git-command.ts';
import { REVIEW_BRANCHES } from './types.ts';
import type { Forge, MergeResult, PullRequest } from './types.ts';

/** The repository on this disk: the git server's own folder, or a mirror of it. */
export type RepositoryContent = {
  readonly dir: string;
  readonly objects: RepositoryObjects;
  /** Brings it up to date. */
  refresh(): Promise<void>;
};

export type EmbeddedForgeOptions = {
  readonly db: Db;
  /** The repository's name in the tables. */
  readonly repository: string;
  /** @param access the process may have been given the credential of one only */
  readonly remote: (access: 'read' | 'write') => RemoteSettings;
  /** Called by the first who needs it, and again when it has failed. */
  readonly openContent: () => Promise<RepositoryContent>;
  readonly clock: Clock;
};

/** How often a merge is made anew because somebody pushed meanwhile. */
const ATTEMPTS = 5;

export function createEmbeddedForge(options: EmbeddedForgeOptions): Forge {
  return new EmbeddedForge(options);
}

type Row = {
  readonly number: number;
  readonly branch: string;
  readonly headSha: string;
  readonly state: 'open' | 'merged' | 'closed';
  readonly mergedSha: string | null;
  readonly title: string;
};

const COLUMNS = ['number', 'branch', 'headSha', 'state', 'mergedSha', 'title'] as const;

/** Where a branch under review is, and whether the main branch has it. */
type Head = { readonly sha: CommitSha; readonly isMerged: boolean };

class EmbeddedForge implements Forge {
  readonly kind = 'embedded';
  readonly #options: EmbeddedForgeOptions;
  #content: Promise<RepositoryContent> | null = null;

  constructor(options: EmbeddedForgeOptions) {
    this.#options = options;
  }

  remote(access: 'read' | 'write'): Promise<RemoteSettings> {
    return Promise.resolve(this.#options.remote(access));
  }

  async check(signal?: AbortSignal): Promise<void> {
    const remote = this.#options.remote('write');
    const { http, url } = createTransport(remote, { signal });
    try {
      const answer = await http.request({ url: `${url}/info/refs?service=git-receive-pack` });
      for await (const _ of answer.body ?? []);
    } catch (error) {
      throw nameForPort(error);
    }
  }

  async openPullRequest(draft: Parameters<Forge['openPullRequest']>[0]): Promise<PullRequest> {
    const { db, repository, clock } = this.#options;
    const head = (await this.#readHeads()).get(draft.branch);
    if (head === undefined)
      throw new PlatformError('branch_missing', `there is no branch ${draft.branch} to review`, {
        retryable: true,
      });
    const { title, body, labels } = draft;
    const text = { title, body, labels: [...labels], headSha: head.sha };
    const adopted = await db
      .updateTable('pullRequests')
      .set(text)
      .where('repository', '=', repository)
      .where('branch', '=', draft.branch)
      .where('state', '=', 'open')
      .returning(COLUMNS)
      .executeTakeFirst();
    if (adopted !== undefined) return describe(adopted);
    const opened = await db
      .insertInto('pullRequests')
      .values((eb) => ({
        ...text,
        repository,
        branch: draft.branch,
        openedAt: clock(),
        number: eb
          .selectFrom('pullRequests')
          .where('repository', '=', repository)
          .select(sql<number>`coalesce(max(number), 0) + 1`.as('next')),
      }))
      .returning(COLUMNS)
      .executeTakeFirstOrThrow();
    return describe(opened);
  }

  async findPullRequest(number: number): Promise<PullRequest | null> {
    const row = await this.#findRow(number);
    if (row === null) return null;
    return describe(row.state === 'open' ? await this.#look(row, await this.#readHeads()) : row);
  }

  async listPullRequests(): Promise<readonly PullRequest[]> {
    const { db, repository } = this.#options;
    const rows = await db
      .selectFrom('pullRequests')
      .select(COLUMNS)
      .where('repository', '=', repository)
      .where('state', '=', 'open')
      .orderBy('number')
      .execute();
    if (rows.length === 0) return [];
    const heads = await this.#readHeads();
    const open: PullRequest[] = [];
    for (const row of rows) {
      const looked = await this.#look(row, heads);
      if (looked.state === 'open') open.push(describe(looked));
    }
    return open;
  }

  async mergePullRequest(
    number: number,
    { headSha, message }: { readonly headSha: CommitSha; readonly message: string },
  ): Promise<MergeResult> {
    const found = await this.#requireRow(number);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const heads = await this.#readHeads();
      const row = found.state === 'open' ? await this.#look(found, heads) : found;
      if (row.state === 'closed') return { kind: 'closed' };
      if (row.state === 'merged') return this.#endMerged(row);
      if (heads.get(row.branch)?.sha !== headSha) return { kind: 'moved' };
      const sha = await this.#tryMerge(headSha, message);
      if (sha === 'conflict') return { kind: 'conflict' };
      if (sha !== 'moved') return this.#endMerged(await this.#recordMerge(row, headSha, sha));
    }
    return { kind: 'not-ready', reason: 'The main branch keeps moving.' };
  }

  async closePullRequest(number: number, comment: string): Promise<void> {
    const { db, repository, clock } = this.#options;
    const found = await this.#requireRow(number);
    const row = found.state === 'open' ? await this.#look(found, await this.#readHeads()) : found;
    if (row.state === 'open')
      await db
        .updateTable('pullRequests')
        .set({ state: 'closed', closedAt: clock(), comment: comment === '' ? null : comment })
        .where('repository', '=', repository)
        .where('number', '=', number)
        .where('state', '=', 'open')
        .execute();
    await this.#removeBranch(row.branch);
  }

  commitUrl(): null {
    return null;
  }

  pullRequestUrl(): null {
    return null;
  }

  // --- rows --------------------------------------------------------------------------------------

  async #findRow(number: number): Promise<Row | null> {
    const { db, repository } = this.#options;
    const row = await db
      .selectFrom('pullRequests')
      .select(COLUMNS)
      .where('repository', '=', repository)
      .where('number', '=', number)
      .executeTakeFirst();
    return row ?? null;
  }

  async #requireRow(number: number): Promise<Row> {
    const row = await this.#findRow(number);
    if (row === null)
      throw new PlatformError('pull_request_missing', `there is no pull request ${number}`);
    return row;
  }

  /** An open row as the branches have it. */
  async #look(row: Row, heads: ReadonlyMap<string, Head>): Promise<Row> {
    const head = heads.get(row.branch);
    if (head === undefined) return row;
    return head.isMerged
      ? this.#recordMerge(row, head.sha, await this.#findMerge(head.sha))
      : { ...row, headSha: head.sha };
  }

  async #recordMerge(row: Row, headSha: CommitSha, mergedSha: CommitSha): Promise<Row> {
    const { db, repository, clock } = this.#options;
    const merged = { state: 'merged', headSha, mergedSha } as const;
    await db
      .updateTable('pullRequests')
      .set({ ...merged, closedAt: clock() })
      .where('repository', '=', repository)
      .where('number', '=', row.number)
      .where('state', '=', 'open')
      .execute();
    return { ...row, ...merged };
  }

  async #endMerged({ branch, mergedSha }: Row): Promise<MergeResult> {
    // It is merged whatever becomes of the branch: what is left of it is removed by a close.
    await this.#removeBranch(branch).catch(() => undefined);
    return { kind: 'merged', sha: mergedSha as CommitSha };
  }

  // --- git ---------------------------------------------------------------------------------------

  async #refresh(): Promise<RepositoryContent> {
    this.#content ??= this.#options.openContent().catch((error: unknown) => {
      this.#content = null;
      throw error;
    });
    const content = await this.#content;
    await content.refresh();
    return content;
  }

  get #mainRef(): string {
    return `refs/heads/${this.#options.remote('read').branch}`;
  }

  /** All branches under review, by name. */
  async #readHeads(): Promise<ReadonlyMap<string, Head>> {
    const { dir } = await this.#refresh();
    const list = async (...which: string[]): Promise<[string, string][]> => {
      const format = '--format=%(objectname) %(refname:lstrip=2)';
      const text = await runGit(
        ['--git-dir', dir, 'for-each-ref', format, ...which, `refs/heads/${REVIEW_BRANCHES}`],
        { home: dir },
      );
      const lines = text.split('\n').filter((line) => line !== '');
      return lines.map((line) => [line.slice(41), line.slice(0, 40)]);
    };
    const heads = await list();
    if (heads.length === 0) return new Map();
    const merged = new Map(await list(`--merged=${this.#mainRef}`));
    return new Map(
      heads.map(([name, sha]) => [
        name,
        { sha: sha as CommitSha, isMerged: merged.get(name) === sha },
      ]),
    );
  }

  /** The commit of the main branch, along first parents, by which this one came to it. */
  async #findMerge(head: CommitSha): Promise<CommitSha> {
    const { dir, objects } = await this.#refresh();
    const list = async (way: string): Promise<string[]> => {
      const range = [way, '--topo-order', `${head}..${this.#mainRef}`];
      const text = await runGit(['--git-dir', dir, 'rev-list', ...range], { home: dir });
      return text.split('\n').filter((line) => line !== '');
    };
    const chain = await list('--first-parent');
    const descendants = new Set(await list('--ancestry-path'));
    const oldest = chain.findLast((sha) => descendants.has(sha));
    if (oldest === undefined) return head;
    const parent = (await objects.readCommit(oldest))?.parents[0];
    return parent === head ? head : (oldest as CommitSha);
  }

  /** Merges onto the main branch as it is now. `moved`: somebody pushed at the same time. */
  async #tryMerge(headSha: CommitSha, message: string): Promise<CommitSha | 'moved' | 'conflict'> {
    const { dir, objects } = await this.#refresh();
    const tip = await objects.readCommit(this.#mainRef);
    const head = await objects.readCommit(headSha);
    if (tip === null || head === null) return 'moved';
    const found = await runGit(['--git-dir', dir, 'merge-base', tip.sha, headSha], { home: dir });
    const base = await objects.readCommit(found.trim());
    if (base === null || base.sha === headSha) return 'moved';
    const trees = { base: base.tree, ours: tip.tree, theirs: head.tree };
    const merge = await mergeTrees(
      {
        base: new Folder(trees.base),
        ours: new Folder(trees.ours),
        theirs: new Folder(trees.theirs),
      },
      objects,
    );
    if (merge.kind === 'conflict') return 'conflict';
    const commit = encodeCommit({
      tree: merge.change.root.oid,
      parents: [tip.sha, headSha],
      author: { ...COMMIT_AUTHOR, at: this.#options.clock() },
      message,
    });
    const report = await createTransport(this.#options.remote('write')).push({
      ref: this.#mainRef,
      before: tip.sha,
      after: commit.oid,
      pack: encodePack([...merge.change.objects, commit]),
    });
    if (report.kind === 'accepted') return commit.oid as CommitSha;
    const now = await (await this.#refresh()).objects.readCommit(this.#mainRef);
    if (now?.sha === tip.sha) throw describeRejection(report);
    return 'moved';
  }

  /** Unless another open pull request is of it by now. */
  async #removeBranch(branch: string): Promise<void> {
    const { db, repository } = this.#options;
    const user = await db
      .selectFrom('pullRequests')
      .select('number')
      .where('repository', '=', repository)
      .where('branch', '=', branch)
      .where('state', '=', 'open')
      .executeTakeFirst();
    const head = (await this.#readHeads()).get(branch);
    if (user !== undefined || head === undefined) return;
    const report = await createTransport(this.#options.remote('write')).push({
      ref: `refs/heads/${branch}`,
      before: head.sha,
      after: ZERO_OID,
      pack: Buffer.alloc(0),
    });
    if (report.kind === 'rejected') throw describeRejection(report);
  }
}

function describe({ number, branch, headSha, state, mergedSha, title }: Row): PullRequest {
  return {
    number,
    branch,
    headSha: headSha as CommitSha,
    state,
    mergedSha: mergedSha as CommitSha | null,
    url: null,
    title,
  };
}

const PORT_CODES: Readonly<Partial<Record<string, string>>> = {
  remote_denied: 'forge_denied',
  remote_missing: 'forge_missing',
  remote_redirect: 'forge_refused',
  remote_unreachable: 'forge_unreachable',
  remote_failed: 'forge_failed',
  git_protocol: 'forge_failed',
};

/** The transport's errors by the names that the port has for them. */
function nameForPort(error: unknown): unknown {
  const code = error instanceof PlatformError ? PORT_CODES[error.code] : undefined;
  if (!(error instanceof PlatformError) || code === undefined) return error;
  const { message, retryable, hint } = error;
  return new PlatformError(code, message, {
    retryable,
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}
