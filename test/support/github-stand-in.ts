/**
 * A stand-in for GitHub, of which no real one can be had in tests: the adapter's REST and GraphQL
 * requests and git over smart HTTP, on one real bare repository.
 *
 * It is held to GitHub by what GitHub publishes: answers are made from GitHub's examples and checked
 * against its OpenAPI schemas, and so is what is asked; GraphQL is run by graphql-js on GitHub's
 * schema. What it refuses (limits, permissions, branch protection, mergeability that comes late) it
 * refuses with GitHub's documented statuses, headers and words. What does not fit is listed in
 * `problems`, which tests expect to be empty. Its paths are laid out as an Enterprise Server's:
 * /api/v3, /api/graphql, /<owner>/<name>.git.
 */
import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { GitProcesses } from '../../control-plane/src/forge/git-processes.ts';
import { serveByBackend } from '../../control-plane/src/forge/http-backend.ts';
import { checkAnswer, takeExample, type Json } from './github-schemas.ts';
import { serveGraphql } from './github-stand-in-graphql.ts';
import { createStandInLimits, type StandInLimits } from './github-stand-in-limits.ts';
import { createStandInPulls } from './github-stand-in-pulls.ts';
import { createStandInRepository } from './github-stand-in-repository.ts';
import {
  refuse,
  serveRest,
  type Answer,
  type Permissions,
  type StandInWorld,
} from './github-stand-in-rest.ts';

export const ALL_PERMISSIONS: Permissions = {
  metadata: 'read',
  contents: 'write',
  pull_requests: 'write',
};

/** The personal token that may do all that is needed. */
export const RIGHT_TOKEN = 'ghp_thisTokenMayWriteToTheRepository0001';

type StandInApp = {
  readonly id: string;
  readonly installationId: string;
  /** PEM. */
  readonly publicKey: string;
  permissions: Permissions;
};

export type GithubStandIn = AsyncDisposable & {
  /** The repository's address. */
  readonly url: string;
  readonly world: StandInWorld;
  readonly limits: StandInLimits;
  /** Personal tokens and what they may do. */
  readonly tokens: Map<string, Permissions>;
  /** Installation tokens that were handed out, oldest first. */
  readonly issued: readonly string[];
  /** What was asked, as `GET /repos/shops/cluster 200`. */
  readonly requests: readonly string[];
  /** What GitHub's published schemas do not know. */
  readonly problems: readonly string[];
  /** Take over the next requests, one each: failures of a network, or of GitHub. */
  readonly interruptions: ((request: IncomingMessage, response: ServerResponse) => void)[];
  /** The stand-in's time, and its client's: waiting passes it. */
  readonly clock: () => Date;
  readonly sleep: (ms: number) => Promise<void>;
  /** Called when somebody waits. */
  onSleep: (ms: number) => void;
  /** What was waited for in all, in milliseconds. */
  readonly waited: () => number;
};

const MAIN = 'main';
const INSTALLATION_TOKEN_MS = 3_600_000;
const STATEMENT_MS = 600_000;

