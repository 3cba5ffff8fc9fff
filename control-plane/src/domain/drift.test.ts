import { expect, test } from 'vitest';
import { foldDrift, hashBlob, type Drift, type DriftStep } from './drift.ts';

const at = new Date('2026-11-21T20:00:00Z');
let commits = 0;

function touch(path: string, before: string | null, after: string | null, storeId = 'st_a') {
  commits += 1;
  const sha = `sha-${commits}`;
  return { kind: 'touch', storeId, path, before, after, sha, author: 'Ada', at } as const;
}
const own = (storeId = 'st_a'): DriftStep => ({ kind: 'own', storeId });
const show = (drifts: readonly Drift[]) =>
  drifts.map(({ storeId, path, kind, ours }) => `${storeId} ${path} ${kind} ${ours ?? '-'}`);

test('an edit, a removal and a new file are told apart', () => {
  const drifts = foldDrift(
    [],
    [touch('store.yaml', 'a', 'b'), touch('app.yaml', 'c', null), touch('notes', null, 'd')],
  );
  expect(show(drifts)).toEqual([
    'st_a store.yaml changed a',
    'st_a app.yaml removed c',
    'st_a notes added -',
  ]);
});

test('two edits are one difference from ours, named by its first and its last commit', () => {
  const steps = [touch('store.yaml', 'a', 'b'), touch('store.yaml', 'b', 'c')] as const;
  const [first] = foldDrift([], steps.slice(0, 1));
  const [drift] = foldDrift(first === undefined ? [] : [first], steps.slice(1));
  expect(drift).toMatchObject({ ours: 'a', firstSha: steps[0].sha, sha: steps[1].sha });
});

test('whoever puts back what was there clears it, path by path', () => {
  const edited = foldDrift([], [touch('a', '1', '2'), touch('b', '1', null)]);
  const half = foldDrift(edited, [touch('a', '2', '1')]);
  expect(show(half)).toEqual(['st_a b removed 1']);
  expect(foldDrift(half, [touch('b', null, '1')])).toEqual([]);
});

test('a new file that is taken away again is no difference', () => {
  expect(foldDrift(foldDrift([], [touch('x', null, '1')]), [touch('x', '1', null)])).toEqual([]);
});

test('our own commit clears its store and no other; what comes after it counts', () => {
  const steps = [touch('a', '1', '2'), touch('a', '1', '2', 'st_b'), own(), touch('b', '1', '2')];
  expect(show(foldDrift([], steps))).toEqual(['st_b a changed 1', 'st_a b changed 1']);
});

test('a reviewed change clears what it wrote, and what else differs stays', () => {
  const edited = foldDrift([], [touch('a', '1', '2'), touch('b', '1', '2')]);
  const merged: DriftStep = { kind: 'own', storeId: 'st_a', paths: new Set(['a']) };
  expect(show(foldDrift(edited, [merged]))).toEqual(['st_a b changed 1']);
});

test('a change of mode alone is no difference', () => {
  expect(foldDrift([], [touch('a', '1', '1')])).toEqual([]);
});

test('a blob is named as git names it', () => {
  // git hash-object of "hello\n"
  expect(hashBlob('hello\n')).toBe('ce013625030ba8dba906f756967f9e9ca394464a');
});
