/** What a cluster's folder holds before its first store: root, add-ons, shards, placeholders, tenants. */
import { nameNamespace, nameProject } from '../domain/store.ts';
import type { FileChange } from '../git/types.ts';
import {
  listShards,
  pathOfAddOn,
  pathOfPolicies,
  pathOfRoot,
  pathOfShard,
  pathOfTenant,
  type ShardDigits,
} from './paths.ts';
import { compileTemplate, type TemplateSources } from './template.ts';

export const ARGOCD_NAMESPACE = 'argocd';

export type RepositoryAddress = {
  /** As Argo CD reaches it. */
  readonly repositoryUrl: string;
  readonly branch: string;
};

/** `root.yaml`: the project and the Application an operator (or the lab) applies once. */
export function renderRootManifest(
  sources: TemplateSources,
  cluster: RepositoryAddress & { readonly cluster: string },
): string {
  const render = compileTemplate(sources, 'clusters/base/root.yaml.hbs');
  return render({
    argocdNamespace: ARGOCD_NAMESPACE,
    repositoryUrl: cluster.repositoryUrl,
    targetRevision: `refs/heads/${cluster.branch}`,
    rootPath: pathOfRoot(cluster.cluster),
  });
}

/** Every file of a new cluster's folder. */
export function renderClusterFolder(
  sources: TemplateSources,
  cluster: RepositoryAddress & {
    readonly cluster: string;
    readonly shardDigits: ShardDigits;
    /** null: it is to have none. */
    readonly policiesVersion: string | null;
  },
): FileChange[] {
  const renderShard = compileTemplate(sources, 'clusters/base/shard.yaml.hbs');
  const renderPlaceholder = compileTemplate(sources, 'clusters/base/placeholder.yaml.hbs');
  const renderPolicies = compileTemplate(sources, 'clusters/base/policies.yaml.hbs');
  const shared = {
    argocdNamespace: ARGOCD_NAMESPACE,
    repositoryUrl: cluster.repositoryUrl,
    targetRevision: `refs/heads/${cluster.branch}`,
  };
  const root = pathOfRoot(cluster.cluster);
  const files: FileChange[] = [
    {
      path: `clusters/${cluster.cluster}/root.yaml`,
      content: renderRootManifest(sources, cluster),
    },
  ];
  if (cluster.policiesVersion !== null)
    files.push({
      path: pathOfAddOn(cluster.cluster, 'policies'),
      content: renderPolicies({
        ...shared,
        policiesPath: pathOfPolicies(cluster.policiesVersion),
      }),
    });
  for (const shard of listShards(cluster.shardDigits)) {
    const path = pathOfShard(cluster.cluster, shard);
    const name = `shopyard-shard-${shard}`;
    files.push(
      { path: `${root}/shards/${shard}.yaml`, content: renderShard({ ...shared, name, path }) },
      { path: `${path}/placeholder.yaml`, content: renderPlaceholder({ ...shared, name }) },
    );
  }
  return files;
}

/** The AppProject that fences a tenant's stores on one cluster. */
export function renderTenant(
  sources: TemplateSources,
  tenant: RepositoryAddress & {
    readonly cluster: string;
    readonly tenantId: string;
    readonly tenant: string;
  },
): FileChange {
  const render = compileTemplate(sources, 'manifests/project.yaml.hbs');
  return {
    path: pathOfTenant(tenant.cluster, tenant.tenantId),
    content: render({
      argocdNamespace: ARGOCD_NAMESPACE,
      project: nameProject(tenant.tenantId),
      tenantId: tenant.tenantId,
      description: `Stores of tenant ${tenant.tenant}`,
      repositoryUrl: tenant.repositoryUrl,
      namespaces: nameNamespace(tenant.tenantId, '*'),
    }),
  };
}
