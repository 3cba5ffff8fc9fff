/** The portal's pages, in the API's process or in one apart. */
import { PlatformError } from '../errors.ts';
import { loadPortal, PORTAL_BUILD, type PortalMount } from '../http/portal.ts';
import { refuseTrouble, type Shared } from './shared.ts';

/** How long the API may take to say that it is there, in milliseconds. */
const API_MS = 1_500;

/**
 * Opens the built portal; null when it has not been built and the API is of use without it.
 * @param secret by which the API believes what the portal says of its visitors
 */
export async function openPortal(shared: Shared, secret: string): Promise<PortalMount | null> {
  const { config, logger, probes } = shared;
  const isAlone = !config.parts.has('api');
  const here = `http://${nameLocally(config.HOST)}:${String(config.PORT)}`;
  const apiUrl = isAlone ? (config.SHOPYARD_API_URL ?? here) : here;
  const portal = await loadPortal({
    folder: PORTAL_BUILD,
    publicUrl: config.SHOPYARD_PUBLIC_URL,
    apiUrl,
    secret,
  });
  if (portal === null && isAlone)
    throw new PlatformError('portal_missing', 'The portal has not been built.', {
      hint: 'Run: npm run build -w portal',
    });
  if (portal === null) logger.warn('the portal has not been built: npm run build -w portal');
  if (isAlone) probes.push({ name: 'api', vital: false, check: () => checkApi(apiUrl) });
  return portal;
}

/** A page that says that something is wrong is of more use than none: not vital. */
async function checkApi(apiUrl: string): Promise<void> {
  const response = await fetch(`${apiUrl}/healthz`, { signal: AbortSignal.timeout(API_MS) }).catch(
    () => null,
  );
  await response?.body?.cancel();
  refuseTrouble(response?.ok === true ? null : `The API does not answer at ${apiUrl}.`);
}

/** Where this process reaches what it listens on. */
function nameLocally(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
}
