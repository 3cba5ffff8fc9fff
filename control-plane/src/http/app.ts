/**
 * The Koa application: a request gets an id, is logged and measured, meets its route, and leaves
 * through one exit, whatever happened. Everything it needs is handed in; it keeps no globals. A
 * process without the API has a smaller one: its probes, and the portal when that is its part.
 */
import { performance } from 'node:perf_hooks';
import Router from '@koa/router';
import Koa, { type Context, type Next } from 'koa';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import { listOwnOrigins } from '../accounts/origins.ts';
import type { Accounts } from '../accounts/settings.ts';
import type { KnownCluster } from '../clusters.ts';
import { createAcceptor } from '../db/accept.ts';
import type { ClusterStates } from '../db/cluster-states.ts';
import type { Db } from '../db/open.ts';
import type { TenantLimits } from '../db/tenants.ts';
import type { Principal } from '../db/principals.ts';
import type { Clock, Ids } from '../domain/ids.ts';
import type { EngineCard } from '../domain/engine.ts';
import { describeError } from '../errors.ts';
import type { ForgeKind } from '../forge/types.ts';
import type { Logger, ParentLogger } from '../logger.ts';
import { readAddress, type AddressOptions } from './address.ts';
import {
  checkAllowed,
  checkOrigin,
  createAuthenticator,
  isRecent,
  type Authenticator,
} from './auth.ts';
import { readBody } from './body.ts';
import { hookRoutes, type ForgeHooks } from './hooks.ts';
import { driftRoutes } from './drift.ts';
import { holdRoutes } from './holds.ts';
import type { Hub } from './hub.ts';
import { invitationRoutes } from './invitations.ts';
import { meRoutes } from './me.ts';
import { memberRoutes } from './members.ts';
import type { RequestMeasure } from './metrics.ts';
import { createPlacer } from './placing.ts';
import { platformRoutes, probeRoutes, type Probe } from './platform.ts';
import { isApiPath, type PortalMount } from './portal.ts';
import { describeProblem, notFound, RequestProblem, type ProblemAnswer } from './problem.ts';
import { readRoutes, type Reads } from './reads.ts';
import { rolloutRoutes } from './rollouts.ts';
import type { Answer, Route } from './route.ts';
import { reviewRoutes } from './reviews.ts';
import { sessionRoutes } from './sessions.ts';
import { signInRoutes } from './sign-in.ts';
import { storeChangeRoutes } from './store-changes.ts';
import { storeRoutes } from './stores.ts';
import { tenantRoutes } from './tenants.ts';
import { tokenRoutes } from './tokens.ts';

/** What every process serves by. */
export type PartAppOptions = {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly logger: ParentLogger;
  /** What must work. */
  readonly probes: readonly Probe[];
  readonly registry: Registry;
  readonly metrics: RequestMeasure;
  /** Serves what is not the API's; without it such paths are not found. */
  readonly portal?: PortalMount | null;
};

export type AppOptions = PartAppOptions & {
  readonly db: Db;
  readonly engines: readonly EngineCard[];
  /** The first is the default. */
  readonly clusters: readonly KnownCluster[];
  /** What is known of them. */
  readonly states: ClusterStates;
  /** Called after something was recorded that the writer should do. */
  readonly onAccepted: () => void;
  readonly hub: Hub;
  /** What a new tenant may do. */
  readonly limits: TenantLimits;
  /** How long a change may take before it counts as failed, in milliseconds; default 10 min. */
  readonly deadlineMs?: number;
  readonly accounts: Accounts;
  /** What pages read besides the database. */
  readonly reads: Reads;
  /** Where pull requests are decided. */
  readonly forgeKind: ForgeKind;
  /** What the forge's webhooks ring; without it there are none. */
  readonly hooks?: ForgeHooks;
  /** Whose word on a client's address counts. */
  readonly address?: AddressOptions;
};

/** What travels with a request. */
type RequestState = {
  requestId: string;
  log: Logger;
  principal: Principal | null;
  problem: string | null;
  /** What was recorded, by id. */
  accepted: Readonly<Record<string, string>>;
};

const DEADLINE_MS = 10 * 60 * 1000;

