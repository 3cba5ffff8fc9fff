/** Reads a bare repository on this machine, the embedded forge's or a mirror; never writes it. */
import { decodeCommit, hashObject, type CommitFields } from '../git/objects.ts';
import { createEmptyFolder, createTreeReader, diffTrees, Folder } from '../git/tree.ts';
import type { ObjectSource } from '../git/tree.ts';
import type { CommitSha } from '../git/types.ts';
import { PlatformError } from '../errors.ts';
import { ObjectProcess, type ObjectProcessOptions } from './object-process.ts';
import type { RepositoryReader } from './types.ts';

/** Every object of a repository. Reading throws as the port says (types.ts). */
export type RepositoryObjects = ObjectSource & {
  /** By its id, or by the full name of a ref; null: there is none. */
  readCommit(name: string): Promise<(CommitFields & { readonly sha: CommitSha }) | null>;
  close(): void;
};

export function openObjects(options: ObjectProcessOptions): RepositoryObjects {
  const objects = new ObjectProcess(options);
  return {
    read: (type, oid) => readObject(objects, type, oid),
    async readCommit(name) {
      const found = await objects.find(`${name}^{commit}`);
      if (found?.type !== 'commit' || found.content === null) return null;
      return { ...decodeCommit(found.content), sha: found.oid as CommitSha };
    },
    close: () => objects.close(),
  };
}

export type BareRepositoryReader = RepositoryReader & { close(): void };

/** @param options.branch short name */
export function openBareRepository(
  options: ObjectProcessOptions & { readonly branch: string },
): BareRepositoryReader {
  const objects = openObjects(options);
  const readCommit = (name: string) => objects.readCommit(name);
  const openTree = (root: Folder) => createTreeReader(() => root, objects);

  return {
    async readTip() {
      const tip = await readCommit(`refs/heads/${options.branch}`);
      return openTree(tip === null ? createEmptyFolder() : new Folder(tip.tree));
    },
    async readChange(sha, since) {
      const commit = await readCommit(sha);
      if (commit === null) return null;
      const from = since ?? commit.parents[0];
      const earlier = from === undefined ? null : await readCommit(from);
      const before = earlier === null ? createEmptyFolder() : new Folder(earlier.tree);
      const after = new Folder(commit.tree);
      return {
        sha: commit.sha,
        message: commit.message,
        author: commit.author,
        paths: await diffTrees(before, after, objects),
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
    throw new PlatformError('object_too_large', `Object ${oid} is too large to show.`);
  if (found?.type !== type || hashObject(type, found.content) !== oid)
    throw new PlatformError('repository_unavailable', `Object ${oid} cannot be read.`, {
      retryable: true,
    });
  return found.content;
}
