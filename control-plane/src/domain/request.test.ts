import { describe, expect, test } from 'vitest';
import {
  compareWithStanding,
  decideChange,
  resolveCreate,
  type Offer,
  type Standing,
} from './request.ts';
import type { StoreName } from './store.ts';

const offer: Offer = {
  engines: [
    { type: 'woocommerce', chart: 'woocommerce', version: '1.0.0', plans: ['small', 'large'] },
  ],
  clusters: [
    { name: 'lab', baseDomain: 'localhost', scheme: 'http', port: 8088 },
    { name: 'live', baseDomain: 'shops.example.com', scheme: 'https', port: 443 },
  ],
};

const standing: Standing = {
  name: 'tea',
  type: 'woocommerce',
  plan: 'small',
  cluster: 'lab',
  host: 'tea.localhost',
  domain: null,
  url: 'http://tea.localhost:8088',
  status: 'ready',
  generation: 4,
  attempt: 2,
};

function settings(request: Partial<Parameters<typeof resolveCreate>[0]> = {}) {
  const resolved = resolveCreate(
    { name: 'tea', type: 'woocommerce', plan: 'small', ...request },
    offer,
  );
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.errors));
  return resolved.settings;
}

describe('resolveCreate', () => {
  test('completes cluster, chart and address', () => {
    expect(settings()).toEqual({
      name: 'tea' as StoreName,
      type: 'woocommerce',
      chart: 'woocommerce',
      chartVersion: '1.0.0',
      plan: 'small',
      cluster: 'lab',
      domain: null,
      host: 'tea.localhost',
      url: 'http://tea.localhost:8088',
    });
  });

  test('leaves out the port that the scheme implies', () => {
    expect(settings({ cluster: 'live' }).url).toBe('https://tea.shops.example.com');
  });

  test('lists every field that names what there is not, and what there is', () => {
    expect(
      resolveCreate({ name: 'tea', type: 'shopware', plan: 'small', cluster: 'mars' }, offer),
    ).toEqual({
      ok: false,
      errors: [
        { field: 'type', message: 'No such type; there is woocommerce.' },
        { field: 'cluster', message: 'No such cluster; there is lab, live.' },
      ],
    });
  });

  test.each(['shops.example.com', 'portal.shops.example.com', 'a.b.shops.example.com'])(
    'a custom domain is not the platform’s: %s',
    (domain) => {
      const resolved = resolveCreate(
        { name: 'tea', type: 'woocommerce', plan: 'small', cluster: 'live', domain },
        offer,
      );
      expect(resolved).toMatchObject({ ok: false, errors: [{ field: 'domain' }] });
    },
  );

  test('a domain that is the default host is no custom domain', () => {
    expect(settings({ cluster: 'live', domain: 'tea.shops.example.com' }).domain).toBeNull();
  });

  test('a domain that merely ends alike is the merchant’s own', () => {
    expect(settings({ cluster: 'live', domain: 'tea.myshops.example.com' }).host).toBe(
      'tea.myshops.example.com',
    );
  });
});

describe('compareWithStanding', () => {
  test('the same again', () => {
    expect(compareWithStanding(standing, settings())).toEqual({ kind: 'same' });
  });
  test.each([
    ['plan', { plan: 'large' }],
    ['cluster', { cluster: 'live' }],
    ['domain', { domain: 'tea.example.com' }],
  ])('names the field that differs: %s', (field, request) => {
    expect(compareWithStanding(standing, settings(request))).toMatchObject({
      kind: 'differs',
      field,
    });
  });
  test('a store on its way out is neither', () => {
    expect(compareWithStanding({ ...standing, status: 'deleting' }, settings()).kind).toBe(
      'leaving',
    );
  });
});

describe('decideChange', () => {
  test('an update is a new generation, not a new attempt', () => {
    expect(decideChange(standing, { kind: 'update', plan: 'large' }, offer)).toMatchObject({
      kind: 'change',
      plan: 'large',
      generation: 5,
      attempt: 2,
      host: 'tea.localhost',
    });
  });
  test('a retry is both', () => {
    expect(decideChange(standing, { kind: 'retry' }, offer)).toMatchObject({
      generation: 5,
      attempt: 3,
    });
  });
  test('an update to what is there is nothing', () => {
    expect(decideChange(standing, { kind: 'update', plan: 'small', domain: null }, offer)).toEqual({
      kind: 'unchanged',
    });
  });
  test('a domain and back again', () => {
    const there = decideChange(standing, { kind: 'update', domain: 'tea.example.com' }, offer);
    expect(there).toMatchObject({ domain: 'tea.example.com', url: 'http://tea.example.com:8088' });
    const back = decideChange(
      { ...standing, domain: 'tea.example.com', host: 'tea.example.com' },
      { kind: 'update', domain: null },
      offer,
    );
    expect(back).toMatchObject({ domain: null, host: 'tea.localhost' });
  });
  test('an unknown plan is named', () => {
    expect(decideChange(standing, { kind: 'update', plan: 'huge' }, offer)).toEqual({
      kind: 'invalid',
      errors: [{ field: 'plan', message: 'No such plan for woocommerce; there is small, large.' }],
    });
  });
  test.each(['update', 'retry'] as const)('a store being deleted refuses: %s', (kind) => {
    expect(decideChange({ ...standing, status: 'deleting' }, { kind }, offer).kind).toBe('refused');
  });
  test('deleting twice changes nothing; deleted is gone', () => {
    expect(decideChange({ ...standing, status: 'deleting' }, { kind: 'delete' }, offer).kind).toBe(
      'unchanged',
    );
    expect(decideChange({ ...standing, status: 'deleted' }, { kind: 'delete' }, offer).kind).toBe(
      'gone',
    );
  });
});
