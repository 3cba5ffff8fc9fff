/**
 * The way to one API server: a kubeconfig's address and credentials, HTTP GET only. Nothing in this
 * module can write to a cluster.
 */
import { KubeConfig } from '@kubernetes/client-node';
import { stat } from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { PlatformError, describeError } from '../errors.ts';
import { findCredentialEnd } from './credential.ts';

export type ClusterAnswer = {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: http.IncomingMessage;
  /** How many kubeconfigs came before the one it was asked by: each may lead to another server. */
  readonly exchanges: number;
};

export type ClusterConnection = {
  /**
   * Sends one GET and resolves when the headers are here; the caller reads or destroys the body.
   * @param path with its query
   * @param signal ends the request, and the body after it
   */
  get(path: string, signal: AbortSignal): Promise<ClusterAnswer>;
  /**
   * When the credential that is shown now ends; null: it does not, or rotates by itself. Asks nobody.
   * @throws when it cannot be read
   */
  credentialEnd(): Promise<Date | null>;
  close(): void;
};

/** Connects by a kubeconfig file, or, without one, by the pod's own ServiceAccount. */
export function connectCluster(kubeconfig: string | null): ClusterConnection {
  const config = new KubeConfig();
  try {
    if (kubeconfig === null) config.loadFromCluster();
    else config.loadFromFile(kubeconfig);
  } catch (error) {
    throw new PlatformError(
      'kubeconfig_unreadable',
      `The kubeconfig ${kubeconfig ?? 'of this pod'} cannot be read: ${describeError(error).split('\n')[0] ?? ''}.`,
      {
        hint: 'Give the path of a kubeconfig file that this user may read.',
        field: 'SHOPYARD_CLUSTER',
        cause: error,
      },
    );
  }
  return connect(config, kubeconfig ?? undefined);
}

/**
 * Connects at the first question. A kubeconfig that cannot be read fails the question, not its owner;
 * one that was replaced is read anew.
 * @param kubeconfig null: the pod's own ServiceAccount
 */
export function connectLater(kubeconfig: string | null): ClusterConnection {
  type Known = {
    readonly print: string;
    readonly connection: ClusterConnection;
    readonly exchanges: number;
  };
  let known: Known | null = null;
  let isClosed = false;
  const open = async (): Promise<Known> => {
    const print = kubeconfig === null ? '' : await describeFile(kubeconfig);
    if (known?.print === print) return known;
    const connection = connectCluster(kubeconfig);
    known?.connection.close();
    known = { print, connection, exchanges: known === null ? 0 : known.exchanges + 1 };
    return known;
  };
  return {
    async get(path, signal) {
      const { connection, exchanges } = await open();
      signal.throwIfAborted();
      if (isClosed) throw new Error('the connection is closed');
      return { ...(await connection.get(path, signal)), exchanges };
    },
    async credentialEnd() {
      return (await open()).connection.credentialEnd();
    },
    close() {
      isClosed = true;
      known?.connection.close();
    },
  };
}

/** Another print, another content; '' while there is no such file: reading it then says so. */
async function describeFile(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  return found === null ? '' : `${found.ino} ${found.mtimeMs} ${found.size}`;
}

/**
 * Connects by a KubeConfig made elsewhere.
 * @param path its file, for messages
 */
export function connect(config: KubeConfig, path?: string): ClusterConnection {
  const cluster = config.getCurrentCluster();
  const named = path === undefined ? 'The kubeconfig' : `The kubeconfig ${path}`;
  if (cluster === null)
    throw new PlatformError('kubeconfig_unreadable', `${named} names no current cluster.`, {
      hint: 'Set its current-context.',
      field: 'SHOPYARD_CLUSTER',
    });
  const base = URL.parse(cluster.server);
  if (base === null || !['http:', 'https:'].includes(base.protocol))
    throw new PlatformError(
      'kubeconfig_unreadable',
      `${named} has no address of an API server in its current cluster (${cluster.server}).`,
      { field: 'SHOPYARD_CLUSTER' },
    );
  const secure = base.protocol === 'https:';
  const prefix = base.pathname.replace(/\/$/, '');
  let agent: { readonly key: string; readonly agent: http.Agent } | null = null;

  /** One keep-alive agent for as long as the client certificate stays the same. */
  const keepAgent = (options: https.RequestOptions): http.Agent => {
    const { ca, cert, key: secret, rejectUnauthorized, servername } = options;
    const key = [ca, cert, secret].map((part) => JSON.stringify(part ?? null)).join();
    if (agent?.key === key) return agent.agent;
    agent?.agent.destroy();
    const shared = { keepAlive: true, keepAliveMsecs: 15_000 };
    const made = secure
      ? new https.Agent({
          ...shared,
          ...(ca === undefined ? {} : { ca }),
          ...(cert === undefined ? {} : { cert }),
          ...(secret === undefined ? {} : { key: secret }),
          ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
          ...(servername === undefined ? {} : { servername }),
        })
      : new http.Agent(shared);
    agent = { key, agent: made };
    return made;
  };

  return {
    async get(path, signal) {
      const options: https.RequestOptions = {};
      // Reads token and certificate files again when they have rotated.
      await config.applyToHTTPSOptions(options);
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<ClusterAnswer>();
      const send = (): void => {
        let isAnswered = false;
        const request = (secure ? https : http).request(
          {
            host: base.hostname.replace(/^\[|\]$/g, ''),
            port: base.port === '' ? (secure ? 443 : 80) : Number(base.port),
            path: prefix + path,
            method: 'GET',
            headers: {
              ...(options.headers as http.OutgoingHttpHeaders),
              accept: 'application/json',
            },
            ...(options.auth === undefined ? {} : { auth: options.auth }),
            agent:
              cluster.proxyUrl === undefined || options.agent === undefined
                ? keepAgent(options)
                : options.agent,
            signal,
          },
          (body) => {
            isAnswered = true;
            resolve({ status: body.statusCode ?? 0, headers: body.headers, body, exchanges: 0 });
          },
        );
        request.on('error', (error: NodeJS.ErrnoException) => {
          // The server closed an idle connection just as this question took it: nobody read it.
          const wasIdle = request.reusedSocket && error.code === 'ECONNRESET';
          if (wasIdle && !isAnswered && !signal.aborted) send();
          else reject(error);
        });
        // A connection that died without a word is found out while nothing arrives.
        request.on('socket', (socket) => socket.setKeepAlive(true, 15_000));
        request.end();
      };
      send();
      return promise;
    },
    credentialEnd() {
      const user = config.getCurrentUser();
      return user === null ? Promise.resolve(null) : findCredentialEnd(user);
    },
    close() {
      agent?.agent.destroy();
    },
  };
}

/** Reads a whole body. @throws what the connection died of, or when it is longer than allowed */
export async function readBody(body: http.IncomingMessage, atMost: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > atMost) {
      body.destroy();
      throw new Error(`the answer is longer than ${atMost} bytes`);
    }
    chunks.push(chunk);
  }
  // A body cut short ends quietly on some paths.
  if (!body.complete) throw new Error('the answer was cut short');
  return Buffer.concat(chunks, length).toString('utf8');
}