/** Every route there is, each with its policy. */
export function createRoutes(
  options: AppOptions,
  authenticator: Authenticator = createAuthenticator({ ...options, ...options.accounts }),
): readonly Route[] {
  const { db, clock, ids, engines, clusters, hub, limits, registry, probes, accounts } = options;
  const reservedHosts = [new URL(accounts.publicUrl).hostname];
  const offer = { engines, clusters, reservedHosts };
  /** No shop runs anywhere: all that is said of the clusters to people who are not signed in. */
  const practice = clusters.every(({ kind }) => kind === 'practice');
  const { states } = options;
  const placer = createPlacer({ clusters, states, clock });
  const invitations = { db, clock, ids, accounts, authenticator };
  const acceptor = createAcceptor({
    db,
    clock,
    ids,
    offer,
    deadlineMs: options.deadlineMs ?? DEADLINE_MS,
  });
  const announce = () => {
    options.onAccepted();
    hub.poke();
  };
  const routes: readonly Route[] = [
    ...storeRoutes({ db, offer, acceptor, clock, placer, states, announce }),
    ...storeChangeRoutes({ db, clock, ids, offer, acceptor, reads: options.reads, announce }),
    ...rolloutRoutes({ db, clock, ids, engines, clusters }),
    ...readRoutes({ ...options, placer, reservedHosts }),
    ...reviewRoutes({
      ...{ db, clock, clusters, announce },
      ...{ reads: options.reads, forgeKind: options.forgeKind },
    }),
    ...driftRoutes({ db, clock, offer, acceptor, reads: options.reads, announce }),
    ...holdRoutes({
      ...{ db, clock, clusters, announce },
      deadlineMs: options.deadlineMs ?? DEADLINE_MS,
    }),
    ...signInRoutes({
      db,
      clock,
      accounts,
      authenticator,
      practice,
    }),
    ...meRoutes({ db, clock, accounts, authenticator, clusters }),
    ...sessionRoutes({ db, clock, authenticator }),
    ...memberRoutes({ db, clock, accounts, authenticator }),
    ...invitationRoutes(invitations),
    ...tenantRoutes({ ...invitations, limits }),
    ...tokenRoutes({ db, clock, ids }),
    ...hookRoutes({ db, clock, hooks: options.hooks ?? null }),
    ...platformRoutes({
      hub,
      probes,
      registry,
      describe: () => routes,
      engine: engines[0]?.type ?? '',
      practice,
    }),
  ];
  return routes;
}

export function createApp(options: AppOptions): Koa {
  const { db, clock } = options;
  const authenticator = createAuthenticator({ db, clock, ...options.accounts });
  return mount(options, createRoutes(options, authenticator), {
    authenticator,
    clock,
    origins: listOwnOrigins(options.accounts.publicUrl),
    address: options.address ?? {},
  });
}

/** For a process without the API: nobody is known there. */
export function createPartApp(options: PartAppOptions): Koa {
  return mount(options, probeRoutes(options), {
    authenticator: { identify: () => Promise.resolve(null) },
    clock: options.clock,
    origins: [],
    address: {},
  });
}

function mount(options: PartAppOptions, routes: readonly Route[], guard: Guard): Koa {
  const { ids, logger, metrics, portal = null } = options;
  const app = new Koa();
  const router = new Router();
  for (const one of routes)
    router.register(toRouterPath(one.path), [one.method], (ctx: Context) => serve(ctx, one, guard));

  app.use(async (ctx, next) => {
    const requestId = chooseRequestId(ctx.get('X-Request-Id'), ids);
    const log = logger.child({ request: requestId });
    const state: RequestState = { requestId, log, principal: null, problem: null, accepted: {} };
    Object.assign(ctx.state, state);
    ctx.set('X-Request-Id', requestId);
    const started = performance.now();
    if (portal !== null && !isApiPath(ctx.path)) await portal(ctx);
    else await exit(ctx, next);
    record(ctx, started, metrics);
  });
  app.use(router.routes());
  app.use(router.allowedMethods());
  // What is left went past the exit: a socket that closed while it was being written to.
  app.on('error', (error: unknown) => logger.debug({ error: describeError(error) }, 'lost client'));
  return app;
}

function toRouterPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}

function readState(ctx: Context): RequestState {
  return ctx.state;
}

function chooseRequestId(given: string, ids: Ids): string {
  return /^[A-Za-z0-9._-]{8,128}$/.test(given) ? given : ids.request();
}

/** What stands before every route. */
type Guard = {
  readonly authenticator: Pick<Authenticator, 'identify'>;
  readonly clock: Clock;
  readonly origins: readonly string[];
  readonly address: AddressOptions;
};

/** One request on its route: who, may they, what do they say, then the handler. */
async function serve(ctx: Context, one: Route, guard: Guard): Promise<void> {
  const state = readState(ctx);
  checkOrigin(ctx, one.method, guard.origins);
  if (one.policy !== 'anyone') state.principal = await admit(ctx, one, guard);
  const idempotencyKey = readIdempotencyKey(ctx, one);
  const body = one.method === 'GET' || one.raw === true ? undefined : await readBody(ctx);
  const answer = await one.run({
    // A route for anyone has no use for it.
    principal: state.principal as Principal,
    params: ctx.params as Record<string, string>,
    body,
    query: { ...ctx.query },
    idempotencyKey,
    requestId: state.requestId,
    log: state.log,
    address: readAddress(ctx, guard.address),
    ctx,
  });
  if (answer === null) return;
  state.accepted = nameAccepted(answer);
  ctx.status = answer.status;
  ctx.body = answer.status === 204 ? null : answer.body;
  // Koa guesses a type when it gets a body: ours comes after.
  if (answer.headers !== undefined) ctx.set({ ...answer.headers });
}

