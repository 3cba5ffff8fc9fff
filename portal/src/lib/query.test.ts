import { expect, test } from 'vitest';
import { readFilters, writeQuery } from './query.ts';

test('reads the filters that are named and say something', () => {
  const url = new URL('https://yard.example.com/audit?action=reveal&by=+&from=&colour=red');
  expect(readFilters(url, ['action', 'by', 'from'])).toEqual({ action: 'reveal' });
});

test('writes filters back, changed and taken off', () => {
  const filters = { action: 'sign-in', by: 'usr_1', cursor: 'abc' };
  expect(writeQuery(filters)).toBe('?action=sign-in&by=usr_1&cursor=abc');
  expect(writeQuery(filters, { cursor: null, by: 'a&b' })).toBe('?action=sign-in&by=a%26b');
  expect(writeQuery({ action: undefined }, { by: '' })).toBe('');
});
