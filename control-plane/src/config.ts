/**
 * Settings: environment → one frozen object. Every problem is listed at once. `SHOPYARD_CLUSTER=lab`
 * takes what the lab wrote when it came up as defaults (`kind` what Kind did); the environment wins.
 * Without a name it is the lab when it is up, else the practice cluster. A kubeconfig is used when it
 * is named, never because it was found. What one process makes up for itself (a database, passwords)
 * must be given to parts that run in processes apart.
 */
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { resolveKindFolder, resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { connectCluster } from './cluster/connection.ts';
import { DEFAULT_CLUSTER_FILE, readClusterFile, type ClusterFile } from './cluster-file.ts';
import {
  BaseDomain,
  ClusterName,
  describeLoki,
  LokiName,
  readClusterList,
  registerCluster,
  RemoteAddress,
  type ClusterKind,
  type RegisteredCluster,
} from './clusters.ts';
import { locateDataDir } from './data-dir.ts';
import { describeIssue } from './describe-issue.ts';
import { describeError, PlatformError } from './errors.ts';
import { listForgeProblems } from './forge-settings.ts';
import { FORGE_KINDS } from './forge/types.ts';
import { ALL_PARTS, isWhole, type Parts } from './parts/list.ts';

const port = z.coerce.number().int().min(1).max(65_535);
const whole = z.coerce.number().int().min(1);
const address = z.url({ protocol: /^https?$/ });

/** Every setting there is. */
export const Environment = z.object({
  PORT: port.default(8080).describe('Port of the API and the portal'),
  HOST: z.string().default('127.0.0.1').describe('Address the API and the portal listen on'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'an address such as postgres://user:password@host/database')
    .optional()
    .describe('Postgres to use; without it an embedded one runs in the data folder'),
  SHOPYARD_DATABASE_CONNECTIONS: whole
    .min(4)
    .max(100)
    .default(10)
    .describe('To Postgres, held by this process at most; its max_connections is for all of them'),
  SHOPYARD_DATA_DIR: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Where state is kept; default: .shopyard, for root in a closed folder /var/lib/shopyard',
    ),
  SHOPYARD_CLUSTER: z
    .string()
    .min(1)
    .optional()
    .describe(
      'practice, lab, kind, or the path of a kubeconfig; default: the lab when up, else practice',
    ),
  SHOPYARD_CLUSTER_NAME: ClusterName.default('main').describe('Its folder in the repository'),
  SHOPYARD_KUBECONFIG: z.string().min(1).optional().describe('Set by the lab; else the named one'),
  SHOPYARD_BASE_DOMAIN: BaseDomain.default('localhost').describe('Stores live at <store>.<this>'),
  SHOPYARD_STORE_SCHEME: z.enum(['http', 'https']).default('https').describe('Of store addresses'),
  SHOPYARD_STORE_PORT: port.optional().describe('Of store addresses, where not the usual one'),
  SHOPYARD_INGRESS_URL: address
    .optional()
    .describe('Where the stores’ Ingress listens for this process: orders are read through it'),
  SHOPYARD_INGRESS_CLASS: z.string().default('traefik').describe('Of the stores’ Ingresses'),
  SHOPYARD_STORAGE_CLASS: z
    .string()
    .default('')
    .describe('Of the stores’ volumes; empty: the cluster’s default'),
  SHOPYARD_IMAGE_REGISTRY: z
    .string()
    .min(1)
    .default('localhost/shopyard')
    .describe('Where the images of stores are pulled from'),
  SHOPYARD_CLUSTER_SETTINGS: z
    .string()
    .min(1)
    .optional()
    .describe('A file of more: certificates, backups, rules; clusters/example.yaml is one'),
  SHOPYARD_CLUSTERS: z
    .string()
    .min(1)
    .optional()
    .describe('A file that lists several clusters, instead; clusters/several.yaml is one'),
  SHOPYARD_REPOSITORY_URL: RemoteAddress.optional().describe(
    'Cluster repository as Argo CD reaches it',
  ),
  SHOPYARD_BRANCH: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'a branch name')
    .default('main')
    .describe('Branch of the cluster repository that Argo CD follows'),
  SHOPYARD_SHARD_DIGITS: z
    .enum(['1', '2'])
    .default('1')
    .describe('1: 16 shards, 2: 256; never changed once a cluster has stores'),
  SHOPYARD_FORGE: z
    .enum(FORGE_KINDS)
    .default('embedded')
    .describe('What keeps the cluster repository: our own git server, Gitea or Forgejo, GitHub'),
  SHOPYARD_FORGE_TOKEN: z.string().min(1).optional().describe('Of our account at Gitea or GitHub'),
  SHOPYARD_FORGE_TOKEN_FILE: z
    .string()
    .min(1)
    .optional()
    .describe('A file with it instead, read anew each time it is needed'),
  SHOPYARD_FORGE_API_URL: RemoteAddress.optional().describe(
    'Where the forge’s API is not where the repository’s address says',
  ),
  SHOPYARD_FORGE_WEBHOOK_SECRET: z
    .string()
    .min(16, 'at least 16 characters')
    .optional()
    .describe('By which the forge’s webhooks are known'),
  SHOPYARD_GITHUB_APP_ID: z.string().min(1).optional().describe('Instead of a token: a GitHub App'),
  SHOPYARD_GITHUB_APP_KEY_FILE: z.string().min(1).optional().describe('Its private key, PEM'),
  SHOPYARD_GITHUB_APP_INSTALLATION_ID: z
    .string()
    .regex(/^\d+$/, 'a number')
    .optional()
    .describe('Where it is installed'),
  SHOPYARD_GITHUB_COMMITS: z
    .enum(['push', 'api'])
    .default('push')
    .describe('api: by GitHub’s API, which signs them'),
  SHOPYARD_FORGE_HOST: z
    .string()
    .default('127.0.0.1')
    .describe('Address the embedded git server listens on'),
  SHOPYARD_FORGE_PORT: port.default(8081).describe('Port of the embedded git server'),
  SHOPYARD_FORGE_READ_PASSWORD: z
    .string()
    .min(16, 'at least 16 characters')
    .optional()
    .describe(
      'Argo CD’s at the embedded git server, as reader; default: one kept in the data folder',
    ),
  SHOPYARD_FORGE_WRITE_PASSWORD: z
    .string()
    .min(16, 'at least 16 characters')
    .optional()
    .describe('The writer’s there; default: one kept in the data folder'),
  SHOPYARD_ARGOCD_WEBHOOK_URL: address
    .optional()
    .describe('Where Argo CD is told of pushes at once'),
  SHOPYARD_ARGOCD_WEBHOOK_SECRET: z
    .string()
    .min(1)
    .optional()
    .describe('By which it knows them: webhook.github.secret in argocd-secret'),
  SHOPYARD_ARGOCD_UI_URL: address.optional().describe('Its pages, for links of operators'),
  SHOPYARD_LOKI_URL: RemoteAddress.optional().describe(
    'A Loki that has the stores’ logs; without it they are read from the cluster, as long as pods live',
  ),
  SHOPYARD_LOKI_TOKEN_FILE: z
    .string()
    .min(1)
    .optional()
    .describe('A file with our token there, read anew each time it is needed'),
  SHOPYARD_LOKI_USER: LokiName.optional().describe('With it the token is this user’s password'),
  SHOPYARD_LOKI_TENANT: LokiName.optional().describe('Loki’s own tenant, its X-Scope-OrgID'),
  SHOPYARD_BOOTSTRAP_TOKEN: z
    .string()
    .min(16, 'at least 16 characters')
    .optional()
    .describe('Makes the first operator token on the first start'),
  SHOPYARD_PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .refine((url) => (URL.parse(url)?.pathname ?? '/') === '/', 'an address without a path')
    .optional()
    .describe('The portal’s address as browsers see it; default: where it listens'),
  SHOPYARD_API_URL: address
    .optional()
    .describe('Where the API answers, for a portal in a process apart'),
  SHOPYARD_PORTAL_SECRET: z
    .string()
    .min(16, 'at least 16 characters')
    .optional()
    .describe('By which the API knows a portal apart, and believes what it says of its visitors'),
  SHOPYARD_PROXIES: z.coerce
    .number()
    .int()
    .min(0)
    .max(10)
    .default(0)
    .describe('Reverse proxies in front: from so many X-Forwarded-For is believed'),
  SHOPYARD_AUTH_SECRET: z
    .string()
    .min(32, 'at least 32 characters')
    .optional()
    .describe('Signs the cookies of sessions; default: one kept in the data folder'),
  SHOPYARD_ADMIN_EMAIL: z
    .email('an e-mail address')
    .toLowerCase()
    .default('operator@shopyard.local')
    .describe('The first operator’s, on the first start'),
  SHOPYARD_OPEN_SIGN_UP: z.stringbool().default(false).describe('Anybody may make an account'),
  SHOPYARD_TENANTS_PER_USER: whole.default(1).describe('That somebody may own'),
  SHOPYARD_OIDC_ISSUER: address.optional().describe('An organisation’s OpenID provider'),
  SHOPYARD_OIDC_CLIENT_ID: z.string().min(1).optional().describe('Ours, as registered there'),
  SHOPYARD_OIDC_CLIENT_SECRET: z.string().min(1).optional().describe('Of that client'),
  SHOPYARD_OIDC_NAME: z
    .string()
    .min(1)
    .max(60)
    .default('your organisation')
    .describe('What the button for signing in calls it'),
  SHOPYARD_SMTP_URL: z
    .url({ protocol: /^smtps?$/ })
    .optional()
    .describe('Sends mails: smtp://user:password@host:port'),
  SHOPYARD_MAIL_FROM: z.string().min(3).optional().describe('Their sender'),
  SHOPYARD_STORE_LIMIT: whole.default(5).describe('Stores per tenant, unless set for the tenant'),
  SHOPYARD_CREATES_PER_MINUTE: whole.default(1).describe('Per user, unless set for the tenant'),
  SHOPYARD_DEADLINE_SECONDS: whole
    .default(600)
    .describe('Until an unfinished change is a failed one'),
  SHOPYARD_LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('How much is logged; on a terminal the default is warn'),
});

