import { expect, test } from 'vitest';
import { admitRemovals, judgeApproval, limitRemovals } from './guard.ts';

const guard = { removals: 5, percent: 10, minutes: 10 };

test('the limit is the larger of a number and a share of what lives', () => {
  expect(limitRemovals(guard, 0)).toBe(5);
  expect(limitRemovals(guard, 59)).toBe(5);
  expect(limitRemovals(guard, 60)).toBe(6);
  expect(limitRemovals(guard, 1_999)).toBe(199);
});

test.each([
  { living: 20, recent: 0, wanted: 5, admitted: 5 },
  { living: 20, recent: 0, wanted: 6, admitted: 5 },
  { living: 20, recent: 4, wanted: 3, admitted: 1 },
  { living: 20, recent: 9, wanted: 1, admitted: 0 },
  { living: 1_000, recent: 90, wanted: 20, admitted: 10 },
])('of $wanted with $recent before, among $living: $admitted', ({ admitted, ...counts }) => {
  expect(admitRemovals(guard, counts)).toBe(admitted);
});

test('a guard of nothing holds every removal', () => {
  const none = { removals: 0, percent: 0, minutes: 10 };
  expect(admitRemovals(none, { living: 100, recent: 0, wanted: 1 })).toBe(0);
});

test('who asked for one of them does not approve, by session or by token', () => {
  const ada = { id: 'usr_ada', userId: 'usr_ada' };
  const adasToken = { id: 'tok_ada', userId: 'usr_ada' };
  const bob = { id: 'usr_bob', userId: 'usr_bob' };
  const nobodys = { id: 'tok_first', userId: null };
  expect(judgeApproval(bob, [ada, adasToken, nobodys])).toEqual({ kind: 'allowed' });
  expect(judgeApproval(ada, [bob, adasToken]).kind).toBe('refused');
  expect(judgeApproval(adasToken, [ada]).kind).toBe('refused');
  expect(judgeApproval(adasToken, [bob]).kind).toBe('allowed');
  expect(judgeApproval(nobodys, [bob]).kind).toBe('refused');
});
