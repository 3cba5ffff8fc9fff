/**
 * A stand-in for Loki, where a real one cannot be had: its HTTP API as Grafana documents it for
 * `push` (JSON), `series` and `query_range`, of which selectors of whole values are understood and
 * everything else is refused as Loki does (400, in plain text). Tenants are apart by X-Scope-OrgID;
 * a credential is asked for as the gateway in front of it would. The contract of archives holds it
 * to the real one, where SHOPYARD_TEST_LOKI_URL names one.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

type Labels = Readonly<Record<string, string>>;
type Entry = { readonly at: bigint; readonly line: string };
type Stream = { readonly labels: Labels; readonly entries: Entry[] };

export type LokiStandIn = {
  readonly url: string;
  /** Path and query of each question so far. */
  readonly asked: string[];
  /** What questions must carry as Authorization; null: nothing. */
  authorization: string | null;
  /** Answers instead of it; false: it answers itself. */
  fault: (request: IncomingMessage, response: ServerResponse) => boolean;
  close(): Promise<void>;
};

type Fault = LokiStandIn['fault'];

export async function startLokiStandIn(): Promise<LokiStandIn> {
  const tenants = new Map<string, Map<string, Stream>>();
  const asked: string[] = [];
  const standIn = {
    asked,
    authorization: null as string | null,
    fault: (() => false) as Fault,
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const url = new URL(request.url ?? '/', 'http://loki');
    asked.push(url.pathname + url.search);
    if (standIn.fault(request, response)) return;
    const { authorization } = standIn;
    if (authorization !== null && request.headers.authorization !== authorization) {
      refuse(response, 401, 'unauthorized');
      return;
    }
    const tenant = request.headers['x-scope-orgid'];
    if (typeof tenant !== 'string' || tenant === '') {
      refuse(response, 401, 'no org id');
      return;
    }
    const streams = tenants.get(tenant) ?? new Map<string, Stream>();
    tenants.set(tenant, streams);
    const answer = route(streams, `${request.method ?? ''} ${url.pathname}`, url, body);
    if (answer === 'pushed') response.writeHead(204).end();
    else if (typeof answer === 'string') refuse(response, 400, answer);
    else if (answer === null) refuse(response, 404, '404 page not found');
    else
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  };

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      refuse(response, 500, String(error));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(standIn, {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
}

/** A string is what is wrong with the question; null: there is no such path. */
function route(
  streams: Map<string, Stream>,
  path: string,
  url: URL,
  body: string,
): object | string | null {
  const query = url.searchParams;
  switch (path) {
    case 'POST /loki/api/v1/push':
      push(streams, body);
      return 'pushed';
    case 'GET /loki/api/v1/series':
      return listSeries(streams, query);
    case 'GET /loki/api/v1/query_range':
      return readRange(streams, query);
    default:
      return null;
  }
}

function push(streams: Map<string, Stream>, body: string): void {
  const pushed = JSON.parse(body) as {
    streams: { stream: Labels; values: [string, string][] }[];
  };
  for (const { stream: labels, values } of pushed.streams) {
    const key = JSON.stringify(Object.entries(labels).sort());
    const stream = streams.get(key) ?? { labels, entries: [] };
    streams.set(key, stream);
    stream.entries.push(...values.map(([at, line]) => ({ at: BigInt(at), line })));
  }
}

function listSeries(streams: Map<string, Stream>, query: URLSearchParams): object | string {
  const matchers = query.getAll('match[]').map(parseSelector);
  if (matchers.length === 0) return '0 matcher groups found';
  const within = readPeriod(query);
  const data: Labels[] = [];
  for (const { labels, entries } of streams.values()) {
    if (!entries.some(within)) continue;
    for (const matcher of matchers) {
      if (typeof matcher === 'string') return matcher;
      if (isSelected(labels, matcher)) data.push(labels);
    }
  }
  return { status: 'success', data };
}

function readRange(streams: Map<string, Stream>, query: URLSearchParams): object | string {
  const matcher = parseSelector(query.get('query') ?? '');
  if (typeof matcher === 'string') return matcher;
  const limit = Number(query.get('limit') ?? 100);
  if (limit > 5000)
    return `max entries limit per query exceeded, limit > max_entries_limit_per_query (${limit} > 5000)`;
  const within = readPeriod(query);
  const isBackward = (query.get('direction') ?? 'backward') === 'backward';
  const found = [...streams.values()]
    .filter(({ labels }) => isSelected(labels, matcher))
    .flatMap((stream) => stream.entries.filter(within).map((entry) => ({ stream, entry })))
    .sort((a, b) => Number(a.entry.at - b.entry.at) * (isBackward ? -1 : 1))
    .slice(0, limit);
  const result = new Map<Stream, { stream: Labels; values: [string, string][] }>();
  for (const { stream, entry } of found) {
    const part = result.get(stream) ?? { stream: stream.labels, values: [] };
    result.set(stream, part);
    part.values.push([String(entry.at), entry.line]);
  }
  return {
    status: 'success',
    data: { resultType: 'streams', result: [...result.values()], stats: {} },
  };
}

/** The start is part of the period, the end is not. */
function readPeriod(query: URLSearchParams): (entry: Entry) => boolean {
  const now = BigInt(Date.now()) * 1_000_000n;
  const end = BigInt(query.get('end') ?? now);
  const start = BigInt(query.get('start') ?? end - 3_600_000_000_000n);
  return ({ at }) => at >= start && at < end;
}

/** Its labels, or what Loki says of a selector that is none. */
function parseSelector(selector: string): Labels | string {
  const matcher = /([a-zA-Z_][a-zA-Z0-9_]*)=("(?:[^"\\\n]|\\.)*")/y;
  const labels: Record<string, string> = {};
  let at = 1;
  for (;;) {
    matcher.lastIndex = at;
    const [whole, name, value] = matcher.exec(selector) ?? [];
    if (whole === undefined || name === undefined || value === undefined) break;
    labels[name] = JSON.parse(value) as string;
    at += whole.length;
    if (selector[at] !== ',') break;
    at += 1;
  }
  if (!selector.startsWith('{') || selector.slice(at) !== '}')
    return `parse error at line 1, col ${at}: syntax error: unexpected character`;
  return Object.values(labels).some((value) => value !== '')
    ? labels
    : 'queries require at least one regexp or equality matcher that does not have an empty-compatible value';
}

function isSelected(labels: Labels, matcher: Labels): boolean {
  return Object.entries(matcher).every(([name, value]) => (labels[name] ?? '') === value);
}
