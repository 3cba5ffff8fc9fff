/**
 * What `kind:up` and `kind:down` run, as data: the same list is printed by `--dry-run` and carried
 * out by run.ts. No I/O.
 *
 * Every command may be run again: clusters are made only when absent, objects are applied. Secrets
 * are input of a command, never an argument, and are not printed.
 */
import { stringify } from 'yaml';
import { builders, planBuild, type ImageToBuild } from '../images/plan.ts';
import type { KubernetesObject } from '../lab/kubernetes.ts';
import { argocdNamespace, ports } from '../lab/layout.ts';
import {
  describeArgocdObjects,
  describeArgocdSettings,
  type ArgocdAccess,
} from '../lab/objects.ts';
import type { LabSettings } from '../lab/settings.ts';
import { traefikCrdsPath } from '../lab/programs.ts';
import { versions } from '../lab/versions.ts';
import { run, type Command, type Step } from '../steps.ts';
import { clusterName, nodeContainer, type KindLayout } from './layout.ts';
import { describeArgocdDoor, describeCluster, describeTraefik } from './objects.ts';

/** kubectl in the node: this machine needs none. */
export function kubectl(...args: string[]): Command {
  const admin = '--kubeconfig=/etc/kubernetes/admin.conf';
  return run('docker', 'exec', '--interactive', nodeContainer, 'kubectl', admin, ...args);
}

const apply = (manager: string, ...options: readonly string[]): Command =>
  kubectl(
    ...[...options, 'apply', '--server-side', '--force-conflicts'],
    ...[`--field-manager=${manager}`, '-f', '-'],
  );

function applyObjects(objects: readonly KubernetesObject[]): Command {
  const input = objects.map((object) => stringify(object)).join('---\n');
  return { ...apply('shopyard-kind'), input };
}

/** What must answer before anything is changed. */
export const checks = {
  docker: run('docker', 'version', '--format', '{{.Server.Version}}'),
  kind: run('kind', 'version'),
} as const;

/** What is asked on the way; run.ts acts on the answers. */
export const questions = {
  clusters: run('kind', 'get', 'clusters'),
  networks: run('docker', 'network', 'inspect', 'kind', '--format', '{{json .IPAM.Config}}'),
  token: kubectl(
    ...['--namespace=shopyard-system', 'create', 'token', 'shopyard-observer'],
    '--duration=8760h',
  ),
} as const;

/** Images are built before the cluster is made: what cannot be built leaves none behind. */
export function planImages(images: readonly ImageToBuild[], layout: KindLayout): Step {
  return {
    title: 'Images',
    // What is loaded into a node needs no label: it is replaced at will.
    commands: images.flatMap(({ sources: _, ...image }) =>
      planBuild(builders.docker, image, layout.contexts),
    ),
  };
}

export function planCluster(isThere: boolean, layout: KindLayout): Step {
  const kubeconfig = ['--kubeconfig', layout.adminKubeconfig];
  const create = {
    ...run('kind', 'create', 'cluster', '--config', '-', ...kubeconfig, '--wait', '3m'),
    input: stringify(describeCluster()),
  };
  const find = run('kind', 'export', 'kubeconfig', '--name', clusterName, ...kubeconfig);
  return { title: 'The cluster', commands: [isThere ? find : create] };
}

/** Where pods find the git server of the control plane, and where that listens. */
export interface ForgeAddress {
  readonly listens: string;
  readonly seenAs: string;
}

/**
 * The gateway of Kind's network, where it is an address of this machine (Docker on Linux); else
 * (Docker Desktop) the name that Docker gives this machine in containers. Null when `networks`, what
 * docker says of them, has no gateway.
 */
export function chooseForgeAddress(
  networks: string,
  ownAddresses: readonly string[],
): ForgeAddress | null {
  const found = JSON.parse(networks) as readonly { readonly Gateway?: string }[] | null;
  const gateway = found?.find(({ Gateway }) => Gateway?.includes('.') === true)?.Gateway;
  if (gateway === undefined) return null;
  if (ownAddresses.includes(gateway)) return { listens: gateway, seenAs: gateway };
  return { listens: '127.0.0.1', seenAs: 'host.docker.internal' };
}

/** The cluster repository, as Argo CD reaches it. */
export function nameRepository(forge: ForgeAddress): string {
  return `http://${forge.seenAs}:${ports.forge}/shopyard.git`;
}

