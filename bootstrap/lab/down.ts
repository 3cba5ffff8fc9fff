/**
 * `lab:down`: ends what the lab started and removes what it left, the cache aside.
 *
 * It relies on no part being alive: pods are found by what their shims wrote into the lab folder
 * and ended there, so it also clears up after parts that were killed or a lab that never came up.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabLayout } from './layout.ts';
import { restoreMachine } from './machine.ts';
import { removeNetwork, unmountAll } from './network.ts';
import type { LabContext } from './parts.ts';
import { listRecorded, recordProcess, stopPart, stopRecorded } from './processes.ts';
import { formatDuration } from './progress.ts';

/** Brings the lab down. Harmless when there is none. */
export async function bringDown(context: LabContext): Promise<void> {
  const { layout } = context;
  const started = performance.now();
  if (process.getuid?.() !== 0) throw new Error('Only root can bring the lab down.');
  const wasThere = existsSync(layout.root);
  // The kubelet first, or it would start pods again; containerd last, its shims answer to it.
  const recorded = listRecorded(layout);
  if (recorded.includes('kubelet')) await stopPart(layout, 'kubelet');
  const inBetween = recorded.filter((name) => name !== 'kubelet' && name !== 'containerd');
  await Promise.all(inBetween.map((name) => stopPart(layout, name, 5000)));
  const tasks = taskFolders(layout);
  const sockets = readShimSockets(tasks);
  await endPods(tasks);
  await stopPart(layout, 'containerd');
  await endShims(layout);
  await unmountAll(layout.root);
  await removeNetwork(tasks.map((folder) => basename(folder)));
  await removePodCgroups();
  for (const socket of sockets) await rm(socket, { force: true });
  await rm(layout.podLogs, { recursive: true, force: true }); // the machine's links to them dangle now
  await restoreMachine(layout);
  await rm(layout.root, { recursive: true, force: true });
  const took = formatDuration(performance.now() - started);
  console.log(wasThere ? `The lab is down (${took}).` : 'There is no lab; nothing is left of one.');
}

function taskFolders(layout: LabLayout): string[] {
  const tasks = join(layout.containerd, 'state', 'io.containerd.runtime.v2.task', 'k8s.io');
  try {
    return readdirSync(tasks).map((name) => join(tasks, name));
  } catch {
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Sockets of the shims, which lie at a fixed place outside the lab folder. */
function readShimSockets(tasks: readonly string[]): string[] {
  return tasks.flatMap((folder) => {
    const address = readText(join(folder, 'address'));
    return address?.startsWith('unix:///run/containerd/s/') === true
      ? [address.slice('unix://'.length)]
      : [];
  });
}

/** Ends every container; the kernel ends the other processes of its process namespace with it. */
async function endPods(tasks: readonly string[]): Promise<void> {
  const ending = tasks.map(async (folder) => {
    const pid = Number(readText(join(folder, 'init.pid')) ?? 0);
    // The id may be someone else's by now: a container's own cgroup bears its name.
    if (pid <= 1 || readText(`/proc/${pid}/cgroup`)?.includes(basename(folder)) !== true) return;
    const record = recordProcess(pid);
    if (record !== undefined) await stopRecorded(record, 2000);
  });
  await Promise.all(ending);
}

/** Ends the shims: each is told the lab's own containerd socket, which makes it ours. */
async function endShims(layout: LabLayout): Promise<void> {
  const shims = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    const command = readText(`/proc/${name}/cmdline`)?.split('\0') ?? [];
    return (
      command[0]?.endsWith('containerd-shim-runc-v2') === true &&
      command[command.indexOf('-address') + 1] === layout.containerdSocket
    );
  });
  const ending = shims.map(async (name) => {
    const record = recordProcess(Number(name));
    if (record !== undefined) await stopRecorded(record, 3000);
  });
  await Promise.all(ending);
}

/** Removes the cgroups that the kubelet made for pods; those that hold a process stay. */
async function removePodCgroups(): Promise<void> {
  const hierarchies = ['/sys/fs/cgroup'];
  for (const name of await readdir('/sys/fs/cgroup').catch(() => [])) {
    hierarchies.push(join('/sys/fs/cgroup', name));
  }
  for (const hierarchy of hierarchies) {
    const pods = join(hierarchy, 'kubepods');
    for (let attempt = 0; attempt < 20 && existsSync(pods); attempt++) {
      await removeCgroup(pods);
      // A process that has just ended may still be counted for a moment.
      if (existsSync(pods)) await delay(100);
    }
  }
}

async function removeCgroup(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isDirectory()) await removeCgroup(join(folder, entry.name));
  }
  await rmdir(folder).catch(() => undefined);
}
