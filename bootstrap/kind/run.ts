/**
 * Carries out what plan.ts says. Nothing remembers how far an earlier run came: whatever state there
 * is, the same commands bring it to the same end.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { renderRootManifest } from '../../control-plane/src/render/cluster.ts';
import { loadTemplates, TOP } from '../../control-plane/src/templates.ts';
import type { ImageToBuild } from '../images/plan.ts';
import { readShopImages } from '../images/sources.ts';
import { tryCommand, runCommand, type CommandResult } from '../lab/command.ts';
import {
  describeConnection,
  ensureSecrets,
  writePrivateJson,
  type LabSecrets,
} from '../lab/connection.ts';
import { argocdNamespace, ports } from '../lab/layout.ts';
import { formatDuration, startProgress } from '../lab/progress.ts';
import { readLabSettings } from '../lab/settings.ts';
import { versions } from '../lab/versions.ts';
import { printSteps, type Command, type Step } from '../steps.ts';
import { clusterName, layOutKind, type KindLayout } from './layout.ts';
import {
  checks,
  chooseForgeAddress,
  nameRepository,
  planCluster,
  planDown,
  planImages,
  planParts,
  questions,
  type Checksums,
  type ForgeAddress,
} from './plan.ts';

/** A sentence for the person who ran it; no stack. */
export class KindProblem extends Error {}

/** The cluster's folder in the cluster repository. */
const clusterFolder = 'kind';

/** Known once Kind has made its network. */
const shownForge: ForgeAddress = {
  listens: '<gateway of the network kind>',
  seenAs: '<gateway of the network kind>',
};

/** Prints every command of `kind:up` without running one; needs neither Docker nor Kind. */
export async function showUp(root: string, env: NodeJS.ProcessEnv): Promise<string> {
  const layout = layOutKind(root);
  const images = await readShopImages(env);
  const shown = '(not shown)';
  const secrets = { forgeReadPassword: shown, forgeWritePassword: shown, webhookSecret: shown };
  return printSteps([
    { title: 'Are they there?', commands: [checks.docker, checks.kind, questions.clusters] },
    planImages(images, layout),
    planCluster(false, layout),
    { title: 'Where pods find this machine', commands: [questions.networks] },
    ...(await describeParts(layout, images, env, shownForge, secrets)),
    { title: 'A read-only way in for the control plane', commands: [questions.token] },
  ]);
}

/** Prints every command of `kind:down` without running one. */
export function showDown(root: string): string {
  return printSteps([planDown(layOutKind(root))]);
}

/** Brings the cluster up. Throws KindProblem. */
export async function bringUp(
  root: string,
  env: NodeJS.ProcessEnv,
  checksums?: Checksums,
): Promise<void> {
  const started = performance.now();
  await requireTools();
  const layout = layOutKind(root);
  const images = await readShopImages(env);
  await mkdir(layout.root, { recursive: true, mode: 0o700 });
  const secrets = await ensureSecrets(layout);
  await carryOut(planImages(images, layout));
  await carryOut(planCluster(await isClusterThere(), layout));
  const forge = chooseForgeAddress(await ask(questions.networks), listOwnAddresses());
  if (forge === null) {
    throw new KindProblem(
      'Docker’s network “kind” has no IPv4 gateway, by which pods would find this machine: npm run kind:down, docker network rm kind, then again.',
    );
  }
  const parts = await describeParts(layout, images, env, forge, secrets, checksums);
  for (const step of parts) await carryOut(step);
  await writeObserverKubeconfig(layout);
  await writePrivateJson(layout.connection, {
    ...describeConnection(layout, secrets),
    SHOPYARD_CLUSTER_NAME: clusterFolder,
    SHOPYARD_FORGE_HOST: forge.listens,
    SHOPYARD_REPOSITORY_URL: nameRepository(forge),
  });
  const took = formatDuration(performance.now() - started);
  console.log(
    [
      `The Kind cluster is up after ${took}. The control plane on it: SHOPYARD_CLUSTER=kind npm start`,
      `Stores: http://<store>.localhost:${ports.ingress}. Argo CD: http://127.0.0.1:${ports.argocdServer}.`,
      `kubectl --kubeconfig ${layout.adminKubeconfig} get applications --namespace ${argocdNamespace}`,
    ].join('\n'),
  );
}

