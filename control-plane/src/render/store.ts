/**
 * A store's files for each action of an operation: pure, so that the writer can run it again on any
 * tip and get the same answer.
 */
import {
  nameApplication,
  nameNamespace,
  nameProject,
  type Action,
  type StoreSpec,
} from '../domain/store.ts';
import type { FileChange } from '../git/types.ts';
import { ARGOCD_NAMESPACE, type RepositoryAddress } from './cluster.ts';
import {
  pathOfApplication,
  pathOfChart,
  pathOfStore,
  pathOfTombstone,
  pathOfValues,
  type ShardDigits,
} from './paths.ts';
import { compileTemplate, type Template, type TemplateSources } from './template.ts';

/** What a cluster gives to every store's values. */
export type ClusterValues = {
  readonly ingressClass: string;
  /** '' is the cluster's default class. */
  readonly storageClass: string;
  readonly imageRegistry: string;
  readonly observer: { readonly namespace: string; readonly serviceAccount: string };
};

export type ClusterSettings = {
  readonly name: string;
  readonly shardDigits: ShardDigits;
  readonly values: ClusterValues;
};

export type StoreAction = {
  readonly action: Action;
  readonly store: StoreSpec;
  readonly operationId: string;
  /** When the operation was accepted. */
  readonly at: Date;
};

/** Renders the file changes of one action. `isCommitted`: the store's folder is in the tree. */
export type RenderAction = (action: StoreAction, isCommitted: boolean) => FileChange[];

/** Compiles the templates once; the result is called per operation. */
export function createStoreRenderer(
  sources: TemplateSources,
  address: RepositoryAddress,
  findCluster: (name: string) => ClusterSettings,
): RenderAction {
  const application = compileTemplate(sources, 'manifests/application.yaml.hbs');
  const intent = compileTemplate(sources, 'manifests/store.yaml.hbs');
  const tombstone = compileTemplate(sources, 'manifests/tombstone.yaml.hbs');
  const values = new Map<string, Template>();
  const valuesOf = (type: string): Template => {
    const known = values.get(type) ?? compileTemplate(sources, `engines/${type}/values.yaml.hbs`);
    values.set(type, known);
    return known;
  };

  const renderApplication = (store: StoreSpec, cluster: ClusterSettings, isProtected: boolean) => ({
    path: pathOfApplication(store, cluster.shardDigits),
    content: application({
      store,
      argocdNamespace: ARGOCD_NAMESPACE,
      application: nameApplication(store.tenantId, store.name),
      namespace: nameNamespace(store.tenantId, store.name),
      project: nameProject(store.tenantId),
      repositoryUrl: address.repositoryUrl,
      targetRevision: `refs/heads/${address.branch}`,
      chartPath: pathOfChart(store.chart, store.chartVersion),
      valuesFile: `/${pathOfValues(store)}`,
      generatePaths: `/${pathOfChart(store.chart, store.chartVersion)};/${pathOfStore(store)}`,
      protected: isProtected,
    }),
  });

  return ({ action, store, operationId, at }, isCommitted) => {
    const cluster = findCluster(store.cluster);
    switch (action) {
      case 'create':
      case 'update':
      case 'retry':
        return [
          renderApplication(store, cluster, true),
          { path: `${pathOfStore(store)}/store.yaml`, content: intent({ store }) },
          {
            path: pathOfValues(store),
            content: valuesOf(store.type)({ store, cluster: cluster.values }),
          },
        ];
      case 'release':
        return isCommitted ? [renderApplication(store, cluster, false)] : [];
      case 'remove':
        return [{ path: pathOfApplication(store, cluster.shardDigits), content: null }];
      case 'purge':
        return isCommitted
          ? [
              { path: `${pathOfStore(store)}/`, content: null },
              {
                path: pathOfTombstone(store),
                content: tombstone({ store, at: at.toISOString(), operationId }),
              },
            ]
          : [];
    }
  };
}
