/**
 * A branch of the cluster repository as its writer sees it: a cached tree at the tip, batches of
 * commits built in memory, one compare-and-swap push a batch.
 *
 * The clone on disk is a cache for starting and for other people's commits. What we push ourselves
 * stays in memory until the clone catches up (`CLONE_LAG`), so a create reads nothing and its cost
 * does not grow with the repository. A damaged clone is made anew once, then the call fails.
 */
import { PlatformError } from '../errors.ts';
import { Clone, CloneDamaged } from './clone.ts';
import { encodeCommit, normalizeMessage, ZERO_OID } from './objects.ts';
import type { GitObject } from './objects.ts';
import { encodePack } from './pack.ts';
import { createTransport } from './transport.ts';
import type { PushReport, Transport, TransportLimits } from './transport.ts';
import {
  changeTree,
  compareTrees,
  createEmptyFolder,
  createTreeReader,
  diffTrees,
  Folder,
} from './tree.ts';
import type { ObjectSource } from './tree.ts';
import type {
  Batch,
  Branch,
  CommitMeta,
  CommitRecord,
  CommitResult,
  CommitSha,
  FileChange,
  PathChange,
  PushResult,
  RefreshResult,
  RemoteSettings,
  TreeReader,
} from './types.ts';

/** Commits we may push before the clone fetches them: bounds memory, and the work of a restart. */
const CLONE_LAG = 1_000;
/** Own commits remembered so that `refresh` can list them without fetching them back. */
const REMEMBERED_COMMITS = 5_000;
/** How far back `refresh` looks for `since`, step by step, before it calls the branch rewritten. */
const DEPTHS = [16, 128, 1_024, 8_192, 65_536] as const;

export type BranchOptions = {
  readonly remote: RemoteSettings;
  /** Folder of the bare clone: a cache that may be deleted at any time. */
  readonly dir: string;
  readonly signal?: AbortSignal;
  readonly limits?: Partial<TransportLimits>;
  /** Packs that the clone may hold before it is made anew; default some hundreds. */
  readonly mostPacks?: number;
};