/** Of a single cluster: given to no other module, and not together with SHOPYARD_CLUSTERS. */
export const OF_ONE_CLUSTER = [
  'SHOPYARD_CLUSTER',
  'SHOPYARD_CLUSTER_NAME',
  'SHOPYARD_CLUSTER_SETTINGS',
  'SHOPYARD_KUBECONFIG',
  'SHOPYARD_BASE_DOMAIN',
  'SHOPYARD_STORE_SCHEME',
  'SHOPYARD_STORE_PORT',
  'SHOPYARD_INGRESS_URL',
  'SHOPYARD_INGRESS_CLASS',
  'SHOPYARD_STORAGE_CLASS',
  'SHOPYARD_IMAGE_REGISTRY',
  'SHOPYARD_SHARD_DIGITS',
  'SHOPYARD_ARGOCD_WEBHOOK_URL',
  'SHOPYARD_ARGOCD_WEBHOOK_SECRET',
  'SHOPYARD_ARGOCD_UI_URL',
  'SHOPYARD_LOKI_URL',
  'SHOPYARD_LOKI_TOKEN_FILE',
  'SHOPYARD_LOKI_USER',
  'SHOPYARD_LOKI_TENANT',
] as const satisfies readonly (keyof z.infer<typeof Environment>)[];

