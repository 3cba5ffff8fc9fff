/**
 * What the lab takes from Debian rather than building it. A machine that lacks some of it gets the
 * packages installed; where that is not possible, one sentence says what to install.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { tryCommand } from './command.ts';
import { startProgress } from './progress.ts';

/** Program, or a path where parts.ts expects it and nowhere else, and the Debian package that has it. */
const neededPrograms: readonly (readonly [program: string, debianPackage: string])[] = [
  ['/usr/bin/containerd', 'containerd'],
  ['containerd-shim-runc-v2', 'containerd'],
  ['runc', 'runc'],
  ['/usr/lib/cni/ptp', 'containernetworking-plugins'],
  ['iptables', 'iptables'],
  ['conntrack', 'conntrack'],
  ['ip', 'iproute2'],
  ['/usr/bin/redis-server', 'redis-server'],
  ['buildah', 'buildah'],
  ['mmdebstrap', 'mmdebstrap'],
  ['openssl', 'openssl'],
  ['git', 'git'],
  ['gpg', 'gpg'],
  ['gcc', 'gcc'],
  ['/usr/include/stdio.h', 'libc6-dev'],
];

const systemFolders = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
];

/** Debian packages the machine lacks, each once; `exists` says whether a path is there. */
export function findMissingPackages(exists: (path: string) => boolean): string[] {
  const missing = neededPrograms
    .filter(([program]) =>
      program.startsWith('/')
        ? !exists(program)
        : !systemFolders.some((folder) => exists(join(folder, program))),
    )
    .map(([, debianPackage]) => debianPackage);
  return [...new Set(missing)];
}

/** Installs the Debian packages the machine lacks. */
export async function installMissingPackages(): Promise<void> {
  const missing = findMissingPackages(existsSync);
  if (missing.length === 0) return;
  const advice = `The lab needs these Debian packages: apt-get install --no-install-recommends ${missing.join(' ')}`;
  if (!existsSync('/usr/bin/apt-get')) throw new Error(advice);
  const progress = startProgress(`Installing ${missing.join(', ')}`, 'usually under a minute');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['install', '-y', '-q', '--no-install-recommends', ...missing];
  let result = await tryCommand('apt-get', install, { env });
  if (result.status !== 0) {
    // Package lists that are missing or old are the usual reason.
    await tryCommand('apt-get', ['update', '-q'], { env });
    result = await tryCommand('apt-get', install, { env });
  }
  progress.end(result.status === 0 ? 'installed' : 'failed');
  const stillMissing = findMissingPackages(existsSync);
  if (stillMissing.length > 0) {
    throw new Error(`${advice}\napt-get said:\n${result.stderr.trim().slice(-1500)}`);
  }
}
