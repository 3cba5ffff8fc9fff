import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { convertPrice, sampleProducts } from './samples.ts';

const pictures = join(
  ...[import.meta.dirname, '..', '..', '..', 'medusa-storefront', 'public', 'samples'],
);

test('every sample has its picture in the storefront', () => {
  const missing = sampleProducts.filter(
    ({ handle }) => !existsSync(join(pictures, `${handle}.svg`)),
  );
  expect(missing).toEqual([]);
});

test.each([
  ['EUR', 24, 24],
  ['SEK', 24, 265],
  ['JPY', 24, 3850],
  ['PLN', 5, 22],
  ['CZK', 39, 1000],
])('prices are round in %s', (currency, euros, price) => {
  expect(convertPrice(euros, currency)).toBe(price);
});