/** Those that are a secret, or an address with one. */
export const SECRET_SETTINGS = [
  'DATABASE_URL',
  'SHOPYARD_AUTH_SECRET',
  'SHOPYARD_BOOTSTRAP_TOKEN',
  'SHOPYARD_FORGE_READ_PASSWORD',
  'SHOPYARD_FORGE_TOKEN',
  'SHOPYARD_FORGE_WEBHOOK_SECRET',
  'SHOPYARD_FORGE_WRITE_PASSWORD',
  'SHOPYARD_OIDC_CLIENT_SECRET',
  'SHOPYARD_PORTAL_SECRET',
  'SHOPYARD_SMTP_URL',
] as const satisfies readonly (keyof z.infer<typeof Environment>)[];

const OF_LOKI = ['SHOPYARD_LOKI_TOKEN_FILE', 'SHOPYARD_LOKI_USER', 'SHOPYARD_LOKI_TENANT'] as const;

export type Config = Readonly<
  Omit<z.infer<typeof Environment>, (typeof OF_ONE_CLUSTER)[number] | 'SHOPYARD_CLUSTERS'> & {
    /** What runs in this process. */
    parts: Parts;
    SHOPYARD_DATA_DIR: string;
    /** At least one; the first is the default where one must be named. */
    clusters: readonly RegisteredCluster[];
    SHOPYARD_PUBLIC_URL: string;
    SHOPYARD_REPOSITORY_URL: string;
  }
