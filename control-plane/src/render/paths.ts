/** Where everything is in the cluster repository. The only place that spells a path. */
import { hashStoreId, nameApplication, type StoreSpec } from '../domain/store.ts';

/** 1 hex digit: 16 shards. 2: 256, for a fleet. Never changed once a cluster has stores. */
export type ShardDigits = 1 | 2;

type Located = Pick<StoreSpec, 'id' | 'cluster' | 'tenantId' | 'name'>;

export function pathOfChart(chart: string, version: string): string {
  return `charts/${chart}/${version}`;
}

export function pathOfPolicies(version: string): string {
  return `policies/${version}`;
}

export function pathOfRoot(cluster: string): string {
  return `clusters/${cluster}/root`;
}

/** Of an add-on: its AppProject and Applications. */
export function pathOfAddOn(cluster: string, addOn: string): string {
  return `${pathOfRoot(cluster)}/platform/${addOn}.yaml`;
}

/** What of an add-on is manifests of ours. */
export function pathOfAddOnFolder(cluster: string, addOn: string): string {
  return `clusters/${cluster}/platform/${addOn}`;
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

/** What a store is to be, as the platform says it: enough to make its row from. */
export function pathOfIntent(store: Located): string {
  return `${pathOfStore(store)}/store.yaml`;
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

/** Whose file a path is, if it is a living store's: its Application, or something in its folder. */
export type StorePath = {
  readonly cluster: string;
  readonly application: string;
  readonly kind: 'application' | 'folder';
};

/** null: it is no path of a store. Tombstones are of stores that are gone. */
export function readStorePath(path: string): StorePath | null {
  const [top, cluster, kind, digits, name, ...rest] = path.split('/');
  if (top !== 'clusters' || cluster === undefined || digits === undefined || name === undefined)
    return null;
  const isApplication = kind === 'apps' && rest.length === 0 && name.endsWith('.yaml');
  const isInFolder = kind === 'stores' && rest.length > 0;
  if (!isApplication && !isInFolder) return null;
  const application = isApplication ? name.slice(0, -'.yaml'.length) : name;
  // Whatever else is in a shard's folder has another kind of name.
  if (!/^[a-z0-9]{6}-[a-z0-9-]+$/.test(application)) return null;
  return { cluster, application, kind: isApplication ? 'application' : 'folder' };
}

/** The cluster and tenant of an AppProject's file; null: it is none. */
export function readTenantPath(
  path: string,
): { readonly cluster: string; readonly tenantId: string } | null {
  const [, cluster, tenantId] =
    /^clusters\/([^/]+)\/root\/tenants\/([a-z0-9]{6})\.yaml$/.exec(path) ?? [];
  return cluster === undefined || tenantId === undefined ? null : { cluster, tenantId };
}

/** Shard names of a cluster: `0`…`f`, or `00`…`ff`. */
export function listShards(digits: ShardDigits): readonly string[] {
  return Array.from({ length: 16 ** digits }, (_, n) => n.toString(16).padStart(digits, '0'));
}
