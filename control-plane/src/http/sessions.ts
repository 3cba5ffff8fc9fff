/** The routes of one's sessions: where one is signed in, and signing out there. */
import { endSession, endSessions, listSessions } from '../accounts/sessions.ts';
import { SessionList } from '../contract.ts';
import { describeAct } from '../db/acts.ts';
import { appendAudit } from '../db/audit.ts';
import type { Db } from '../db/open.ts';
import type { Clock } from '../domain/ids.ts';
import type { Authenticator } from './auth.ts';
import { notFound } from './problem.ts';
import { route, type Route } from './route.ts';

export function sessionRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly authenticator: Authenticator;
}): Route[] {
  const { db, clock, authenticator } = options;
  return [
    route({
      method: 'GET',
      path: '/api/sessions',
      policy: 'user',
      summary: 'Where you are signed in, newest first',
      answers: { 200: SessionList },
      handle: async ({ principal }) => {
        const sessions = await listSessions(db, principal.id, clock());
        return {
          status: 200,
          body: {
            sessions: sessions.map((one) => ({
              id: one.id,
              current: one.id === principal.sessionId,
              address: one.ipAddress === '' ? null : one.ipAddress,
              agent: one.userAgent === '' ? null : one.userAgent,
              createdAt: one.createdAt.toISOString(),
              expiresAt: one.expiresAt.toISOString(),
            })),
          } satisfies SessionList,
        };
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/sessions/{id}',
      policy: 'user',
      summary: 'Sign out there; its event streams end within seconds',
      answers: { 204: 'empty' },
      problems: ['not_found'],
      handle: async (call) => {
        const { principal, params } = call;
        const { id = '' } = params;
        if (!/^ses_[a-z0-9]{1,32}$/.test(id)) throw notFound();
        await db.transaction().execute(async (tx) => {
          if (!(await endSession(tx, principal.id, id))) throw notFound();
          const act = { action: 'session.end', detail: { session: id } };
          await appendAudit(tx, [describeAct(call, act, clock())]);
        });
        authenticator.forget(principal.id);
        return { status: 204, body: '' };
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/sessions',
      policy: 'user',
      summary: 'Sign out everywhere, here too',
      answers: { 204: 'empty' },
      handle: async (call) => {
        const { principal } = call;
        await db.transaction().execute(async (tx) => {
          const sessions = await endSessions(tx, principal.id);
          const act = { action: 'sign-out', detail: { sessions } };
          await appendAudit(tx, [describeAct(call, act, clock())]);
        });
        authenticator.forget(principal.id);
        return { status: 204, body: '' };
      },
    }),
  ];
}
