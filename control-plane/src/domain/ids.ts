/** What the rest takes instead of a clock and chance of its own: tests hand in others. */
import { createHash, randomBytes, randomInt } from 'node:crypto';

export type Clock = () => Date;

/** Makers of ids. Each call gives a new one; every id is safe in a URL, a file name and a label. */
export type Ids = {
  /** `st_` and 16 characters. */
  readonly store: () => string;
  /** `op_` and 16 characters. */
  readonly operation: () => string;
  /** Six characters, the first a letter: all tenants' ids have the same length. */
  readonly tenant: () => string;
  /** `tok_` and 16 characters: a token's public name, not the token. */
  readonly token: () => string;
  /** `req_` and 16 characters. */
  readonly request: () => string;
  /** The prefix and 16 characters: people, sessions and what belongs to them. */
  readonly account: (prefix: string) => string;
};

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

function pick(length: number): string {
  return spell(randomBytes(length));
}

function spell(bytes: Uint8Array): string {
  let text = '';
  // 256 is a multiple of 32: every character is as likely as the next.
  for (const byte of bytes) text += ALPHABET.charAt(byte & 31);
  return text;
}

/**
 * The ids that a request with this Idempotency-Key makes: whoever asks beforehand what a request
 * would commit is told the very ids.
 */
export function deriveIds(key: { readonly tenantId: string; readonly key: string }): {
  readonly store: string;
  readonly operation: string;
} {
  const derive = (what: string): string =>
    spell(
      createHash('sha256')
        .update(JSON.stringify([what, key.tenantId, key.key]))
        .digest(),
    ).slice(0, 16);
  return { store: `st_${derive('store')}`, operation: `op_${derive('operation')}` };
}

/** Ids from the system's randomness: 80 bits, a tenant's close to 30. */
export function createIds(): Ids {
  return {
    store: () => `st_${pick(16)}`,
    operation: () => `op_${pick(16)}`,
    tenant: () => ALPHABET.charAt(randomInt(26)) + pick(5),
    token: () => `tok_${pick(16)}`,
    request: () => `req_${pick(16)}`,
    account: (prefix) => `${prefix}_${pick(16)}`,
  };
}
