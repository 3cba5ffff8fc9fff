/**
 * The keeper: the one process of the lab that is our own. It provides volumes (storage.ts) and
 * keeps the parts' logs from growing without end.
 *
 * It lists claims and volumes, does what is due, and then waits for either to change: a watch is
 * only a bell that rings, so a lost or garbled one costs a minute and nothing else.
 */
import { createServer } from 'node:http';
import { Agent, request } from 'node:https';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { apiServerUrl } from './certificates.ts';
import { ports, type LabLayout } from './layout.ts';
import { describeVolume, planStorage, type Volume, type VolumeClaim } from './storage.ts';

const resyncMilliseconds = 60_000;
const logCheckMilliseconds = 60_000;
const largestLog = 20 * 1024 * 1024;

/** Runs until the process is ended. */
export async function runKeeper(layout: LabLayout): Promise<void> {
  const api = connectApi(layout);
  let lastRound = 0;
  const server = createServer((_, response) => {
    const fresh = lastRound > 0 && performance.now() - lastRound < 3 * resyncMilliseconds;
    response.writeHead(fresh ? 200 : 503).end();
  });
  server.listen(ports.keeper, '127.0.0.1');
  setInterval(() => {
    shortenLogs(layout).catch((error: unknown) => console.error('logs:', error));
  }, logCheckMilliseconds);
  for (;;) {
    try {
      const seen = await provideVolumes(api, layout);
      lastRound = performance.now();
      await waitForChange(api, seen);
    } catch (error) {
      console.error('volumes:', error instanceof Error ? error.message : error);
      await delay(1000);
    }
  }
}

interface List<Item> {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly Item[];
}

const claimsPath = '/api/v1/persistentvolumeclaims';
const volumesPath = '/api/v1/persistentvolumes';

/** One round; returns the resource versions it saw, to watch from. */
async function provideVolumes(api: Api, layout: LabLayout): Promise<Map<string, string>> {
  const claims = (await api.send('GET', claimsPath)) as List<VolumeClaim>;
  const volumes = (await api.send('GET', volumesPath)) as List<Volume>;
  const plan = planStorage(claims.items, volumes.items);
  for (const { name, claim } of plan.create) {
    const folder = join(layout.volumes, name);
    await mkdir(folder, { recursive: true });
    // Like the local-path provisioners of k3s and Kind: pods without an fsGroup may write too.
    await chmod(folder, 0o777);
    await api.send('POST', volumesPath, describeVolume(layout.volumes, claim));
    console.log(`made ${name} for ${claim.metadata.namespace}/${claim.metadata.name}`);
  }
  for (const name of plan.remove) {
    await rm(join(layout.volumes, name), { recursive: true, force: true });
    await api.send('DELETE', `${volumesPath}/${name}`);
    console.log(`removed ${name}`);
  }
  return new Map([
    [claimsPath, claims.metadata.resourceVersion],
    [volumesPath, volumes.metadata.resourceVersion],
  ]);
}

/** Ends when anything is seen to change, or it is time to look again anyway. */
async function waitForChange(api: Api, seen: ReadonlyMap<string, string>): Promise<void> {
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), resyncMilliseconds);
  try {
    const watches = [...seen].map(([path, version]) => {
      const query = new URLSearchParams({ watch: '1', resourceVersion: version });
      return api.waitForData(`${path}?${query.toString()}`, ended.signal);
    });
    await Promise.race(watches);
  } finally {
    clearTimeout(timer);
    ended.abort();
  }
}

interface Api {
  readonly send: (method: string, path: string, body?: unknown) => Promise<unknown>;
  /** Resolves at the first data, the end or the abortion of an answer. */
  readonly waitForData: (path: string, signal: AbortSignal) => Promise<void>;
}

function connectApi(layout: LabLayout): Api {
  const read = (name: string): Buffer => readFileSync(join(layout.pki, name));
  const agent = new Agent({
    ca: read('ca.crt'),
    cert: read('keeper.crt'),
    key: read('keeper.key'),
    keepAlive: true,
  });
  return {
    send: (method, path, body) =>
      new Promise((resolve, reject) => {
        const headers = { 'content-type': 'application/json' };
        const options = { method, headers, agent, timeout: 10_000 };
        const call = request(`${apiServerUrl}${path}`, options, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('error', reject);
          response.on('end', () => {
            const status = response.statusCode ?? 0;
            if (status < 300) resolve(JSON.parse(text));
            // Already made, or already gone: what was wanted.
            else if (status === 409 || (status === 404 && method === 'DELETE')) resolve(undefined);
            else reject(new Error(`${method} ${path}: ${status} ${text.slice(0, 300)}`));
          });
        });
        call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer`)));
        call.on('error', reject);
        call.end(body === undefined ? undefined : JSON.stringify(body));
      }),
    waitForData: (path, signal) =>
      new Promise((resolve) => {
        const done = (): void => resolve();
        const call = request(`${apiServerUrl}${path}`, { agent, signal }, (response) => {
          response.once('data', done).once('end', done).once('error', done);
        });
        call.on('error', done);
        call.end();
      }),
  };
}

/** Empties logs that have grown too large; parts append, so they go on at the beginning. */
async function shortenLogs(layout: LabLayout): Promise<void> {
  for (const file of await readdir(layout.logs)) {
    const path = join(layout.logs, file);
    const found = await stat(path);
    if (found.isFile() && found.size > largestLog) await truncate(path, 0);
  }
}
