/**
 * The practice cluster: a stand-in for a Kubernetes cluster with Argo CD, for a first look and for
 * tests. It serves what the control plane reads, follows the cluster repository and plays what real
 * Argo CD would do with it, several times as fast. It runs nothing: there is no shop behind it.
 *
 * It is held to the real one by the contract suite (test/contract), which runs against both.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { RemoteSettings } from '../../control-plane/src/git/types.ts';
import type { Logger } from '../../control-plane/src/logger.ts';
import { describeError } from '../../control-plane/src/errors.ts';
import { writePrivateJson } from '../lab/connection.ts';
import { startApiServer } from './api-server.ts';
import { Controller } from './controller.ts';
import { Faults } from './faults.ts';
import { createPace } from './pace.ts';
import { ClusterRepository } from './repository.ts';
import { startShopFront, type PracticeShop, type ShopFront } from './shop-front.ts';
import { ObjectTable, type TableContent } from './table.ts';

export type PracticeCluster = {
  /** Path of the kubeconfig, written into `dir`. */
  readonly kubeconfig: string;
  /** Where to tell of a push, as Argo CD's server takes it. */
  readonly webhookUrl: string;
  /** Where the shops' pages are, by host name. */
  readonly shopPort: number;
  /** What can be made to go wrong; also by HTTP: see README.md. */
  readonly faults: Faults;
  stop(): Promise<void>;
};

export type PracticeOptions = {
  /** Where the state, the kubeconfig and a clone are kept. */
  readonly dir: string;
  /** The cluster's folder in the repository. */
  readonly cluster: string;
  /** With the credential that reads. */
  readonly repository: RemoteSettings;
  readonly webhookSecret: string;
  /** That its kubeconfig has; default: one made up. */
  readonly token?: string;
  /** 0, the default, is any free one. */
  readonly port?: number;
  /** For the shops' pages; 0, the default, is the one of the last start, else any free one. */
  readonly shopPort?: number;
  /** How much faster than the lab; 3, the default, makes a store ready in about 8 s. */
  readonly speed?: number;
  readonly logger: Logger;
};

const SAVE_AFTER_MS = 300;

/** Starts it; what stood when it stopped stands again. The repository need not be there yet. */
export async function startPracticeCluster(options: PracticeOptions): Promise<PracticeCluster> {
  const { dir, cluster, logger } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const pace = createPace(options.speed ?? 3);
  const state = keepState(join(dir, 'state.json'), logger);
  const table = new ObjectTable(
    () => pace.now(),
    state.saved,
    () => state.change(table),
  );
  const faults = new Faults();
  const repository = new ClusterRepository(options.repository, join(dir, 'clone'));
  const controller = new Controller({ table, repository, faults, pace, cluster, logger });
  const token = options.token ?? randomBytes(24).toString('hex');
  const server = await startApiServer({
    table,
    faults,
    token,
    webhookSecret: options.webhookSecret,
    port: options.port ?? 0,
    onPush: () => controller.refresh(),
  });
  const shops = await openShops(dir, options.shopPort ?? 0, (host) =>
    controller.findShop(host),
  ).catch(async (error: unknown) => {
    await server.stop();
    throw error;
  });
  const kubeconfig = join(dir, 'kubeconfig');
  await writePrivateJson(kubeconfig, describeKubeconfig(server.url, token));
  controller.start();
  return {
    kubeconfig,
    webhookUrl: `${server.url}/api/webhook`,
    shopPort: shops.port,
    faults,
    async stop() {
      await Promise.all([server.stop(), shops.stop()]);
      await controller.stop();
      await state.close(table);
    },
  };
}

/** Addresses of stores name the port: it stays the same from start to start where it can. */
async function openShops(
  dir: string,
  wanted: number,
  findShop: (host: string) => PracticeShop | null,
): Promise<ShopFront> {
  const file = join(dir, 'shop-port.json');
  const known = wanted === 0 ? readPort(file) : wanted;
  const shops = await startShopFront(known, findShop).catch((error: unknown) => {
    if (wanted !== 0 || known === 0) throw error;
    return startShopFront(0, findShop);
  });
  await writePrivateJson(file, shops.port);
  return shops;
}

function readPort(file: string): number {
  try {
    return Number(JSON.parse(readFileSync(file, 'utf8'))) || 0;
  } catch {
    return 0;
  }
}

function describeKubeconfig(server: string, token: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'practice',
    // Plain HTTP on loopback: the client library wants it said that there is no TLS to verify.
    clusters: [{ name: 'practice', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'observer', user: { token } }],
    contexts: [{ name: 'practice', context: { cluster: 'practice', user: 'observer' } }],
  };
}

/** Saves the table a moment after it changed; a damaged file counts as none. */
function keepState(file: string, logger: Logger) {
  let saved: TableContent | null = null;
  try {
    saved = JSON.parse(readFileSync(file, 'utf8')) as TableContent;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      logger.warn(`the practice cluster starts afresh: ${file}: ${describeError(error)}`);
  }
  const closing = new AbortController();
  let saving: Promise<void> | null = null;
  let isDirty = false;
  const save = async (table: ObjectTable): Promise<void> => {
    while (isDirty) {
      await pause(SAVE_AFTER_MS, undefined, { signal: closing.signal }).catch(() => undefined);
      isDirty = false;
      await writePrivateJson(file, table.content).catch((error: unknown) => {
        logger.warn(`the practice cluster cannot save its state: ${describeError(error)}`);
      });
    }
    saving = null;
  };
  return {
    saved,
    change(table: ObjectTable): void {
      isDirty = true;
      saving ??= save(table);
    },
    async close(table: ObjectTable): Promise<void> {
      closing.abort();
      this.change(table);
      await saving;
    },
  };
}
