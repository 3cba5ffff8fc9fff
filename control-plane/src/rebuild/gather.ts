/**
 * What a repository's history says of tenants and stores. The commits of ours prove what was done
 * (trailers) and with which settings (the intent file they wrote); the tree at the tip shows what a
 * person has changed since. Nothing here knows a database; blobs are read by the caller.
 */
import { readCommitTrailers } from '../domain/commit-message.ts';
import { nameDrift, type DriftKind } from '../domain/drift.ts';
import {
  ACTIONS,
  nameApplication,
  type Action,
  type OperationKind,
  type StoreSpec,
} from '../domain/store.ts';
import { pathOfIntent, readStorePath, readTenantPath } from '../render/paths.ts';
import { readStoreFile } from '../render/store-file.ts';
import type { HistoryCommit, LoggedCommit } from './history.ts';

export type GatheredOperation = {
  readonly id: string;
  readonly kind: OperationKind;
  /** What its last commit did. */
  readonly action: Action;
  readonly spec: StoreSpec;
  readonly requestedBy: string;
  /** Of its last commit. */
  readonly sha: string;
  readonly createdAt: Date;
  readonly committedAt: Date;
};

export type GatheredStore = {
  /** As our newest commit left it. */
  readonly spec: StoreSpec;
  readonly createdAt: Date;
  /** In the order of their first commits. */
  readonly operations: readonly GatheredOperation[];
  /** The one that its stages belong to; of those above. */
  readonly current: GatheredOperation;
};

export type GatheredTenant = {
  readonly id: string;
  readonly slug: string;
  readonly createdAt: Date;
  /** Where its AppProject is. */
  readonly clusters: readonly string[];
};

export type GatheredDrift = {
  readonly storeId: string;
  readonly path: string;
  readonly kind: DriftKind;
  /** The blob that our commit left there; null: none. */
  readonly ours: string | null;
  /** The first commit that left something else there. */
  readonly firstSha: string;
  /** The last. */
  readonly sha: string;
  readonly author: string;
  readonly at: Date;
};

export type Gathered = {
  readonly tenants: readonly GatheredTenant[];
  readonly stores: readonly GatheredStore[];
  readonly drifts: readonly GatheredDrift[];
  /** By their shas: commits that are of an operation and do not say so. */
  readonly untold: ReadonlyMap<string, UntoldCommit>;
  /** What could not be understood, a sentence each. */
  readonly troubles: readonly string[];
};

/** What a commit without trailers did: a pull request of ours that was squashed, or a person's work. */
export type UntoldCommit = {
  readonly operationId: string;
  readonly action: Action;
  readonly storeId: string;
};

/** Reads blobs by their ids; what cannot be read is left out. */
export type ReadBlobs = (blobs: readonly string[]) => Promise<ReadonlyMap<string, string>>;

/** @param commits in the order of places */
export async function gatherHistory(
  commits: readonly HistoryCommit[],
  readBlobs: ReadBlobs,
): Promise<Gathered> {
  const replay = replayCommits(commits);
  const blobs = await readBlobs(listBlobs(replay));
  const troubles: string[] = [];
  const untold = takeUntold(replay, blobs, troubles);
  const stores: GatheredStore[] = [];
  for (const [id, found] of replay.stores) {
    const store = describeStore(found, blobs);
    if (typeof store === 'string') troubles.push(`Store ${id}: ${store}`);
    else stores.push(store);
  }
  return {
    tenants: describeTenants(replay, stores, blobs, troubles),
    stores,
    drifts: findDrifts(replay, stores),
    untold,
    troubles,
  };
}

type FoundOperation = {
  readonly id: string;
  readonly kind: OperationKind;
  action: Action;
  intent: string | null;
  readonly requestedBy: string;
  sha: string;
  readonly createdAt: Date;
  committedAt: Date;
};

type FoundStore = {
  /** Blob of the newest intent file. */
  intent: string | null;
  readonly operations: Map<string, FoundOperation>;
  current: FoundOperation | null;
  readonly paths: Set<string>;
};

/** What is at a path, and who left it so. */
type FileState = {
  /** null: nothing, now. */
  blob: string | null;
  /** What our newest commit left there; undefined: none of ours touched it. */
  ours: string | null | undefined;
  /** The first and the last commit since then that left something else. */
  first: HistoryCommit | null;
  last: HistoryCommit;
};

type Replay = {
  readonly stores: Map<string, FoundStore>;
  /** What there is, and was, in the clusters' folders. */
  readonly files: Map<string, FileState>;
};

function replayCommits(commits: readonly HistoryCommit[]): Replay {
  const replay: Replay = { stores: new Map(), files: new Map() };
  for (const commit of commits) {
    for (const one of [...commit.brought, commit]) noteOperation(replay, one, commit);
    noteFiles(replay, commit);
  }
  return replay;
}

