import { expect, test } from 'vitest';
import type { TenantList } from './shapes.ts';
import { pathOfTenants, wantsMore } from './tenant-suggestions.ts';

const list = (next: string | null): TenantList => ({
  tenants: [
    {
      id: 'abc123',
      slug: 'bakers',
      name: 'The bakers',
      storeLimit: 5,
      createsPerMinute: 1,
      stores: 0,
      members: 1,
      createdAt: '2026-11-22T12:00:00Z',
    },
  ],
  next,
});

test('a page of tenants is asked for, whatever is typed', () => {
  expect(pathOfTenants('')).toBe('/api/tenants?limit=20');
  expect(pathOfTenants('a&b c')).toBe('/api/tenants?limit=20&q=a%26b+c');
});

test('nothing is asked when the page has them all, or the one', () => {
  expect(wantsMore(list('more'), 'flor')).toBe(true);
  expect(wantsMore(list('more'), 'bak')).toBe(true);
  expect(wantsMore(list('more'), 'bakers')).toBe(false);
  expect(wantsMore(list('more'), '')).toBe(false);
  expect(wantsMore(list(null), 'flor')).toBe(false);
});
