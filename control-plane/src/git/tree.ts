/**
 * The tree of a commit as a persistent structure: folders load from git when first touched, a
 * change copies the folders on its way and shares all others. What a change costs depends on the
 * folders it touches, never on how many stores there are.
 *
 * Symbolic links and submodules are never followed and never replaced; a folder is never replaced
 * by a file or the other way round unless the same commit removes it first.
 */
import { PlatformError } from '../errors.ts';
import {
  decodeTree,
  encodeBlob,
  encodeTreeEntry,
  FILE_MODE,
  FOLDER_MODE,
  fromTreeName,
  hashObject,
  toTreeName,
  treeEntryLength,
  treeSortKey,
} from './objects.ts';
import type { GitObject, TreeEntry } from './objects.ts';
import { encodeSpliceDelta } from './pack.ts';
import { confinePath } from './paths.ts';
import type { FileChange, PathChange, TreeEntryKind, TreeReader } from './types.ts';

/** Where folders and files are read from; it verifies what it returns. */
export interface ObjectSource {
  read(type: 'tree' | 'blob', oid: string): Promise<Buffer>;
}

type FolderEntry = TreeEntry & {
  readonly key: string;
  /** The folder this entry names, once somebody asked for it. */
  folder?: Folder;
};

type FolderContent = { readonly bytes: Buffer; readonly entries: readonly FolderEntry[] };

/** One immutable version of a folder. */
export class Folder {
  readonly oid: string;
  #content: FolderContent | null;

  constructor(oid: string, content: FolderContent | null = null) {
    this.oid = oid;
    this.#content = content;
  }

  get isLoaded(): boolean {
    return this.#content !== null;
  }

  async load(source: ObjectSource): Promise<FolderContent> {
    if (this.#content === null) {
      const bytes = await source.read('tree', this.oid);
      const entries = decodeTree(bytes).map((entry) => ({ ...entry, key: treeSortKey(entry) }));
      this.#content = { bytes, entries };
    }
    return this.#content;
  }
}

const EMPTY_CONTENT: FolderContent = { bytes: Buffer.alloc(0), entries: [] };

/** The tree of a commit that holds no file. */
export const EMPTY_TREE: GitObject = {
  type: 'tree',
  oid: hashObject('tree', EMPTY_CONTENT.bytes),
  content: EMPTY_CONTENT.bytes,
};

export function createEmptyFolder(): Folder {
  return new Folder(EMPTY_TREE.oid, EMPTY_CONTENT);
}

function openFolder(entry: FolderEntry): Folder {
  entry.folder ??= new Folder(entry.oid);
  return entry.folder;
}

