/** A cluster's settings for tests. */
import { DEFAULT_CLUSTER_FILE } from '../../control-plane/src/cluster-file.ts';
import type { AddOnCluster } from '../../control-plane/src/render/add-ons.ts';
import type { ClusterSettings } from '../../control-plane/src/render/store.ts';

export function exampleCluster(name: string): ClusterSettings & AddOnCluster {
  const { ingressAnnotations, tlsSecret, backup, platform } = DEFAULT_CLUSTER_FILE;
  return {
    name,
    shardDigits: 1,
    baseDomain: 'localhost',
    platform,
    values: {
      ingressAnnotations,
      tlsSecret,
      backup,
      ingressClass: 'traefik',
      storageClass: '',
      imageRegistry: 'localhost/shopyard',
      observer: { namespace: 'shopyard-system', serviceAccount: 'shopyard-observer' },
    },
  };
}
