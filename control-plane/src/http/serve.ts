/** Listening, and stopping so that nobody is cut off in the middle of an answer. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { prepareClosing } from '../closing.ts';
import { PlatformError, describeError } from '../errors.ts';

export type Listener = {
  readonly server: Server;
  readonly port: number;
  /** Takes no more, lets running requests end, then closes what is left. */
  close(): Promise<void>;
};

/** How long running requests get to end, in milliseconds. */
const GRACE_MS = 1500;

/**
 * Serves requests at an address. Throws `port_taken` or `listen_failed`.
 * @param options.port 0 picks a free one
 */
export async function listen(
  handle: RequestListener,
  options: { readonly host: string; readonly port: number },
): Promise<Listener> {
  const server = createServer(
    { requestTimeout: 30_000, headersTimeout: 15_000, keepAliveTimeout: 65_000 },
    handle,
  );
  const closing = prepareClosing(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(explain(error, options)));
    server.listen(options.port, options.host, resolve);
  });
  return {
    server,
    port: (server.address() as AddressInfo).port,
    close: () => closing.close(GRACE_MS),
  };
}

function explain(error: NodeJS.ErrnoException, at: { host: string; port: number }): PlatformError {
  if (error.code === 'EADDRINUSE')
    return new PlatformError('port_taken', `Port ${at.port} on ${at.host} is taken.`, {
      hint: 'Set PORT to a free one, or stop what listens there.',
      field: 'PORT',
      cause: error,
    });
  return new PlatformError(
    'listen_failed',
    `${at.host}:${at.port} cannot be listened on: ${describeError(error)}`,
    { field: 'PORT', cause: error },
  );
}
