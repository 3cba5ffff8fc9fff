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

test('vouches for the audit log’s newest row', () => {
  const operation = { id: 'op_1', requestedBy: 'tok_1' };
  const hash = 'ab'.repeat(32);
  const message = writeCommitMessage('retry', exampleStore(), operation, { seq: 7, hash });
  expect(message.endsWith(`Requested-By: tok_1\nAudit-Head: 7 ${hash}\n`)).toBe(true);
  expect(readCommitTrailers(message).operationId).toBe('op_1');
  const empty = writeCommitMessage('retry', exampleStore(), operation, EMPTY_CHAIN);
  expect(empty).not.toContain('Audit-Head');
});

test('a person’s commit has no trailers, even when it quotes one in its text', () => {
  const nothing = { operationId: null, action: null, storeId: null };
  expect(readCommitTrailers('Fix a typo\n')).toEqual(nothing);
  expect(readCommitTrailers('Revert\n\nOperation-Id: op_1\n\nbecause of reasons\n')).toEqual(
    nothing,
  );
});
