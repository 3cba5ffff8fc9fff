import { expect, test } from 'vitest';
import { diffFile } from './diff-model.ts';

const lines = (count: number, change: Record<number, string> = {}) =>
  Array.from({ length: count }, (_, index) => `${change[index + 1] ?? `line ${index + 1}`}\n`).join(
    '',
  );

test('a new file is all additions, numbered from one', () => {
  const diff = diffFile({ path: 'values.yaml', before: null, after: 'a: 1\nb: 2\n' });
  expect(diff).toEqual({
    path: 'values.yaml',
    kind: 'added',
    added: 2,
    removed: 0,
    rows: [
      { kind: 'add', before: null, after: 1, text: 'a: 1' },
      { kind: 'add', before: null, after: 2, text: 'b: 2' },
    ],
  });
});

test('a removed file is all removals', () => {
  const diff = diffFile({ path: 'values.yaml', before: 'a: 1\n', after: null });
  expect([diff.kind, diff.added, diff.removed]).toEqual(['removed', 0, 1]);
});

test('unchanged stretches are folded before, between and after the changes', () => {
  const diff = diffFile(
    { path: 'x', before: lines(40), after: lines(40, { 10: 'ten', 30: 'thirty' }) },
    1,
  );
  expect(
    diff.rows.map((row) => (row.kind === 'fold' ? `fold ${row.lines}` : `${row.kind} ${row.text}`)),
  ).toEqual([
    'fold 8',
    'same line 9',
    'remove line 10',
    'add ten',
    'same line 11',
    'fold 17',
    'same line 29',
    'remove line 30',
    'add thirty',
    'same line 31',
    'fold 9',
  ]);
});

test('a file without a last line end shows no made-up row', () => {
  const diff = diffFile({ path: 'x', before: 'a', after: 'b' });
  expect(diff.rows.map(({ kind }) => kind)).toEqual(['remove', 'add']);
});
