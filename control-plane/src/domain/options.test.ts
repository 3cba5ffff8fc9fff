import { describe, expect, test } from 'vitest';
import {
  changeOptions,
  chooseOptions,
  completeOptions,
  findDifference,
  type EngineOption,
} from './options.ts';

const shared = { help: 'Two or three capitals.', change: 'always', reason: null } as const;
const list: readonly EngineOption[] = [
  {
    ...shared,
    name: 'currency',
    label: 'Currency',
    kind: 'choice',
    choices: [
      { value: 'EUR', label: 'Euro' },
      { value: 'USD', label: 'US dollar' },
    ],
    default: 'EUR',
    change: 'never',
    reason: 'Change it in the shop.',
  },
  { ...shared, name: 'samples', label: 'Samples', kind: 'flag', default: true },
  {
    ...shared,
    name: 'code',
    label: 'Code',
    kind: 'text',
    pattern: /^[A-Z]+$/,
    max: 3,
    default: 'AB',
  },
];
const defaults = { currency: 'EUR', samples: true, code: 'AB' };

describe('chooseOptions', () => {
  test('fills in what was not asked for', () => {
    expect(chooseOptions(list, {})).toEqual({ ok: true, options: defaults });
    expect(chooseOptions(list, { samples: false, code: 'X' })).toEqual({
      ok: true,
      options: { currency: 'EUR', samples: false, code: 'X' },
    });
  });

  test.each([
    ['currency', 'GBP', 'Not on offer; there is EUR, USD.'],
    ['currency', true, 'A text is needed.'],
    ['samples', 'true', 'true or false.'],
    ['code', 'ABCD', 'At most 3 characters.'],
    ['code', 'ab', 'Two or three capitals.'],
    ['theme', 'dark', 'No such option; there is currency, samples, code.'],
    ['__proto__', 'x', 'No such option; there is currency, samples, code.'],
    ['toString', 'x', 'No such option; there is currency, samples, code.'],
  ])('names what is wrong: %s = %s', (name, value, message) => {
    const asked = JSON.parse(`{${JSON.stringify(name)}: ${JSON.stringify(value)}}`) as Record<
      string,
      string | boolean
    >;
    expect(chooseOptions(list, asked)).toEqual({
      ok: false,
      errors: [{ field: `options.${name}`, message }],
    });
  });

  test('names everything that is wrong', () => {
    const chosen = chooseOptions(list, { currency: 'GBP', samples: 'no' });
    expect(chosen).toMatchObject({ ok: false, errors: { length: 2 } });
  });
});

describe('changeOptions', () => {
  test('keeps what it is not asked to change', () => {
    expect(changeOptions(list, { ...defaults, code: 'Z' }, { samples: false })).toEqual({
      ok: true,
      options: { currency: 'EUR', samples: false, code: 'Z' },
      changed: ['samples'],
    });
  });

  test('refuses what never changes, with the reason', () => {
    expect(changeOptions(list, defaults, { currency: 'USD' })).toEqual({
      ok: false,
      errors: [
        {
          field: 'options.currency',
          message: 'Currency is decided when the store is made. Change it in the shop.',
        },
      ],
    });
  });

  test('the same again is no change, even of what is no longer offered', () => {
    const standing = { ...defaults, currency: 'DEM' };
    expect(changeOptions(list, standing, { currency: 'DEM', samples: true })).toEqual({
      ok: true,
      options: standing,
      changed: [],
    });
  });

  test('a store from before an option was offered gets its default', () => {
    expect(changeOptions(list, {}, { code: 'C' })).toEqual({
      ok: true,
      options: { ...defaults, code: 'C' },
      changed: ['code'],
    });
    expect(changeOptions(list, {}, { code: 'AB' })).toMatchObject({ changed: [] });
  });
});

test('completeOptions: no more and no less than the engine offers', () => {
  expect(completeOptions(list, { samples: false, gone: 'x' })).toEqual({
    ...defaults,
    samples: false,
  });
});

test('findDifference: of what both have', () => {
  expect(findDifference(defaults, { ...defaults })).toBeNull();
  expect(findDifference(defaults, { ...defaults, code: 'C' })).toBe('code');
  expect(findDifference({}, defaults)).toBeNull();
});