/** Removes the cluster and Kind's folder. Harmless when there is none. Throws KindProblem. */
export async function bringDown(root: string): Promise<void> {
  await requireTools();
  await carryOut(planDown(layOutKind(root)));
  console.log('The Kind cluster is down; images that were built stay in Docker.');
}

/** Where there is no Docker there is still the lab. */
async function requireTools(): Promise<void> {
  const instead = 'without Docker, npm run lab:up brings up a real cluster on Linux.';
  const docker = await attempt(checks.docker);
  if (docker === 'absent')
    throw new KindProblem(`Kind needs Docker, which is not here; ${instead}`);
  if (docker.status !== 0)
    throw new KindProblem(`Kind needs Docker, which is here but does not answer; ${instead}`);
  const kind = await attempt(checks.kind);
  if (kind === 'absent' || kind.status !== 0)
    throw new KindProblem(
      'The program kind is not here (https://kind.sigs.k8s.io has it); without it, npm run lab:up brings up a real cluster on Linux.',
    );
}

async function attempt(command: Command): Promise<CommandResult | 'absent'> {
  // Looked for first: a program that cannot be started would hold the process for its whole timeout.
  const folders = (process.env.PATH ?? '').split(delimiter);
  if (!folders.some((folder) => existsSync(join(folder, command.program)))) return 'absent';
  return tryCommand(command.program, command.args, { timeout: 20_000 });
}

async function ask(command: Command): Promise<string> {
  return runCommand(command.program, command.args, { timeout: 60_000 });
}

async function isClusterThere(): Promise<boolean> {
  return (await ask(questions.clusters)).split('\n').includes(clusterName);
}

async function carryOut({ title, commands }: Step): Promise<void> {
  const progress = startProgress(title, 'the first time may take minutes');
  try {
    for (const { program, args, input } of commands) {
      progress.note(`${program} ${args.slice(0, 2).join(' ')}`);
      const text = input === undefined ? {} : { input: await readInput(input) };
      await runCommand(program, args, { timeout: 30 * 60_000, ...text });
    }
    progress.end('done');
  } catch (error) {
    progress.end('failed');
    throw error;
  }
}

async function readInput(input: NonNullable<Command['input']>): Promise<string> {
  if (typeof input === 'string') return input;
  const content = await readFile(input.file);
  const found = createHash('sha256').update(content).digest('hex');
  if (found === input.sha256) return content.toString();
  throw new KindProblem(
    `${basename(input.file)} is not the file that was meant: its SHA-256 is ${found}, not ${input.sha256}.`,
  );
}

async function describeParts(
  layout: KindLayout,
  images: readonly ImageToBuild[],
  env: NodeJS.ProcessEnv,
  forge: ForgeAddress,
  secrets: LabSecrets,
  checksums: Checksums = versions,
): Promise<Step[]> {
  const { sources } = await loadTemplates();
  const repositoryUrl = nameRepository(forge);
  return planParts({
    layout,
    images,
    checksums,
    settings: readLabSettings(env),
    access: {
      repositoryUrl,
      readPassword: secrets.forgeReadPassword,
      webhookSecret: secrets.webhookSecret,
    },
    observerAccess: await readFile(join(TOP, 'bootstrap/access/observer.yaml'), 'utf8'),
    root: renderRootManifest(sources, { cluster: clusterFolder, repositoryUrl, branch: 'main' }),
  });
}

function listOwnAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((one) =>
    (one ?? []).map(({ address }) => address),
  );
}

/** The administrator's kubeconfig with the observer's token in place of the credentials. */
async function writeObserverKubeconfig(layout: KindLayout): Promise<void> {
  const admin = parse(await readFile(layout.adminKubeconfig, 'utf8')) as {
    readonly clusters: readonly { readonly name: string }[];
  };
  const cluster = admin.clusters.find(({ name }) => name === `kind-${clusterName}`);
  if (cluster === undefined)
    throw new KindProblem(
      `${layout.adminKubeconfig} does not name the cluster kind-${clusterName}.`,
    );
  const user = 'shopyard-observer';
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [cluster],
    users: [{ name: user, user: { token: (await ask(questions.token)).trim() } }],
    contexts: [
      { name: user, context: { cluster: cluster.name, user, namespace: argocdNamespace } },
    ],
    'current-context': user,
  };
  await writeFile(layout.observerKubeconfig, stringify(kubeconfig), { mode: 0o600 });
}
