import { expect, test } from 'vitest';
import { describeAuthor } from './change-words.ts';

test.each([
  [
    { action: 'create', by: { id: 'usr_1', name: 'Ada' } },
    { name: 'Ada', byHand: false },
  ],
  [
    { action: 'create', by: { id: 'usr_1', name: null } },
    { name: 'usr_1', byHand: false },
  ],
  [
    { action: null, by: { id: null, name: 'Shopyard' } },
    { name: 'the platform', byHand: false },
  ],
  [
    { action: null, by: { id: null, name: 'Bo' } },
    { name: 'Bo', byHand: true },
  ],
  [
    { action: 'purge', by: { id: null, name: null } },
    { name: 'the platform', byHand: false },
  ],
])('%j was made by %j', (change, author) => expect(describeAuthor(change)).toEqual(author));
