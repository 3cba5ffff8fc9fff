/** A store's spec for tests, with whatever matters to the test set. */
import type { StoreSpec } from '../../control-plane/src/domain/store.ts';

export function exampleStore(
  changes: Partial<Omit<StoreSpec, 'name'>> & { name?: string } = {},
): StoreSpec {
  const { name = 'shop', ...rest } = changes;
  const host = rest.host ?? `${name}.localhost`;
  return {
    id: 'st_aaaaaaaaaaaaaaaa',
    name: name as StoreSpec['name'],
    tenantId: 'abc123',
    tenant: 'acme',
    type: 'woocommerce',
    chart: 'woocommerce',
    chartVersion: '1.2.0',
    plan: 'small',
    storagePlan: 'small',
    options: {
      currency: 'EUR',
      country: 'DE',
      sample_products: true,
      theme: 'twentytwentyfive',
      object_cache: false,
      autoscale: false,
    },
    cluster: 'lab',
    host,
    url: `http://${host}:8088`,
    generation: 1,
    attempt: 1,
    suspended: false,
    purgeAt: null,
    protected: false,
    ...rest,
  };
}
