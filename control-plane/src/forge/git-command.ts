/** Runs the git program: no shell, no configuration but the repository's own, bounded in time. */
import { execFile } from 'node:child_process';
import { devNull } from 'node:os';
import { promisify } from 'node:util';
import { PlatformError } from '../errors.ts';

/** What git sees of the environment: where programs are, and a home of its own. */
export function createGitEnvironment(home: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    XDG_CONFIG_HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: devNull,
    GIT_TERMINAL_PROMPT: '0',
    // The repository may belong to another user, in a container with a mounted volume for one.
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'safe.directory',
    GIT_CONFIG_VALUE_0: '*',
  };
}

const run = promisify(execFile);

/** Returns what git printed. Throws PlatformError `git_missing` or `git_failed`. */
export async function runGit(
  args: readonly string[],
  options: { home: string; timeoutMs?: number },
): Promise<string> {
  try {
    const { stdout } = await run('git', args, {
      env: createGitEnvironment(options.home),
      timeout: options.timeoutMs ?? 30_000,
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new PlatformError('git_missing', 'the git program is not installed', {
        hint: 'Install git 2.38 or newer, for example with apt-get install git.',
        cause: error,
      });
    }
    const complaint =
      error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new PlatformError(
      'git_failed',
      `git ${args[0] ?? ''} failed: ${complaint.slice(0, 500)}`,
      {
        cause: error,
      },
    );
  }
}
