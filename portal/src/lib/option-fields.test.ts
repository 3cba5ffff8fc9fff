import { expect, test } from 'vitest';
import { fillFields, nameField, readOptions, type EngineOption } from './option-fields.ts';

const shared = { label: '', help: '', pattern: null, max: null, changeable: true, reason: null };
const options: readonly EngineOption[] = [
  { ...shared, name: 'currency', kind: 'choice', choices: [], default: 'EUR' },
  { ...shared, name: 'autoscale', kind: 'flag', choices: [], default: false },
];

test('fields begin with what was typed, then the store’s own, then the defaults', () => {
  expect(fillFields('woo', options)).toEqual({
    'option.woo.currency': 'EUR',
    'flag.woo.autoscale': 'false',
  });
  expect(
    fillFields(
      'woo',
      options,
      { 'flag.woo.autoscale': 'false' },
      { currency: 'CHF', autoscale: true },
    ),
  ).toEqual({ 'option.woo.currency': 'CHF', 'flag.woo.autoscale': 'false' });
});

test('fields are read back, of the chosen engine alone', () => {
  const fields = {
    name: 'tea',
    type: 'woo',
    ...fillFields('woo', options, {}, { currency: 'CHF', autoscale: true }),
    ...fillFields('other', options),
  };
  expect(readOptions(fields, 'woo')).toEqual({ currency: 'CHF', autoscale: true });
  expect(readOptions({ name: 'tea' }, 'woo')).toEqual({});
});

test('names', () => {
  expect(options.map((option) => nameField('woo', option))).toEqual([
    'option.woo.currency',
    'flag.woo.autoscale',
  ]);
});