const Recorded = z.object({
  operation: z.object({ id: z.string() }),
  store: z.object({ id: z.string() }),
});

/** Ids that the request's line leads on by, to its operation's. */
function nameAccepted({ status, body }: NonNullable<Answer>): RequestState['accepted'] {
  const recorded = status === 202 ? Recorded.safeParse(body).data : undefined;
  return recorded === undefined
    ? {}
    : { operation: recorded.operation.id, store: recorded.store.id };
}

/** The caller, when they may use the route; throws a 401 or 403 otherwise. */
async function admit(ctx: Context, one: Route, guard: Guard): Promise<Principal> {
  const { authenticator, clock } = guard;
  const principal = await authenticator.identify(ctx, { fresh: one.fresh === true });
  const now = clock();
  // What is remembered may be from before the password was given.
  const known =
    one.recent === true && principal !== null && !isRecent(principal, now)
      ? await authenticator.identify(ctx, { fresh: true })
      : principal;
  checkAllowed(one, known, now);
  return known;
}

function readIdempotencyKey(ctx: Context, one: Route): string | null {
  if (one.method === 'GET' || ctx.headers['idempotency-key'] === undefined) return null;
  const key = ctx.get('Idempotency-Key');
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw new RequestProblem(
      'idempotency_key_invalid',
      'An Idempotency-Key is 1 to 255 visible ASCII characters.',
      { errors: [{ field: 'Idempotency-Key', message: '1 to 255 visible ASCII characters.' }] },
    );
  return key;
}

/** The way out: headers for every answer, problem details for every error. */
async function exit(ctx: Context, next: Next): Promise<void> {
  const state = readState(ctx);
  ctx.set({
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
  });
  try {
    await next();
    const unanswered = describeUnanswered(ctx);
    if (unanswered !== null) throw unanswered;
  } catch (error) {
    const problem = describeProblem(readHttpError(error), state.requestId);
    state.problem = problem.body.code;
    if (problem.unexpected) state.log.error({ err: error }, describeError(error));
    writeProblem(ctx, problem);
  }
}

/** What the router leaves: no such path, no such method. */
function describeUnanswered(ctx: Context): RequestProblem | null {
  if (ctx.respond === false || (ctx.body !== undefined && ctx.body !== null)) return null;
  if (ctx.status === 404) return notFound();
  if (ctx.status === 405)
    return new RequestProblem('method_not_allowed', `Use ${ctx.response.get('Allow')}.`);
  if (ctx.status === 501)
    return new RequestProblem('not_implemented', `${ctx.method} is not a method of this server.`);
  return null;
}

/** Koa's own complaints about a request (a path that cannot be decoded) are the client's. */
function readHttpError(error: unknown): unknown {
  const status = error instanceof Error && 'status' in error ? error.status : undefined;
  return typeof status === 'number' && status >= 400 && status < 500
    ? new RequestProblem('malformed_request', 'The request cannot be read.')
    : error;
}

function writeProblem(ctx: Context, problem: ProblemAnswer): void {
  if (ctx.headerSent) return;
  ctx.respond = true;
  ctx.status = problem.status;
  ctx.body = problem.body;
  ctx.set({ 'Content-Type': 'application/problem+json; charset=utf-8', ...problem.headers });
}

/** The access log and the measures: what was asked, by whom, how it went. No headers, no bodies. */
function record(ctx: Context, started: number, metrics: RequestMeasure): void {
  const { log, principal, problem, accepted } = readState(ctx);
  const seconds = (performance.now() - started) / 1000;
  const matched = typeof ctx['_matchedRoute'] === 'string' ? ctx['_matchedRoute'] : null;
  // Some addresses are secrets: who has one may use it.
  const isSecret = matched?.includes('/:secret') === true;
  const template = matched ?? (isApiPath(ctx.path) ? 'none' : 'portal');
  metrics.request({ method: ctx.method, route: template, status: ctx.status, problem }, seconds);
  const isRoutine = /^\/(healthz|readyz|metrics|_app\/.*)$/.test(ctx.path);
  log[isRoutine ? 'debug' : 'info'](
    {
      method: ctx.method,
      path: isSecret ? matched : ctx.path,
      status: ctx.status,
      ms: Math.round(seconds * 1000),
      ...(principal === null ? {} : { principal: principal.id, tenant: principal.tenantId }),
      ...accepted,
      ...(problem === null ? {} : { problem }),
    },
    'request',
  );
}
