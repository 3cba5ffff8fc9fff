/**
 * Renders a chart as Argo CD's repo-server does, with the real Helm, and reads what comes out. For tests.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import { programFolder } from '../../bootstrap/lab/build.ts';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { findProgram } from '../../bootstrap/lab/programs.ts';
import type { Chart } from '../../control-plane/src/templates.ts';

const run = promisify(execFile);

/** Milliseconds one Helm command gets; it takes a fraction of a second. */
const helmDeadline = 30_000;

export type Amounts = Readonly<Record<string, string>>;

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly args?: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly resources?: { readonly requests?: Amounts; readonly limits?: Amounts };
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly privileged?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
}

export interface Probe {
  readonly httpGet?: {
    readonly path: string;
    readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
  };
  readonly tcpSocket?: { readonly port: string | number };
  readonly exec?: { readonly command: readonly string[] };
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly affinity?: unknown;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly securityContext?: {
    readonly runAsNonRoot?: boolean;
    readonly runAsUser?: number;
    readonly seccompProfile?: { readonly type: string };
  };
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
}

export type Volume = Readonly<Record<string, unknown>> & {
  readonly name: string;
  readonly persistentVolumeClaim?: { readonly claimName: string };
  readonly secret?: { readonly secretName: string };
};

export interface PodTemplate {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: PodSpec;
}

/** As much of a Kubernetes object as the tests look at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly {
    readonly verbs: readonly string[];
    readonly resources: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
  readonly subjects?: readonly { readonly name: string; readonly namespace: string }[];
  readonly spec?: {
    readonly hard?: Amounts;
    readonly replicas?: number;
    readonly template?: PodTemplate;
    readonly jobTemplate?: { readonly spec: { readonly template: PodTemplate } };
    readonly volumeClaimTemplates?: readonly Manifest[];
    readonly persistentVolumeClaimRetentionPolicy?: { readonly whenScaled?: string };
    readonly resources?: { readonly requests: Amounts };
    readonly backoffLimit?: number;
    readonly activeDeadlineSeconds?: number;
    readonly ttlSecondsAfterFinished?: number;
    readonly suspend?: boolean;
    readonly minReplicas?: number;
    readonly maxReplicas?: number;
    readonly scaleTargetRef?: { readonly name: string };
    readonly strategy?: {
      readonly type?: string;
      readonly rollingUpdate?: { readonly maxSurge?: number | string };
    };
    /** A Service's. */
    readonly ports?: readonly { readonly targetPort: string | number }[];
    readonly podSelector?: PodSelector;
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly {
      readonly from?: readonly Peer[];
      readonly ports: readonly Port[];
    }[];
    readonly egress?: readonly { readonly to?: readonly Peer[]; readonly ports: readonly Port[] }[];
    readonly rules?: readonly { readonly host: string }[];
    readonly tls?: readonly { readonly hosts: readonly string[]; readonly secretName?: string }[];
  };
}

/** Of one end of a NetworkPolicy's rule. */
export interface Peer {
  readonly podSelector?: PodSelector;
  readonly namespaceSelector?: unknown;
  readonly ipBlock?: { readonly cidr: string };
}

export interface PodSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values: readonly string[];
  }[];
}

export interface Port {
  readonly protocol: string;
  readonly port: number;
}

export type Values = Readonly<Record<string, unknown>>;

/** Where Helm 3, Argo CD's, is: the setting HELM, the PATH, or the lab's cache; undefined when nowhere. */
export function findHelm(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const candidates = [
    env.HELM ?? '',
    ...(env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'helm')),
    join(programFolder(resolveLabPaths(env), findProgram('helm')), 'helm'),
  ];
  return candidates.find((path) => path !== '' && existsSync(path));
}

/** Where Helm 4 is: the setting HELM4, or the lab's cache; undefined when nowhere. */
function findHelm4(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const built = join(programFolder(resolveLabPaths(env), findProgram('helm4')), 'helm');
  return [env.HELM4 ?? '', built].find((path) => path !== '' && existsSync(path));
}

/** The Helm of each major version that charts are tried with, where it is there. */
export const HELMS = [
  ['3', findHelm()],
  ['4', findHelm4()],
] as const;

/** Writes a chart as it is published; returns its folder within `into`. */
export async function placeChart(chart: Chart, into: string): Promise<string> {
  const folder = join(into, chart.name);
  for (const [path, content] of chart.files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

/** Runs one Helm command on a chart with these values; what it says on failure is the error's message. */
export async function runHelm(
  helm: string,
  command: readonly string[],
  values: Values,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-chart-'));
  try {
    const file = join(folder, 'values.yaml');
    // As Helm reads it: in YAML 1.1 an unquoted NO is no country.
    await writeFile(file, stringify(values, { version: '1.1' }));
    const { stdout } = await run(helm, [...command, '--values', file], {
      timeout: helmDeadline,
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Reads Helm's output; null documents (a template that rendered nothing) are left out. */
export function readManifests(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document): unknown => {
      const [error] = document.errors;
      if (error !== undefined) throw error;
      return document.toJS() as unknown;
    })
    .filter((value): value is Manifest => value !== null);
}

/** The pods an object makes, if it makes any. */
export function podTemplateOf(manifest: Manifest): PodTemplate | undefined {
  return manifest.spec?.template ?? manifest.spec?.jobTemplate?.spec.template;
}

/** The sync wave of an object. */
export function waveOf(manifest: Manifest): number {
  return Number(manifest.metadata.annotations?.['argocd.argoproj.io/sync-wave'] ?? '0');
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  m: 0.001,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/** A Kubernetes quantity as a number of cores or bytes. */
export function readQuantity(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(m|Ki|Mi|Gi|)$/.exec(text);
  const unit = units[match?.[2] ?? 'none'];
  if (match === null || unit === undefined) throw new Error(`Not a quantity: ${text}`);
  return Number(match[1]) * unit;
}
