/**
 * Settings: environment → one frozen object. Every problem is listed at once. `SHOPYARD_CLUSTER=lab`
 * takes what the lab wrote when it came up as defaults; the environment wins. Without a name it is
 * the lab when it is up, else the practice cluster. A kubeconfig is used when it is named, never
 * because it was found.
 */
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { connectCluster } from './cluster/connection.ts';
import { locateDataDir } from './data-dir.ts';
import { describeIssue } from './describe-issue.ts';
import { describeError, PlatformError } from './errors.ts';

const port = z.coerce.number().int().min(1).max(65_535);
const whole = z.coerce.number().int().min(1);
const address = z.url({ protocol: /^https?$/ });
const label = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, 'a short name such as “main”');

const Environment = z.object({
  PORT: port.default(8080).describe('Port of the API and the portal'),
  HOST: z.string().default('127.0.0.1').describe('Address the API and the portal listen on'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'an address such as postgres://user:password@host/database')
    .optional()
    .describe('Postgres to use; without it an embedded one runs in the data folder'),
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
      'practice, lab, or the path of a kubeconfig; default: the lab when up, else practice',
    ),
  SHOPYARD_CLUSTER_NAME: label.default('main').describe('Folder of the cluster in the repository'),
  SHOPYARD_KUBECONFIG: z.string().min(1).optional().describe('Set by the lab; else the named one'),
  SHOPYARD_BASE_DOMAIN: z
    .string()
    .regex(/^[a-z0-9.-]+$/, 'a domain in lower case')
    .default('localhost')
    .describe('Stores live at <store>.<this>'),
  SHOPYARD_STORE_SCHEME: z.enum(['http', 'https']).default('https').describe('Of store addresses'),
  SHOPYARD_STORE_PORT: port.optional().describe('Of store addresses, where not the usual one'),
  SHOPYARD_INGRESS_URL: address
    .optional()
    .describe('Where the stores’ Ingress listens for this process: orders are read through it'),
  SHOPYARD_INGRESS_CLASS: z.string().default('traefik'),
  SHOPYARD_STORAGE_CLASS: z.string().default('').describe('Empty: the cluster’s default'),
  SHOPYARD_IMAGE_REGISTRY: z.string().min(1).default('localhost/shopyard'),
  SHOPYARD_REPOSITORY_URL: address.optional().describe('Cluster repository as Argo CD reaches it'),
  SHOPYARD_BRANCH: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'a branch name')
    .default('main'),
  SHOPYARD_SHARD_DIGITS: z
    .enum(['1', '2'])
    .default('1')
    .describe('1: 16 shards, 2: 256; never changed once a cluster has stores'),
  SHOPYARD_FORGE_HOST: z.string().default('127.0.0.1'),
  SHOPYARD_FORGE_PORT: port.default(8081).describe('Port of the embedded git server'),
  SHOPYARD_FORGE_READ_PASSWORD: z.string().min(16).optional(),
  SHOPYARD_FORGE_WRITE_PASSWORD: z.string().min(16).optional(),
  SHOPYARD_ARGOCD_WEBHOOK_URL: address.optional(),
  SHOPYARD_ARGOCD_WEBHOOK_SECRET: z.string().min(1).optional(),
  SHOPYARD_ARGOCD_UI_URL: address.optional(),
  SHOPYARD_BOOTSTRAP_TOKEN: z
    .string()
    .min(16, 'at least 16 characters')
    .optional()
    .describe('Makes the first operator token on the first start'),
  SHOPYARD_PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .refine((url) => new URL(url).pathname === '/', 'an address without a path')
    .optional()
    .describe('The portal’s address as browsers see it; default: where it listens'),
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
  SHOPYARD_OIDC_CLIENT_ID: z.string().min(1).optional(),
  SHOPYARD_OIDC_CLIENT_SECRET: z.string().min(1).optional(),
  SHOPYARD_OIDC_NAME: z.string().min(1).max(60).default('your organisation'),
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
  SHOPYARD_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

export type ClusterKind = 'practice' | 'lab' | 'kubeconfig';

export type Config = Readonly<
  Omit<z.infer<typeof Environment>, 'SHOPYARD_KUBECONFIG' | 'SHOPYARD_SHARD_DIGITS'> & {
    SHOPYARD_DATA_DIR: string;
    /** What SHOPYARD_CLUSTER comes to. */
    clusterKind: ClusterKind;
    SHOPYARD_PUBLIC_URL: string;
    /** null: the practice cluster's, which it writes when it starts. */
    SHOPYARD_KUBECONFIG: string | null;
    SHOPYARD_REPOSITORY_URL: string;
    SHOPYARD_SHARD_DIGITS: 1 | 2;
  }
