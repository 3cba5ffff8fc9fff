import { expect, test } from 'vitest';
import { describeLeft, findDomain } from './cluster.ts';
import { exampleStore } from '../../../test/support/example-store.ts';

const clusters = [
  { name: 'lab', baseDomain: 'lab.example.com' },
  { name: 'other', baseDomain: 'example.org' },
];
const find = (cluster: string, host: string) =>
  findDomain(clusters, exampleStore({ name: 'shop', cluster, host }));

test('a store’s own domain is the name that its cluster did not give it', () => {
  expect(find('lab', 'shop.lab.example.com')).toBeNull();
  expect(find('lab', 'shop.example.org')).toBe('shop.example.org');
  expect(find('lab', 'tulips.example')).toBe('tulips.example');
});

test('of a cluster that is not connected any more the shape of the name says it', () => {
  expect(find('gone', 'shop.anywhere.example')).toBeNull();
  expect(find('gone', 'tulips.example')).toBe('tulips.example');
});

test('stores of clusters that are not configured are told of', () => {
  const counts = new Map([
    ['main', 3],
    ['practice', 4],
  ]);
  expect(describeLeft(counts, [{ name: 'main' }, { name: 'practice' }])).toBeNull();
  expect(describeLeft(counts, [{ name: 'main' }])).toMatch(
    /^4 stores of the cluster “practice” are not connected; /,
  );
  expect(describeLeft(new Map([['old', 1]]), [{ name: 'main' }])).toMatch(
    /^1 store of the cluster “old” is not connected; /,
  );
});
