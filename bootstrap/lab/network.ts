/**
 * The lab's mark on the machine's network: the interface it makes, and what is to be taken away
 * again of the iptables rules that kube-proxy, the kubelet and the network plugin wrote.
 */
import { readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand, tryCommand } from './command.ts';
import { network } from './layout.ts';

/** Makes the interface with the lab's own address, or gives an existing one its address back. */
export async function ensureInterface(): Promise<void> {
  const name = network.interface;
  if ((await tryCommand('ip', ['link', 'show', name])).status !== 0) {
    const made = await tryCommand('ip', ['link', 'add', name, 'type', 'bridge']);
    if (made.status !== 0) {
      throw new Error(`cannot make the network interface ${name}: ${made.stderr.trim()}`);
    }
  }
  await runCommand('ip', ['address', 'replace', `${network.address}/32`, 'dev', name]);
  await runCommand('ip', ['link', 'set', name, 'up']);
}

/**
 * Takes away the interface, the iptables rules, and the network plugins' notes on `sandboxes` (ids
 * of pods' first containers), which are left when those end without the kubelet.
 */
export async function removeNetwork(sandboxes: readonly string[]): Promise<void> {
  for (const family of ['iptables', 'ip6tables']) await removeRules(family);
  await tryCommand('ip', ['link', 'delete', network.interface]);
  const notes = '/var/lib/cni/results';
  for (const file of await readdir(notes).catch(() => [])) {
    const ours =
      file.startsWith(`${network.cniName}-`) || sandboxes.some((id) => file.includes(id));
    if (ours) await rm(join(notes, file), { force: true });
  }
}

async function removeRules(family: string): Promise<void> {
  const saved = await tryCommand(`${family}-save`, []);
  if (saved.status !== 0) return; // this family is not there: nothing of ours is either
  const removal = renderRuleRemoval(saved.stdout, network.cniName);
  if (removal === '') return;
  await runCommand(`${family}-restore`, ['--noflush', '--wait', '10'], { input: removal });
}

/**
 * Input for `iptables-restore --noflush` that removes the chains of Kubernetes (`KUBE-…`) and of
 * the network plugin for the network `cniNetwork` (`CNI-…`), and the rules that lead to them.
 * Everything else stays as it is. Empty when there is nothing to remove.
 */
export function renderRuleRemoval(saved: string, cniNetwork: string): string {
  const output: string[] = [];
  for (const table of splitTables(saved)) {
    const ours = new Set(
      table.lines
        .map((line) => /^:(\S+)/.exec(line)?.[1] ?? '')
        .filter(
          (chain) => chain.startsWith('KUBE-') || isPluginChain(chain, table.lines, cniNetwork),
        ),
    );
    if (ours.size === 0) continue;
    const leads = table.lines.filter((line) => {
      const from = /^-A (\S+)/.exec(line)?.[1];
      const to = / -[jg] (\S+)/.exec(line)?.[1];
      return from !== undefined && to !== undefined && !ours.has(from) && ours.has(to);
    });
    output.push(
      `*${table.name}`,
      ...leads.map((line) => line.replace(/^-A /, '-D ')),
      ...[...ours].map((chain) => `-F ${chain}`),
      ...[...ours].map((chain) => `-X ${chain}`),
      'COMMIT',
    );
  }
  return output.length === 0 ? '' : output.join('\n') + '\n';
}

function isPluginChain(chain: string, lines: readonly string[], cniNetwork: string): boolean {
  if (!chain.startsWith('CNI-')) return false;
  return lines.some(
    (line) =>
      (line.startsWith(`-A ${chain} `) || line.includes(` -j ${chain}`)) &&
      line.includes(`name: \\"${cniNetwork}\\"`),
  );
}

function splitTables(saved: string): { readonly name: string; readonly lines: string[] }[] {
  const tables: { name: string; lines: string[] }[] = [];
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) tables.push({ name: line.slice(1).trim(), lines: [] });
    else if (/^(:|-A )/.test(line)) tables.at(-1)?.lines.push(line);
  }
  return tables;
}

/** Mount points in `folder`, innermost first, from the text of /proc/self/mounts. */
export function findMounts(mounts: string, folder: string): string[] {
  return mounts
    .split('\n')
    .map((line) => unescapeMountPath(line.split(' ')[1] ?? ''))
    .filter((path) => path.startsWith(`${folder}/`))
    .reverse();
}

/** The kernel writes blanks and the like in paths as `\040`. */
function unescapeMountPath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** Unmounts all that is mounted in `folder`. */
export async function unmountAll(folder: string): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const mounts = findMounts(readFileSync('/proc/self/mounts', 'utf8'), folder);
    if (mounts.length === 0) return;
    for (const path of mounts) {
      const result = await tryCommand('umount', [path]);
      // Something that still has a file open there: detach it; it goes when that is closed.
      if (result.status !== 0 && round > 0) await tryCommand('umount', ['-l', path]);
    }
  }
  const left = findMounts(readFileSync('/proc/self/mounts', 'utf8'), folder);
  if (left.length > 0) throw new Error(`still mounted: ${left.join(', ')}`);
}
