/** A cluster's settings for tests. */
import type { ClusterSettings } from '../../control-plane/src/render/store.ts';

export function exampleCluster(name: string): ClusterSettings {
  return {
    name,
    shardDigits: 1,
    values: {
      ingressClass: 'traefik',
      storageClass: '',
      imageRegistry: 'localhost/shopyard',
      observer: { namespace: 'shopyard-system', serviceAccount: 'shopyard-observer' },
    },
  };
}
