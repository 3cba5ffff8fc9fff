/**
 * A credential belongs to the address it was given for. Settings are changed one at a time: whoever
 * can change the repository's address, and only that, must not get the credential sent there. So
 * where it was first sent is remembered, by a fingerprint that does not tell what it is, and a start
 * with the same credential and another address is refused until a credential is given anew.
 */
import { scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { PlatformError } from '../errors.ts';
import { parseRemoteUrl } from '../git/remote-address.ts';
import type { Db } from './open.ts';

const derive = promisify<string, string, number, Buffer>(scrypt);

/**
 * Throws PlatformError `credential_elsewhere` when it was given for other addresses.
 * @param addresses of the repository, and of the forge's API where that is set
 */
async function bindCredential(
  db: Db,
  credential: string,
  addresses: readonly string[],
): Promise<void> {
  const address = addresses.map(nameAddress).join(' and ');
  // Slow on purpose: a password is guessed more easily than a token.
  const fingerprint = (await derive(credential, 'shopyard forge credential', 32)).toString('hex');
  await db
    .insertInto('forgeCredentials')
    .values({ fingerprint, address })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const first = await db
    .selectFrom('forgeCredentials')
    .select('address')
    .where('fingerprint', '=', fingerprint)
    .executeTakeFirstOrThrow();
  if (first.address === address) return;
  throw new PlatformError(
    'credential_elsewhere',
    `The credential for the repository was given for ${first.address}; the address is ${address} now.`,
    {
      field: 'SHOPYARD_REPOSITORY_URL',
      hint:
        'Give a credential that was made for the new address, or set the old address again. ' +
        'Nothing was sent.',
    },
  );
}

/** Origin and path: `.git` and a slash at the end make no difference. */
function nameAddress(address: string): string {
  const { origin, pathname } = parseRemoteUrl(address);
  return origin + pathname.replace(/\.git$/, '');
}

/** Hands out what `read` reads, once it is known to belong to these addresses. */
export function readBound(
  db: Db,
  read: () => Promise<string>,
  addresses: readonly string[],
): () => Promise<string> {
  let bound: string | null = null;
  return async () => {
    const credential = await read();
    if (credential !== bound) await bindCredential(db, credential, addresses);
    bound = credential;
    return credential;
  };
}
