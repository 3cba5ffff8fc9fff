/**
 * A lost namespace, had back from S3: backup → everything deleted → the store made again → restore. With Argo CD and
 * an S3 server of the test's own, no control plane: what is tried is the chart with its images.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFailed, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { network } from '../../bootstrap/lab/layout.ts';
import { builtProgram } from '../../bootstrap/lab/parts.ts';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { s3Backup, storeValues } from '../../templates/charts/published-charts.ts';
import { kubectl, listObjects, printDiagnostics } from './lab.ts';

const run = promisify(execFile);
const tenant = Date.now().toString(36).slice(-6);
const application = `${tenant}-shop`;
const namespace = `store-${application}`;
const credentials = ['password', 'access-key-id', 'secret-access-key'];
let folder: string;
let server: ChildProcess;
let manifests: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-lab-s3-'));
  await chmod(folder, 0o755);
  const port = await findPort();
  const options = [
    '-host',
    `${network.address}:${port}`,
    '-backend',
    'memory',
    '-initialbucket',
    'shop-backups',
  ];
  server = spawn(builtProgram(resolveLabPaths(process.env), 'gofakes3'), options, {
    stdio: 'ignore',
  });
  await once(server, 'spawn');

  const { charts } = await loadTemplates();
  const chart = charts.find(({ name }) => name === 'woocommerce');
  if (chart === undefined) throw new Error('There is no chart woocommerce.');
  const path = `charts/${chart.name}/${chart.version}`;
  const valuesFile = `clusters/lab/stores/00/${application}/values-${chart.version}.yaml`;
  const s3 = {
    endpoint: `http://${network.address}:${port}`,
    bucket: 'shop-backups',
    secretName: 'backup-s3',
  };
  const values = storeValues({
    url: `http://${tenant}.localhost:8088`,
    store: { tenant },
    cluster: { imageRegistry: 'localhost/shopyard', backup: { ...s3Backup, s3 } },
  });
  const repository = join(folder, 'repository');
  const files = new Map<string, Uint8Array | string>([[valuesFile, stringify(values)]]);
  for (const [file, content] of chart.files) files.set(`${path}/${file}`, content);
  for (const [file, content] of files) {
    await mkdir(dirname(join(repository, file)), { recursive: true });
    await writeFile(join(repository, file), content);
  }
  const git = (...args: string[]) => run('git', ['-C', repository, ...args]);
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  await git(
    '-c',
    'user.name=test',
    '-c',
    'user.email=test@example.com',
    'commit',
    '-qm',
    'A store',
  );

  const labels = { 'shopyard.dev/tenant': tenant, 'shopyard.dev/store': 'st_aaaaaaaaaaaaaaaa' };
  const repoURL = `file://${repository}`;
  const destination = { server: 'https://kubernetes.default.svc', namespace };
  manifests = join(folder, 'application.yaml');
  await writeFile(
    manifests,
    [
      {
        apiVersion: 'argoproj.io/v1alpha1',
        kind: 'AppProject',
        metadata: { name: `tenant-${tenant}`, namespace: 'argocd', labels },
        spec: {
          sourceRepos: [repoURL],
          destinations: [destination],
          clusterResourceWhitelist: [{ group: '', kind: 'Namespace' }],
        },
      },
      {
        apiVersion: 'argoproj.io/v1alpha1',
        kind: 'Application',
        metadata: {
          name: application,
          namespace: 'argocd',
          labels,
          finalizers: ['resources-finalizer.argocd.argoproj.io'],
        },
        spec: {
          project: `tenant-${tenant}`,
          source: {
            repoURL,
            path,
            helm: { releaseName: application, valueFiles: [`/${valuesFile}`] },
          },
          destination,
          syncPolicy: { automated: { prune: true, selfHeal: true } },
        },
      },
    ]
      .map((object) => stringify(object))
      .join('---\n'),
  );
});

afterAll(async () => {
  server.kill();
  // The project last: without it Argo CD cannot take down what the Application made.
  await kubectl('delete', 'application', application, '-n', 'argocd', '--ignore-not-found');
  await kubectl('delete', 'appproject', `tenant-${tenant}`, '-n', 'argocd', '--ignore-not-found');
  await rm(folder, { recursive: true });
});

test('a store whose namespace was lost is had back from S3', async () => {
  onTestFailed(() => printDiagnostics());
  await bringUp();
  await setTitle('Kept in S3');
  expect(await runJob('backup')).toMatch(/there are now\n.*[0-9a-f]{8}/);

  await kubectl('delete', 'application', application, '-n', 'argocd');
  await vi.waitFor(
    async () => expect(await kubectl('get', 'namespace', namespace, '--ignore-not-found')).toBe(''),
    { timeout: 120_000, interval: 1_000 },
  );

  await bringUp();
  expect(await readTitle()).not.toBe('Kept in S3');
  expect(await runJob('restore')).toContain('restore: done');
  expect(await readTitle()).toBe('Kept in S3');
});

async function bringUp(): Promise<void> {
  await kubectl('apply', '-f', manifests);
  const isUp = async (): Promise<void> => {
    type Application = {
      metadata: { name: string };
      status?: {
        sync?: { status: string };
        health?: { status: string };
        operationState?: { phase: string };
      };
    };
    const [found] = (await listObjects<Application>('applications', '-n', 'argocd')).filter(
      ({ metadata }) => metadata.name === application,
    );
    expect(found?.status).toMatchObject({
      sync: { status: 'Synced' },
      health: { status: 'Healthy' },
      operationState: { phase: 'Succeeded' },
    });
  };
  await vi.waitFor(isUp, { timeout: 300_000, interval: 1_000 });
  // As the operator's tools put it into every store's namespace, from where it is kept.
  const literals = credentials.map((key) => `--from-literal=${key}=of-the-test`);
  await kubectl('create', 'secret', 'generic', 'backup-s3', '-n', namespace, ...literals);
}

/** Makes a Job of a CronJob and waits for its end; what it said. */
async function runJob(name: string): Promise<string> {
  await kubectl('create', 'job', `--from=cronjob/${name}`, `${name}-now`, '-n', namespace);
  const done = ['wait', '--for=condition=complete', `job/${name}-now`, '--timeout=110s'];
  await kubectl(...done, '-n', namespace);
  return kubectl('logs', `job/${name}-now`, '-n', namespace);
}

function query(sql: string): Promise<string> {
  const client = ['mariadb', '--defaults-file=/etc/shopyard/mariadb.cnf', 'wordpress', '-Ne', sql];
  return kubectl('exec', 'database-0', '-n', namespace, '--', ...client);
}

async function setTitle(title: string): Promise<void> {
  await query(`UPDATE wp_options SET option_value = '${title}' WHERE option_name = 'blogname'`);
}

async function readTitle(): Promise<string> {
  return (await query("SELECT option_value FROM wp_options WHERE option_name = 'blogname'")).trim();
}

/** A port of the lab's own address, which pods reach, that nobody listens on. */
async function findPort(): Promise<number> {
  const probe = createServer().listen(0, network.address);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}
