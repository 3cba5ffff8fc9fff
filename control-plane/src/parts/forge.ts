/** The embedded git server, which keeps the cluster repository unless another forge does. */
import { join } from 'node:path';
import { EmbeddedServer } from '../forge/embedded-server.ts';
import { refuseTrouble, type Shared } from './shared.ts';

export async function startForge(shared: Shared): Promise<void> {
  const { config, logger, links, probes, cleanup } = shared;
  if (config.SHOPYARD_FORGE !== 'embedded') return;
  const { path, secrets } = shared.dataDir();
  const forge = new EmbeddedServer({
    dir: join(path, 'forge'),
    host: config.SHOPYARD_FORGE_HOST,
    port: config.SHOPYARD_FORGE_PORT,
    branch: config.SHOPYARD_BRANCH,
    readPassword: config.SHOPYARD_FORGE_READ_PASSWORD ?? secrets.forgeRead,
    writePassword: config.SHOPYARD_FORGE_WRITE_PASSWORD ?? secrets.forgeWrite,
    onPush: ({ after }) => links.pushed(after),
    log: { info: (message) => logger.debug(message), warn: (message) => logger.warn(message) },
  });
  await forge.start();
  cleanup.defer(() => forge.stop());
  links.forge = forge;
  probes.push({
    name: 'forge',
    check: () => refuseTrouble(forge.pid === null ? 'The git server does not run.' : null),
  });
}