>;

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads the settings; every problem is one sentence that begins with the setting's name. */
export function readConfig(env: NodeJS.ProcessEnv, parts: Parts = ALL_PARTS): ConfigResult {
  const problems: string[] = [];
  // An empty variable is an unset one.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const kind = given.SHOPYARD_CLUSTERS === undefined ? chooseCluster(given, parts) : null;
  const preset = kind === null ? {} : readPreset(kind, given, problems);
  const parsed = Environment.safeParse({ ...preset, ...given }, { error: describeIssue });
  if (!parsed.success)
    for (const issue of parsed.error.issues)
      problems.push(`${issue.path.join('.')}: ${issue.message.replace(/\.$/, '')}.`);
  if (!parsed.success || problems.length > 0) return { ok: false, problems };

  const settings = parsed.data;
  if (!isWhole(parts)) problems.push(...listMissing(settings, parts));
  const clusters =
    kind === null
      ? openClusterList(settings, given, parts, problems)
      : [openCluster(settings, kind, problems)];
  checkAccess(clusters, kind === null ? 'SHOPYARD_CLUSTERS' : 'SHOPYARD_CLUSTER', parts, problems);
  const oidc = [
    settings.SHOPYARD_OIDC_ISSUER,
    settings.SHOPYARD_OIDC_CLIENT_ID,
    settings.SHOPYARD_OIDC_CLIENT_SECRET,
  ].filter((one) => one !== undefined);
  if (oidc.length !== 0 && oidc.length !== 3)
    problems.push(
      'SHOPYARD_OIDC_ISSUER: set it together with SHOPYARD_OIDC_CLIENT_ID and ' +
        'SHOPYARD_OIDC_CLIENT_SECRET.',
    );
  if ((settings.SHOPYARD_SMTP_URL === undefined) !== (settings.SHOPYARD_MAIL_FROM === undefined))
    problems.push('SHOPYARD_MAIL_FROM: set it together with SHOPYARD_SMTP_URL.');
  problems.push(...listForgeProblems(settings, parts));
  if (
    parts.has('forge') &&
    settings.SHOPYARD_FORGE === 'embedded' &&
    settings.PORT === settings.SHOPYARD_FORGE_PORT
  )
    problems.push('SHOPYARD_FORGE_PORT: the same as PORT; each needs its own.');
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    config: Object.freeze({
      ...settings,
      parts,
      SHOPYARD_DATA_DIR: locateDataDir(settings),
      clusters,
      SHOPYARD_PUBLIC_URL: choosePublicUrl(settings),
      SHOPYARD_REPOSITORY_URL:
        settings.SHOPYARD_REPOSITORY_URL ??
        `http://${settings.SHOPYARD_FORGE_HOST}:${settings.SHOPYARD_FORGE_PORT}/shopyard.git`,
    }),
  };
}

/** The origin at which browsers find the portal. */
export function choosePublicUrl(
  settings: Pick<Settings, 'SHOPYARD_PUBLIC_URL' | 'HOST' | 'PORT'>,
): string {
  return new URL(settings.SHOPYARD_PUBLIC_URL ?? `http://${settings.HOST}:${settings.PORT}`).origin;
}

/** The secrets in the settings: what no log may hold. */
export function listSecrets(config: Config): string[] {
  const given = SECRET_SETTINGS.map((name) => config[name]).filter((one) => one !== undefined);
  const passwords = given.map((one) => readPassword(one));
  const webhooks = config.clusters.map(({ webhook }) => webhook?.secret ?? '');
  return [...given, ...passwords, ...webhooks].filter((one) => one !== '');
}

/** As whoever asks for it would have it; '' when the value is no address with one. */
function readPassword(value: string): string {
  const { password = '' } = URL.parse(value) ?? {};
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}

