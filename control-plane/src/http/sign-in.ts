/**
 * The ways in and out: password, OpenID provider, a link for a new password. better-auth decides
 * and makes the cookies; limits, checked bodies and answers are ours. No answer tells whether an
 * address has an account.
 */
import { createHash } from 'node:crypto';
import { ADDRESS_HEADER, endPasswordLinks, OIDC_PROVIDER } from '../accounts/auth.ts';
import type { AttemptRule } from '../accounts/attempts.ts';
import { findUser, findUserId, hasAnybodySignedIn, listMemberships } from '../accounts/people.ts';
import type { Accounts } from '../accounts/settings.ts';
import {
  ChangePassword,
  RequestPasswordReset,
  ResetPassword,
  SignedIn,
  SignIn,
  SignInOptions,
  SignUp,
} from '../contract.ts';
import { recordAct, type Act } from '../db/acts.ts';
import type { Db } from '../db/open.ts';
import type { Clock } from '../domain/ids.ts';
import type { Authenticator } from './auth.ts';
import { callAuth } from './call-auth.ts';
import { RequestProblem } from './problem.ts';
import { route, type Call, type Route } from './route.ts';

type AnyCall = Call<unknown, unknown>;

const BODY = ['malformed_json', 'unsupported_media_type', 'invalid_request'] as const;

