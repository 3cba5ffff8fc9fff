/** Where everything is in the cluster repository. The only place that spells a path. */
import { hashStoreId, nameApplication, type StoreSpec } from '../domain/store.ts';

/** 1 hex digit: 16 shards. 2: 256, for a fleet. Never changed once a cluster has stores. */
export type ShardDigits = 1 | 2;

type Located = Pick<StoreSpec, 'id' | 'cluster' | 'tenantId' | 'name'>;

export function pathOfChart(chart: string, version: string): string {
  return `charts/${chart}/${version}`;
}

export function pathOfRoot(cluster: string): string {
  return `clusters/${cluster}/root`;
}

export function pathOfShard(cluster: string, shard: string): string {
  return `clusters/${cluster}/apps/${shard}`;
}

export function pathOfTenant(cluster: string, tenantId: string): string {
  return `${pathOfRoot(cluster)}/tenants/${tenantId}.yaml`;
}

export function pathOfApplication(store: Located, digits: ShardDigits): string {
  const shard = hashStoreId(store.id).slice(0, digits);
  return `${pathOfShard(store.cluster, shard)}/${nameApplication(store.tenantId, store.name)}.yaml`;
}

export function pathOfStore(store: Located): string {
  const name = nameApplication(store.tenantId, store.name);
  return `clusters/${store.cluster}/stores/${hashStoreId(store.id)}/${name}`;
}

export function pathOfValues(store: Located & Pick<StoreSpec, 'chartVersion'>): string {
  return `${pathOfStore(store)}/values-${store.chartVersion}.yaml`;
}

export function pathOfTombstone(store: Located): string {
  const name = nameApplication(store.tenantId, store.name);
  return `clusters/${store.cluster}/tombstones/${hashStoreId(store.id)}/${name}.yaml`;
}

/** Whether a path is of a store of that tenant: all tenants' ids have the same length. */
export function isPathOfTenant(path: string, tenantId: string): boolean {
  const [, , kind, , name] = path.split('/');
  return (
    path.startsWith('clusters/') &&
    (kind === 'apps' || kind === 'stores' || kind === 'tombstones') &&
    name?.startsWith(nameApplication(tenantId, '')) === true
  );
}

/** Shard names of a cluster: `0`…`f`, or `00`…`ff`. */
export function listShards(digits: ShardDigits): readonly string[] {
  return Array.from({ length: 16 ** digits }, (_, n) => n.toString(16).padStart(digits, '0'));
}