/** A merge brings what a commit of ours left on its branch: that is no change of anybody's. */
function noteFiles({ files }: Replay, commit: HistoryCommit): void {
  for (const { path, blob } of commit.changes) {
    if (!path.startsWith('clusters/')) continue;
    const file = files.get(path) ?? { blob, ours: undefined, first: null, last: commit };
    file.blob = blob;
    file.first = file.ours === blob ? null : (file.first ?? commit);
    file.last = commit;
    files.set(path, file);
  }
}

/** What was done on a branch of its own was done on ours by the merge, the tip. */
function noteOperation({ stores, files }: Replay, commit: LoggedCommit, tip: HistoryCommit): void {
  const { operationId, action, storeId } = readCommitTrailers(commit.message);
  if (operationId === null || storeId === null || !isAction(action)) return;
  const store: FoundStore = stores.get(storeId) ?? {
    intent: null,
    operations: new Map(),
    current: null,
    paths: new Set(),
  };
  stores.set(storeId, store);
  for (const { path, blob } of commit.changes) {
    const location = readStorePath(path);
    if (location === null) continue;
    store.paths.add(path);
    const file = files.get(path) ?? { blob: null, ours: blob, first: null, last: tip };
    files.set(path, { ...file, ours: blob });
    if (location.kind === 'folder' && path.endsWith('/store.yaml') && blob !== null)
      store.intent = blob;
  }
  const known = store.operations.get(operationId);
  const operation: FoundOperation = known ?? {
    id: operationId,
    kind: kindOf(action),
    action,
    intent: store.intent,
    requestedBy: /^Requested-By: (\S+)$/m.exec(commit.message)?.[1] ?? 'unknown',
    sha: tip.sha,
    createdAt: readRequestTime(commit),
    committedAt: tip.at,
  };
  operation.action = action;
  operation.intent = store.intent;
  operation.sha = tip.sha;
  operation.committedAt = tip.at;
  store.operations.set(operationId, operation);
  // It goes on beside whatever the store is doing.
  if (operation.kind !== 'protect') store.current = operation;
}

/** Where a commit does not say it, its own time; nothing is asked for after its commit. */
function readRequestTime({ message, at }: LoggedCommit): Date {
  const said = Date.parse(/^Requested-At: (\S+)$/m.exec(message)?.[1] ?? '');
  return said < at.getTime() ? new Date(said) : at;
}

function isAction(word: string | null): word is Action {
  return (ACTIONS as readonly (string | null)[]).includes(word);
}

/** Whatever a delete does is a delete; every other action is called like its operation. */
function kindOf(action: Action): OperationKind {
  switch (action) {
    case 'retire':
    case 'release':
    case 'remove':
    case 'purge':
      return 'delete';
    default:
      return action;
  }
}

function listBlobs({ stores, files }: Replay): string[] {
  const blobs = new Set<string>();
  for (const store of stores.values())
    for (const { intent } of store.operations.values()) if (intent !== null) blobs.add(intent);
  for (const [path, { blob }] of files)
    if (blob !== null && readTenantPath(path) !== null) blobs.add(blob);
  for (const { blob } of listForeignIntents(files)) blobs.add(blob);
  return [...blobs];
}

type ForeignIntent = { readonly path: string; readonly blob: string; readonly file: FileState };

/** The intent files at the tip that are not as a commit of ours left them. */
function listForeignIntents(files: Replay['files']): ForeignIntent[] {
  return [...files].flatMap(([path, file]) =>
    file.blob !== null &&
    file.blob !== file.ours &&
    path.endsWith('/store.yaml') &&
    readStorePath(path)?.kind === 'folder'
      ? [{ path, blob: file.blob, file }]
      : [],
  );
}

/**
 * Takes a whole intent file that no commit of ours wrote for a change of ours that lost its trailers,
 * as a squash does: of a store that is not known otherwise, or a later generation of one that is.
 * Every other is a person's edit, which shows as drift.
 */