export function signInRoutes(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly accounts: Accounts;
  readonly authenticator: Authenticator;
  readonly practice: boolean;
}): Route[] {
  const { db, clock, accounts, authenticator } = options;
  const { auth, attempts, oidc } = accounts;

  /** One more attempt: throws when it is one too many. */
  async function attempt(key: string, rule: AttemptRule): Promise<void> {
    const seconds = await attempts.count(key, rule);
    if (seconds === null) return;
    throw new RequestProblem(
      'too_many_attempts',
      `Too many attempts; the next is possible in ${seconds} s.`,
      { headers: { 'Retry-After': String(seconds) } },
    );
  }

  const fromAddress = (call: AnyCall) =>
    attempt(`address ${call.address}`, attempts.rules.perAddress);

  /** Puts on record what somebody did who is only now known, or is not. */
  async function record(call: AnyCall, userId: string | null, act: Omit<Act, 'by' | 'tenantId'>) {
    const user = userId === null ? null : await findUser(db, userId);
    const [home] = user === null ? [] : await listMemberships(db, user.id);
    await recordAct({ db, clock }, call, {
      ...act,
      tenantId: home?.id ?? null,
      ...(user === null ? {} : { by: { id: user.id, name: user.name } }),
    });
  }

  async function signIn(call: AnyCall, body: SignIn): Promise<SignedIn> {
    const account = nameAccount(body.email);
    await fromAddress(call);
    await attempt(account, attempts.rules.perAccount);
    const { email, password, remember } = body;
    const { response, headers } = await callAuth(() =>
      auth.api.signInEmail({
        body: { email, password, rememberMe: remember },
        headers: headersOf(call),
        returnHeaders: true,
      }),
    ).catch(async (error: unknown) => {
      if (error instanceof RequestProblem && error.code === 'sign_in_failed') {
        // Nobody of that address: what was typed there may be a password, and is not kept.
        const userId = await findUserId(db, email);
        const detail = { account: userId };
        await record(call, null, { action: 'sign-in-failed', outcome: 'refused', detail });
      }
      throw error;
    });
    await attempts.clear(account);
    await record(call, response.user.id, { action: 'sign-in', detail: { way: 'password' } });
    call.ctx.append('Set-Cookie', headers.getSetCookie());
    return { user: viewUser(response.user) };
  }

  return [
    route({
      method: 'GET',
      path: '/api/sign-in',
      policy: 'anyone',
      summary: 'What the sign-in page offers',
      answers: { 200: SignInOptions },
      handle: async () => ({
        status: 200,
        body: {
          oidc: oidc === null ? null : { name: oidc.name, url: '/api/sign-in/oidc' },
          smtp: accounts.mailer !== null,
          openSignUp: accounts.openSignUp,
          practice: options.practice,
          firstSignIn: !(await hasAnybodySignedIn(db)),
        } satisfies SignInOptions,
      }),
    }),
    route({
      method: 'POST',
      path: '/api/auth/sign-in/email',
      policy: 'anyone',
      summary: 'Sign in with e-mail address and password; the answer sets the session’s cookie',
      body: SignIn,
      answers: { 200: SignedIn },
      problems: [...BODY, 'sign_in_failed', 'too_many_attempts'],
      handle: async (call) => ({ status: 200, body: await signIn(call, call.body) }),
    }),
    route({
      method: 'POST',
      path: '/api/auth/sign-up/email',
      policy: 'anyone',
      summary: 'Make an account and sign in, where that is open to everybody',
      body: SignUp,
      answers: { 201: SignedIn },
      problems: [...BODY, 'sign_up_closed', 'email_taken', 'too_many_attempts'],
      handle: async (call) => {
        if (!accounts.openSignUp)
          throw new RequestProblem('sign_up_closed', 'Ask the owner of a tenant to invite you.');
        await fromAddress(call);
        const { response, headers } = await callAuth(() =>
          auth.api.signUpEmail({
            body: call.body,
            headers: headersOf(call),
            returnHeaders: true,
          }),
        );
        await record(call, response.user.id, { action: 'sign-up' });
        call.ctx.append('Set-Cookie', headers.getSetCookie());
        return { status: 201, body: { user: viewUser(response.user) } satisfies SignedIn };
      },
    }),
    route({
      method: 'POST',
      path: '/api/auth/sign-out',
      policy: 'user',
      summary: 'End this session',
      answers: { 204: 'empty' },
      handle: async (call) => {
        const { headers } = await callAuth(() =>
          auth.api.signOut({ headers: headersOf(call), returnHeaders: true }),
        );
        await recordAct({ db, clock }, call, { action: 'sign-out' });
        authenticator.forget(call.principal.id);
        call.ctx.append('Set-Cookie', headers.getSetCookie());
        return { status: 204, body: '' };
      },
    }),
    route({
      method: 'POST',
      path: '/api/auth/change-password',
      policy: 'user',
      summary: 'Choose another password; all other sessions end',
      body: ChangePassword,
      answers: { 204: 'empty' },
      problems: [...BODY, 'no_password', 'too_many_attempts'],
      handle: async (call) => {
        const account = `account ${call.principal.id}`;
        await attempt(account, attempts.rules.perAccount);
        const { headers } = await callAuth(
          () =>
            auth.api.changePassword({
              body: { ...call.body, revokeOtherSessions: true },
              headers: headersOf(call),
              returnHeaders: true,
            }),
          { passwordField: 'currentPassword' },
        );
        await endPasswordLinks(db, call.principal.id);
        await attempts.clear(account);
        await recordAct({ db, clock }, call, { action: 'password.change' });
        authenticator.forget(call.principal.id);
        call.ctx.append('Set-Cookie', headers.getSetCookie());
        return { status: 204, body: '' };
      },
    }),
    route({
      method: 'POST',
      path: '/api/auth/request-password-reset',
      policy: 'anyone',
      summary: 'Have a link for a new password sent, if there is such an account',
      body: RequestPasswordReset,
      answers: { 202: 'empty' },
      problems: [...BODY, 'no_mail', 'too_many_attempts'],
      handle: async (call) => {
        if (accounts.mailer === null)
          throw new RequestProblem('no_mail', 'This platform sends no mail.', {
            hint: 'Ask an operator for a link.',
          });
        const { email } = call.body;
        await fromAddress(call);
        await attempt(`mail ${nameAccount(email)}`, attempts.rules.perMailbox);
        await callAuth(() => auth.api.requestPasswordReset({ body: { email } }));
        return { status: 202, body: '' };
      },
    }),
    route({
      method: 'POST',
      path: '/api/auth/reset-password',
      policy: 'anyone',
      summary: 'Choose a new password by a link; all sessions end',
      body: ResetPassword,
      answers: { 204: 'empty' },
      problems: [...BODY, 'link_invalid', 'too_many_attempts'],
      handle: async (call) => {
        await fromAddress(call);
        const userId = await findResetUser(accounts, call.body.token);
        await callAuth(() => auth.api.resetPassword({ body: call.body }));
        if (userId !== null) {
          authenticator.forget(userId);
          await record(call, userId, { action: 'password.reset' });
        }
        return { status: 204, body: '' };
      },
    }),
    route({
      method: 'GET',
      path: '/api/sign-in/oidc',
      policy: 'anyone',
      summary: 'Go and sign in at the organisation’s OpenID provider',
      answers: { 302: 'text/plain' },
      problems: ['not_found', 'too_many_attempts'],
      handle: async (call) => {
        if (oidc === null) throw new RequestProblem('not_found', 'There is nothing here.');
        await fromAddress(call);
        const { response, headers } = await callAuth(() =>
          auth.api.signInSocial({
            body: {
              provider: OIDC_PROVIDER,
              callbackURL: '/',
              errorCallbackURL: '/sign-in',
              disableRedirect: true,
            },
            headers: headersOf(call),
            returnHeaders: true,
          }),
        );
        call.ctx.append('Set-Cookie', headers.getSetCookie());
        return { status: 302, body: '', headers: { Location: response.url ?? '/sign-in' } };
      },
    }),
    route({
      method: 'GET',
      path: '/api/auth/callback/{provider}',
      policy: 'anyone',
      summary: 'Where the OpenID provider sends people back to',
      answers: { 302: 'text/plain' },
      problems: ['not_found', 'too_many_attempts'],
      handle: async (call) => {
        if (oidc === null || call.params['provider'] !== OIDC_PROVIDER)
          throw new RequestProblem('not_found', 'There is nothing here.');
        await fromAddress(call);
        const answer = await auth.api.callbackOAuth({
          params: { id: OIDC_PROVIDER },
          query: { ...call.ctx.query },
          headers: headersOf(call),
          method: 'GET',
          asResponse: true,
        });
        const cookies = answer.headers.getSetCookie();
        const location = answer.headers.get('Location') ?? '/sign-in?error=failed';
        const reason = new URL(location, accounts.publicUrl).searchParams.get('error');
        const userId = reason === null ? await findCookieUser(accounts, cookies) : null;
        await record(
          call,
          userId,
          userId === null
            ? { action: 'sign-in-failed', outcome: 'refused', detail: { way: 'oidc', reason } }
            : { action: 'sign-in', detail: { way: 'oidc' } },
        );
        call.ctx.append('Set-Cookie', cookies);
        return { status: 302, body: '', headers: { Location: location } };
      },
    }),
  ];
}

