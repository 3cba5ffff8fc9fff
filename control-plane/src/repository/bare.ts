/** Reads the embedded forge's repository where it is: a bare one on this machine, never written. */
import { decodeCommit, hashObject, type CommitFields } from '../git/objects.ts';
import { createEmptyFolder, createTreeReader, diffTrees, Folder } from '../git/tree.ts';
import type { ObjectSource } from '../git/tree.ts';
import type { CommitSha } from '../git/types.ts';
import { PlatformError } from '../errors.ts';
import { ObjectProcess, type ObjectProcessOptions } from './object-process.ts';
import type { RepositoryReader } from './types.ts';

export type BareRepositoryReader = RepositoryReader & { close(): void };

/** @param options.branch short name */
export function openBareRepository(
  options: ObjectProcessOptions & { readonly branch: string },
): BareRepositoryReader {
  const objects = new ObjectProcess(options);
  const source: ObjectSource = { read: (type, oid) => readObject(objects, type, oid) };

  const readCommit = async (name: string): Promise<(CommitFields & { sha: CommitSha }) | null> => {
    const found = await objects.find(`${name}^{commit}`);
    if (found?.type !== 'commit' || found.content === null) return null;
    return { ...decodeCommit(found.content), sha: found.oid as CommitSha };
  };
  const openTree = (root: Folder) => createTreeReader(() => root, source);

  return {
    async readTip() {
      const tip = await readCommit(`refs/heads/${options.branch}`);
      return openTree(tip === null ? createEmptyFolder() : new Folder(tip.tree));
    },
    async readChange(sha) {
      const commit = await readCommit(sha);
      if (commit === null) return null;
      const [parent] = commit.parents;
      const earlier = parent === undefined ? null : await readCommit(parent);
      const before = earlier === null ? createEmptyFolder() : new Folder(earlier.tree);
      const after = new Folder(commit.tree);
      return {
        sha: commit.sha,
        message: commit.message,
        author: commit.author,
        paths: await diffTrees(before, after, source),
        before: openTree(before),
        after: openTree(after),
      };
    },
    close: () => objects.close(),
  };
}

async function readObject(
  objects: ObjectProcess,
  type: 'tree' | 'blob',
  oid: string,
): Promise<Buffer> {
  const found = await objects.find(oid);
  if (found?.content === null)
    throw new PlatformError('repository_unavailable', `Object ${oid} is too large to show.`);
  if (found?.type !== type || hashObject(type, found.content) !== oid)
    throw new PlatformError('repository_unavailable', `Object ${oid} cannot be read.`, {
      retryable: true,
    });
  return found.content;
}
