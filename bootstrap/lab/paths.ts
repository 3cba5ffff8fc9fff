/**
 * Where the lab keeps things. The cache (built programs, images) survives `lab:down`; the lab
 * folder (all run state) does not. Both lie outside the checkout.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export interface LabPaths {
  readonly cache: string;
  readonly bin: string;
  readonly images: string;
  readonly lab: string;
}

/** Folders of the lab, from the environment (see README.md for the settings' names). */
export function resolveLabPaths(env: NodeJS.ProcessEnv): LabPaths {
  const cache = resolve(
    env.SHOPYARD_CACHE_DIR ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'shopyard'),
  );
  const lab = resolve(env.SHOPYARD_LAB_DIR ?? join(resolveState(env), 'lab'));
  return { cache, bin: join(cache, 'bin'), images: join(cache, 'images'), lab };
}

/** What bootstrap/kind keeps on this machine: kubeconfigs, passwords, connection. */
export function resolveKindFolder(env: NodeJS.ProcessEnv): string {
  return resolve(env.SHOPYARD_KIND_DIR ?? join(resolveState(env), 'kind'));
}

function resolveState(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'shopyard');
}
