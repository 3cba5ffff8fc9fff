/**
 * The part of the Kubernetes API that the control plane reads, over plain HTTP on loopback: get, list
 * and watch of a few kinds, and pod logs. Beside it Argo CD's webhook, and the switch for faults.
 * Everything but the webhook (it is signed) wants the token of the kubeconfig.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FAULTS, isFault, type Faults } from './faults.ts';
import { LOG_FIELD, type KubeObject, type ObjectTable, type TableEvent } from './table.ts';

export type ApiServerOptions = {
  readonly table: ObjectTable;
  readonly faults: Faults;
  readonly token: string;
  readonly webhookSecret: string;
  readonly port: number;
  /** Somebody pushed to the repository. */
  readonly onPush: () => void;
  /** How often an idle watch is told the newest version; a real API server does each minute. */
  readonly bookmarkMs?: number;
};

export type ApiServer = { readonly url: string; stop(): Promise<void> };

type Verb = 'get' | 'list' | 'watch';

/** What the observer's role lets it read (bootstrap/access/observer.yaml), by path of the collection. */
const COLLECTIONS: readonly {
  readonly path: RegExp;
  readonly kind: string;
  readonly verbs: readonly Verb[];
}[] = [
  collect('apis/argoproj.io/v1alpha1', 'applications', 'Application', ['get', 'list', 'watch']),
  collect('apis/argoproj.io/v1alpha1', 'appprojects', 'AppProject', ['get', 'list', 'watch']),
  collect('apis/batch/v1', 'jobs', 'Job', ['get', 'list']),
  collect('api/v1', 'pods', 'Pod', ['get', 'list']),
  collect('api/v1', 'events', 'Event', ['get', 'list']),
  collect('api/v1', 'persistentvolumeclaims', 'PersistentVolumeClaim', ['get', 'list']),
  collect('api/v1', 'resourcequotas', 'ResourceQuota', ['get', 'list']),
  collect('api/v1', 'configmaps', 'ConfigMap', ['get']),
  { path: /^\/api\/v1\/namespaces$/, kind: 'Namespace', verbs: ['get'] },
];

function collect(api: string, plural: string, kind: string, verbs: readonly Verb[]) {
  return { path: new RegExp(`^/${api}/namespaces/[^/]+/${plural}$`), kind, verbs };
}

/** A Role of the store's namespace lets these two be read: there is none before the namespace. */
const SECRET = /^\/api\/v1\/namespaces\/(?<namespace>[^/]+)\/secrets\/store-(admin|api)$/;
const LOG = /^(?<pods>\/api\/v1\/namespaces\/[^/]+\/pods)\/(?<pod>[^/]+)\/log$/;
const FAULT = /^\/practice\/faults\/(?<store>[^/]+)\/(?<fault>[^/]+)$/;
const LONGEST_PUSH = 50 * 1024 * 1024;

/** Starts to listen on loopback. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const server = createServer((request, response) => {
    handle(options, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'InternalError', String(error));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, stop: () => close(server) };
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

async function handle(
  options: ApiServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://practice');
  const path = decodeURIComponent(url.pathname);
  if (path === '/api/webhook') {
    await receivePush(options, request, response);
    return;
  }
  if (!isSame(request.headers.authorization ?? '', `Bearer ${options.token}`)) {
    refuse(response, 401, 'Unauthorized', 'Unauthorized');
    return;
  }
  if (path.startsWith('/practice/')) setFault(options.faults, request.method ?? '', path, response);
  else if (request.method !== 'GET')
    refuse(response, 403, 'Forbidden', 'the practice cluster is changed by git alone');
  else read(options, path, url.searchParams, response);
}

function read(
  options: ApiServerOptions,
  path: string,
  query: URLSearchParams,
  response: ServerResponse,
): void {
  const { table } = options;
  const log = LOG.exec(path)?.groups;
  if (log !== undefined) {
    readLog(table.get(log.pods ?? '', log.pod ?? ''), query, response);
    return;
  }
  const forbid = (): void => {
    refuse(response, 403, 'Forbidden', `${path} is forbidden: the observer may not read it`);
  };
  const collection = COLLECTIONS.find((candidate) => candidate.path.test(path));
  if (collection !== undefined) {
    const verb = query.get('watch') === 'true' ? 'watch' : 'list';
    if (!collection.verbs.includes(verb)) forbid();
    else if (verb === 'watch') watch(options, path, collection.kind, query, response);
    else list(table, path, collection.kind, query, response);
    return;
  }
  const end = path.lastIndexOf('/');
  const parent = path.slice(0, end);
  const name = path.slice(end + 1);
  const owner = SECRET.exec(path)?.groups?.namespace;
  const mayRead =
    owner === undefined
      ? COLLECTIONS.some((candidate) => candidate.path.test(parent))
      : table.get('/api/v1/namespaces', owner) !== undefined;
  const object = table.get(parent, name);
  if (!mayRead) forbid();
  else if (object === undefined) refuse(response, 404, 'NotFound', `"${name}" not found`);
  else answer(response, 200, strip(object));
}

/** One page; the token names the version of the first page and the last name of this one. */
function list(
  table: ObjectTable,
  path: string,
  kind: string,
  query: URLSearchParams,
  response: ServerResponse,
): void {
  const limit = Number(query.get('limit') ?? 0) || Infinity;
  const token = query.get('continue') ?? '';
  const [version = '', after = ''] =
    token === ''
      ? [String(table.version), '']
      : Buffer.from(token, 'base64url').toString().split(' ');
  if (!/^\d+$/.test(version)) {
    refuse(response, 400, 'BadRequest', 'invalid continue token');
    return;
  }
  const objects = table.list(path).filter(({ metadata }) => metadata.name > after);
  const items = objects.slice(0, limit);
  const last = items.at(-1)?.metadata.name ?? '';
  const rest = objects.length - items.length;
  answer(response, 200, {
    apiVersion: path.startsWith('/apis/') ? path.split('/').slice(2, 4).join('/') : 'v1',
    kind: `${kind}List`,
    metadata: {
      resourceVersion: version,
      ...(rest === 0
        ? {}
        : {
            continue: Buffer.from(`${version} ${last}`).toString('base64url'),
            remainingItemCount: rest,
          }),
    },
    items: items.map(strip),
  });
}

