/** The routes about oneself: who one is here, one's name, proving it again. */
import {
  findTenantName,
  findUser,
  hasPassword,
  listMemberships,
  readAllowance,
} from '../accounts/people.ts';
import { confirmSession, turnSession, turnSessionHome } from '../accounts/sessions.ts';
import type { Accounts } from '../accounts/settings.ts';
import { ChangeUser, Confirm, Confirmed, Me, SwitchTenant, User } from '../contract.ts';
import type { Db } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import { findTenant, PLATFORM_TENANT } from '../db/tenants.ts';
import type { Clock } from '../domain/ids.ts';
import { RECENT_MS, isRecent, type Authenticator } from './auth.ts';
import { callAuth } from './call-auth.ts';
import { notFound, RequestProblem } from './problem.ts';
import { route, type Route } from './route.ts';
import { headersOf } from './sign-in.ts';

const BODY = ['malformed_json', 'unsupported_media_type', 'invalid_request'] as const;

export function meRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly accounts: Accounts;
  readonly authenticator: Authenticator;
  /** At least one. */
  readonly clusters: readonly Me['cluster'][];
}): Route[] {
  const { db, clock, accounts, authenticator } = options;
  const clusters = options.clusters.map(({ name, kind, argocdUrl }) => ({ name, kind, argocdUrl }));
  const { auth, attempts } = accounts;

  async function readMe(principal: Principal): Promise<Me> {
    const { userId, role, tenantId, tenant, sessionId } = principal;
    const now = clock();
    const allowance =
      role === 'operator' || role === 'guest' ? null : await readAllowance(db, principal, now);
    return {
      user: userId === null ? null : await findUser(db, userId),
      tenant:
        role === 'guest'
          ? null
          : { id: tenantId, slug: tenant, name: await findTenantName(db, tenantId), role },
      tenants: userId === null ? [] : await listMemberships(db, userId),
      limits:
        allowance === null
          ? null
          : { ...allowance, nextCreateAt: allowance.nextCreateAt?.toISOString() ?? null },
      cluster: firstOf(clusters),
      clusters,
      signIn: { oidc: accounts.oidc, smtp: accounts.mailer !== null },
      session:
        sessionId === null || userId === null
          ? null
          : {
              id: sessionId,
              confirmedUntil: isRecent(principal, now) ? confirmedUntil(principal) : null,
              password: await hasPassword(db, userId),
            },
    };
  }

  return [
    route({
      method: 'GET',
      path: '/api/me',
      policy: 'known',
      summary: 'Who you are here, where you act, and how much you may still do',
      answers: { 200: Me },
      handle: async ({ principal }) => ({ status: 200, body: await readMe(principal) }),
    }),
    route({
      method: 'PATCH',
      path: '/api/me',
      policy: 'user',
      summary: 'Change your name',
      body: ChangeUser,
      answers: { 200: User },
      problems: [...BODY],
      handle: async ({ principal, body }) => {
        const row = await db
          .updateTable('users')
          .set({ name: body.name, updatedAt: clock() })
          .where('id', '=', principal.id)
          .returning(['id', 'name', 'email', 'operator'])
          .executeTakeFirstOrThrow();
        authenticator.forget(principal.id);
        return { status: 200, body: row satisfies User };
      },
    }),
    route({
      method: 'POST',
      path: '/api/confirm',
      policy: 'user',
      summary: 'Give the password again, for what needs it in the next five minutes',
      body: Confirm,
      answers: { 200: Confirmed },
      problems: [...BODY, 'no_password', 'too_many_attempts'],
      handle: async (call) => {
        const { principal, body } = call;
        if (!(await hasPassword(db, principal.id)))
          throw new RequestProblem('no_password', 'You sign in elsewhere: do that again instead.');
        const account = `account ${principal.id}`;
        const seconds = await attempts.count(account, attempts.rules.perAccount);
        if (seconds !== null)
          throw new RequestProblem(
            'too_many_attempts',
            `Too many attempts; the next is possible in ${seconds} s.`,
            { headers: { 'Retry-After': String(seconds) } },
          );
        await callAuth(() => auth.api.verifyPassword({ body, headers: headersOf(call) }));
        await attempts.clear(account);
        const now = clock();
        await db.transaction().execute((tx) => confirmSession(tx, principal.sessionId ?? '', now));
        authenticator.forget(principal.id);
        return {
          status: 200,
          body: {
            confirmedUntil: confirmedUntil({ confirmedAt: now }),
          } satisfies Confirmed,
        };
      },
    }),
    route({
      method: 'POST',
      path: '/api/sessions/tenant',
      policy: 'user',
      summary: 'Act in another of your tenants from now on, in this session',
      body: SwitchTenant,
      answers: { 200: Me },
      problems: [...BODY, 'not_found'],
      handle: async ({ principal, body, ctx }) => {
        const id = principal.sessionId ?? '';
        const goesHome = principal.role === 'operator' && body.tenant === PLATFORM_TENANT;
        const tenant = await findTenant(db, body.tenant);
        if (tenant === null) throw notFound();
        const turned = await db.transaction().execute(async (tx) => {
          if (goesHome) await turnSessionHome(tx, id);
          return goesHome || (await turnSession(tx, { id, userId: principal.id }, tenant.id));
        });
        if (!turned) throw notFound();
        authenticator.renew(ctx, principal.id);
        const now = await authenticator.identify(ctx, { fresh: true });
        return { status: 200, body: await readMe(now ?? principal) };
      },
    }),
  ];
}

/** There is always one. */
function firstOf(clusters: readonly Me['cluster'][]): Me['cluster'] {
  const [cluster] = clusters;
  if (cluster === undefined) throw new Error('There is no cluster.');
  return cluster;
}

function confirmedUntil({ confirmedAt }: { readonly confirmedAt: Date | null }): string {
  return new Date((confirmedAt?.getTime() ?? 0) + RECENT_MS).toISOString();
}
