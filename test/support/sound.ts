import { expect, vi } from 'vitest';

/**
 * Holds a repository that is being served to git's own check. It is asked again for half a minute: every 64 pushes the
 * server joins packs, and a check that goes on meanwhile misses those that it had listed. What is damaged stays so.
 * @param git runs native git in the repository
 */
export async function expectSound(
  git: (args: string[]) => string | Promise<string>,
): Promise<void> {
  await vi.waitFor(
    async () => expect(await git(['fsck', '--strict', '--full', '--no-dangling'])).toBe(''),
    { timeout: 30_000, interval: 1_000 },
  );
}