type Settings = z.infer<typeof Environment>;

/** The one that the environment describes. */
function openCluster(settings: Settings, kind: ClusterKind, problems: string[]): RegisteredCluster {
  const url = settings.SHOPYARD_ARGOCD_WEBHOOK_URL;
  const secret = settings.SHOPYARD_ARGOCD_WEBHOOK_SECRET;
  if ((url === undefined) !== (secret === undefined))
    problems.push(
      'SHOPYARD_ARGOCD_WEBHOOK_SECRET: set it together with SHOPYARD_ARGOCD_WEBHOOK_URL.',
    );
  return registerCluster(openClusterFile(settings.SHOPYARD_CLUSTER_SETTINGS, problems), {
    name: settings.SHOPYARD_CLUSTER_NAME,
    kind,
    access:
      kind === 'practice'
        ? { kind }
        : { kind: 'kubeconfig', path: settings.SHOPYARD_KUBECONFIG ?? '' },
    baseDomain: settings.SHOPYARD_BASE_DOMAIN,
    scheme: settings.SHOPYARD_STORE_SCHEME,
    port: settings.SHOPYARD_STORE_PORT,
    shardDigits: settings.SHOPYARD_SHARD_DIGITS === '2' ? 2 : 1,
    ingressUrl: settings.SHOPYARD_INGRESS_URL,
    argocdUrl: settings.SHOPYARD_ARGOCD_UI_URL,
    webhook: url === undefined || secret === undefined ? null : { url, secret },
    loki: openLoki(settings, problems),
    ingressClass: settings.SHOPYARD_INGRESS_CLASS,
    storageClass: settings.SHOPYARD_STORAGE_CLASS,
    imageRegistry: settings.SHOPYARD_IMAGE_REGISTRY,
  });
}

function openLoki(settings: Settings, problems: string[]): RegisteredCluster['loki'] {
  const url = settings.SHOPYARD_LOKI_URL;
  if (url !== undefined)
    return describeLoki({
      url,
      tenant: settings.SHOPYARD_LOKI_TENANT,
      user: settings.SHOPYARD_LOKI_USER,
      tokenFile: settings.SHOPYARD_LOKI_TOKEN_FILE,
    });
  for (const name of OF_LOKI)
    if (settings[name] !== undefined)
      problems.push(`${name}: set it together with SHOPYARD_LOKI_URL.`);
  return null;
}

/** Those of SHOPYARD_CLUSTERS. */
function openClusterList(
  settings: Settings,
  given: Readonly<Record<string, string | undefined>>,
  parts: Parts,
  problems: string[],
): readonly RegisteredCluster[] {
  for (const name of OF_ONE_CLUSTER)
    if (given[name] !== undefined)
      problems.push(`${name}: is of a single cluster; with SHOPYARD_CLUSTERS its file says it.`);
  const list = readClusterList(settings.SHOPYARD_CLUSTERS ?? '', { relays: parts.has('writer') });
  if (list.ok) return list.clusters;
  problems.push(...list.problems.map((problem) => `SHOPYARD_CLUSTERS: ${problem}`));
  return [];
}

/**
 * A wrong kubeconfig of the only cluster never mends itself: better no start than an observer that
 * sees nothing. Of several clusters one that cannot be reached is shown as such; the others go on.
 */
function checkAccess(
  clusters: readonly RegisteredCluster[],
  setting: string,
  parts: Parts,
  problems: string[],
): void {
  if (!isWhole(parts) && clusters.some(({ access }) => access.kind === 'practice'))
    problems.push(
      `${setting}: a kubeconfig is needed here (or the lab); a practice cluster is part of a ` +
        'process that runs everything.',
    );
  const [only, ...others] = clusters;
  const looksAtClusters = parts.has('observer') || parts.has('api');
  if (only === undefined || others.length > 0 || !looksAtClusters) return;
  if (only.access.kind === 'practice') return;
  try {
    connectCluster(only.access.kind === 'pod' ? null : only.access.path).close();
  } catch (error) {
    const { hint = '' } = error instanceof PlatformError ? error : {};
    problems.push(`${setting}: ${describeError(error)} ${hint}`.trimEnd());
  }
}

