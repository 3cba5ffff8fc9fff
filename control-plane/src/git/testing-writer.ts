/** One of the processes of the test that lets several write to one branch at once. */
import { setTimeout as wait } from 'node:timers/promises';
import { openBranch } from './branch.ts';
import { PlatformError } from '../errors.ts';
import type { RemoteSettings } from './types.ts';

const { WRITER_REMOTE = '', WRITER_DIR = '', WRITER_NAME = '', WRITER_COMMITS = '0' } = process.env;
const branch = await openBranch({
  remote: JSON.parse(WRITER_REMOTE) as RemoteSettings,
  dir: WRITER_DIR,
});
for (let index = 0; index < Number(WRITER_COMMITS); index += 1) {
  const path = `${WRITER_NAME}/${String(index)}.yaml`;
  for (;;) {
    const batch = branch.begin();
    const commit = await batch.commit([{ path, content: path }], {
      message: `Write ${path}`,
      author: { name: WRITER_NAME, email: `${WRITER_NAME}@example.com` },
      at: new Date(),
    });
    const result = await batch.push().catch((error: unknown) => {
      if (error instanceof PlatformError && error.retryable) return { kind: 'moved' } as const;
      throw error;
    });
    if (result.kind === 'pushed' && commit.kind === 'committed') {
      process.send?.(commit.sha);
      break;
    }
    await wait(Math.random() * 50);
    await branch.refresh(null);
  }
}
process.disconnect();
