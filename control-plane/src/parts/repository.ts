/** The forge that the settings name, and what pages read of the repository that it keeps. */
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { readBound } from '../db/forge-credentials.ts';
import type { Db } from '../db/open.ts';
import { parseRepositoryAddress } from '../forge/address.ts';
import { createTokenReader } from '../forge/credential.ts';
import { createEmbeddedForge, type RepositoryContent } from '../forge/embedded.ts';
import { createGiteaForge } from '../forge/gitea.ts';
import { createGithubForge } from '../forge/github.ts';
import { createKeyReader, type GithubCredential } from '../forge/github-credential.ts';
import { READER, WRITER } from '../forge/server.ts';
import type { Forge } from '../forge/types.ts';
import type { RemoteSettings } from '../git/types.ts';
import { openBareRepository, openObjects } from '../repository/bare.ts';
import { openMirror } from '../repository/mirror.ts';
import type { RepositoryReader } from '../repository/types.ts';
import type { Shared } from './shared.ts';

export async function openForge(shared: Shared): Promise<Forge> {
  const { config, clock, cleanup } = shared;
  const db = await shared.database();
  switch (config.SHOPYARD_FORGE) {
    case 'embedded': {
      // Here, and not with the content: whoever uses the forge ends before that is closed.
      const closing = cleanup.use(new AsyncDisposableStack());
      return createEmbeddedForge({
        db,
        repository: shared.repository,
        remote: (access) => describeRemote(shared, db, access),
        openContent: () => openContent(shared, db, closing),
        clock,
      });
    }
    case 'gitea':
      return createGiteaForge(describeForge(config, db));
    case 'github': {
      const { repositoryUrl, branch, apiUrl, readToken } = describeForge(config, db);
      const credential = describeApp(config, db) ?? { kind: 'token', read: readToken };
      return createGithubForge({ repositoryUrl, branch, apiUrl, credential, clock });
    }
  }
}

/** What the forge's credential is for: it is sent to no other address (db/forge-credentials.ts). */
function listAddresses(config: Config): string[] {
  const { SHOPYARD_REPOSITORY_URL: repository, SHOPYARD_FORGE_API_URL: api } = config;
  return api === undefined ? [repository] : [repository, api];
}

/** null: it is a token. */
function describeApp(config: Config, db: Db): GithubCredential | null {
  const {
    SHOPYARD_GITHUB_APP_ID: appId,
    SHOPYARD_GITHUB_APP_KEY_FILE: file,
    SHOPYARD_GITHUB_APP_INSTALLATION_ID: installationId,
  } = config;
  if (appId === undefined || file === undefined || installationId === undefined) return null;
  const readKey = readBound(db, createKeyReader(file), listAddresses(config));
  return { kind: 'app', appId, installationId, readKey };
}

function describeForge(config: Config, db: Db) {
  const { SHOPYARD_REPOSITORY_URL: repositoryUrl } = config;
  const address = parseRepositoryAddress(repositoryUrl);
  if (address === null) throw new Error('refused by readConfig');
  return {
    repositoryUrl,
    address,
    branch: config.SHOPYARD_BRANCH,
    apiUrl: config.SHOPYARD_FORGE_API_URL?.replace(/\/+$/, '') ?? null,
    readToken: readBound(
      db,
      createTokenReader({
        token: config.SHOPYARD_FORGE_TOKEN,
        file: config.SHOPYARD_FORGE_TOKEN_FILE,
      }),
      listAddresses(config),
    ),
  };
}

/** The way to the embedded git server: to the one of this process, or to the one that is named. */
function describeRemote(
  { config, links }: Shared,
  db: Db,
  access: 'read' | 'write',
): RemoteSettings {
  if (links.forge !== null) return access === 'write' ? links.forge.remote : links.forge.readRemote;
  const password =
    (access === 'write'
      ? config.SHOPYARD_FORGE_WRITE_PASSWORD
      : config.SHOPYARD_FORGE_READ_PASSWORD) ?? '';
  return {
    url: config.SHOPYARD_REPOSITORY_URL,
    branch: config.SHOPYARD_BRANCH,
    username: access === 'write' ? WRITER : READER,
    password,
    ...(password === ''
      ? {}
      : { renew: readBound(db, () => Promise.resolve(password), listAddresses(config)) }),
  };
}

/** The git server's own folder when it is here, else a mirror of it. */
async function openContent(
  shared: Shared,
  db: Db,
  closing: AsyncDisposableStack,
): Promise<RepositoryContent> {
  const { config, links, logger } = shared;
  if (links.forge !== null) {
    const dir = links.forge.repositoryDir;
    const objects = openObjects({ repository: dir });
    closing.defer(() => objects.close());
    return { dir, objects, refresh: () => Promise.resolve() };
  }
  const dir = join(shared.dataDir().path, 'reviews');
  const access = config.SHOPYARD_FORGE_WRITE_PASSWORD === undefined ? 'read' : 'write';
  const mirror = await openMirror({
    remote: describeRemote(shared, db, access),
    dir,
    log: { info: (message) => logger.info(message) },
  });
  const objects = openObjects({ repository: dir });
  closing.defer(async () => {
    objects.close();
    await mirror.close();
  });
  return { dir, objects, refresh: () => mirror.fetch() };
}

/** What pages read: the repository's own folder when it is here, else a mirror of it. */
export async function openRepository(shared: Shared): Promise<RepositoryReader> {
  const { links, logger, cleanup } = shared;
  const remote = await (await shared.forge()).remote('read');
  const reader =
    links.forge === null
      ? await openMirror({
          remote,
          dir: join(shared.dataDir().path, 'mirror'),
          log: { info: (message) => logger.info(message) },
        })
      : openBareRepository({ repository: links.forge.repositoryDir, branch: remote.branch });
  cleanup.defer(() => reader.close());
  return reader;
}
