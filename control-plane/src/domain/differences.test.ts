import { expect, test } from 'vitest';
import { exampleStore } from '../../../test/support/example-store.ts';
import { describeChanged, listDifferences } from './differences.ts';
import type { EngineCard } from './engine.ts';

const before = exampleStore();
const always = { help: '', change: 'always', reason: null } as const;
const engine: EngineCard = {
  type: 'woocommerce',
  title: 'WooCommerce',
  summary: '',
  chart: 'woocommerce',
  version: before.chartVersion,
  plans: ['small', 'medium'],
  options: [
    { ...always, name: 'autoscale', label: 'Scale with the load', kind: 'flag', default: false },
    {
      ...always,
      name: 'theme',
      label: 'Theme',
      kind: 'choice',
      choices: [
        { value: 'twentytwentyfive', label: 'Twenty Twenty-Five' },
        { value: 'storefront', label: 'Storefront' },
      ],
      default: 'storefront',
    },
    {
      ...always,
      name: 'greeting',
      label: 'Greeting',
      kind: 'text',
      pattern: null,
      max: 9,
      default: '',
    },
  ],
  adminPath: '/wp-admin/',
  orders: true,
  planCards: [],
};
const options = (changes: Record<string, string | boolean>) => ({
  options: { ...before.options, ...changes },
});

test.each([
  ['the plan', { plan: 'medium' }, ['Plan from small to medium']],
  [
    'a domain of one’s own',
    { host: 'shop.example.com', url: 'https://shop.example.com' },
    ['Address from http://shop.localhost:8088 to https://shop.example.com'],
  ],
  ['a flag', options({ autoscale: true }), ['Scale with the load turned on']],
  [
    'a choice, as the form calls it',
    options({ theme: 'storefront' }),
    ['Theme from Twenty Twenty-Five to Storefront'],
  ],
  ['what there was not', options({ greeting: 'Hello' }), ['Greeting: Hello']],
  ['an option that is not offered any more', options({ old: 'x' }), ['Old: x']],
  [
    'several',
    { plan: 'medium', chartVersion: '1.3.0' },
    ['Plan from small to medium', 'Chart from woocommerce 1.2.0 to woocommerce 1.3.0'],
  ],
  ['nothing', {}, []],
])('a change says %s', (_what, changes, words) => {
  const after = exampleStore({ generation: 2, ...changes });
  expect(describeChanged('update', before, after, engine)).toEqual(words);
});

test('what was and is no more', () => {
  const had = exampleStore(options({ greeting: 'Hello' }));
  expect(
    describeChanged('update', exampleStore(options({ autoscale: true })), before, engine),
  ).toEqual(['Scale with the load turned off']);
  expect(describeChanged('update', had, exampleStore(options({ greeting: '' })), engine)).toEqual([
    'Greeting: nothing, before it Hello',
  ]);
});

test('nothing twice that the subject says', () => {
  const suspended = exampleStore({ suspended: true });
  const retired = exampleStore({ suspended: true, purgeAt: '2026-12-05T12:00:00Z' });
  expect(describeChanged('create', null, before, engine)).toEqual([]);
  expect(describeChanged('retry', before, exampleStore({ attempt: 2 }), engine)).toEqual([]);
  expect(describeChanged('suspend', before, suspended, engine)).toEqual([]);
  expect(describeChanged('resume', suspended, before, engine)).toEqual([]);
  expect(describeChanged('retire', before, retired, engine)).toEqual([
    'Kept until 2026-12-05 12:00 UTC',
  ]);
  expect(describeChanged('resume', retired, before, engine)).toEqual(['No longer to be deleted']);
  const back = exampleStore({ suspended: true, plan: 'medium' });
  expect(describeChanged('rollback', before, back, engine)).toEqual([
    'Plan from small to medium',
    'Suspended',
  ]);
  expect(describeChanged('rollback', suspended, before, engine)).toEqual(['Resumed']);
});

test('without its engine an option is called by its name, a choice by its value', () => {
  const after = exampleStore(options({ theme: 'storefront' }));
  expect(listDifferences(before, after, undefined)).toEqual([
    { what: 'theme', from: 'twentytwentyfive', to: 'storefront' },
  ]);
});