function findPosition(entries: readonly FolderEntry[], key: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry !== undefined && entry.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function findEntry(entries: readonly FolderEntry[], name: string): FolderEntry | null {
  for (const key of [name, `${name}/`]) {
    const entry = entries[findPosition(entries, key)];
    if (entry?.key === key) return entry;
  }
  return null;
}

function kindOf(entry: TreeEntry): TreeEntryKind {
  if (entry.mode === FOLDER_MODE) return 'folder';
  return entry.mode.startsWith('100') ? 'file' : 'other';
}

// --- reading -----------------------------------------------------------------------------------

/** A reader of whatever tree `getRoot` names at the time of each call. */
export function createTreeReader(getRoot: () => Folder, source: ObjectSource): TreeReader {
  const findFolder = async (segments: readonly string[]): Promise<Folder | null> => {
    let folder = getRoot();
    for (const segment of segments) {
      const { entries } = await folder.load(source);
      const entry = findEntry(entries, toTreeName(segment));
      if (entry === null || kindOf(entry) !== 'folder') return null;
      folder = openFolder(entry);
    }
    return folder;
  };
  const find = async (path: string): Promise<FolderEntry | null> => {
    const segments = splitPath(path);
    const name = segments.pop();
    if (name === undefined) return null;
    const folder = await findFolder(segments);
    if (folder === null) return null;
    return findEntry((await folder.load(source)).entries, toTreeName(name));
  };
  return {
    async list(path) {
      const folder = await findFolder(splitPath(path));
      if (folder === null) return null;
      const { entries } = await folder.load(source);
      return entries.map((entry) => ({ name: fromTreeName(entry.name), kind: kindOf(entry) }));
    },
    async read(path) {
      const entry = await find(path);
      if (entry === null || kindOf(entry) !== 'file') return null;
      return await source.read('blob', entry.oid);
    },
    async exists(path) {
      return splitPath(path).length === 0 || (await find(path)) !== null;
    },
    async oid(path) {
      if (splitPath(path).length === 0) return getRoot().oid;
      return (await find(path))?.oid ?? null;
    },
  };
}

function splitPath(path: string): string[] {
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path;
  return trimmed === '' ? [] : trimmed.split('/');
}

// --- changing ----------------------------------------------------------------------------------

export type TreeChange = {
  readonly root: Folder;
  /** The new blobs and trees the new root needs, none that nothing reaches. */
  readonly objects: readonly GitObject[];
  /** Trees of the old root that were replaced. */
  readonly replaced: readonly string[];
};

/** What one commit does beneath one path. */
type Plan = {
  readonly path: string;
  /** The new file here; null removes the file that is here. */
  file?: GitObject | null;
  /** Removes the folder that is here, before anything is written beneath it. */
  removesFolder?: true;
  readonly children: Map<string, Plan>;
};

/** Applies one commit's changes to a tree and returns the new one with the objects it needs. */
export async function changeTree(
  root: Folder,
  changes: readonly FileChange[],
  source: ObjectSource,
): Promise<TreeChange> {
  const plan = planChanges(changes);
  const objects = new Map<string, GitObject>();
  const replaced: string[] = [];
  const changed = await changeFolder(root, plan, { source, objects, replaced });
  if (changed === null) objects.set(EMPTY_TREE.oid, EMPTY_TREE);
  return { root: changed ?? createEmptyFolder(), objects: [...objects.values()], replaced };
}

function planChanges(changes: readonly FileChange[]): Plan {
  const root: Plan = { path: '', children: new Map() };
  for (const { path, content } of changes) {
    const { segments, isFolder } = confinePath(path);
    let plan = root;
    for (const segment of segments) {
      let child = plan.children.get(segment);
      if (child === undefined) {
        child = {
          path: plan.path === '' ? segment : `${plan.path}/${segment}`,
          children: new Map(),
        };
        plan.children.set(segment, child);
      }
      plan = child;
    }
    if (isFolder) {
      if (content !== null)
        throw refusePath(plan.path, 'unsafe_path', 'names a folder but has content');
      plan.removesFolder = true;
    } else {
      if (plan.file !== undefined) throw refusePath(plan.path, 'path_conflict', 'is changed twice');
      plan.file = content === null ? null : encodeBlob(content);
    }
  }
  return root;
}

type Work = {
  readonly source: ObjectSource;
  readonly objects: Map<string, GitObject>;
  readonly replaced: string[];
};

/** Returns null when nothing is left in the folder: git knows no empty folders. */
async function changeFolder(folder: Folder | null, plan: Plan, work: Work): Promise<Folder | null> {
  const base = folder === null ? EMPTY_CONTENT : await folder.load(work.source);
  const edits: Edit[] = [];
  for (const [segment, child] of plan.children) {
    const name = toTreeName(segment);
    const current = findEntry(base.entries, name);
    const next = await changeEntry(current, name, child, work);
    if (next === current) continue;
    if (current !== null) {
      edits.push({ position: findPosition(base.entries, current.key), remove: true });
    }
    if (next !== null) {
      edits.push({ position: findPosition(base.entries, next.key), insert: next });
    }
  }
  if (edits.length === 0 && folder !== null) return base.entries.length === 0 ? null : folder;
  const content = editContent(base, edits);
  if (content.entries.length === 0) return null;
  const oid = hashObject('tree', content.bytes);
  const worthDelta = folder !== null && content.delta.length * 2 < content.bytes.length;
  if (folder !== null) work.replaced.push(folder.oid);
  work.objects.set(oid, {
    type: 'tree',
    oid,
    content: content.bytes,
    ...(worthDelta ? { delta: { base: folder.oid, bytes: content.delta } } : {}),
  });
  return new Folder(oid, { bytes: content.bytes, entries: content.entries });
}

/** The entry after the change; the same object when nothing changes. */
async function changeEntry(
  current: FolderEntry | null,
  name: string,
  plan: Plan,
  work: Work,
): Promise<FolderEntry | null> {
  const kind = current === null ? null : kindOf(current);
  if (kind === 'other') {
    throw refusePath(plan.path, 'unsafe_path', 'is a symbolic link or submodule in the repository');
  }
  const hasChildren = plan.children.size > 0;
  if (plan.file !== undefined && plan.file !== null) {
    if (hasChildren) throw refusePath(plan.path, 'path_conflict', 'would be file and folder');
    if (kind === 'folder' && plan.removesFolder === undefined) {
      throw refusePath(plan.path, 'path_conflict', 'is a folder in the repository');
    }
    if (current?.oid === plan.file.oid && current.mode === FILE_MODE) return current;
    if (current?.oid !== plan.file.oid) work.objects.set(plan.file.oid, plan.file);
    return { name, mode: FILE_MODE, oid: plan.file.oid, key: name };
  }
  if (kind === 'file') {
    if (plan.removesFolder !== undefined && plan.file === undefined) {
      throw refusePath(plan.path, 'path_conflict', 'is a file in the repository');
    }
    if (hasChildren && plan.file === undefined) {
      // Removing something beneath what is not a folder changes nothing; writing there cannot be.
      if (!writesSomething(plan)) return current;
      throw refusePath(plan.path, 'path_conflict', 'is a file in the repository');
    }
  }
  if (kind === 'folder' && plan.file === null && plan.removesFolder === undefined) {
    throw refusePath(plan.path, 'path_conflict', 'is a folder in the repository');
  }
  const keeps = kind === 'folder' && plan.removesFolder === undefined;
  const before = keeps && current !== null ? openFolder(current) : null;
  if (before === null && !writesSomething(plan)) return null;
  const after = await changeFolder(before, plan, work);
  if (after === null) return null;
  if (after.oid === current?.oid) return current;
  return { name, mode: FOLDER_MODE, oid: after.oid, key: `${name}/`, folder: after };
}

function writesSomething(plan: Plan): boolean {
  if (plan.file !== undefined && plan.file !== null) return true;
  return [...plan.children.values()].some(writesSomething);
}

function refusePath(
  path: string,
  code: 'unsafe_path' | 'path_conflict',
  why: string,
): PlatformError {
  return new PlatformError(code, `path ${JSON.stringify(path.slice(0, 120))} ${why}`);
}

type Edit = { readonly position: number; readonly remove?: true; readonly insert?: FolderEntry };

function editContent(
  base: FolderContent,
  edits: readonly Edit[],
): FolderContent & { readonly delta: Buffer } {
  // An entry that goes at the same place as one that leaves comes first: its key is not greater.
  const sorted = edits.toSorted(
    (a, b) =>
      a.position - b.position ||
      Number(a.remove ?? false) - Number(b.remove ?? false) ||
      compareKeys(a.insert?.key ?? '', b.insert?.key ?? ''),
  );
  const entries: FolderEntry[] = [];
  const parts: Buffer[] = [];
  const splices: { start: number; end: number; insert: Buffer }[] = [];
  let position = 0;
  let offset = 0;
  let copied = 0;
  const copyUntil = (end: number): void => {
    for (; position < end; position += 1) {
      const entry = base.entries[position];
      if (entry === undefined) break;
      entries.push(entry);
      offset += treeEntryLength(entry);
    }
  };
  for (const edit of sorted) {
    copyUntil(edit.position);
    const start = offset;
    let insert = EMPTY_CONTENT.bytes;
    if (edit.insert !== undefined) {
      entries.push(edit.insert);
      insert = encodeTreeEntry(edit.insert);
    } else {
      const removed = base.entries[position];
      if (removed !== undefined) offset += treeEntryLength(removed);
      position += 1;
    }
    parts.push(base.bytes.subarray(copied, start), insert);
    copied = offset;
    splices.push({ start, end: offset, insert });
  }
  copyUntil(base.entries.length);
  parts.push(base.bytes.subarray(copied));
  return {
    bytes: Buffer.concat(parts),
    entries,
    delta: encodeSpliceDelta(base.bytes.length, splices),
  };
}

function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

// --- comparing ---------------------------------------------------------------------------------

/**
 * Every path that differs between two trees, sorted; of a folder only the files beneath it. Folders
 * that are the same are not looked into, and folders `after` shares with `before` are taken over
 * as they are, loaded or not.
 */
export async function diffTrees(
  before: Folder,
  after: Folder,
  source: ObjectSource,
): Promise<string[]> {
  return (await compareTrees(before, after, source)).map(({ path }) => path);
}

/** What `diffTrees` finds, with the objects on both sides. */
export async function compareTrees(
  before: Folder,
  after: Folder,
  source: ObjectSource,
): Promise<PathChange[]> {
  const changes: PathChange[] = [];
  await diffFolders(before, after, '', changes, source);
  return changes.sort((a, b) => compareKeys(a.path, b.path));
}

async function diffFolders(
  before: Folder | null,
  after: Folder | null,
  prefix: string,
  changes: PathChange[],
  source: ObjectSource,
): Promise<void> {
  if (before?.oid === after?.oid) return;
  const old = before === null ? EMPTY_CONTENT.entries : (await before.load(source)).entries;
  const young = after === null ? EMPTY_CONTENT.entries : (await after.load(source)).entries;
  let oldIndex = 0;
  let youngIndex = 0;
  for (;;) {
    const left = old[oldIndex];
    const right = young[youngIndex];
    if (left === undefined && right === undefined) return;
    const order =
      left === undefined ? 1 : right === undefined ? -1 : compareKeys(left.key, right.key);
    const gone = order <= 0 ? left : undefined;
    const come = order >= 0 ? right : undefined;
    if (order <= 0) oldIndex += 1;
    if (order >= 0) youngIndex += 1;
    if (gone !== undefined && come !== undefined && gone.oid === come.oid) {
      if (gone.folder !== undefined) come.folder ??= gone.folder;
      if (gone.mode !== come.mode)
        changes.push({ path: prefix + fromTreeName(come.name), before: gone.oid, after: come.oid });
      continue;
    }
    const goneFolder = gone?.mode === FOLDER_MODE ? openFolder(gone) : null;
    const comeFolder = come?.mode === FOLDER_MODE ? openFolder(come) : null;
    if (goneFolder !== null || comeFolder !== null) {
      const name = fromTreeName((come ?? gone)?.name ?? '');
      await diffFolders(goneFolder, comeFolder, `${prefix}${name}/`, changes, source);
    } else {
      const path = prefix + fromTreeName((come ?? gone)?.name ?? '');
      changes.push({ path, before: gone?.oid ?? null, after: come?.oid ?? null });
    }
  }
}
