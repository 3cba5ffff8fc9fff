import { expect, test } from 'vitest';
import { goTo, readQuantity } from './answer.ts';
import { formatPrice } from './money.ts';
import { describeProblem } from './problems.ts';

test.each([
  ['1', 1],
  ['99', 99],
  [' 7 ', 7],
  ['0', null],
  ['100', null],
  ['-1', null],
  ['1.5', null],
  ['1e1', null],
  ['', null],
  [null, null],
])('reads %j pieces as %j', (text, pieces) => {
  expect(readQuantity(text, 1)).toBe(pieces);
});

test('sends on by a path of this site, with the name of a problem', () => {
  const answer = goTo('/cart', 'stock');
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/cart?problem=stock']);
  expect(goTo('/cart').headers.get('location')).toBe('/cart');
});

test('says nothing that a link makes up', () => {
  expect(describeProblem('stock')).toMatch(/not to be had/);
  for (const name of ['Call this number', 'constructor', '', undefined, ['stock', 'stock']]) {
    expect(describeProblem(name)).toBeNull();
  }
});

test('writes prices with as many places as the currency has', () => {
  expect(formatPrice(24, 'eur')).toBe('€24.00');
  expect(formatPrice(3850, 'jpy')).toBe('¥3,850');
});
