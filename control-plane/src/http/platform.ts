/** The routes of the platform itself: events, liveness, readiness, metrics, the API's description. */
import { sql } from 'kysely';
import type { Registry } from 'prom-client';
import { Readiness } from '../contract.ts';
import { checkDisk } from '../db/disk.ts';
import { parseCursor } from '../db/events.ts';
import type { Db } from '../db/open.ts';
import { isDatabaseUnavailable } from '../db/outage.ts';
import { describeError } from '../errors.ts';
import { DOCS_POLICY, renderDocs } from './docs.ts';
import type { Hub } from './hub.ts';
import { describeApi } from './openapi.ts';
import { route, type RouteDescription, type Route } from './route.ts';

/** Something that must work. `check` throws when it does not. */
export type Probe = {
  readonly name: string;
  /** False: what waits for it waits, and this process is of use all the same; default true. */
  readonly vital?: boolean;
  readonly check: () => Promise<void> | void;
};

const PROBE_MS = 2000;

/** What machines ask of every process, whatever it does. */
export function probeRoutes(options: {
  readonly probes: readonly Probe[];
  readonly registry: Registry;
}): Route[] {
  const { probes, registry } = options;
  return [
    route({
      method: 'GET',
      path: '/healthz',
      policy: 'anyone',
      summary: 'Whether the process answers',
      answers: { 200: 'text/plain' },
      handle: () => ({ status: 200, body: 'ok\n' }),
    }),
    route({
      method: 'GET',
      path: '/readyz',
      policy: 'anyone',
      summary:
        'Whether what it needs is there, check by check; a cluster that is away is told, no more',
      answers: { 200: Readiness, 503: Readiness },
      handle: async () => {
        const checks = await Promise.all(probes.map(runProbe));
        const ready = checks.every((one, index) => one.ready || probes[index]?.vital === false);
        return { status: ready ? 200 : 503, body: { ready, checks } satisfies Readiness };
      },
    }),
    route({
      method: 'GET',
      path: '/metrics',
      policy: 'anyone',
      summary: 'Metrics for Prometheus',
      answers: { 200: 'text/plain' },
      handle: async () => ({
        status: 200,
        body: await registry.metrics(),
        headers: { 'Content-Type': registry.contentType },
      }),
    }),
  ];
}

export function platformRoutes(options: {
  readonly hub: Hub;
  readonly probes: readonly Probe[];
  readonly registry: Registry;
  /** All routes, these included: what the description describes. */
  readonly describe: () => readonly RouteDescription[];
  /** The type of an engine on offer: the examples make a store of it. */
  readonly engine: string;
  /** All clusters are practice ones. */
  readonly practice: boolean;
}): Route[] {
  const { hub, probes, registry, describe, engine, practice } = options;
  return [
    route({
      method: 'GET',
      path: '/api/events',
      policy: 'reader',
      fresh: true,
      summary: 'Follow changes as server-sent events; resumes after Last-Event-ID',
      answers: { 200: 'text/event-stream' },
      handle: ({ ctx, principal, log }) => {
        if (ctx.method === 'HEAD')
          return { status: 200, body: '', headers: { 'Content-Type': 'text/event-stream' } };
        const last = ctx.get('Last-Event-ID');
        ctx.respond = false;
        ctx.status = 200;
        const resumeFrom = last === '' ? null : (parseCursor(last) ?? 'unreadable');
        hub.connect(ctx.res, principal, resumeFrom, log);
        return null;
      },
    }),
    ...probeRoutes({ probes, registry }),
    route({
      method: 'GET',
      path: '/api/openapi.json',
      policy: 'anyone',
      summary: 'This description, for programs',
      answers: { 200: 'application/json' },
      handle: () => ({ status: 200, body: describeApi(describe()) }),
    }),
    route({
      method: 'GET',
      path: '/api/docs',
      policy: 'anyone',
      summary: 'This description, for people',
      answers: { 200: 'text/html' },
      handle: ({ ctx }) => ({
        status: 200,
        body: renderDocs(describe(), { origin: `${ctx.protocol}://${ctx.host}`, engine, practice }),
        headers: {
          'Content-Type': 'text/html; charset=utf-8',
          'Content-Security-Policy': DOCS_POLICY,
        },
      }),
    }),
  ];
}

export function probeDatabase(db: Db): Probe {
  return {
    name: 'database',
    check: async () => {
      try {
        await sql`select 1`.execute(db);
        await checkDisk(db);
      } catch (error) {
        throw isDatabaseUnavailable(error)
          ? new Error('The database cannot be reached.', { cause: error })
          : error;
      }
    },
  };
}

/** Never throws: what is wrong is the answer. */
export async function runProbe(probe: Probe): Promise<Readiness['checks'][number]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer in ${PROBE_MS / 1000} s.`)), PROBE_MS);
  });
  try {
    await Promise.race([probe.check(), late]);
    return { name: probe.name, ready: true, message: null };
  } catch (error) {
    return { name: probe.name, ready: false, message: describeError(error) };
  } finally {
    clearTimeout(timer);
  }
}
