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
import { PlatformError } from '../errors.ts';
import type { FileChange, TreeReader } from '../git/types.ts';
import { ARGOCD_NAMESPACE, type RepositoryAddress } from './cluster.ts';
import {
  pathOfApplication,
  pathOfChart,
  pathOfIntent,
  pathOfStore,
  pathOfTombstone,
  pathOfValues,
  type ShardDigits,
} from './paths.ts';
import {
  compileTemplate,
  parseYaml,
  writeYaml,
  type Template,
  type TemplateSources,
} from './template.ts';

/** Where a store's backups go, when, and how many are kept. */
export type BackupValues = {
  /** Cron's notation, in the cluster's time. */
  readonly schedule: string;
  readonly keepDaily: number;
  readonly keepWeekly: number;
  /** A claim of the store's own, or an S3 server. */
  readonly target: 'volume' | 's3';
  readonly s3: {
    readonly endpoint: string;
    readonly bucket: string;
    /** In the store's namespace, put there by the operator. */
    readonly secretName: string;
  } | null;
};

/** What a cluster gives to every store's values. */
export type ClusterValues = {
  readonly ingressClass: string;
  /** '' is the cluster's default class. */
  readonly storageClass: string;
  readonly imageRegistry: string;
  readonly observer: { readonly namespace: string; readonly serviceAccount: string };
  /** On every Ingress. */
  readonly ingressAnnotations: Readonly<Record<string, string>>;
  /** The certificate of a store: null: one of its own; '': the ingress controller's; else that Secret. */
  readonly tlsSecret: string | null;
  readonly backup: BackupValues;
};

export type ClusterSettings = {
  readonly name: string;
  readonly shardDigits: ShardDigits;
  /** Stores live at `<name>.<this>`, unless they have a domain of their own. */
  readonly baseDomain: string;
  /** `tlsSecret` is of the certificate for everything under the base domain. */
  readonly values: ClusterValues;
};

export type StoreAction = {
  readonly action: Action;
  readonly store: StoreSpec;
  readonly operationId: string;
  /** When the operation was accepted. */
  readonly at: Date;
  /** Something of it was on the branch, whatever somebody removed since; default: by its folder. */
  readonly isCommitted?: boolean;
};

/** What of a store is on the branch that its next commit goes on top of. */
export type CommittedStore = {
  /** Content of its store.yaml. */
  readonly intent: string;
  /** What is in its folder, by name; a folder ends in `/`. */
  readonly entries: readonly string[];
};

/** Renders the file changes of one action. `committed`: null when its folder is not in the tree. */
export type RenderAction = (action: StoreAction, committed: CommittedStore | null) => FileChange[];

