import { expect, test } from 'vitest';
import { proposeSlug } from './slug.ts';

test.each([
  ['North Street', 'north-street'],
  ['Åsa’s Tea & Co.', 'asa-s-tea-co'],
  ['24 Hours', 'hours'],
  ['  ', ''],
  ['日本', ''],
  [`${'a'.repeat(39)} b`, 'a'.repeat(39)],
])('%s is proposed as %s', (name, slug) => expect(proposeSlug(name)).toBe(slug));