function watch(
  options: ApiServerOptions,
  path: string,
  kind: string,
  query: URLSearchParams,
  response: ServerResponse,
): void {
  const { table, bookmarkMs = 60_000 } = options;
  response.writeHead(200, { 'content-type': 'application/json' });
  response.flushHeaders();
  const send = (type: string, object: unknown): void => {
    response.write(`${JSON.stringify({ type, object })}\n`);
  };
  const sendEvent = ({ type, object }: TableEvent): void => send(type, strip(object));
  const asked = Number(query.get('resourceVersion') ?? 0);
  // From nowhere: what there is comes first.
  if (asked === 0) for (const object of table.list(path)) send('ADDED', strip(object));
  const end = table.watch(path, asked === 0 ? table.version : asked, sendEvent);
  if (end === null) {
    send('ERROR', describeStatus(410, 'Expired', `too old resource version: ${asked}`));
    response.end();
    return;
  }
  const bookmark = (): void => {
    const metadata = { resourceVersion: String(table.version) };
    if (query.get('allowWatchBookmarks') === 'true')
      send('BOOKMARK', { apiVersion: apiVersionOf(kind), kind, metadata });
  };
  const seconds = Number(query.get('timeoutSeconds') ?? 0) || 1_800;
  const bookmarks = setInterval(bookmark, bookmarkMs);
  const timeout = setTimeout(() => {
    bookmark();
    response.end();
  }, seconds * 1_000);
  response.on('close', () => {
    end();
    clearInterval(bookmarks);
    clearTimeout(timeout);
  });
}

const apiVersionOf = (kind: string): string =>
  kind === 'Application' || kind === 'AppProject'
    ? 'argoproj.io/v1alpha1'
    : kind === 'Job'
      ? 'batch/v1'
      : 'v1';

function readLog(
  pod: KubeObject | undefined,
  query: URLSearchParams,
  response: ServerResponse,
): void {
  if (pod === undefined) {
    refuse(response, 404, 'NotFound', 'pods not found');
    return;
  }
  const logs = (pod[LOG_FIELD] ?? {}) as Readonly<Record<string, readonly string[]>>;
  const container = query.get('container') ?? Object.keys(logs)[0] ?? '';
  const lines = logs[container];
  if (lines === undefined || query.get('previous') === 'true') {
    refuse(response, 400, 'BadRequest', `container "${container}" in pod is waiting to start`);
    return;
  }
  const wanted = Number(query.get('tailLines') ?? Infinity);
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.end(
    lines
      .slice(-wanted)
      .map((line) => `${line}\n`)
      .join(''),
  );
}

/** Argo CD's own: a push in GitHub's form; a wrong signature is a 400. */
async function receivePush(
  { webhookSecret, onPush }: ApiServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_PUSH) {
      response.writeHead(413).end();
      return;
    }
    chunks.push(chunk);
  }
  const expected = createHmac('sha256', webhookSecret).update(Buffer.concat(chunks)).digest('hex');
  if (!isSame(String(request.headers['x-hub-signature-256'] ?? ''), `sha256=${expected}`)) {
    response.writeHead(400).end('Webhook processing failed: HMAC verification failed');
    return;
  }
  if (request.headers['x-github-event'] === 'push') onPush();
  response.writeHead(200).end();
}

/** `PUT` and `DELETE /practice/faults/<store or *>/<fault>`, `GET /practice/faults`. */
function setFault(faults: Faults, method: string, path: string, response: ServerResponse): void {
  if (method === 'GET' && path === '/practice/faults') {
    answer(response, 200, { faults: faults.list(), known: FAULTS });
    return;
  }
  const { store = '', fault = '' } = FAULT.exec(path)?.groups ?? {};
  if (store === '' || !isFault(fault) || (method !== 'PUT' && method !== 'DELETE')) {
    refuse(
      response,
      404,
      'NotFound',
      `PUT or DELETE /practice/faults/<store>/<${FAULTS.join('|')}>`,
    );
    return;
  }
  if (method === 'PUT') faults.set(store, fault);
  else faults.clear(store, fault);
  answer(response, 200, { faults: faults.list() });
}

function strip(object: KubeObject): KubeObject {
  const { [LOG_FIELD]: log, ...served } = object;
  return log === undefined ? object : served;
}

const describeStatus = (code: number, reason: string, message: string) => ({
  apiVersion: 'v1',
  kind: 'Status',
  status: 'Failure',
  reason,
  message,
  code,
});

function refuse(response: ServerResponse, code: number, reason: string, message: string): void {
  answer(response, code, describeStatus(code, reason, message));
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHmac('sha256', 'same').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
