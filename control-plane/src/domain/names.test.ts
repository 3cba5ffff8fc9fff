import { expect, test } from 'vitest';
import { checkDomain, checkStoreName, STORE_NAME_MAX } from './names.ts';

test.each(['shop', 'a', 'my-shop-2', 'a'.repeat(STORE_NAME_MAX)])('takes %j', (name) => {
  expect(checkStoreName(name)).toEqual({ ok: true, name });
});

test.each([
  '',
  'a'.repeat(STORE_NAME_MAX + 1),
  'a'.repeat(64),
  'Shop',
  '..',
  '.git',
  '-rf',
  'shop-',
  '1shop',
  'my--shop',
  'my_shop',
  'my shop',
  'shop.de',
  'ѕhop',
  'ｓhop',
  'shöp',
  'shop\n',
  'shop\0',
  '../x',
  'www',
  'admin',
  'kube-x',
  'xn--80ak6aa92e',
])('refuses %j', (name) => {
  // prettier-ignore
  expect(checkStoreName(name)).toMatchObject({ ok: false, message: expect.any(String) as string });
});

test.each([
  ['Roses!', 'Only lower-case letters (a to z), digits and hyphens; not “R”, “!”.'],
  ['my shop', 'Only lower-case letters (a to z), digits and hyphens; not a space.'],
  [
    'shop\n',
    'Only lower-case letters (a to z), digits and hyphens; not a sign that cannot be shown.',
  ],
])('%j: what is allowed, and what of it is not', (name, message) => {
  expect(checkStoreName(name)).toEqual({ ok: false, message });
});

test.each(['example.com', 'shop.example.co.uk', 'xn--bcher-kva.example'])('domain %j', (domain) => {
  expect(checkDomain(domain)).toEqual({ ok: true });
});

test.each([
  'localhost',
  'Example.com',
  'exa mple.com',
  '-a.com',
  'a-.com',
  'a..com',
  '.com',
  'com.',
  '10.0.0.1',
  `${'a'.repeat(64)}.com`,
  'a.com/x',
  'a.com:80',
  '*.a.com',
  'bücher.example',
])('refuses domain %j', (domain) => {
  // prettier-ignore
  expect(checkDomain(domain).ok).toBe(false);
});

test('a name in another alphabet is told how machines write it', () => {
  expect(checkDomain('bücher.example')).toEqual({
    ok: false,
    message: 'Written for machines it is xn--bcher-kva.example: take that.',
  });
  expect(checkDomain('xn--bcher-kva.example')).toEqual({ ok: true });
});
