/** The heads of the audit chain that the commits of a branch name, read from a bare repository. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PlatformError } from '../errors.ts';
import { createGitEnvironment } from '../forge/git-command.ts';
import type { AuditAnchor } from '../domain/audit.ts';

/**
 * Reads every anchor of the branch, newest commit first.
 * @param repository folder of the bare repository
 */
export async function readAuditAnchors(repository: string, branch: string): Promise<AuditAnchor[]> {
  const format = '%H %(trailers:key=Audit-Head,valueonly,separator=%x2C)';
  const git = spawn(
    'git',
    ['--git-dir', repository, 'log', `--format=${format}`, `refs/heads/${branch}`, '--'],
    { env: createGitEnvironment(repository), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let complaint = '';
  git.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString().slice(0, 500)));
  const ended = new Promise<number | null>((resolve, reject) => {
    git.once('error', reject);
    git.once('close', resolve);
  });
  // Without the program there is no close: the error tells.
  ended.catch(() => undefined);
  const anchors: AuditAnchor[] = [];
  for await (const line of createInterface({ input: git.stdout })) {
    const match = /^([0-9a-f]{40}) (\d{1,15}) ([0-9a-f]{64})$/.exec(line);
    const [, commit, seq, hash] = match ?? [];
    if (commit !== undefined && hash !== undefined)
      anchors.push({ commit, seq: Number(seq), hash });
  }
  if ((await ended) !== 0)
    throw new PlatformError(
      'git_failed',
      `The commits in ${repository} cannot be read: ${complaint.trim()}`,
    );
  return anchors;
}
