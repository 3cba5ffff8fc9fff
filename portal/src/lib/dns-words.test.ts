import { expect, test } from 'vitest';
import { describeDns } from './dns-words.ts';

test('a record that points to the shop’s ordinary address', () => {
  const words = describeDns('tea.example.com', 'tea', 'shops.example.net');
  expect(words.record).toBe('tea.example.com. CNAME tea.shops.example.net.');
  expect(words.advice).toContain('ALIAS');
});

test('on a laptop, a line in the hosts file', () => {
  expect(describeDns('tea.example.com', 'tea', 'localhost').record).toBe(
    '127.0.0.1 tea.example.com',
  );
});
