/**
 * Codecs of git's three object kinds we write: blob, tree, commit. Pure; SHA-1 repositories only.
 *
 * A name inside a tree is held as a latin-1 string, one character a byte: its order is git's byte
 * order, and a name that is not UTF-8 survives a round trip. `toTreeName` and `fromTreeName` convert.
 */
import { hash } from 'node:crypto';
import { PlatformError } from '../errors.ts';
import type { CommitAuthor, CommitSha } from './types.ts';

export type ObjectType = 'commit' | 'tree' | 'blob';

export type GitObject = {
  readonly type: ObjectType;
  readonly oid: string;
  readonly content: Buffer;
  /** A tree may be sent as what changed since this earlier tree. */
  readonly delta?: { readonly base: string; readonly bytes: Buffer };
};

export type TreeEntry = {
  /** Latin-1, see the head of this file. */
  readonly name: string;
  readonly mode: TreeMode;
  readonly oid: string;
};

export const FOLDER_MODE = '40000';
export const FILE_MODE = '100644';

const TREE_MODES = ['40000', '100644', '100664', '100755', '120000', '160000'] as const;
export type TreeMode = (typeof TREE_MODES)[number];

export const ZERO_OID = '0'.repeat(40);

const OID_PATTERN = /^[0-9a-f]{40}$/;

export function isOid(value: string): boolean {
  return OID_PATTERN.test(value);
}

/** Checks what came from outside before it is taken for a commit's name. */
export function parseCommitSha(value: string): CommitSha {
  if (!isOid(value) || value === ZERO_OID) {
    throw new PlatformError(
      'git_invalid',
      `not a commit id: ${JSON.stringify(value.slice(0, 60))}`,
    );
  }
  return value as CommitSha;
}

export function hashObject(type: ObjectType, content: Buffer): string {
  const header = `${type} ${String(content.length)}\0`;
  const bytes = Buffer.allocUnsafe(header.length + content.length);
  bytes.write(header, 0, 'latin1');
  content.copy(bytes, header.length);
  return hash('sha1', bytes, 'hex');
}

export function encodeBlob(content: string | Uint8Array): GitObject {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : Buffer.from(content);
  return { type: 'blob', oid: hashObject('blob', bytes), content: bytes };
}

export function toTreeName(segment: string): string {
  return Buffer.from(segment, 'utf8').toString('latin1');
}

export function fromTreeName(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}

/** Git sorts a folder as if its name ended in a slash. */
export function treeSortKey(entry: { readonly name: string; readonly mode: TreeMode }): string {
  return entry.mode === FOLDER_MODE ? `${entry.name}/` : entry.name;
}

/** The bytes of one entry inside a tree: mode, space, name, NUL, 20 bytes of id. */
export function encodeTreeEntry(entry: TreeEntry): Buffer {
  const bytes = Buffer.allocUnsafe(treeEntryLength(entry));
  const offset = bytes.write(`${entry.mode} ${entry.name}\0`, 0, 'latin1');
  bytes.write(entry.oid, offset, 'hex');
  return bytes;
}

export function treeEntryLength(entry: TreeEntry): number {
  return entry.mode.length + entry.name.length + 22;
}

/** Refuses what git itself would not write: unknown modes, wrong order, duplicates, cut entries. */
export function decodeTree(content: Buffer): TreeEntry[] {
  const entries: TreeEntry[] = [];
  let offset = 0;
  let previousKey = '';
  while (offset < content.length) {
    const space = content.indexOf(0x20, offset);
    const end = space < 0 ? -1 : content.indexOf(0, space);
    if (end < 0 || end + 21 > content.length) throw invalidTree('a cut entry');
    const mode = content.toString('latin1', offset, space);
    const name = content.toString('latin1', space + 1, end);
    if (!isTreeMode(mode)) throw invalidTree(`mode ${mode.slice(0, 12)}`);
    if (name === '' || name.includes('/')) throw invalidTree('an impossible name');
    const entry: TreeEntry = { name, mode, oid: content.toString('hex', end + 1, end + 21) };
    const key = treeSortKey(entry);
    if (key <= previousKey) throw invalidTree('entries out of order');
    previousKey = key;
    entries.push(entry);
    offset = end + 21;
  }
  return entries;
}

function isTreeMode(mode: string): mode is TreeMode {
  return (TREE_MODES as readonly string[]).includes(mode);
}

function invalidTree(what: string): PlatformError {
  return new PlatformError('git_invalid', `the repository holds a malformed tree: ${what}`);
}

export type CommitFields = {
  readonly tree: string;
  readonly parents: readonly CommitSha[];
  readonly author: CommitAuthor;
  readonly message: string;
};

export function encodeCommit(commit: CommitFields): GitObject {
  const seconds = Math.floor(commit.author.at.getTime() / 1000);
  if (!Number.isSafeInteger(seconds) || seconds < 0) {
    throw new PlatformError('git_invalid', 'a commit needs a valid date');
  }
  const identity = `${cleanIdentity(commit.author.name)} <${cleanIdentity(commit.author.email)}> ${String(seconds)} +0000`;
  const lines = [
    `tree ${commit.tree}`,
    ...commit.parents.map((parent) => `parent ${parent}`),
    `author ${identity}`,
    `committer ${identity}`,
    '',
    normalizeMessage(commit.message),
  ];
  const content = Buffer.from(lines.join('\n'), 'utf8');
  return { type: 'commit', oid: hashObject('commit', content), content };
}

/** Git forbids these characters in a name, and trims the same ends as we do. */
function cleanIdentity(value: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are exactly what must not pass
  const cleaned = value.replace(/[\u0000-\u0020\u007f<>]+/g, ' ').trim();
  return cleaned === '' ? 'unknown' : cleaned;
}

/** As the commit will hold it: LF, no control characters, one newline at the end. */
export function normalizeMessage(message: string): string {
  const text = message
    .replace(/\r\n?/g, '\n')
    // eslint-disable-next-line no-control-regex -- NUL ends a message early, the rest upsets terminals
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '')
    .trim();
  return `${text === '' ? 'No message' : text}\n`;
}

/** Reads the header fields we need and skips those we do not know (signatures, encodings). */
export function decodeCommit(content: Buffer): CommitFields {
  const text = content.toString('utf8');
  const end = text.indexOf('\n\n');
  const header = end < 0 ? text : text.slice(0, end);
  const message = end < 0 ? '' : text.slice(end + 2);
  let tree: string | undefined;
  let author: CommitAuthor | undefined;
  const parents: CommitSha[] = [];
  for (const line of header.split('\n')) {
    if (line.startsWith('tree ')) tree ??= line.slice(5);
    else if (line.startsWith('parent ')) parents.push(parseCommitSha(line.slice(7)));
    else if (line.startsWith('author ')) author ??= decodeIdentity(line.slice(7));
  }
  if (tree === undefined || !isOid(tree) || author === undefined) {
    throw new PlatformError('git_invalid', 'the repository holds a malformed commit');
  }
  return { tree, parents, author, message };
}

function decodeIdentity(value: string): CommitAuthor {
  const match = /^(.*?) ?<([^>]*)> (-?\d+) [+-]\d{4}$/.exec(value);
  if (match === null) return { name: value, email: '', at: new Date(0) };
  const [, name = '', email = '', seconds = '0'] = match;
  const at = new Date(Number(seconds) * 1000);
  return { name, email, at: Number.isNaN(at.getTime()) ? new Date(0) : at };
}
