/** A control plane of a test's own on the lab: its API, and what to look at when something fails. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFailed } from 'vitest';
import { stringify } from 'yaml';
import type { z } from 'zod';
import type { ClusterFile } from '../../control-plane/src/cluster-file.ts';
import { ApiClient, startControlPlaneProcess } from '../support/control-plane-process.ts';
import type { Release } from '../support/next-release.ts';
import { printDiagnostics } from './lab.ts';

const TOKEN = 'lab-test-operator-token';

/** As the file of SHOPYARD_CLUSTER_SETTINGS has them. */
export type ClusterSettings = z.input<typeof ClusterFile>;

export type LabControlPlane = {
  /** As an operator; good for another start, too. */
  readonly api: ApiClient;
  /** Prints what a person would look at, if the test that calls this fails. */
  diagnoseOnFailure(): void;
  /** Ends it and starts a later release on what it left. */
  startFrom(release: Release): Promise<void>;
  /** Ends it and starts it with other settings of its cluster. */
  startWith(settings: ClusterSettings): Promise<void>;
  stop(): Promise<void>;
};

/** @param port its own, below those that findFreePort gives to the tests beside */
export async function startLabControlPlane(port: number): Promise<LabControlPlane> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-lab-test-'));
  await chmod(folder, 0o755);
  const log = join(folder, 'control-plane.log');
  const settingsFile = join(folder, 'cluster.yaml');
  await writeFile(settingsFile, '{}\n');
  const tops: string[] = [];
  const start = (from: { readonly top?: string } = {}) =>
    startControlPlaneProcess({
      env: {
        SHOPYARD_CLUSTER: 'lab',
        SHOPYARD_CLUSTER_SETTINGS: settingsFile,
        SHOPYARD_DATA_DIR: join(folder, 'data'),
        SHOPYARD_BOOTSTRAP_TOKEN: TOKEN,
      },
      port,
      log,
      ...from,
    });
  let child = await start();
  return {
    api: new ApiClient(child.url, TOKEN),
    diagnoseOnFailure: () => {
      onTestFailed(() => printDiagnostics(log));
    },
    startFrom: async ({ top }) => {
      await child.stop();
      tops.push(top);
      child = await start({ top });
    },
    startWith: async (settings) => {
      await child.stop();
      await writeFile(settingsFile, stringify(settings));
      child = await start();
    },
    stop: async () => {
      await child.stop();
      for (const used of [folder, ...tops]) await rm(used, { recursive: true, force: true });
    },
  };
}
