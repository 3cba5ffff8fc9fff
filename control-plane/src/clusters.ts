/**
 * The clusters of one control plane. SHOPYARD_CLUSTERS names a YAML file that lists them
 * (clusters/several.yaml shows it); paths in it are relative to it, and secrets are in files of their
 * own. Without the setting there is the one that the environment describes (config.ts).
 *
 * Each cluster has its own Argo CD and its own folder, `clusters/<name>/`, in the cluster repository.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ClusterFile, namePath, readYaml } from './cluster-file.ts';
import { describeIssue } from './describe-issue.ts';
import type { AddOns } from './domain/add-ons.ts';
import type { Cluster } from './domain/cluster.ts';
import { describeError } from './errors.ts';
import { describeAddressProblem } from './git/remote-address.ts';
import type { LokiSettings } from './logs/loki.ts';
import type { ClusterSettings } from './render/store.ts';

export type ClusterKind = 'practice' | 'lab' | 'kubeconfig';

/** How a cluster's API server is found. */
export type ClusterAccess =
  /** Made in this process when a part needs it. */
  | { readonly kind: 'practice' }
  | { readonly kind: 'kubeconfig'; readonly path: string }
  /** By the ServiceAccount of the pod that this process runs in. */
  | { readonly kind: 'pod' };

export type RegisteredCluster = Cluster &
  ClusterSettings & {
    /** What it is called before people. */
    readonly kind: ClusterKind;
    readonly access: ClusterAccess;
    readonly platform: AddOns;
    /** Where its Argo CD is told of pushes; null: it polls, or is a practice cluster. */
    readonly webhook: { readonly url: string; readonly secret: string } | null;
    /** Argo CD's own pages. */
    readonly argocdUrl: string | null;
    /** Where the stores' Ingress listens for this process; null: no way to the shops. */
    readonly ingressUrl: string | null;
    /** The Loki that its logs are gathered in; null: none. */
    readonly loki: LokiSettings | null;
  };

/** A cluster as the API knows it. */
export type KnownCluster = Cluster & Pick<RegisteredCluster, 'kind' | 'argocdUrl'>;

/** Where the observer's identity lives on every cluster (bootstrap/access/observer.yaml). */
const OBSERVER = { namespace: 'shopyard-system', serviceAccount: 'shopyard-observer' };

