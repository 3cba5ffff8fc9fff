/** The token of a forge: as it was given, or as it is in its file now, which may be replaced. */
import { readFile } from 'node:fs/promises';
import { describeError, PlatformError } from '../errors.ts';

/** Throws PlatformError `forge_denied` when there is none. */
export type ReadToken = () => Promise<string>;

export function createTokenReader(given: {
  readonly token: string | undefined;
  readonly file: string | undefined;
}): ReadToken {
  const { token, file } = given;
  return async () => {
    if (file === undefined) {
      if (token !== undefined) return checkToken(token, 'SHOPYARD_FORGE_TOKEN');
      throw new PlatformError('forge_denied', 'this process has no token for the forge', {
        field: 'SHOPYARD_FORGE_TOKEN',
        hint: 'Set SHOPYARD_FORGE_TOKEN or SHOPYARD_FORGE_TOKEN_FILE.',
      });
    }
    let text: string;
    try {
      text = (await readFile(file, 'utf8')).trim();
    } catch (error) {
      throw new PlatformError(
        'forge_denied',
        `the forge's token cannot be read: ${describeError(error)}`,
        {
          field: 'SHOPYARD_FORGE_TOKEN_FILE',
          hint: 'Put the token into the file that SHOPYARD_FORGE_TOKEN_FILE names.',
          cause: error,
        },
      );
    }
    if (text !== '') return checkToken(text, 'SHOPYARD_FORGE_TOKEN_FILE');
    throw new PlatformError('forge_denied', `the file of the forge's token, ${file}, is empty`, {
      field: 'SHOPYARD_FORGE_TOKEN_FILE',
      hint: 'Put the token into it.',
    });
  };
}

/** A request that cannot be made of it would quote it in its error. */
function checkToken(token: string, field: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new PlatformError('forge_denied', `${field} holds something else than one token`, {
    field,
    hint: 'A token is one word of letters, digits and signs: leave out everything else.',
  });
}
