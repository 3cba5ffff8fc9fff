/**
 * The token that GitHub gets with each request: a personal one as it was given, or a GitHub App's
 * installation token, which is had for a signed statement of who we are, lives for an hour, and is
 * replaced in time. Tokens are in memory only.
 */
import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../domain/ids.ts';
import { describeError, PlatformError } from '../errors.ts';

export type GithubCredential =
  | { readonly kind: 'token'; readonly read: () => Promise<string> }
  | {
      readonly kind: 'app';
      readonly appId: string;
      /** The App's private key, PEM; asked each time, since it may be replaced. */
      readonly readKey: () => Promise<string>;
      readonly installationId: string;
    };

export type InstallationToken = {
  readonly token: string;
  readonly expiresAt: Date;
  /** What it may do: `contents` → `write`. */
  readonly permissions: Readonly<Record<string, string>>;
};

export type TokenSource = {
  /** One that stays valid for as long as a push may take. */
  get(): Promise<string>;
  /** The App's permissions; null for a personal token, which does not tell. */
  permissions(): Promise<Readonly<Record<string, string>> | null>;
  /** GitHub refused the last one. False: asking for another would be of no use. */
  replace(): boolean;
};

/** A token this close to its end is replaced. */
const RENEW_MS = 5 * 60_000;
/** GitHub takes statements of at most ten minutes; a minute is for clocks that differ. */
const STATEMENT_SECONDS = 9 * 60;
const CLOCK_SKEW_SECONDS = 60;

/** @param exchange asks GitHub for an installation token, showing the App's statement */
export function createTokenSource(
  credential: GithubCredential,
  exchange: (statement: string, installationId: string) => Promise<InstallationToken>,
  clock: Clock,
): TokenSource {
  if (credential.kind === 'token')
    return {
      get: () => credential.read(),
      permissions: () => Promise.resolve(null),
      replace: () => false,
    };
  let current: InstallationToken | null = null;
  let asking: Promise<InstallationToken> | null = null;

  const renew = async (): Promise<InstallationToken> => {
    const key = parseKey(await credential.readKey());
    current = await exchange(
      signStatement(credential.appId, key, clock()),
      credential.installationId,
    );
    return current;
  };
  const obtain = async (): Promise<InstallationToken> => {
    if (current !== null && current.expiresAt.getTime() - clock().getTime() > RENEW_MS)
      return current;
    asking ??= renew().finally(() => {
      asking = null;
    });
    return asking;
  };
  return {
    get: async () => (await obtain()).token,
    permissions: async () => (await obtain()).permissions,
    replace: () => {
      current = null;
      return true;
    },
  };
}

/** A JSON Web Token (RS256) that says which App we are. */
function signStatement(appId: string, key: KeyObject, now: Date): string {
  const at = Math.floor(now.getTime() / 1_000);
  const claims = { iss: appId, iat: at - CLOCK_SKEW_SECONDS, exp: at + STATEMENT_SECONDS };
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const text = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
}

/** Reads an App's private key from its file. */
export function createKeyReader(file: string): () => Promise<string> {
  return async () => {
    try {
      return await readFile(file, 'utf8');
    } catch (error) {
      throw describeUnreadable(describeError(error));
    }
  };
}

function parseKey(text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    // What is wrong with it may quote it.
    throw describeUnreadable('it is no private key');
  }
}

function describeUnreadable(why: string): PlatformError {
  return new PlatformError('forge_denied', `the GitHub App’s private key cannot be read: ${why}`, {
    field: 'SHOPYARD_GITHUB_APP_KEY_FILE',
    hint: 'Name the file that GitHub gave when the key was made (PEM), readable by this process.',
  });
}
