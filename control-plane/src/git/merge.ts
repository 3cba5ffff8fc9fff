/**
 * Merges two trees by whole files. A file that differs on both sides since the base is a conflict,
 * even where its lines could be joined: half of one rendered file and half of another is nobody's
 * intent. What it costs depends on what theirs changes.
 */
import { PlatformError } from '../errors.ts';
import { changeTree, createTreeReader, diffTrees, type Folder, type ObjectSource } from './tree.ts';
import type { TreeChange } from './tree.ts';
import type { FileChange } from './types.ts';

export type TreeMerge =
  | { readonly kind: 'merged'; readonly change: TreeChange }
  /** The paths that both sides changed. */
  | { readonly kind: 'conflict'; readonly paths: readonly string[] };

/**
 * Ours with what theirs changed since the base. Throws PlatformError `unsafe_path` when theirs has
 * what the writer would not write: symbolic links, submodules, names that are no names.
 */
export async function mergeTrees(
  trees: { readonly base: Folder; readonly ours: Folder; readonly theirs: Folder },
  source: ObjectSource,
): Promise<TreeMerge> {
  const read = (root: Folder) => createTreeReader(() => root, source);
  const [base, ours, theirs] = [read(trees.base), read(trees.ours), read(trees.theirs)];
  const changes: FileChange[] = [];
  const conflicts: string[] = [];
  for (const path of await diffTrees(trees.base, trees.theirs, source)) {
    const here = await ours.oid(path);
    const there = await theirs.oid(path);
    if (here === there) continue;
    if (here !== (await base.oid(path))) {
      conflicts.push(path);
      continue;
    }
    const content = await theirs.read(path);
    if (content === null && there !== null)
      throw new PlatformError('unsafe_path', `path ${JSON.stringify(path)} is no plain file`);
    changes.push({ path, content });
  }
  if (conflicts.length > 0) return { kind: 'conflict', paths: conflicts };
  try {
    return { kind: 'merged', change: await changeTree(trees.ours, changes, source) };
  } catch (error) {
    // A folder on one side where the other has a file.
    if (!(error instanceof PlatformError) || error.code !== 'path_conflict') throw error;
    return { kind: 'conflict', paths: changes.map(({ path }) => path) };
  }
}
