/**
 * What makes this one store's storefront, read from the environment at each request: the image is
 * built once for all stores.
 */
import { readFileSync } from 'node:fs';

export interface Settings {
  readonly backendUrl: string;
  readonly publishableKey: string;
  readonly storeName: string;
  /** Whether visitors come by HTTPS: then the cart's cookie travels over nothing else. */
  readonly isSecure: boolean;
}

/** Reads the store's settings; throws when the key's file is missing. */
export function readSettings(): Settings {
  const { env } = process;
  const keyFile = env.PUBLISHABLE_KEY_FILE ?? '/secrets/api-public/publishable_key';
  return {
    backendUrl: env.BACKEND_URL ?? 'http://backend:9000',
    // The file is a Secret's, there at run time only: no part of the build.
    publishableKey: readFileSync(/* turbopackIgnore: true */ keyFile, 'utf8').trim(),
    storeName: readStoreName(),
    isSecure: env.STORE_URL?.startsWith('https://') ?? false,
  };
}

/** The store's name, which needs no secret. */
export function readStoreName(): string {
  const name = process.env.STORE_NAME;
  return name === undefined || name === '' ? 'Shop' : name;
}
