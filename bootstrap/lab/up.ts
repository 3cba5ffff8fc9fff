/**
 * `lab:up`: brings the lab to where every part runs and answers, from whatever state it is in.
 *
 * Nothing here remembers how far an earlier run came. Each step looks at what there is and does
 * what is missing: a part that runs with the right settings and answers is left alone, one that
 * died, hangs, or was started with other settings is started again.
 */
import { existsSync } from 'node:fs';
import { appendFile, chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { renderRootManifest } from '../../control-plane/src/render/cluster.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { buildPrograms } from './build.ts';
import { ensureCertificates, renderKubeconfig } from './certificates.ts';
import { lastLines } from './command.ts';
import {
  describeConnection,
  ensureSecrets,
  repositoryUrl,
  writePrivateJson,
  type LabSecrets,
} from './connection.ts';
import { installMissingPackages } from './debian.ts';
import { buildImages, importImages } from './images.ts';
import type { PlannedImage } from './image-sources.ts';
import { applyManifests, applyObjects, runKubectl, tryKubectl } from './kubernetes.ts';
import { argocdNamespace, nodeName, type LabLayout } from './layout.ts';
import { noteMachine } from './machine.ts';
import { ensureInterface, unmountAll } from './network.ts';
import {
  describeArgocdObjects,
  describeFoundationObjects,
  describeMetricsApi,
  metricsApiName,
  selectArgocdManifests,
} from './objects.ts';
import {
  accepts,
  argocdFolders,
  builtProgram,
  containerdConfigPath,
  corefilePath,
  describeStages,
  kubeletConfigPath,
  readMachineNameservers,
  renderCniConfig,
  renderContainerdConfig,
  renderCorefile,
  renderKubeletConfig,
  traefikTokenPath,
  type LabContext,
  type Part,
  type Stage,
} from './parts.ts';
import {
  fingerprintSpec,
  isAlive,
  logPath,
  readRecord,
  startProcess,
  stopPart,
} from './processes.ts';
import { traefikCrdsPath } from './programs.ts';
import { formatDuration } from './progress.ts';
import { showStatus } from './status.ts';

/** Milliseconds a part gets to answer after it was started. */
const readinessDeadline = 90_000;

/** Milliseconds a port gets to become free before it counts as taken. */
const patienceWithPort = 3000;

/** Milliseconds a part that already runs gets to answer before it is started again. */
const patienceWithRunning = 20_000;

/** Builds what is missing of programs and images. */
export async function buildLab(context: LabContext): Promise<readonly PlannedImage[]> {
  await installMissingPackages();
  await buildPrograms(context.paths);
  return buildImages(context.paths, process.env);
}

/** Brings the lab up. */
export async function bringUp(context: LabContext): Promise<void> {
  requireRoot();
  const { layout } = context;
  const images = await buildLab(context);
  const started = performance.now();
  await prepareFolders(layout);
  const { restarted } = await noteMachine(layout);
  if (restarted) await dropStaleState(layout);
  await ensureInterface();
  await ensureCertificates(layout);
  await writeConfigurations(layout);
  const secrets = await ensureSecrets(layout);
  const stages = new Map(describeStages(context).map((stage) => [stage.name, stage]));
  const startStage = async (name: Stage['name']): Promise<string[]> => {
    const parts = stages.get(name)?.parts ?? [];
    const outcomes = await Promise.all(parts.map((part) => ensurePart(layout, part)));
    return parts.filter((_, index) => outcomes[index] === 'started').map((part) => part.name);
  };

  const fresh: string[] = [];
  fresh.push(...(await startStage('foundation')));
  const importing = importImages(context.paths, layout, images);
  importing.catch(() => undefined); // looked at below, when the cluster stands
  fresh.push(...(await startStage('api')));
  await applyFoundation(context, secrets);
  fresh.push(...(await startStage('cluster')));
  await applyMetricsApi(context);
  // argocd-server makes the key without which the controller idles, so it comes first.
  fresh.push(...(await startStage('argocd-server')));
  await waitFor('Argo CD to make its server key', async () => hasServerKey(context));
  fresh.push(...(await startStage('argocd-controller')));
  await importing;
  await waitFor('the node to be Ready', async () => isNodeReady(context));
  await waitFor('the API of metrics-server', async () => isMetricsApiAvailable(context));
  await writePrivateJson(layout.connection, describeConnection(layout, secrets));
  await applyRoot(context);

  const took = formatDuration(performance.now() - started);
  if (fresh.length === 0) console.log(`The lab is up already; nothing had to be done (${took}).`);
  else console.log(`The lab is up after ${took}; started ${fresh.join(', ')}.`);
  await showStatus(context);
}

function requireRoot(): void {
  if (process.platform !== 'linux') throw new Error('The lab needs Linux.');
  if (process.getuid?.() !== 0) {
    throw new Error('The lab starts containers and so needs root: run it as root or with sudo -E.');
  }
}

async function prepareFolders(layout: LabLayout): Promise<void> {
  if (layout.containerdSocket.length > 90) {
    throw new Error(
      `The lab folder's path is too long for the sockets in it: ${layout.root} (set SHOPYARD_LAB_DIR)`,
    );
  }
  await mkdir(layout.root, { recursive: true, mode: 0o700 });
  // Volumes are used by pods' own users, who must be able to pass through.
  await chmod(layout.root, 0o711);
  const privateFolders = [layout.config, layout.argocd, layout.etcd];
  for (const folder of privateFolders) await mkdir(folder, { recursive: true, mode: 0o700 });
  const folders = [
    layout.logs,
    layout.podLogs,
    layout.volumes,
    layout.kubelet,
    layout.containerd,
    join(layout.cni, 'conf'),
    ...argocdFolders.map((name) => join(layout.argocd, name)),
  ];
  for (const folder of folders) await mkdir(folder, { recursive: true });
  await chmod(join(layout.argocd, 'gpg'), 0o700);
  await appendFile(join(layout.argocd, 'ssh', 'ssh_known_hosts'), '');
}

/** After a restart of the machine: what named processes, sandboxes and addresses that are gone. */
async function dropStaleState(layout: LabLayout): Promise<void> {
  await unmountAll(layout.root);
  const stale = [
    layout.processes,
    join(layout.containerd, 'state'),
    join(layout.containerd, 'runc'),
    join(layout.cni, 'leases'),
    layout.containerdSocket,
    `${layout.containerdSocket}.ttrpc`,
  ];
  for (const path of stale) await rm(path, { recursive: true, force: true });
}

async function writeConfigurations(layout: LabLayout): Promise<void> {
  await writeFile(containerdConfigPath(layout), renderContainerdConfig(layout));
  await writeFile(join(layout.cni, 'conf', '10-lab.conflist'), renderCniConfig(layout));
  await writeFile(kubeletConfigPath(layout), renderKubeletConfig(layout));
  await writeFile(corefilePath(layout), renderCorefile(layout, readMachineNameservers()));
}

/** Leaves a part alone that runs as it should; starts it otherwise. */
async function ensurePart(layout: LabLayout, part: Part): Promise<'running' | 'started'> {
  const record = await readRecord(layout, part.name);
  if (record !== undefined && isAlive(record) && record.fingerprint === fingerprintSpec(part)) {
    const deadline = performance.now() + patienceWithRunning;
    while (performance.now() < deadline && isAlive(record)) {
      if (await part.isReady()) return 'running';
      await delay(200);
    }
  }
  await stopPart(layout, part.name);
  for (const { host, port } of part.listens) {
    // What has just ended may hold its sockets a moment longer than its name.
    const deadline = performance.now() + patienceWithPort;
    while (await accepts(host, port)) {
      if (performance.now() < deadline) {
        await delay(100);
        continue;
      }
      throw new Error(
        `${part.name} cannot be started: another program listens at ${host}:${port}. End that program and run this again.`,
      );
    }
  }
  await part.prepare?.();
  const logged = await readFile(logPath(layout, part.name), 'utf8').catch(() => '');
  const fresh = await startProcess(layout, part);
  const deadline = performance.now() + readinessDeadline;
  for (;;) {
    const ready = await part.isReady();
    if (!isAlive(fresh)) break;
    if (ready) return 'started';
    if (performance.now() > deadline) break;
    await delay(100);
  }
  const all = await readFile(logPath(layout, part.name), 'utf8').catch(() => '');
  const said = lastLines(all.startsWith(logged) ? all.slice(logged.length) : all, 20);
  const outcome = isAlive(fresh)
    ? `does not answer after ${formatDuration(readinessDeadline)}`
    : 'ended right after it was started';
  throw new Error(
    `${part.name} ${outcome}. The end of ${logPath(layout, part.name)}:\n${said || '(it said nothing)'}`,
  );
}

/** What must be in the cluster before the parts that use it are started. */
async function applyFoundation(context: LabContext, secrets: LabSecrets): Promise<void> {
  const { layout, paths } = context;
  await applyObjects(context, describeFoundationObjects());
  const manifests = await readFile(builtProgram(paths, 'argocd', 'core-install.yaml'), 'utf8');
  await applyManifests(context, selectArgocdManifests(manifests), argocdNamespace);
  const crds = builtProgram(paths, 'traefik', basename(traefikCrdsPath));
  await applyManifests(context, await readFile(crds, 'utf8'));
  await applyObjects(
    context,
    describeArgocdObjects({
      repositoryUrl,
      readPassword: secrets.forgeReadPassword,
      webhookSecret: secrets.webhookSecret,
    }),
    'shopyard-lab-settings',
  );
  const observer = join(import.meta.dirname, '..', 'access', 'observer.yaml');
  await applyManifests(context, await readFile(observer, 'utf8'));
  await ensureToken(context, traefikTokenPath(layout), 'kube-system', 'traefik');
  await ensureObserverKubeconfig(context);
}

/** Long enough for any lab. */
const tokenDuration = '8760h';

async function createToken(context: LabContext, namespace: string, name: string): Promise<string> {
  const create = ['-n', namespace, 'create', 'token', name, `--duration=${tokenDuration}`];
  return (await runKubectl(context, create)).trim();
}

async function ensureToken(
  context: LabContext,
  path: string,
  namespace: string,
  name: string,
): Promise<void> {
  if (existsSync(path)) return;
  const token = await createToken(context, namespace, name);
  await writeFile(path, token, { mode: 0o600 });
}

async function ensureObserverKubeconfig(context: LabContext): Promise<void> {
  const { layout } = context;
  if (existsSync(layout.observerKubeconfig)) return;
  const token = await createToken(context, 'shopyard-system', 'shopyard-observer');
  const kubeconfig = renderKubeconfig(layout, 'shopyard-observer', argocdNamespace, { token });
  await writeFile(layout.observerKubeconfig, kubeconfig, { mode: 0o600 });
}

async function hasServerKey(context: LabContext): Promise<boolean> {
  const path = '-o=jsonpath={.data.server\\.secretkey}';
  const get = ['-n', argocdNamespace, 'get', 'secret', 'argocd-secret', path];
  const result = await tryKubectl(context, get);
  return result.status === 0 && result.stdout !== '';
}

async function applyMetricsApi(context: LabContext): Promise<void> {
  const authority = await readFile(join(context.layout.pki, 'ca.crt'), 'utf8');
  await applyObjects(context, [describeMetricsApi(authority)]);
}

async function isMetricsApiAvailable(context: LabContext): Promise<boolean> {
  const path = '-o=jsonpath={.status.conditions[?(@.type=="Available")].status}';
  const result = await tryKubectl(context, ['get', 'apiservice', metricsApiName, path]);
  return result.stdout === 'True';
}

async function isNodeReady(context: LabContext): Promise<boolean> {
  const path = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}';
  const result = await tryKubectl(context, ['get', 'node', nodeName, path]);
  return result.stdout === 'True';
}

async function waitFor(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + readinessDeadline;
  while (!(await isSo())) {
    if (performance.now() > deadline) {
      throw new Error(`waited ${formatDuration(readinessDeadline)} for ${what}`);
    }
    await delay(300);
  }
}

/** The one Application that leads Argo CD to everything else. */
async function applyRoot(context: LabContext): Promise<void> {
  const { sources } = await loadTemplates();
  const manifest = renderRootManifest(sources, { cluster: 'lab', repositoryUrl, branch: 'main' });
  await applyManifests(context, manifest);
}
