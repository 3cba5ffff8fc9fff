/**
 * A scripted stand-in for an API server, for faults of the protocol only: cut LISTs, 410s, lost
 * bookmarks, duplicates, late-comers, garbage. It holds a table of objects, counts versions up as a
 * real one does, and misbehaves where a test tells it to. What objects look like and how Argo CD
 * behaves is tested on the real ones in the lab.
 */
import { KubeConfig } from '@kubernetes/client-node';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type ScriptedObject = {
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
};

/** Answers a request instead of the server; false lets the server answer. */
export type Fault = (request: URL, response: ServerResponse) => boolean;

export type ScriptedApiServer = {
  readonly config: KubeConfig;
  /** Makes or changes an object, and tells the watchers. Returns its version. */
  put(path: string, object: ScriptedObject): number;
  /** Removes an object, and tells the watchers. */
  remove(path: string, name: string): void;
  /** Changes the table without a word to the watchers: an event that got lost. */
  putSilently(path: string, object: ScriptedObject): number;
  removeSilently(path: string, name: string): void;
  /** Sends a raw line to the watchers of a collection. */
  send(path: string, line: string): void;
  /** Sends part of a line. */
  sendPiece(path: string, piece: string): void;
  /** Breaks every open watch of a collection. */
  cut(path: string): void;
  /** Ends every open watch of a collection in good order, as its time does. */
  finish(path: string): void;
  /** Becomes another server: empty, its versions lower, and what is open hears nothing of it. */
  replace(): void;
  watchers(path: string): number;
  /** Tried before the server's own answer, the newest first. */
  faults: Fault[];
  /** Requests so far, path and query. */
  readonly requests: string[];
  close(): Promise<void>;
};

export async function startScriptedApiServer(): Promise<ScriptedApiServer> {
  let version = 1000;
  const tables = new Map<string, Map<string, ScriptedObject>>();
  const watches = new Map<string, Set<ServerResponse>>();
  /** What a WATCH that begins at an older version is told first. */
  const history = new Map<string, { readonly version: number; readonly line: string }[]>();
  const requests: string[] = [];
  const faults: Fault[] = [];

  const table = (path: string): Map<string, ScriptedObject> => {
    const known = tables.get(path) ?? new Map<string, ScriptedObject>();
    tables.set(path, known);
    return known;
  };
  const stamp = (object: ScriptedObject): ScriptedObject => {
    version += 1;
    return {
      ...object,
      metadata: {
        uid: `uid-${object.metadata.name}`,
        ...object.metadata,
        resourceVersion: String(version),
      },
    };
  };
  const send = (path: string, line: string): void => {
    for (const response of watches.get(path) ?? []) response.write(`${line}\n`);
  };

  const tell = (path: string, type: string, object: ScriptedObject): void => {
    const line = JSON.stringify({ type, object });
    history.set(path, [...(history.get(path) ?? []), { version, line }]);
    send(path, line);
  };

  const list = (path: string, url: URL, response: ServerResponse): void => {
    const limit = Number(url.searchParams.get('limit') ?? 500);
    const [snapshot = String(version), offset = '0'] = (
      url.searchParams.get('continue') ?? `${version}:0`
    ).split(':');
    const objects = [...table(path).values()];
    const end = Number(offset) + limit;
    answer(response, 200, {
      kind: 'List',
      metadata: {
        resourceVersion: snapshot,
        ...(end < objects.length ? { continue: `${snapshot}:${end}` } : {}),
      },
      items: objects.slice(Number(offset), end),
    });
  };

  const watch = (path: string, from: number, response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const past of history.get(path) ?? [])
      if (past.version > from) response.write(`${past.line}\n`);
    const open = watches.get(path) ?? new Set();
    watches.set(path, open.add(response));
    response.on('close', () => open.delete(response));
  };

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'http://scripted');
    requests.push(url.pathname + url.search);
    for (const fault of [...faults].reverse()) if (fault(url, response)) return;
    const single = /^(.*)\/([^/]+)$/.exec(url.pathname);
    if (tables.has(url.pathname)) {
      if (url.searchParams.get('watch') === 'true')
        watch(url.pathname, Number(url.searchParams.get('resourceVersion')), response);
      else list(url.pathname, url, response);
      return;
    }
    const object = tables.get(single?.[1] ?? '')?.get(single?.[2] ?? '');
    if (object === undefined)
      answer(response, 404, { kind: 'Status', reason: 'NotFound', code: 404 });
    else answer(response, 200, object);
  };

  const server = createServer(handle);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'scripted', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: 'observer', token: 'scripted' },
  );

  return {
    config,
    put(path, object) {
      const isNew = !table(path).has(object.metadata.name);
      const stamped = stamp(object);
      table(path).set(object.metadata.name, stamped);
      tell(path, isNew ? 'ADDED' : 'MODIFIED', stamped);
      return version;
    },
    remove(path, name) {
      const object = table(path).get(name);
      if (object === undefined) return;
      table(path).delete(name);
      tell(path, 'DELETED', stamp(object));
    },
    putSilently(path, object) {
      table(path).set(object.metadata.name, stamp(object));
      return version;
    },
    removeSilently(path, name) {
      version += 1;
      table(path).delete(name);
    },
    send,
    sendPiece(path, piece) {
      for (const response of watches.get(path) ?? []) response.write(piece);
    },
    cut(path) {
      for (const response of watches.get(path) ?? []) response.destroy();
    },
    finish(path) {
      for (const response of watches.get(path) ?? []) response.end();
      watches.get(path)?.clear();
    },
    replace() {
      version = 10;
      history.clear();
      for (const objects of tables.values()) objects.clear();
    },
    watchers: (path) => watches.get(path)?.size ?? 0,
    faults,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** A fault that answers requests which match, a number of times. */
export function failTimes(
  times: number,
  matches: (request: URL) => boolean,
  act: (response: ServerResponse, request: URL) => void,
): Fault {
  let left = times;
  return (request, response) => {
    if (left === 0 || !matches(request)) return false;
    left -= 1;
    act(response, request);
    return true;
  };
}

export const isWatch = (request: URL): boolean => request.searchParams.get('watch') === 'true';
export const isList = (request: URL): boolean => request.searchParams.has('limit');
