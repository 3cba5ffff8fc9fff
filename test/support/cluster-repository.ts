/** The embedded forge with a repository of its own, in a folder that goes with it. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedForge } from '../../control-plane/src/forge/embedded.ts';
import { openBranch } from '../../control-plane/src/git/branch.ts';
import type { Branch } from '../../control-plane/src/git/types.ts';

const run = promisify(execFile);

export type TestRepository = {
  readonly forge: EmbeddedForge;
  /** Opens the branch as a writer of its own, with a local clone of its own. */
  open(): Promise<Branch>;
  /** Native git on the bare repository; returns what it printed. */
  git(...args: string[]): Promise<string>;
  /** A person's commit: runs the change in a work tree of main and pushes it. */
  commitAsPerson(message: string, change: (folder: string) => Promise<void>): Promise<string>;
  close(): Promise<void>;
};

export async function createTestRepository(): Promise<TestRepository> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-repository-'));
  const forge = new EmbeddedForge({
    dir: join(folder, 'forge'),
    host: '127.0.0.1',
    port: 0,
    branch: 'main',
    readPassword: 'reader-password-1',
    writePassword: 'writer-password-1',
  });
  await forge.start();
  let clones = 0;
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', ['--git-dir', forge.repositoryDir, ...args], { maxBuffer: 1 << 28 })).stdout;
  return {
    forge,
    open: () => openBranch({ remote: forge.remote, dir: join(folder, `clone-${clones++}`) }),
    git,
    async commitAsPerson(message, change) {
      const work = await mkdtemp(join(folder, 'work-'));
      const { url, username, password } = forge.remote;
      const remote = url.replace('://', `://${username}:${password}@`);
      const inWork = (...args: string[]) => run('git', ['-C', work, ...args]);
      await run('git', ['clone', '-q', '--branch', 'main', remote, work]);
      await change(work);
      await inWork('add', '-A');
      await inWork(
        '-c',
        'user.name=Ada',
        '-c',
        'user.email=ada@example.com',
        'commit',
        '-qm',
        message,
      );
      await inWork('push', '-q', 'origin', 'main');
      return (await inWork('rev-parse', 'HEAD')).stdout.trim();
    },
    async close() {
      await forge.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
