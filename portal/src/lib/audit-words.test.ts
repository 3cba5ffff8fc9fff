import { describe, expect, test } from 'vitest';
import { ACTIONS, describeAct, describeActor, listDetail } from './audit-words.ts';
import type { AuditEntry } from './shapes.ts';

const ENTRY: AuditEntry = {
  seq: 7,
  at: '2026-11-21T14:00:00Z',
  by: { id: 'usr_1', name: 'Ada', kind: 'user' },
  tenant: 'north',
  store: null,
  action: 'sign-in',
  outcome: 'done',
  requestId: null,
  address: null,
  detail: {},
};

describe('describeAct', () => {
  test.each([
    [{ action: 'sign-in' }, 'Signed in'],
    [
      { action: 'invitation.create', detail: { email: 'bo@north.example', role: 'member' } },
      'Invited bo@north.example as member',
    ],
    [
      { action: 'store.delete', store: { id: 'st_1', name: 'lantern' } },
      'Deleted the store lantern',
    ],
    [{ action: 'store.delete', store: { id: 'st_1', name: null } }, 'Deleted the store st_1'],
    [{ action: 'reveal' }, 'Revealed an admin login'],
    [{ action: 'limits' }, 'Changed the limits of north'],
    [{ action: 'moon.landing' }, 'moon.landing'],
  ])('%j is “%s”', (change: Partial<AuditEntry>, words) =>
    expect(describeAct({ ...ENTRY, ...change })).toBe(words),
  );
});

test('every act can be filtered by, in words of its own', () => {
  const titles = ACTIONS.map(({ title }) => title);
  expect(new Set(titles).size).toBe(titles.length);
  expect(titles.some((title) => title.includes('{'))).toBe(false);
});

test('somebody without a name is told by what they are', () => {
  const by = (change: Partial<AuditEntry['by']>) =>
    describeActor({ by: { id: null, name: null, kind: 'user', ...change } });
  expect(by({ kind: 'anonymous' })).toBe('Somebody not signed in');
  expect(by({ kind: 'system' })).toBe('The platform');
  expect(by({ id: 'tok_1', kind: 'token' })).toBe('tok_1');
});

test('detail is shown as pairs, what is not there left out', () =>
  expect(listDetail({ role: 'owner', scopes: ['read', 'write'], count: 3, gone: null })).toEqual([
    { name: 'role', value: 'owner' },
    { name: 'scopes', value: 'read, write' },
    { name: 'count', value: '3' },
  ]));