export async function startGithubStandIn(
  options: { readonly owner?: string; readonly name?: string; readonly app?: StandInApp } = {},
): Promise<GithubStandIn> {
  const { owner = 'shops', name = 'cluster', app = null } = options;
  const folder = mkdtempSync(join(tmpdir(), 'shopyard-github-'));
  const repository = createStandInRepository(join(folder, `${name}.git`), MAIN);
  const processes = new GitProcesses(folder, repository.dir);
  const startedAt = Date.now();
  let waited = 0;
  const now = () => startedAt + waited;
  const limits = createStandInLimits(now);
  const tokens = new Map([[RIGHT_TOKEN, ALL_PERMISSIONS]]);
  const installations = new Map<string, number>();
  const requests: string[] = [];
  const problems: string[] = [];
  const interruptions: GithubStandIn['interruptions'] = [];
  const problem = (what: string) => void problems.push(what);

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://stand-in');
    response.once('close', () =>
      requests.push(
        `${request.method ?? ''} ${url.pathname.replace('/api/v3', '')} ${String(response.statusCode)}`,
      ),
    );
    const serve = url.pathname.startsWith('/api/') ? serveApi : serveGit;
    serve(request, response, url).catch((error: unknown) => {
      problem(String(error));
      response.destroy();
    });
  });
  // Git's plumbing holds this process up now and then.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it has no port');
  const origin = `http://127.0.0.1:${String(address.port)}`;
  const world: StandInWorld = {
    owner,
    name,
    main: MAIN,
    origin,
    repository,
    pulls: createStandInPulls(repository, { owner, name, main: MAIN, url: origin }),
    rules: { signed: false, pullRequests: false, approvals: 0 },
    isArchived: false,
    mergeMethods: ['merge', 'squash', 'rebase'],
  };

  /** null: nobody GitHub knows. */
  function identify(token: string): Permissions | null {
    const until = installations.get(token);
    if (until !== undefined) return until > now() ? (app?.permissions ?? null) : null;
    return tokens.get(token) ?? null;
  }

  async function serveApi(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
  ): Promise<void> {
    const interrupt = interruptions.shift();
    if (interrupt !== undefined) {
      interrupt(request, response);
      return;
    }
    const text = (await buffer(request)).toString('utf8');
    const body = text === '' ? null : (JSON.parse(text) as Json);
    send(response, await answerApi(request, url, body));
  }

  async function answerApi(request: IncomingMessage, url: URL, body: Json | null): Promise<Answer> {
    const method = request.method ?? 'GET';
    const shown = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const installation = /^\/api\/v3\/app\/installations\/(\d+)\/access_tokens$/.exec(url.pathname);
    if (installation !== null) return issueToken(shown, installation[1] ?? '');
    const permissions = identify(shown);
    if (permissions === null) return refuse(401, 'Bad credentials');
    const isQuery = method === 'GET';
    const limited = limits.request(!isQuery);
    if (limited !== null) {
      const { status, message, headers } = limited;
      return { ...refuse(status, message), headers };
    }
    if (url.pathname === '/api/graphql') {
      const { query = '', variables = {} } = (body ?? {}) as { query?: string; variables?: Json };
      return {
        status: 200,
        body: await serveGraphql(world, { query, variables, permissions }, problem),
      };
    }
    if (world.isArchived && !isQuery)
      return refuse(403, 'Repository was archived so is read-only.');
    const path = url.pathname
      .replace('/api/v3', '')
      .replace(/^\/repositories\/1\//, `/repos/${owner}/${name}/`);
    return serveRest(world, { method, path, query: url.searchParams, body, permissions }, problem);
  }

  function send(response: ServerResponse, answer: Answer): void {
    response.writeHead(answer.status, {
      ...(answer.body === null ? {} : { 'content-type': 'application/json; charset=utf-8' }),
      ...limits.headers(),
      ...answer.headers,
    });
    response.end(answer.body === null ? undefined : JSON.stringify(answer.body));
  }

  function issueToken(statement: string, installationId: string): Answer {
    const path = '/app/installations/{installation_id}/access_tokens';
    const wrong = app === null ? 'there is no App' : checkStatement(statement, app, now());
    if (wrong !== null) return refuse(401, wrong);
    if (app === null || installationId !== app.installationId) return refuse(404, 'Not Found');
    const token = `ghs_${randomBytes(18).toString('hex')}`;
    installations.set(token, now() + INSTALLATION_TOKEN_MS);
    const body = {
      ...takeExample('installation-token'),
      token,
      expires_at: new Date(now() + INSTALLATION_TOKEN_MS).toISOString(),
      permissions: app.permissions,
    };
    const unfit = checkAnswer(path, 'POST', 201, body);
    if (unfit !== null) problem(`${path} answers: ${unfit}`);
    return { status: 201, body };
  }

  async function serveGit(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
  ): Promise<void> {
    const end = (status: number, text: string, headers: Record<string, string> = {}) => {
      request.resume();
      response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(text);
    };
    const page = /^\/([^/]+)\/([^/]+)\/(commit|pull)\/(\w+)$/.exec(url.pathname);
    if (page !== null) {
      const [, ofOwner, ofName, kind, id = ''] = page;
      const isThere =
        kind === 'commit' ? repository.has(id, '') : world.pulls.find(Number(id)) !== null;
      end(ofOwner === owner && ofName === name && isThere ? 200 : 404, '');
      return;
    }
    const basic = /^Basic (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const [, password = ''] = /^[^:]+:(.*)$/.exec(
      Buffer.from(basic, 'base64').toString('utf8'),
    ) ?? [''];
    const permissions = identify(password);
    if (permissions === null) {
      end(401, 'Invalid username or token.', { 'www-authenticate': 'Basic realm="GitHub"' });
      return;
    }
    const inside = url.pathname.slice(`/${owner}/${name}.git`.length);
    if (
      url.pathname !== `/${owner}/${name}.git${inside}` ||
      permissions['contents'] === undefined
    ) {
      end(404, 'Repository not found.');
      return;
    }
    const isPush =
      inside === '/git-receive-pack' || url.searchParams.get('service') === 'git-receive-pack';
    if (isPush && (permissions['contents'] !== 'write' || world.isArchived)) {
      end(403, `Permission to ${owner}/${name}.git denied.`);
      return;
    }
    if (inside === '/git-receive-pack') {
      const limited = limits.push();
      if (limited !== null) {
        end(limited.status, limited.message, { ...limited.headers });
        return;
      }
      repository.setRules(world.rules);
    }
    await serveByBackend(processes, {
      request,
      response,
      path: `/${name}.git${inside}`,
      query: url.search.slice(1),
      user: 'git',
      root: folder,
      head: Buffer.alloc(0),
      body: request,
      signal: AbortSignal.timeout(60_000),
      warn: () => undefined,
    });
    if (inside === '/git-receive-pack') world.pulls.sync();
  }

  const self: GithubStandIn = {
    url: `${origin}/${owner}/${name}.git`,
    world,
    limits,
    tokens,
    get issued() {
      return [...installations.keys()];
    },
    requests,
    problems,
    interruptions,
    clock: () => new Date(now()),
    sleep: (ms) => {
      waited += ms;
      self.onSleep(ms);
      return Promise.resolve();
    },
    onSleep: () => undefined,
    waited: () => waited,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
      processes.endAll();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return self;
}

/** What is wrong with an App's statement of who it is, in GitHub's words; null: nothing. */
function checkStatement(statement: string, app: StandInApp, now: number): string | null {
  const [head = '', claims = '', signature = ''] = statement.split('.');
  const isSigned = verify(
    'sha256',
    Buffer.from(`${head}.${claims}`),
    createPublicKey(app.publicKey),
    Buffer.from(signature, 'base64url'),
  );
  if (!isSigned) return 'A JSON web token could not be decoded';
  const read = (part: string) =>
    JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>;
  const { iss, iat, exp } = read(claims) as { iss?: string; iat?: number; exp?: number };
  if (read(head)['alg'] !== 'RS256' || iss !== app.id)
    return "'Issuer' claim ('iss') must be an Integer or a client id of an App";
  if (iat === undefined || iat * 1_000 > now)
    return "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";
  if (exp === undefined || exp * 1_000 <= now || exp * 1_000 > now + STATEMENT_MS)
    return "'Expiration time' claim ('exp') is too far in the future";
  return null;
}
