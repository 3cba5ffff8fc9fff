/**
 * Confines the paths of a commit. What passes here is the same file on every system that may check
 * the repository out: no way out of it, nothing git, HFS+ or NTFS would take for `.git`.
 */
import { PlatformError } from '../errors.ts';

const MAX_PATH_BYTES = 1024;
const MAX_SEGMENT_BYTES = 255;

// eslint-disable-next-line no-control-regex -- control characters are exactly what must not pass
const FORBIDDEN_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\\:*?"<>|\u2028\u2029]/;
/** Characters HFS+ ignores when it compares names. */
const HFS_IGNORED = /[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;
/** NTFS short names of .git and .gitmodules. */
const NTFS_SHORT_NAMES = /^(git~\d+|gitmod~\d+|gi7eba~\d+|gi7eb~\d+)$/;

export type ConfinedPath = {
  readonly segments: readonly [string, ...string[]];
  /** The path ended in a slash: it names a folder. */
  readonly isFolder: boolean;
};

/** Throws PlatformError `unsafe_path` for a path that must not be written. */
export function confinePath(path: string): ConfinedPath {
  const refuse = (why: string): PlatformError =>
    new PlatformError('unsafe_path', `path ${JSON.stringify(path.slice(0, 120))} ${why}`);
  if (path === '' || path === '/') throw refuse('is empty');
  if (path.startsWith('/')) throw refuse('is absolute');
  if (!path.isWellFormed()) throw refuse('is not well-formed Unicode');
  if (path.normalize('NFC') !== path) throw refuse('is not in Unicode normal form C');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw refuse('is too long');
  if (FORBIDDEN_CHARACTERS.test(path)) throw refuse('holds a forbidden character');
  const isFolder = path.endsWith('/');
  const [first, ...rest] = (isFolder ? path.slice(0, -1) : path).split('/');
  if (first === undefined) throw refuse('is empty');
  for (const segment of [first, ...rest]) {
    const why = refuseSegment(segment);
    if (why !== null) throw refuse(why);
  }
  return { segments: [first, ...rest], isFolder };
}

function refuseSegment(segment: string): string | null {
  if (segment === '') return 'holds an empty segment';
  if (segment === '.' || segment === '..') return 'holds a dot segment';
  if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) return 'holds a segment that is too long';
  if (segment !== segment.trim() || segment.endsWith('.'))
    return 'holds a segment that ends or begins in space or dot';
  const folded = segment
    .normalize('NFKC')
    .replace(HFS_IGNORED, '')
    .toLowerCase()
    .replace(/[. ]+$/, '');
  if (folded === '' || folded === '.git' || folded === '.gitmodules')
    return 'names the repository itself';
  if (NTFS_SHORT_NAMES.test(folded)) return 'names the repository itself';
  return null;
}
