/** A file's change as rows to show: with line numbers, and unchanged stretches folded. */
import { structuredPatch } from 'diff';

/** A file before and after; null: it is not there. */
export type FileContents = {
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
};

export type DiffRow =
  | {
      readonly kind: 'same' | 'add' | 'remove';
      readonly before: number | null;
      readonly after: number | null;
      readonly text: string;
    }
  /** Lines that are left out. */
  | { readonly kind: 'fold'; readonly lines: number };

export type DiffedFile = {
  readonly path: string;
  readonly kind: 'added' | 'changed' | 'removed';
  readonly added: number;
  readonly removed: number;
  readonly rows: readonly DiffRow[];
};

/** That not all files are shown. @param files how many are not */
export function describeOmitted(files: number): string {
  return files === 1 ? 'One more file is not shown.' : `${files} more files are not shown.`;
}

/** @param context unchanged lines shown around a change */
export function diffFile({ path, before, after }: FileContents, context = 3): DiffedFile {
  const patch = structuredPatch(path, path, before ?? '', after ?? '', '', '', { context });
  const rows: DiffRow[] = [];
  let seen = 0;
  for (const hunk of patch.hunks) {
    let old = hunk.oldStart;
    let now = hunk.newStart;
    // An empty side starts at line 0.
    const skipped = Math.max(0, old - 1 - seen);
    if (skipped > 0) rows.push({ kind: 'fold', lines: skipped });
    for (const line of hunk.lines) {
      const text = line.slice(1);
      if (line.startsWith('+')) rows.push({ kind: 'add', before: null, after: now++, text });
      else if (line.startsWith('-'))
        rows.push({ kind: 'remove', before: old++, after: null, text });
      else if (line.startsWith(' ')) rows.push({ kind: 'same', before: old++, after: now++, text });
    }
    seen = old - 1;
  }
  const left = countLines(before) - seen;
  if (before !== null && after !== null && left > 0) rows.push({ kind: 'fold', lines: left });
  return {
    path,
    kind: before === null ? 'added' : after === null ? 'removed' : 'changed',
    added: rows.filter(({ kind }) => kind === 'add').length,
    removed: rows.filter(({ kind }) => kind === 'remove').length,
    rows,
  };
}

function countLines(text: string | null): number {
  if (text === null || text === '') return 0;
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}
