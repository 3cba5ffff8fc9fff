/**
 * What the lab's parts change on the machine outside the lab folder, because their programs have no
 * setting for it: a few folders and kernel settings. Noted before the first start, put back by
 * `lab:down`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tryCommand } from './command.ts';
import type { LabLayout } from './layout.ts';
import { readBootId } from './processes.ts';

/** Folders that containerd, the network plugin and the kubelet make at fixed places. */
const fixedFolders = [
  '/run/containerd',
  '/var/lib/cni',
  '/var/lib/kubelet',
  '/var/log/containers',
  '/var/log/pods',
];

/** Files that the kubelet leaves at fixed places when it ends. */
const fixedFiles = [
  '/var/lib/kubelet/device-plugins/kubelet.sock',
  '/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint',
  '/var/lib/kubelet/device-plugins/DEPRECATION',
];

/** Kernel settings that the kubelet, kube-proxy and the network plugin write. */
const kernelSettings = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
  'net/ipv4/ip_forward',
  'net/ipv4/conf/all/route_localnet',
];

interface MachineNotes {
  readonly bootId: string;
  /** Of fixedFolders, those that were not there before the lab. */
  readonly absentFolders: readonly string[];
  readonly kernel: Readonly<Record<string, string>>;
}

function readKernelSetting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

async function readNotes(layout: LabLayout): Promise<MachineNotes | undefined> {
  try {
    return JSON.parse(await readFile(layout.machine, 'utf8')) as MachineNotes;
  } catch {
    return undefined;
  }
}

/**
 * Notes the machine's state before the lab changes it. True when the machine was started anew
 * since the notes were taken: then no process or mount of the lab can be left, and what they had
 * on disk to find each other again is stale.
 */
export async function noteMachine(layout: LabLayout): Promise<{ readonly restarted: boolean }> {
  const notes = await readNotes(layout);
  const bootId = readBootId();
  if (notes?.bootId === bootId) return { restarted: false };
  const kernel = Object.fromEntries(
    kernelSettings.flatMap((name) => {
      const value = readKernelSetting(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const absentFolders =
    notes?.absentFolders ?? fixedFolders.filter((folder) => !existsSync(folder));
  const text = JSON.stringify({ bootId, absentFolders, kernel } satisfies MachineNotes, null, 2);
  await writeFile(`${layout.machine}.new`, text);
  await rename(`${layout.machine}.new`, layout.machine);
  return { restarted: notes !== undefined };
}

/** Puts the machine back as it was noted. */
export async function restoreMachine(layout: LabLayout): Promise<void> {
  const notes = await readNotes(layout);
  if (notes === undefined) return;
  if (notes.bootId === readBootId()) {
    for (const [name, value] of Object.entries(notes.kernel)) {
      if (readKernelSetting(name) === value) continue;
      await writeFile(`/proc/sys/${name}`, value).catch(() => undefined);
    }
  }
  const made = notes.absentFolders.filter((folder) => existsSync(folder));
  for (const file of fixedFiles) {
    if (made.some((folder) => file.startsWith(`${folder}/`))) await rm(file, { force: true });
  }
  for (const folder of made) {
    // What someone else may have put there meanwhile stays: only links to files that are gone (of
    // container logs) and empty folders are removed.
    await tryCommand('find', [folder, '-xdev', '-xtype', 'l', '-delete']);
    await tryCommand('find', [folder, '-xdev', '-depth', '-type', 'd', '-empty', '-delete']);
  }
}
