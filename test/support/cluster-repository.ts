/** The embedded forge with a repository of its own, in a folder that goes with it. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedServer } from '../../control-plane/src/forge/embedded-server.ts';
import { openBranch } from '../../control-plane/src/git/branch.ts';
import type { Branch } from '../../control-plane/src/git/types.ts';

const run = promisify(execFile);

export type TestRepository = {
  readonly forge: EmbeddedServer;
  /** Goes with it. */
  readonly folder: string;
  /** Opens the branch as a writer of its own, with a local clone of its own. */
  open(): Promise<Branch>;
  /** Native git on the bare repository; returns what it printed. */
  git(...args: string[]): Promise<string>;
  /** A person's commit: runs the change in a work tree of main and pushes it. */
  commitAsPerson(message: string, change: (folder: string) => Promise<void>): Promise<string>;
  /** A person merges branches, one commit each, by one merge with words of their own; its sha. */
  mergeAsPerson(
    message: string,
    branches: readonly {
      readonly message: string;
      readonly change: (folder: string) => Promise<void>;
    }[],
  ): Promise<string>;
  /** A person takes a commit back by another. */
  revertAsPerson(sha: string): Promise<void>;
  /** What no work tree makes, straight into the repository: the lines of git's fast-import. */
  fastImport(lines: readonly string[]): void;
  close(): Promise<void>;
};

export async function createTestRepository(): Promise<TestRepository> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-repository-'));
  const forge = new EmbeddedServer({
    dir: join(folder, 'forge'),
    host: '127.0.0.1',
    port: 0,
    branch: 'main',
    readPassword: 'reader-password-1',
    writePassword: 'writer-password-1',
  });
  await forge.start();
  let clones = 0;
  /** Runs git as Ada in a new work tree of main. */
  const cloneAsPerson = async () => {
    const work = await mkdtemp(join(folder, 'work-'));
    const { url, username, password } = forge.remote;
    const remote = url.replace('://', `://${username}:${password}@`);
    await run('git', ['clone', '-q', '--branch', 'main', remote, work]);
    const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];
    return {
      work,
      git: async (...args: string[]) =>
        (await run('git', ['-C', work, ...identity, ...args])).stdout,
    };
  };
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', ['--git-dir', forge.repositoryDir, ...args], { maxBuffer: 1 << 28 })).stdout;
  return {
    forge,
    folder,
    open: () => openBranch({ remote: forge.remote, dir: join(folder, `clone-${clones++}`) }),
    git,
    async commitAsPerson(message, change) {
      const person = await cloneAsPerson();
      await change(person.work);
      await person.git('add', '-A');
      await person.git('commit', '-qm', message);
      await person.git('push', '-q', 'origin', 'main');
      return (await person.git('rev-parse', 'HEAD')).trim();
    },
    async mergeAsPerson(message, branches) {
      const { work, git: run } = await cloneAsPerson();
      for (const [at, branch] of branches.entries()) {
        await run('checkout', '-qb', `review-${at}`, 'origin/main');
        await branch.change(work);
        await run('add', '-A');
        await run('commit', '-qm', branch.message);
      }
      await run('checkout', '-q', 'main');
      await run(
        'merge',
        '-q',
        '--no-ff',
        '-m',
        message,
        ...branches.map((_, at) => `review-${at}`),
      );
      await run('push', '-q', 'origin', 'main');
      return (await run('rev-parse', 'HEAD')).trim();
    },
    async revertAsPerson(sha) {
      // Somebody may push in between.
      for (;;) {
        const person = await cloneAsPerson();
        await person.git('revert', '--no-edit', sha);
        try {
          await person.git('push', '-q', 'origin', 'main');
          return;
        } catch (error) {
          if (!/rejected|failed to push|cannot lock ref/.test(String(error))) throw error;
        }
      }
    },
    fastImport(lines) {
      // The forge is a process of its own: a call that blocks starves nobody.
      execFileSync('git', ['--git-dir', forge.repositoryDir, 'fast-import', '--quiet', '--force'], {
        input: `${lines.join('\n')}\n`,
      });
    },
    async close() {
      await forge.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
