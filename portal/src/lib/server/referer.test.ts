import { expect, test } from 'vitest';
import { pathOfReferer, readWayBack } from './referer.ts';

const HERE = new URL('https://yard.example.com/sign-in');

test.each([
  ['/stores?status=ready', '/stores?status=ready'],
  ['//evil.example', '/'],
  ['/.//evil.example', '/'],
  ['/stores/..//evil.example', '/'],
  ['/\\evil.example', '/'],
  ['https://evil.example/', '/'],
  ['javascript:alert(1)', '/'],
  ['stores', '/'],
])('the way back %s leads to %s', (to, path) => {
  const url = new URL(HERE);
  url.searchParams.set('to', to);
  expect(readWayBack(url)).toBe(path);
});

test('without a way back it is the first page', () => expect(readWayBack(HERE)).toBe('/'));

test('a referer of another site is not followed', () => {
  const from = (referer: string) =>
    pathOfReferer(new Request(HERE, { headers: { referer } }), HERE);
  expect(from('https://yard.example.com/stores?q=a')).toBe('/stores?q=a');
  expect(from('https://evil.example/stores')).toBe('/');
});