function openClusterFile(path: string | undefined, problems: string[]): ClusterFile {
  try {
    if (path !== undefined) return readClusterFile(path);
  } catch (error) {
    problems.push(`SHOPYARD_CLUSTER_SETTINGS: ${describeError(error)}`);
  }
  return DEFAULT_CLUSTER_FILE;
}

/** What the practice cluster is called, and where its shops answer. */
const PRACTICE = {
  SHOPYARD_CLUSTER_NAME: 'practice',
  SHOPYARD_STORE_SCHEME: 'http',
  SHOPYARD_STORE_PORT: '8090',
};

/** What parts that run apart share, and each must be told. */
function listMissing(settings: Settings, parts: Parts): string[] {
  const [forge, writer, observer, portal, api] = (
    ['forge', 'writer', 'observer', 'portal', 'api'] as const
  ).map((part) => parts.has(part));
  const isEmbedded = settings.SHOPYARD_FORGE === 'embedded';
  const needs: readonly (readonly [keyof typeof settings, boolean | undefined, string])[] = [
    ['DATABASE_URL', api || writer || observer, 'name the Postgres that all of them share'],
    [
      'SHOPYARD_REPOSITORY_URL',
      isEmbedded && !forge && (api || writer || observer),
      'name the cluster repository',
    ],
    [
      'SHOPYARD_FORGE_WRITE_PASSWORD',
      isEmbedded && forge !== writer,
      'give the git server and writers the same',
    ],
    [
      'SHOPYARD_FORGE_READ_PASSWORD',
      isEmbedded && forge !== api,
      'give the git server and the API the same',
    ],
    ['SHOPYARD_AUTH_SECRET', api, 'give every process of the API the same'],
    [
      'SHOPYARD_PUBLIC_URL',
      api !== portal || (observer && !api && settings.SHOPYARD_SMTP_URL !== undefined),
      'name the address at which browsers find the portal and, under /api, the API',
    ],
    ['SHOPYARD_API_URL', portal && !api, 'name the address at which the portal reaches the API'],
    ['SHOPYARD_PORTAL_SECRET', portal !== api, 'give the portal and the API the same'],
  ];
  return needs
    .filter(([name, isNeeded]) => isNeeded === true && settings[name] === undefined)
    .map(([name, , what]) => `${name}: not all parts run in this process: ${what}.`);
}

function chooseCluster(
  env: Readonly<Record<string, string | undefined>>,
  parts: Parts,
): ClusterKind {
  const named = env.SHOPYARD_CLUSTER;
  if (named === undefined) {
    if (isFile(pathOfConnection(env))) return 'lab';
    // A writer needs to know a cluster's name and no more.
    const readsNone = !parts.has('observer') && !parts.has('api');
    return readsNone ? 'kubeconfig' : 'practice';
  }
  return named === 'lab' || named === 'practice' ? named : 'kubeconfig';
}

/** What the cluster brings along: settings of its own, or just the kubeconfig's path. */
function readPreset(
  kind: ClusterKind,
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Record<string, string> {
  if (kind === 'practice') return PRACTICE;
  const isKind = env.SHOPYARD_CLUSTER === 'kind';
  if (kind === 'kubeconfig' && !isKind)
    return env.SHOPYARD_CLUSTER === undefined
      ? {}
      : { SHOPYARD_KUBECONFIG: resolve(env.SHOPYARD_CLUSTER) };
  const [name, start] = isKind ? (['Kind', 'kind:up'] as const) : (['the lab', 'lab:up'] as const);
  const file = pathOfConnection(env, isKind ? 'kind' : 'lab');
  if (!isFile(file)) {
    problems.push(`SHOPYARD_CLUSTER: ${name} is not up. Start it with: npm run ${start}`);
    return {};
  }
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    problems.push(`SHOPYARD_CLUSTER: ${file} is damaged. Start ${name} again: npm run ${start}`);
    return {};
  }
}

function pathOfConnection(
  env: Readonly<Record<string, string | undefined>>,
  of: 'lab' | 'kind' = 'lab',
): string {
  return join(of === 'kind' ? resolveKindFolder(env) : resolveLabPaths(env).lab, 'connection.json');
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