>;

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads the settings; every problem is one sentence that begins with the setting's name. */
export function readConfig(env: NodeJS.ProcessEnv): ConfigResult {
  const problems: string[] = [];
  // An empty variable is an unset one.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const clusterKind = chooseCluster(given);
  const preset = readPreset(clusterKind, given, problems);
  const parsed = Environment.safeParse({ ...preset, ...given }, { error: describeIssue });
  if (!parsed.success)
    for (const issue of parsed.error.issues)
      problems.push(`${issue.path.join('.')}: ${issue.message.replace(/\.$/, '')}.`);
  if (!parsed.success || problems.length > 0) return { ok: false, problems };

  const settings = parsed.data;
  const kubeconfig = clusterKind === 'practice' ? null : (settings.SHOPYARD_KUBECONFIG ?? '');
  if (kubeconfig !== null) checkKubeconfig(kubeconfig, problems);
  if (
    (settings.SHOPYARD_ARGOCD_WEBHOOK_URL === undefined) !==
    (settings.SHOPYARD_ARGOCD_WEBHOOK_SECRET === undefined)
  )
    problems.push(
      'SHOPYARD_ARGOCD_WEBHOOK_SECRET: set it together with SHOPYARD_ARGOCD_WEBHOOK_URL.',
    );
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
  if (settings.PORT === settings.SHOPYARD_FORGE_PORT)
    problems.push('SHOPYARD_FORGE_PORT: the same as PORT; each needs its own.');
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    config: Object.freeze({
      ...settings,
      SHOPYARD_DATA_DIR: locateDataDir(settings),
      clusterKind,
      SHOPYARD_KUBECONFIG: kubeconfig,
      SHOPYARD_PUBLIC_URL: new URL(
        settings.SHOPYARD_PUBLIC_URL ?? `http://${settings.HOST}:${settings.PORT}`,
      ).origin,
      SHOPYARD_REPOSITORY_URL:
        settings.SHOPYARD_REPOSITORY_URL ??
        `http://${settings.SHOPYARD_FORGE_HOST}:${settings.SHOPYARD_FORGE_PORT}/shopyard.git`,
      SHOPYARD_SHARD_DIGITS: settings.SHOPYARD_SHARD_DIGITS === '2' ? 2 : 1,
    }),
  };
}

/** What the practice cluster is called, and where its shops answer. */
const PRACTICE = {
  SHOPYARD_CLUSTER_NAME: 'practice',
  SHOPYARD_STORE_SCHEME: 'http',
  SHOPYARD_STORE_PORT: '8090',
};

function chooseCluster(env: Readonly<Record<string, string | undefined>>): ClusterKind {
  const named = env.SHOPYARD_CLUSTER;
  if (named === undefined) return isFile(pathOfConnection(env)) ? 'lab' : 'practice';
  return named === 'lab' || named === 'practice' ? named : 'kubeconfig';
}

/** What the cluster brings along: settings of its own, or just the kubeconfig's path. */
function readPreset(
  kind: ClusterKind,
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Record<string, string> {
  if (kind === 'practice') return PRACTICE;
  if (kind === 'kubeconfig') return { SHOPYARD_KUBECONFIG: resolve(env.SHOPYARD_CLUSTER ?? '') };
  const file = pathOfConnection(env);
  if (!isFile(file)) {
    problems.push('SHOPYARD_CLUSTER: the lab is not up. Start it with: npm run lab:up');
    return {};
  }
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    problems.push(`SHOPYARD_CLUSTER: ${file} is damaged. Start the lab again: npm run lab:up`);
    return {};
  }
}

function pathOfConnection(env: Readonly<Record<string, string | undefined>>): string {
  return join(resolveLabPaths(env).lab, 'connection.json');
}

/** A wrong one never mends itself: better no start than an observer that sees nothing. */
function checkKubeconfig(kubeconfig: string, problems: string[]): void {
  try {
    connectCluster(kubeconfig).close();
  } catch (error) {
    const { hint = '' } = error instanceof PlatformError ? error : {};
    problems.push(`SHOPYARD_CLUSTER: ${describeError(error)} ${hint}`.trimEnd());
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
