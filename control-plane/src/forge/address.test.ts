import { expect, test } from 'vitest';
import { parseRepositoryAddress } from './address.ts';

test.each([
  ['https://git.example.com/shops/cluster.git', 'https://git.example.com', 'shops', 'cluster'],
  ['https://git.example.com/shops/cluster/', 'https://git.example.com', 'shops', 'cluster'],
  ['http://127.0.0.1:3000/gitea/a/b.c.git', 'http://127.0.0.1:3000/gitea', 'a', 'b.c'],
])('%s', (url, forge, owner, name) => {
  expect(parseRepositoryAddress(url)).toEqual({
    forge,
    owner,
    name,
    page: `${forge}/${owner}/${name}`,
  });
});

test.each([
  'nonsense',
  'https://git.example.com/',
  'http://127.0.0.1:8081/shopyard.git',
  'https://git.example.com/%zz/cluster.git',
])('%s names no repository of an owner', (url) => expect(parseRepositoryAddress(url)).toBeNull());