function takeUntold(
  { stores, files }: Replay,
  blobs: ReadonlyMap<string, string>,
  troubles: string[],
): ReadonlyMap<string, UntoldCommit> {
  const untold = new Map<string, UntoldCommit>();
  for (const { path, blob, file } of listForeignIntents(files)) {
    const { last } = file;
    const read = readStoreFile(blobs.get(blob) ?? '');
    const isStray = file.ours === undefined;
    if (!read.ok || pathOfIntent(read.spec) !== path) {
      const why = read.ok ? 'is of another place.' : read.why;
      if (isStray) troubles.push(`${path}: no commit of ours has it, and it ${why}`);
      continue;
    }
    const { id, generation } = read.spec;
    const known = stores.get(id);
    const ours = readStoreFile(blobs.get(known?.intent ?? '') ?? '');
    if (known?.current?.kind === 'delete' || (ours.ok && ours.spec.generation >= generation))
      continue;
    if (untold.has(last.sha) || readCommitTrailers(last.message).operationId !== null) {
      if (known === undefined) troubles.push(`${path}: ${last.sha} does not say whose it is.`);
      continue;
    }
    const kind = known === undefined ? 'create' : 'update';
    const { sha, at } = last;
    const operation: FoundOperation = {
      ...{ id: `op_${sha.slice(0, 16)}`, kind, action: kind, intent: blob },
      ...{ requestedBy: 'unknown', sha, createdAt: at, committedAt: at },
    };
    const store: FoundStore = known ?? {
      ...{ intent: blob, current: null },
      ...{ operations: new Map(), paths: new Set() },
    };
    stores.set(id, store);
    store.intent = blob;
    store.operations.set(operation.id, operation);
    store.current = operation;
    untold.set(sha, { operationId: operation.id, action: kind, storeId: id });
    const application = nameApplication(read.spec.tenantId, read.spec.name);
    for (const change of last.changes) {
      if (readStorePath(change.path)?.application !== application) continue;
      store.paths.add(change.path);
      const state = files.get(change.path);
      if (state === undefined) continue;
      state.ours = change.blob;
      if (state.blob === change.blob) state.first = null;
    }
  }
  return untold;
}

/** The store, or why there is none. */
function describeStore(
  found: FoundStore,
  blobs: ReadonlyMap<string, string>,
): GatheredStore | string {
  const operations: GatheredOperation[] = [];
  let why = 'no commit of ours has its store.yaml';
  for (const { intent, ...operation } of found.operations.values()) {
    const text = intent === null ? undefined : blobs.get(intent);
    const read = text === undefined ? null : readStoreFile(text);
    if (read?.ok === true) operations.push({ ...operation, spec: read.spec });
    else if (read !== null)
      why = `its store.yaml at ${operation.sha} is not what it was: ${read.why}`;
  }
  const newest = operations.reduce<GatheredOperation | undefined>(
    (last, one) => (last === undefined || one.spec.generation >= last.spec.generation ? one : last),
    undefined,
  );
  const current = operations.find(({ id }) => id === found.current?.id);
  const [first] = operations;
  if (newest === undefined || current === undefined || first === undefined) return why;
  return { spec: newest.spec, createdAt: first.createdAt, operations, current };
}

/** Those whose AppProject is in the tree, and those of stores whose AppProject was removed. */
function describeTenants(
  { files }: Replay,
  stores: readonly GatheredStore[],
  blobs: ReadonlyMap<string, string>,
  troubles: string[],
): GatheredTenant[] {
  const slugs = new Map(stores.map(({ spec }) => [spec.tenantId, spec.tenant]));
  const tenants = new Map<string, GatheredTenant & { clusters: string[] }>();
  const note = (id: string, slug: string, createdAt: Date) => {
    const known = tenants.get(id) ?? { id, slug, createdAt, clusters: [] };
    tenants.set(id, {
      ...known,
      createdAt: createdAt < known.createdAt ? createdAt : known.createdAt,
    });
    return tenants.get(id);
  };
  for (const [path, { blob, last }] of files) {
    const place = readTenantPath(path);
    if (place === null || blob === null) continue;
    const { tenantId, cluster } = place;
    const slug = slugs.get(tenantId) ?? readSlug(blobs.get(blob) ?? '');
    if (slug === undefined) troubles.push(`${path} does not say which tenant it is of.`);
    else note(tenantId, slug, last.at)?.clusters.push(cluster);
  }
  for (const { spec, createdAt } of stores) note(spec.tenantId, spec.tenant, createdAt);
  return [...tenants.values()];
}

/** The AppProject's description names the tenant (manifests/project.yaml.hbs). */
function readSlug(project: string): string | undefined {
  return /^ {2}description: Stores of tenant ([a-z][a-z0-9-]*[a-z0-9])$/m.exec(project)?.[1];
}

/** Paths of living stores that are not as our commits left them. */
function findDrifts({ files, stores: found }: Replay, stores: readonly GatheredStore[]) {
  const owners = new Map<string, string>();
  for (const { spec, current } of stores)
    if (current.action !== 'purge')
      owners.set(`${spec.cluster} ${nameApplication(spec.tenantId, spec.name)}`, spec.id);
  const drifts: GatheredDrift[] = [];
  for (const [path, { blob, ours = null, first, last }] of files) {
    if (first === null || blob === ours) continue;
    const place = readStorePath(path);
    const storeId =
      place === null ? undefined : owners.get(`${place.cluster} ${place.application}`);
    if (storeId === undefined) continue;
    // What is left of an earlier store of that name was settled by its purge.
    if (blob === null && found.get(storeId)?.paths.has(path) !== true) continue;
    drifts.push({
      ...{ storeId, path, kind: nameDrift(ours, blob), ours, firstSha: first.sha },
      ...{ sha: last.sha, author: last.author, at: last.at },
    });
  }
  return drifts;
}
