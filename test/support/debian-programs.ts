/**
 * Programs that tests need and the project does not: those that are installed, else out of Debian's
 * package, unpacked to the cache. It is not installed: that might start a service.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { tryCommand } from '../../bootstrap/lab/command.ts';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';

const run = promisify(execFile);
/** Without a network apt-get tries for long. */
const APT_MS = 60_000;

/** Where each program of a package is, by its name; or one sentence that says why they are not there. */
export async function findPrograms<Name extends string>(
  packageName: string,
  names: readonly Name[],
): Promise<Readonly<Record<Name, string>> | string> {
  const locate = (top: string): Readonly<Record<Name, string>> | null => {
    const paths = names.map((name) => [name, join(top, 'usr/bin', name)] as const);
    if (!paths.every(([, path]) => existsSync(path))) return null;
    return Object.fromEntries(paths) as Record<Name, string>;
  };
  const unpacked = join(resolveLabPaths(process.env).cache, 'debian', packageName);
  const found = locate('/') ?? locate(unpacked);
  if (found !== null) return found;
  const folder = await mkdtemp(join(tmpdir(), `shopyard-${packageName}-`));
  try {
    const reason = await unpackPackage(packageName, folder, unpacked);
    return locate(unpacked) ?? `There is no ${names.join(' and ')} here: ${reason}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Returns why it did not work, if it did not. */
async function unpackPackage(packageName: string, folder: string, target: string): Promise<string> {
  if (!existsSync('/usr/bin/apt-get')) return `install this system's ${packageName} in /usr/bin.`;
  const download = () =>
    tryCommand('apt-get', ['download', '-q', packageName], {
      cwd: folder,
      env: process.env,
      timeout: APT_MS,
    });
  let result = await download();
  if (result.status !== 0) {
    // Package lists that are missing or old are the usual reason.
    await tryCommand('apt-get', ['update', '-q'], { timeout: APT_MS });
    result = await download();
  }
  const file = (await readdir(folder)).find((name) => name.endsWith('.deb'));
  if (file === undefined)
    return `apt-get install --no-install-recommends ${packageName} brings it; apt-get said: ${result.stderr.trim().slice(-300)}`;
  await mkdir(dirname(target), { recursive: true });
  // Beside its place and then there at once: two runs at a time must not see half of it.
  const beside = await mkdtemp(`${target}-`);
  await run('dpkg-deb', ['-x', join(folder, file), beside]);
  await rename(beside, target).catch(() => rm(beside, { recursive: true, force: true }));
  return 'its package does not have it.';
}
