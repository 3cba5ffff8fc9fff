import { expect, test } from 'vitest';
import { describeBytes, describeCpu, readQuantity } from './plan-words.ts';

test.each([
  ['250m', '0.25 CPU'],
  ['1', '1 CPU'],
  ['1500m', '1.5 CPUs'],
  ['2', '2 CPUs'],
  ['lots', 'lots'],
])('%s is %s', (quantity, words) => expect(describeCpu(quantity)).toBe(words));

test.each([
  ['512Mi', '512 MB'],
  ['5Gi', '5 GB'],
  ['1024Mi', '1 GB'],
  ['1536Mi', '1.5 GB'],
  ['5000', '5000'],
])('%s is %s', (quantity, words) => expect(describeBytes(quantity)).toBe(words));

test('quantities compare across their units', () => {
  expect(readQuantity('640Mi')).toBe(640 * 2 ** 20);
  expect(readQuantity('350m')).toBeCloseTo(0.35);
  expect(readQuantity('3')).toBe(3);
  expect(readQuantity('3 apples')).toBeNull();
});
