import { expect, test } from 'vitest';
import { EMPTY_CHAIN } from './audit.ts';
import { readCommitTrailers, writeCommitMessage } from './commit-message.ts';
import { exampleStore } from '../../../test/support/example-store.ts';

test('says what, who and which store in words, and the same in trailers', () => {
  const message = writeCommitMessage('create', exampleStore(), {
    id: 'op_1',
    requestedBy: 'token tok_1',
  });
  expect(message).toBe(`Create store shop of acme

Argo CD will install it in a namespace of its own.
Store: shop (woocommerce, plan small) of tenant acme,
at http://shop.localhost:8088 on cluster lab. Requested by token tok_1.

Store-Id: st_aaaaaaaaaaaaaaaa
Operation-Id: op_1
Generation: 1
Action: create
Requested-By: token tok_1
`);
  expect(readCommitTrailers(message)).toEqual({
    operationId: 'op_1',
    action: 'create',
    storeId: 'st_aaaaaaaaaaaaaaaa',
  });
});

test('a delete that keeps data says when it was asked for: the days are counted from its commit', () => {
  const operation = { id: 'op_1', requestedBy: 'us_1', createdAt: new Date(0) };
  const purgeAt = '1970-01-15T00:00:00.000Z';
  expect(writeCommitMessage('retire', exampleStore({ purgeAt }), operation)).toContain(
    'Requested-By: us_1\nRequested-At: 1970-01-01T00:00:00.000Z\n',
  );
  expect(writeCommitMessage('update', exampleStore(), operation)).not.toContain('Requested-At');
});

test('vouches for the audit log’s newest row', () => {
  const operation = { id: 'op_1', requestedBy: 'tok_1' };
  const hash = 'ab'.repeat(32);
  const message = writeCommitMessage('retry', exampleStore(), operation, { seq: 7, hash });
  expect(message.endsWith(`Requested-By: tok_1\nAudit-Head: 7 ${hash}\n`)).toBe(true);
  expect(readCommitTrailers(message).operationId).toBe('op_1');
  const empty = writeCommitMessage('retry', exampleStore(), operation, EMPTY_CHAIN);
  expect(empty).not.toContain('Audit-Head');
});

test('says what is undone, restored and adopted: the first and the last in trailers', () => {
  const [undone, restored, adopted] = ['a', 'b', 'c'].map((digit) => digit.repeat(40));
  const operation = { id: 'op_1', requestedBy: 'tok_1' };
  const back = writeCommitMessage('rollback', exampleStore(), {
    ...operation,
    reverts: undone ?? null,
    restores: restored ?? null,
  });
  expect(back).toMatch(/^Roll back store shop of acme\n\nIts settings are again those of b{40}\./);
  expect(back).toMatch(/\nRequested-By: tok_1\nReverts: a{40}\n$/);
  expect(readCommitTrailers(back)).toMatchObject({ operationId: 'op_1', action: 'rollback' });
  const taken = writeCommitMessage('update', exampleStore(), {
    ...operation,
    adopts: adopted ?? null,
  });
  expect(taken).toMatch(/What c{40} changed by hand[^]*\nAdopts: c{40}\n$/);
  expect(writeCommitMessage('update', exampleStore(), operation)).not.toContain('Adopts');
});

test('says until when a deleted store is kept, and which way its protection goes', () => {
  const operation = { id: 'op_1', requestedBy: 'tok_1' };
  const purgeAt = '2026-11-28T12:00:00.000Z';
  expect(writeCommitMessage('retire', exampleStore({ purgeAt }), operation)).toContain(
    `kept until ${purgeAt}`,
  );
  const subjects = [true, false].map(
    (on) =>
      writeCommitMessage('protect', exampleStore({ protected: on }), operation).split('\n')[0],
  );
  expect(subjects).toEqual(['Protect store shop of acme', 'Unprotect store shop of acme']);
});

test('a person’s commit has no trailers, even when it quotes one in its text', () => {
  const nothing = { operationId: null, action: null, storeId: null };
  expect(readCommitTrailers('Fix a typo\n')).toEqual(nothing);
  expect(readCommitTrailers('Revert\n\nOperation-Id: op_1\n\nbecause of reasons\n')).toEqual(
    nothing,
  );
});
