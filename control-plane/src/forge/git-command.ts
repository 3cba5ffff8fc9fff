/** Runs the git program: no shell, no configuration but the repository's own, bounded in time. */
import { execFile } from 'node:child_process';
import { devNull } from 'node:os';
import { promisify } from 'node:util';
import { PlatformError } from '../errors.ts';

/** Settings of one call, by name. They are in git's environment: not in what `ps` shows. */
export type GitSettings = readonly (readonly [name: string, value: string])[];

/** What git sees of the environment: where programs are, and a home of its own. */
export function createGitEnvironment(
  home: string,
  settings: GitSettings = [],
): Record<string, string> {
  // The repository may belong to another user, in a container with a mounted volume for one.
  const all: GitSettings = [['safe.directory', '*'], ...settings];
  return {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    XDG_CONFIG_HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: devNull,
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: String(all.length),
    ...Object.fromEntries(
      all.flatMap(([name, value], index) => [
        [`GIT_CONFIG_KEY_${String(index)}`, name],
        [`GIT_CONFIG_VALUE_${String(index)}`, value],
      ]),
    ),
  };
}

const run = promisify(execFile);

/** Returns what git printed. Throws PlatformError `git_missing` or `git_failed`. */
export async function runGit(
  args: readonly string[],
  options: { home: string; timeoutMs?: number; signal?: AbortSignal; settings?: GitSettings },
): Promise<string> {
  try {
    const { stdout } = await run('git', args, {
      env: createGitEnvironment(options.home, options.settings),
      signal: options.signal,
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
