/** Whether a user other than root gets as far as a path: Postgres does not run as root. */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

export type User = { readonly uid: number; readonly gid: number };

/**
 * The nearest folder above `path` that this user may not enter, or null when the way is free.
 * @param user null: one who owns none of them
 */
export function findClosedFolder(path: string, user: User | null): string | null {
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const mayEnter =
      (mode & 0o001) !== 0 ||
      (uid === user?.uid && (mode & 0o100) !== 0) ||
      (gid === user?.gid && (mode & 0o010) !== 0);
    if (!mayEnter) return folder;
    if (folder === dirname(folder)) return null;
  }
}