/** Opens a branch and reads its tip. Throws PlatformError when the remote cannot be read. */
export async function openBranch(options: BranchOptions): Promise<Branch> {
  const transport = createTransport(options.remote, {
    signal: options.signal,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const clone = await Clone.open(options.dir, options.remote, transport);
  const branch = new RemoteBranch(options.remote.branch, transport, clone, options.mostPacks);
  await branch.refresh(null);
  return branch;
}

type Link = { readonly sha: CommitSha; readonly parent: CommitSha };
type OwnCommit = { readonly record: CommitRecord; readonly root: string };

class RemoteBranch implements Branch {
  readonly tree: TreeReader;
  readonly name: string;
  readonly ref: string;
  readonly transport: Transport;
  /** Reads through memory and clone, and repairs the clone when it is damaged. */
  readonly source: ObjectSource;
  readonly #clone: Clone;
  readonly #mostPacks: number | undefined;
  #tip: CommitSha | null = null;
  #root: Folder = createEmptyFolder();
  #repair: Promise<void> | null = null;
  readonly #own = new Map<CommitSha, OwnCommit>();
  readonly #ownBlobs = new Map<string, Buffer>();
  #pushedSinceFetch = 0;

  constructor(branch: string, transport: Transport, clone: Clone, mostPacks?: number) {
    this.name = branch;
    this.ref = `refs/heads/${branch}`;
    this.transport = transport;
    this.#clone = clone;
    this.#mostPacks = mostPacks;
    this.source = { read: (type, oid) => this.#readRepairing(type, oid) };
    this.tree = createTreeReader(() => this.#root, this.source);
  }

  get tip(): CommitSha | null {
    return this.#tip;
  }

  get root(): Folder {
    return this.#root;
  }

  begin(): Batch {
    return new MemoryBatch(this);
  }

  async refresh(since: CommitSha | null): Promise<RefreshResult> {
    try {
      return await this.#refreshOnce(since);
    } catch (error) {
      if (!(error instanceof CloneDamaged)) throw error;
      await this.#clone.recreate();
    }
    try {
      return await this.#refreshOnce(since);
    } catch (error) {
      throw describeDamage(error);
    }
  }

  async #refreshOnce(since: CommitSha | null): Promise<RefreshResult> {
    let tip = await this.#clone.readRemoteTip();
    if (tip !== null && tip !== this.#tip && !(await this.#clone.has(tip))) {
      // It may have moved on since we asked.
      tip = await this.#clone.fetch(this.#tip === null ? 1 : DEPTHS[0]);
    }
    if (tip === null) {
      if (this.#tip === null && since === null) return { kind: 'ok', commits: [] };
      throw new PlatformError('branch_missing', `${this.ref} is gone from the remote`, {
        retryable: true,
        hint: 'Push the branch again; nothing is written or deleted until it is back.',
      });
    }
    if (tip === this.#tip && this.#pushedSinceFetch >= CLONE_LAG) await this.#catchUp();
    const links = since === null ? [] : await this.#findLinks(tip, since);
    const result: RefreshResult =
      links !== null
        ? { kind: 'ok', commits: await this.#describe(links) }
        : { kind: 'rewritten', tip, changes: await this.#compareLost(since, tip) };
    await this.#moveTo(tip);
    await this.#renewClone();
    return result;
  }

  /** Throws an overgrown clone away; what our tree still reads of it comes back with the tip. */
  async #renewClone(): Promise<void> {
    if (this.#tip === null || !(await this.#clone.isWorn(this.#mostPacks))) return;
    await this.#repairClone();
    this.#ownBlobs.clear();
    this.#pushedSinceFetch = 0;
  }

  /** What another history has other than the one that was lost; null: that one is not at hand. */
  async #compareLost(
    since: CommitSha | null,
    tip: CommitSha,
  ): Promise<readonly PathChange[] | null> {
    if (since === null) return null;
    let lost: Folder;
    const own = this.#own.get(since);
    if (since === this.#tip) lost = this.#root;
    else if (own !== undefined) lost = new Folder(own.root);
    else if (await this.#clone.has(since))
      lost = new Folder((await this.#clone.readCommit(since)).tree);
    else return null;
    return compareTrees(lost, new Folder((await this.#clone.readCommit(tip)).tree), this.#cached);
  }

  /** Fetches our own pushes into the clone and lets go of their content in memory. */
  async #catchUp(): Promise<void> {
    const fetched = await this.#clone.fetch(1);
    if (fetched !== this.#tip) return;
    this.#ownBlobs.clear();
    this.#pushedSinceFetch = 0;
  }

  async #moveTo(tip: CommitSha): Promise<void> {
    if (tip === this.#tip) return;
    const { tree } = await this.#clone.readCommit(tip);
    const root = new Folder(tree);
    // Takes over the folders that are loaded already and did not change.
    if (this.#tip !== null) await diffTrees(this.#root, root, this.#cached);
    this.#root = root;
    this.#tip = tip;
  }

  /** The commits from after `since` up to `tip`, oldest first; null when there is no such way. */
  async #findLinks(tip: CommitSha, since: CommitSha): Promise<readonly Link[] | null> {
    for (const depth of [0, ...DEPTHS]) {
      if (depth > 0) await this.#clone.fetch(depth);
      const seen = new Map<CommitSha, readonly CommitSha[] | null>();
      const links =
        (await this.#walkFirstParents(tip, since, seen)) ?? (await this.#walkAll(tip, since, seen));
      if (links !== null && (await this.#canDescribe(links))) return links;
      const isCut = links !== null || [...seen.values()].includes(null);
      if (!isCut) return null;
    }
    return null;
  }

  /** A commit's parents; null where the clone ends though the history does not. */
  async #readParents(
    sha: CommitSha,
    seen: Map<CommitSha, readonly CommitSha[] | null>,
  ): Promise<readonly CommitSha[] | null> {
    const known = seen.get(sha);
    if (known !== undefined) return known;
    const own = this.#own.get(sha)?.record;
    let parents: readonly CommitSha[] | null;
    if (own !== undefined) parents = own.parent === null ? [] : [own.parent];
    else if (!(await this.#clone.has(sha))) parents = null;
    else parents = (await this.#clone.readCommit(sha)).parents;
    seen.set(sha, parents);
    return parents;
  }

  async #walkFirstParents(
    tip: CommitSha,
    since: CommitSha,
    seen: Map<CommitSha, readonly CommitSha[] | null>,
  ): Promise<Link[] | null> {
    const links: Link[] = [];
    let sha = tip;
    while (sha !== since) {
      const parent = (await this.#readParents(sha, seen))?.[0];
      if (parent === undefined) return null;
      links.push({ sha, parent });
      sha = parent;
    }
    return links.reverse();
  }

  /** For a person who merged: the way to `since` may lead through a second parent. */
  async #walkAll(
    tip: CommitSha,
    since: CommitSha,
    seen: Map<CommitSha, readonly CommitSha[] | null>,
  ): Promise<Link[] | null> {
    const childOf = new Map<CommitSha, CommitSha>();
    const queue: CommitSha[] = [tip];
    for (const sha of queue) {
      if (sha === since) {
        const links: Link[] = [];
        let parent = since;
        for (let child = childOf.get(parent); child !== undefined; child = childOf.get(parent)) {
          links.push({ sha: child, parent });
          parent = child;
        }
        return links;
      }
      for (const parent of (await this.#readParents(sha, seen)) ?? []) {
        if (parent === tip || childOf.has(parent)) continue;
        childOf.set(parent, sha);
        queue.push(parent);
      }
    }
    return null;
  }

  /** Whether the tree before the first foreign commit is at hand. */
  async #canDescribe(links: readonly Link[]): Promise<boolean> {
    const first = links.find((link) => !this.#own.has(link.sha));
    return (
      first === undefined || first.parent === this.#tip || (await this.#clone.has(first.parent))
    );
  }

  async #describe(links: readonly Link[]): Promise<CommitRecord[]> {
    const commits: CommitRecord[] = [];
    let before: { readonly sha: CommitSha; readonly root: Folder } | null = null;
    for (const { sha, parent } of links) {
      const own = this.#own.get(sha);
      if (own !== undefined) {
        commits.push(own.record);
        continue;
      }
      const commit = await this.#clone.readCommit(sha);
      let from: Folder;
      if (parent === this.#tip) from = this.#root;
      else if (before?.sha === parent) from = before.root;
      else from = new Folder((await this.#clone.readCommit(parent)).tree);
      const root = new Folder(commit.tree);
      const changes = await compareTrees(from, root, this.#cached);
      const changedPaths = changes.map(({ path }) => path);
      const { message, author } = commit;
      const otherParents = commit.parents.filter((one) => one !== parent);
      commits.push({ sha, parent, otherParents, message, author, changedPaths, changes });
      before = { sha, root };
    }
    return commits;
  }

  /** Called by a batch once the remote has accepted it. */
  accept(batch: {
    tip: CommitSha;
    root: Folder;
    commits: readonly OwnCommit[];
    blobs: readonly GitObject[];
  }): void {
    for (const commit of batch.commits) this.#own.set(commit.record.sha, commit);
    for (const blob of batch.blobs) this.#ownBlobs.set(blob.oid, blob.content);
    for (const sha of this.#own.keys()) {
      if (this.#own.size <= REMEMBERED_COMMITS) break;
      this.#own.delete(sha);
    }
    this.#pushedSinceFetch += batch.commits.length;
    this.#tip = batch.tip;
    this.#root = batch.root;
  }

  async readHead(name: string): Promise<CommitSha | null> {
    return await this.#clone.readRemoteTip(name);
  }

  /** Memory, then the clone; throws CloneDamaged. */
  readonly #cached: ObjectSource = {
    read: async (type, oid) => this.#ownBlobs.get(oid) ?? (await this.#clone.read(type, oid)),
  };

  async #readRepairing(type: 'tree' | 'blob', oid: string): Promise<Buffer> {
    try {
      return await this.#cached.read(type, oid);
    } catch (error) {
      if (!(error instanceof CloneDamaged)) throw error;
      this.#repair ??= this.#repairClone().finally(() => {
        this.#repair = null;
      });
      await this.#repair;
    }
    try {
      return await this.#cached.read(type, oid);
    } catch (error) {
      throw describeDamage(error);
    }
  }

  /** Makes the clone anew, deep enough to hold the commit our tree is of. */
  async #repairClone(): Promise<void> {
    await this.#clone.recreate();
    if (this.#tip === null) return;
    for (const depth of [1, ...DEPTHS]) {
      await this.#clone.fetch(depth);
      if (await this.#clone.has(this.#tip)) return;
    }
  }
}

function describeDamage(error: unknown): unknown {
  if (!(error instanceof CloneDamaged)) return error;
  return new PlatformError('git_damaged', `the repository cannot be read whole: ${error.message}`, {
    retryable: true,
    hint: 'Check the repository on the remote with git fsck, and this machine’s disk.',
    cause: error,
  });
}

class MemoryBatch implements Batch {
  readonly tree: TreeReader;
  readonly #branch: RemoteBranch;
  readonly #base: CommitSha | null;
  #tip: CommitSha | null;
  #root: Folder;
  readonly #commits: OwnCommit[] = [];
  /** In the order they were made; what the pack will hold. */
  readonly #objects = new Map<string, GitObject>();
  /** Trees the remote has, as they were replaced here. */
  readonly #known = new Set<string>();
  #isClosed = false;

  constructor(branch: RemoteBranch) {
    this.#branch = branch;
    this.#base = branch.tip;
    this.#tip = branch.tip;
    this.#root = branch.root;
    this.tree = createTreeReader(() => this.#root, this.#reader);
  }

  async commit(changes: readonly FileChange[], meta: CommitMeta): Promise<CommitResult> {
    this.#refuseClosed();
    const before = this.#root;
    const { root, objects, replaced } = await changeTree(before, changes, this.#reader);
    if (root.oid === before.oid) return { kind: 'unchanged' };
    const changedPaths = await diffTrees(before, root, this.#reader);
    const parent = this.#tip;
    const author = { name: meta.author.name, email: meta.author.email, at: meta.at };
    const commit = encodeCommit({
      tree: root.oid,
      parents: parent === null ? [] : [parent],
      author,
      message: meta.message,
    });
    const sha = commit.oid as CommitSha;
    for (const oid of replaced) if (!this.#objects.has(oid)) this.#known.add(oid);
    for (const object of [...objects, commit]) {
      if (!this.#known.has(object.oid) && !this.#objects.has(object.oid)) {
        this.#objects.set(object.oid, object);
      }
    }
    this.#commits.push({
      record: { sha, parent, message: normalizeMessage(meta.message), author, changedPaths },
      root: root.oid,
    });
    this.#tip = sha;
    this.#root = root;
    return { kind: 'committed', sha, parent, changedPaths };
  }

  /** The batch's own files first: they are nowhere else yet. */
  readonly #reader: ObjectSource = {
    read: async (type, oid) =>
      this.#objects.get(oid)?.content ?? (await this.#branch.source.read(type, oid)),
  };

  async push(permit?: () => Promise<void>): Promise<PushResult> {
    this.#refuseClosed();
    const after = this.#tip;
    if (this.#branch.tip !== this.#base) return { kind: 'moved' };
    // That nothing is to be done is said of the tip as well: the remote may have another by now.
    if (after === null || after === this.#base)
      return (await this.#branch.readHead(this.#branch.name)) === this.#base
        ? { kind: 'nothing' }
        : { kind: 'moved' };
    const report = await this.#send(this.#branch.ref, this.#base, after, permit);
    if (report.kind === 'rejected') {
      if ((await this.#branch.readHead(this.#branch.name)) !== this.#base) return { kind: 'moved' };
      throw describeRejection(report);
    }
    this.#isClosed = true;
    this.#branch.accept({
      tip: after,
      root: this.#root,
      commits: this.#commits,
      blobs: [...this.#objects.values()].filter((object) => object.type === 'blob'),
    });
    return { kind: 'pushed', before: this.#base, after };
  }

  async pushTo(name: string, before: CommitSha | null): Promise<PushResult> {
    this.#refuseClosed();
    const after = this.#tip;
    if (after === null || after === this.#base) return { kind: 'nothing' };
    const report = await this.#send(`refs/heads/${name}`, before, after);
    if (report.kind === 'rejected') {
      if ((await this.#branch.readHead(name)) !== before) return { kind: 'moved' };
      throw describeRejection(report);
    }
    this.#isClosed = true;
    return { kind: 'pushed', before, after };
  }

  #send(
    ref: string,
    before: CommitSha | null,
    after: CommitSha,
    permit?: () => Promise<void>,
  ): Promise<PushReport> {
    const pack = encodePack(this.#objects.values());
    return this.#branch.transport.push({ ref, before: before ?? ZERO_OID, after, pack }, permit);
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new Error('this batch has been pushed: begin another');
  }
}

/** The tip did not move, so it is a lock held for a moment, a broken transfer, or a rule. */
export function describeRejection({
  reason,
  messages,
}: Extract<PushReport, { kind: 'rejected' }>): PlatformError {
  const isTransient = /lock|failed to update ref|unpack|try again|timed? ?out|temporar/i.test(
    reason,
  );
  const detail = [reason, messages]
    .filter((part) => part !== '')
    .join(': ')
    .slice(0, 500);
  return new PlatformError('push_rejected', `the remote refused the push: ${detail}`, {
    retryable: isTransient,
    ...(isTransient
      ? {}
      : { hint: 'Check the branch’s protection rules and what our credential may do.' }),
  });
}
