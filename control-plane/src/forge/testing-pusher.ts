/** A process that serves the forge and pushes to it until it is killed. */
import { join } from 'node:path';
import { openBranch } from '../git/branch.ts';
import { EmbeddedServer } from './embedded-server.ts';
import { META } from './testing.ts';

const { PUSHER_DIR = '', PUSHER_ROUND = '' } = process.env;
const forge = new EmbeddedServer({
  dir: join(PUSHER_DIR, 'forge'),
  host: '127.0.0.1',
  port: 0,
  branch: 'main',
  readPassword: 'read-password',
  writePassword: 'write-password',
});
await forge.start();
process.send?.({ forge: forge.pid });
const branch = await openBranch({ remote: forge.remote, dir: join(PUSHER_DIR, 'pusher') });
for (let count = 0; ; count += 1) {
  const batch = branch.begin();
  const path = `round-${PUSHER_ROUND}/${String(count)}`;
  await batch.commit([{ path, content: path }], META);
  const result = await batch.push();
  if (result.kind !== 'pushed') throw new Error(`the push was ${result.kind}`);
  process.send?.({ sha: result.after });
}