export interface PartsInput {
  readonly layout: KindLayout;
  readonly images: readonly ImageToBuild[];
  readonly settings: LabSettings;
  readonly access: ArgocdAccess;
  /** bootstrap/access/observer.yaml. */
  readonly observerAccess: string;
  /** The cluster's root.yaml. */
  readonly root: string;
  readonly checksums: Checksums;
}

/** SHA-256 of what is downloaded. */
export interface Checksums {
  readonly argocdInstallSha256: string;
  readonly traefikCrdsSha256: string;
}

export const argocdManifestUrl = `https://raw.githubusercontent.com/argoproj/argo-cd/v${versions.argocd}/manifests/install.yaml`;
const traefikCrdsUrl = `https://raw.githubusercontent.com/traefik/traefik/v${versions.traefik}/${traefikCrdsPath}`;

/** Downloads a manifest and applies it when it is the file that was meant. */
function applyDownload(
  url: string,
  { file, sha256 }: { readonly file: string; readonly sha256: string },
  manager: string,
  ...options: readonly string[]
): Command[] {
  return [
    run('curl', '-fsSL', '--retry', '3', '-o', file, url),
    { ...apply(manager, ...options), input: { file, sha256 } },
  ];
}

const established = (...crds: string[]): Command =>
  kubectl(
    'wait',
    '--for=condition=Established',
    '--timeout=2m',
    ...crds.map((crd) => `crd/${crd}`),
  );

/** Everything in the cluster. Argo CD's settings come before its pods, which read them once. */
export function planParts(input: PartsInput): Step[] {
  const rollOut = (namespace: string, ...names: string[]): Command[] =>
    names.map((name) =>
      kubectl(`--namespace=${namespace}`, 'rollout', 'status', name, '--timeout=10m'),
    );
  const namespace = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: argocdNamespace },
  };
  return [
    {
      title: 'Our images in the cluster',
      commands: [
        run(
          ...(['kind', 'load', 'docker-image', '--name', clusterName] as const),
          ...input.images.map(({ image }) => image),
        ),
      ],
    },
    {
      title: `Traefik ${versions.traefik}`,
      commands: [
        ...applyDownload(
          traefikCrdsUrl,
          { file: input.layout.traefikCrds, sha256: input.checksums.traefikCrdsSha256 },
          'traefik-manifest',
        ),
        established('middlewares.traefik.io'),
        applyObjects(describeTraefik()),
      ],
    },
    {
      title: `Argo CD ${versions.argocd}`,
      commands: [
        applyObjects([namespace, ...describeArgocdSettings(input.settings), describeArgocdDoor()]),
        {
          ...applyObjects(describeArgocdObjects(input.access)),
          hidden: `Secrets shopyard-repository (reads ${input.access.repositoryUrl}) and argocd-secret (the webhook's)`,
        },
        ...applyDownload(
          argocdManifestUrl,
          { file: input.layout.argocdManifest, sha256: input.checksums.argocdInstallSha256 },
          'argocd-manifest',
          `--namespace=${argocdNamespace}`,
        ),
        established('applications.argoproj.io', 'appprojects.argoproj.io'),
      ],
    },
    {
      title: 'What the control plane may read',
      commands: [{ ...apply('shopyard-kind'), input: input.observerAccess }],
    },
    {
      title: 'Until all of it runs',
      commands: [
        ...rollOut('traefik', 'deployment/traefik'),
        ...rollOut(
          argocdNamespace,
          ...['deployment/argocd-redis', 'deployment/argocd-repo-server'],
          ...['deployment/argocd-server', 'statefulset/argocd-application-controller'],
        ),
      ],
    },
    {
      title: 'The one Application that leads to all others',
      commands: [{ ...apply('shopyard-kind'), input: input.root }],
    },
  ];
}

/** The folder itself may be somebody's own, so only what was put there goes. */
export function planDown(layout: KindLayout): Step {
  const { root: _, ...files } = layout;
  return {
    title: 'The cluster, and what it left on this machine',
    commands: [
      run(
        'kind',
        'delete',
        'cluster',
        '--name',
        clusterName,
        '--kubeconfig',
        layout.adminKubeconfig,
      ),
      run('rm', '-rf', ...Object.values(files)),
    ],
  };
}
