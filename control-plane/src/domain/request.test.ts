import { describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from './cluster.ts';
import { compareWithStanding, resolveCreate, type Offer, type Standing } from './request.ts';
import type { StoreName } from './store.ts';

const offer: Offer = {
  engines: [
    {
      type: 'woocommerce',
      chart: 'woocommerce',
      version: '1.0.0',
      plans: ['small', 'large'],
      options: [
        {
          name: 'cache',
          label: 'Cache',
          help: '',
          kind: 'flag',
          default: false,
          change: 'always',
          reason: null,
        },
        {
          name: 'country',
          label: 'Country',
          help: '',
          kind: 'choice',
          choices: [
            { value: 'DE', label: 'Germany' },
            { value: 'FR', label: 'France' },
          ],
          default: 'DE',
          change: 'never',
          reason: 'It is in the shop.',
        },
      ],
    },
  ],
  clusters: [
    { ...DEFAULT_RULES, name: 'lab', baseDomain: 'localhost', scheme: 'http', port: 8088 },
    { ...DEFAULT_RULES, name: 'live', baseDomain: 'shops.example.com', scheme: 'https', port: 443 },
  ],
};

const standing: Standing = {
  name: 'tea',
  type: 'woocommerce',
  plan: 'small',
  options: { cache: false, country: 'DE' },
  cluster: 'lab',
  host: 'tea.localhost',
  domain: null,
  url: 'http://tea.localhost:8088',
  status: 'ready',
  chartVersion: '1.0.0',
  generation: 4,
  attempt: 2,
  suspended: false,
  purgeAt: null,
  protected: false,
  commitSha: null,
  driftSha: null,
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
      options: { cache: false, country: 'DE' },
      cluster: 'lab',
      placed: true,
      domain: null,
      host: 'tea.localhost',
      url: 'http://tea.localhost:8088',
    });
  });

  test('takes options and names those that are wrong', () => {
    expect(settings({ options: { cache: true } }).options).toEqual({ cache: true, country: 'DE' });
    expect(
      resolveCreate(
        { name: 'tea', type: 'woocommerce', plan: 'small', options: { cache: 'yes', shop: true } },
        offer,
      ),
    ).toEqual({
      ok: false,
      errors: [
        { field: 'options.cache', message: 'true or false.' },
        { field: 'options.shop', message: 'No such option; there is cache, country.' },
      ],
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

  test.each(['portal.example.org', 'tea.localhost', 'localhost'])(
    'nor the portal’s or another cluster’s: %s',
    (domain) => {
      const resolved = resolveCreate(
        { name: 'coffee', type: 'woocommerce', plan: 'small', cluster: 'live', domain },
        { ...offer, reservedHosts: ['portal.example.org'] },
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
    ['options.country', { options: { country: 'FR' } }],
  ])('names the field that differs: %s', (field, request) => {
    expect(compareWithStanding(standing, settings(request))).toMatchObject({
      kind: 'differs',
      field,
    });
  });
  test('nor is one that was deleted and is kept', () => {
    const kept = { ...standing, status: 'suspended', purgeAt: new Date(0) } as const;
    expect(compareWithStanding(kept, settings())).toMatchObject({
      kind: 'leaving',
      message: expect.stringContaining('kept until 1970-01-01 00:00 UTC') as string,
    });
  });
  test('a store on its way out is neither', () => {
    expect(compareWithStanding({ ...standing, status: 'deleting' }, settings()).kind).toBe(
      'leaving',
    );
  });
});