/** What of a store a tree has, for its next action to be rendered on. */
export async function readCommitted(
  tree: TreeReader,
  store: StoreSpec,
): Promise<CommittedStore | null> {
  const intent = await tree.read(pathOfIntent(store));
  if (intent === null) return null;
  const entries = await tree.list(pathOfStore(store));
  return {
    intent: Buffer.from(intent).toString('utf8'),
    entries: (entries ?? []).map(({ name, kind }) => (kind === 'folder' ? `${name}/` : name)),
  };
}

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
  /** An earlier version of the chart has its own, where the current one's is not for it. */
  const valuesOf = ({ type, chartVersion }: StoreSpec): Template => {
    const earlier = `engines/${type}/values-${chartVersion}.yaml.hbs`;
    const path = Object.hasOwn(sources, earlier) ? earlier : `engines/${type}/values.yaml.hbs`;
    const known = values.get(path) ?? compileTemplate(sources, path);
    values.set(path, known);
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
      sourceName: `generation-${store.generation}`,
      chartPath: pathOfChart(store.chart, store.chartVersion),
      valuesFile: `/${pathOfValues(store)}`,
      generatePaths: `/${pathOfChart(store.chart, store.chartVersion)};/${pathOfStore(store)}`,
      protected: isProtected,
    }),
  });

  return ({ action, store, operationId, at, isCommitted }, committed) => {
    const cluster = findCluster(store.cluster);
    const applicationFile = pathOfApplication(store, cluster.shardDigits);
    // A folder that somebody removed says nothing of the Application.
    const mayLive = committed !== null || isCommitted === true;
    switch (action) {
      case 'create':
      case 'update':
      case 'retry':
      case 'upgrade':
      case 'rollback':
      case 'suspend':
      case 'resume':
      case 'repair':
      case 'retire':
        return [
          renderApplication(store, cluster, true),
          { path: pathOfIntent(store), content: intent({ store }) },
          {
            path: pathOfValues(store),
            content: valuesOf(store)({ store, cluster: chooseValues(cluster, store) }),
          },
          ...listLeftovers(action, store, committed).map((name) => ({
            path: `${pathOfStore(store)}/${name}`,
            content: null,
          })),
        ];
      case 'protect':
        return committed === null
          ? []
          : [{ path: pathOfIntent(store), content: setProtected(committed.intent, store) }];
      case 'release':
        return mayLive ? [renderApplication(store, cluster, false)] : [];
      case 'remove':
        return mayLive ? [{ path: applicationFile, content: REMOVED }] : [];
      case 'purge': {
        const emptied = mayLive ? [{ path: applicationFile, content: null }] : [];
        if (committed === null) return emptied;
        const content = tombstone({ store, at: at.toISOString(), operationId });
        return [
          ...emptied,
          { path: `${pathOfStore(store)}/`, content: null },
          { path: pathOfTombstone(store), content },
        ];
      }
    }
  };
}

/**
 * Argo CD looks with `git diff --name-only` whether a folder changed. To that, a file that goes while
 * one like it comes elsewhere was renamed: only the new name is told, and the old folder's Application
 * is never removed. A file with other content is told of.
 */
const REMOVED = `# Nothing, on purpose: the Application that was here is being deleted. This file goes with the
# store's folder, once Argo CD has removed all of it.
`;

/**
 * What goes from a store's folder: values of versions that are left behind, and with a repair whatever
 * else is not ours. Values of the version that the branch has now may be what Argo CD still applies:
 * those stay until the commit after.
 */
function listLeftovers(
  action: Action,
  store: StoreSpec,
  committed: CommittedStore | null,
): readonly string[] {
  if (committed === null) return [];
  const current = /^ {2}chartVersion: ["']?([\d.]+)["']?$/m.exec(committed.intent)?.[1];
  const versions = current === undefined ? [] : [current];
  const living = new Set([
    'store.yaml',
    ...[...versions, store.chartVersion].map((version) => `values-${version}.yaml`),
  ]);
  return committed.entries.filter(
    (name) =>
      !living.has(name) &&
      (action === 'repair' || (versions.length > 0 && /^values-[\d.]+\.yaml$/.test(name))),
  );
}

/**
 * A store's intent with nothing changed but its protection: another change of it may wait for a
 * review, or be on its way.
 */
function setProtected(intent: string, store: StoreSpec): string {
  const content = parseYaml(pathOfIntent(store), intent);
  if (!isMapping(content) || !isMapping(content['spec']))
    throw new PlatformError('intent_malformed', `${pathOfIntent(store)} describes no store.`, {
      hint: 'Somebody changed the file: repair the store, then try again.',
    });
  return writeYaml({ ...content, spec: { ...content['spec'], protected: store.protected } });
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/**
 * A wildcard certificate is good for stores under the base domain, and cert-manager has nothing to do
 * for them; a domain of the merchant's own gets a certificate of its own.
 */
function chooseValues({ baseDomain, values }: ClusterSettings, store: StoreSpec): ClusterValues {
  if (values.tlsSecret === null) return values;
  if (store.host !== `${store.name}.${baseDomain}`) return { ...values, tlsSecret: null };
  const annotations = Object.entries(values.ingressAnnotations);
  return {
    ...values,
    ingressAnnotations: Object.fromEntries(
      annotations.filter(([name]) => !name.startsWith('cert-manager.io/')),
    ),
  };
}