/** Whose the new session is. */
async function findCookieUser(
  { auth }: Accounts,
  cookies: readonly string[],
): Promise<string | null> {
  const cookie = cookies.map((one) => one.split(';')[0]).join('; ');
  const session = await callAuth(() => auth.api.getSession({ headers: new Headers({ cookie }) }));
  return session?.user.id ?? null;
}

/** Whose link it is; null when it is nobody's. */
async function findResetUser({ auth }: Accounts, token: string): Promise<string | null> {
  const { internalAdapter } = await auth.$context;
  const found = await internalAdapter.findVerificationValue(`reset-password:${token}`);
  return found?.value ?? null;
}

export async function findSignedIn(db: Db, userId: string): Promise<SignedIn> {
  const user = await findUser(db, userId);
  if (user === null) throw new Error(`There is nobody ${userId}.`);
  return { user };
}

/** What better-auth learns of a request. */
export function headersOf(call: Pick<AnyCall, 'ctx' | 'address'>): Headers {
  const { ctx, address } = call;
  return new Headers({
    cookie: ctx.get('Cookie'),
    'user-agent': ctx.get('User-Agent').slice(0, 300),
    [ADDRESS_HEADER]: address,
  });
}

/** People type passwords into the wrong field: what they typed is not kept. */
function nameAccount(email: string): string {
  return `account ${createHash('sha256').update(email).digest('hex')}`;
}

function viewUser(user: {
  readonly id: string;
  readonly name: string;
  readonly email: string;
}): SignedIn['user'] {
  return {
    id: user.id,
    name: user.name,
    email: user.email,
    operator: 'operator' in user && user.operator === true,
  };
}