export const ClusterName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, 'a short name such as “main”');
export const BaseDomain = z.string().regex(/^[a-z0-9.-]+$/, 'a domain in lower case');
const address = z.url({ protocol: /^https?$/ });
/** One that a credential of ours is sent to. */
export const RemoteAddress = address.refine(
  (url) => describeAddressProblem(url) === null,
  'an address without a credential, query or fragment, not a link-local one, https for GitHub',
);
/** Loki's own word for a tenant: a header's value. */
export const LokiName = z.string().regex(/^[!#-9;-~]{1,150}$/, 'a name without spaces and colons');

/** One of the list. */
export const ClusterEntry = ClusterFile.extend({
  name: ClusterName,
  kubeconfig: z.string().min(1).optional(),
  inCluster: z.literal(true).optional(),
  practice: z.literal(true).optional(),
  baseDomain: BaseDomain.optional(),
  scheme: z.enum(['http', 'https']).optional(),
  port: z.number().int().min(1).max(65_535).optional(),
  ingressUrl: address.optional(),
  argocdUiUrl: address.optional(),
  webhook: z.strictObject({ url: address, secretFile: z.string().min(1) }).optional(),
  loki: z
    .strictObject({
      url: RemoteAddress,
      tenant: LokiName.optional(),
      user: LokiName.optional(),
      tokenFile: z.string().min(1).optional(),
    })
    .optional(),
  shardDigits: z.union([z.literal(1), z.literal(2)], 'one of: 1, 2').default(1),
  ingressClass: z.string().min(1).default('traefik'),
  storageClass: z.string().default(''),
  imageRegistry: z.string().min(1).default('localhost/shopyard'),
});
type ClusterEntry = z.infer<typeof ClusterEntry>;

/** What a single cluster and one of a list come to in the same way. */
export function registerCluster(
  file: ClusterFile,
  cluster: Pick<
    RegisteredCluster,
    | 'name'
    | 'kind'
    | 'access'
    | 'baseDomain'
    | 'scheme'
    | 'port'
    | 'shardDigits'
    | 'webhook'
    | 'loki'
  > & {
    readonly ingressUrl: string | undefined;
    readonly argocdUrl: string | undefined;
    readonly ingressClass: string;
    readonly storageClass: string;
    readonly imageRegistry: string;
  },
): RegisteredCluster {
  const { name, kind, access, baseDomain, scheme, port, shardDigits, webhook, loki } = cluster;
  const { labels, capacity, review, retentionDays, guard } = file;
  const { ingressAnnotations, tlsSecret, backup } = file;
  const { ingressClass, storageClass, imageRegistry } = cluster;
  return {
    ...{ name, kind, access, baseDomain, scheme, port, shardDigits, webhook, loki },
    ...{ labels, capacity, review, retentionDays, guard },
    ingressUrl: cluster.ingressUrl ?? guessIngress(cluster),
    argocdUrl: cluster.argocdUrl ?? null,
    // A practice cluster runs nothing.
    platform: access.kind === 'practice' ? { off: [] } : file.platform,
    values: {
      ...{ ingressAnnotations, tlsSecret, backup },
      ...{ ingressClass, storageClass, imageRegistry },
      observer: OBSERVER,
    },
  };
}

/** On a laptop the Ingress is on loopback. */
function guessIngress({
  baseDomain,
  scheme,
  port,
}: Pick<Cluster, 'baseDomain' | 'scheme' | 'port'>): string | null {
  if (baseDomain !== 'localhost') return null;
  return `${scheme}://127.0.0.1${port === undefined ? '' : `:${String(port)}`}`;
}

/** What a cluster is, in the words of the start, and where its stores are. */
export function describeHome({ name, kind, baseDomain, scheme, port }: RegisteredCluster): string {
  const standard = scheme === 'https' ? 443 : 80;
  const address = `${scheme}://<store>.${baseDomain}${port === undefined || port === standard ? '' : `:${port}`}`;
  if (kind === 'lab') return `the lab, which is up: ${address}`;
  if (kind === 'kubeconfig') return `the cluster “${name}”: ${address}`;
  const called = name === 'practice' ? 'the practice cluster' : `the practice cluster “${name}”`;
  return `${called}: shops go through every step; nothing is running`;
}

export type ClusterListResult =
  | { readonly ok: true; readonly clusters: readonly RegisteredCluster[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads a list of clusters; every problem names the file, the cluster and the field.
 * @param options.relays whether this process tells Argo CDs of pushes: who does not needs no secrets
 */
export function readClusterList(
  path: string,
  options: { readonly relays: boolean },
): ClusterListResult {
  let content: unknown;
  try {
    content = readYaml(path);
  } catch (error) {
    return { ok: false, problems: [describeError(error)] };
  }
  if (!Array.isArray(content) || content.length === 0)
    return { ok: false, problems: [`${path}: This must be a list of clusters.`] };
  const problems: string[] = [];
  const clusters: RegisteredCluster[] = [];
  for (const [index, item] of (content as readonly unknown[]).entries()) {
    const refuse = (field: string, message: string): void => {
      const where = `${path}: ${nameEntry(item, index)}`;
      problems.push(`${where}${field === '' ? '' : `: ${field}`}: ${message.replace(/\.$/, '')}.`);
    };
    const parsed = ClusterEntry.safeParse(item, { error: describeIssue });
    if (parsed.success)
      clusters.push(register(parsed.data, dirname(resolve(path)), options.relays, refuse));
    else for (const issue of parsed.error.issues) refuse(namePath(issue), issue.message);
  }
  for (const [index, cluster] of clusters.entries()) {
    const earlier = clusters.slice(0, index);
    const sameName = earlier.find((one) => one.name === cluster.name);
    const samePlace = earlier.find(
      (one) => one.baseDomain === cluster.baseDomain && portOf(one) === portOf(cluster),
    );
    if (sameName !== undefined)
      problems.push(`${path}: ${cluster.name}: name: There are two of this name.`);
    else if (samePlace !== undefined)
      problems.push(
        `${path}: ${cluster.name}: baseDomain: Stores of ${samePlace.name} have the same addresses.`,
      );
  }
  return problems.length === 0 ? { ok: true, clusters } : { ok: false, problems };
}

function nameEntry(item: unknown, index: number): string {
  const name: unknown =
    typeof item === 'object' && item !== null && 'name' in item ? item.name : undefined;
  return typeof name === 'string' ? name : `cluster ${String(index + 1)}`;
}

function portOf({ scheme, port }: RegisteredCluster): number {
  return port ?? (scheme === 'https' ? 443 : 80);
}

/** @param folder what paths are relative to */
function register(
  entry: ClusterEntry,
  folder: string,
  relays: boolean,
  refuse: (field: string, message: string) => void,
): RegisteredCluster {
  const { kubeconfig, inCluster, practice, webhook, loki, argocdUiUrl, ...rest } = entry;
  const named = [kubeconfig, inCluster, practice].filter((one) => one !== undefined);
  if (named.length !== 1)
    refuse('kubeconfig', 'Name one of kubeconfig, inCluster: true and practice: true.');
  if (practice === undefined && rest.baseDomain === undefined)
    refuse('baseDomain', 'This is needed.');
  // The practice cluster serves its shops' pages there.
  if (practice !== undefined && rest.port === undefined) refuse('port', 'This is needed.');
  if (practice !== undefined && webhook !== undefined)
    refuse('webhook', 'A practice cluster is told without it.');
  const access: ClusterAccess =
    kubeconfig !== undefined
      ? { kind: 'kubeconfig', path: resolve(folder, kubeconfig) }
      : { kind: practice === undefined ? 'pod' : 'practice' };
  return registerCluster(rest, {
    ...rest,
    kind: practice === undefined ? 'kubeconfig' : 'practice',
    access,
    baseDomain: rest.baseDomain ?? 'localhost',
    scheme: rest.scheme ?? (practice === undefined ? 'https' : 'http'),
    port: rest.port,
    ingressUrl: rest.ingressUrl,
    argocdUrl: argocdUiUrl,
    webhook: webhook === undefined || !relays ? null : readWebhook(webhook, folder, refuse),
    loki:
      loki === undefined
        ? null
        : describeLoki({
            ...loki,
            tokenFile: loki.tokenFile === undefined ? undefined : resolve(folder, loki.tokenFile),
          }),
  });
}

/** What the settings come to; the token is read when it is needed. */
export function describeLoki(given: {
  readonly url: string;
  readonly tenant?: string | undefined;
  readonly user?: string | undefined;
  readonly tokenFile?: string | undefined;
}): LokiSettings {
  const { url, tenant = null, user = null, tokenFile = null } = given;
  return { url, tenant, user, tokenFile };
}

function readWebhook(
  { url, secretFile }: NonNullable<ClusterEntry['webhook']>,
  folder: string,
  refuse: (field: string, message: string) => void,
): RegisteredCluster['webhook'] {
  const path = resolve(folder, secretFile);
  try {
    const secret = readFileSync(path, 'utf8').trim();
    if (secret !== '') return { url, secret };
    refuse('webhook.secretFile', `${path} is empty.`);
  } catch (error) {
    refuse('webhook.secretFile', `${path} cannot be read: ${describeError(error)}`);
  }
  return null;
}
