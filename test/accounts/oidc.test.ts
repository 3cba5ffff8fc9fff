/** Signing in at an organisation's OpenID provider: a real one, by its own pages. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InvitationAnswer, Me, SignInOptions } from '../../control-plane/src/contract.ts';
import { hasInvitation } from '../../control-plane/src/accounts/invitations.ts';
import { OIDC_CALLBACK } from '../../control-plane/src/accounts/auth.ts';
import { cookieOf, ORIGIN, PASSWORD, startApi, type Api, type Reply } from '../api/support.ts';
import { readRecord } from './audit.ts';
import { CLIENT, startOidcProvider, type OidcProvider } from './oidc-provider.ts';

let provider: OidcProvider;
let api: Api;
/** By address: what would be mailed there. */
const resetTokens = new Map<string, string>();
beforeAll(async () => {
  provider = await startOidcProvider({
    redirectUri: ORIGIN + OIDC_CALLBACK,
    unverified: ['unverified@org.test', 'proven-here-only@org.test'],
  });
  const oidc = {
    issuer: provider.issuer,
    clientId: CLIENT.id,
    clientSecret: CLIENT.secret,
    name: 'The organisation',
  };
  api = await startApi({
    accounts: { oidc, mailer: { send: () => Promise.resolve(), close: () => undefined } },
    auth: {
      oidc,
      isExpected: (email) => hasInvitation(api.db, email, new Date()),
      sendPasswordReset: (email, token) => {
        resetTokens.set(email, token);
        return Promise.resolve();
      },
    },
  });
});
afterAll(async () => {
  await api.close();
  await provider.close();
});

/** From the button to where the provider sends the browser back to. */
async function start(login: string): Promise<{ readonly back: string; readonly cookie: string }> {
  const reply = await api.request('GET', '/api/sign-in/oidc', { token: null });
  expect(reply.status, reply.text).toBe(302);
  const back = await provider.visit(reply.headers.get('Location') ?? '', login);
  expect(back.startsWith(`${ORIGIN}${OIDC_CALLBACK}?`)).toBe(true);
  return { back: back.slice(ORIGIN.length), cookie: cookieOf(reply) };
}

async function signIn(login: string): Promise<Reply> {
  const { back, cookie } = await start(login);
  return api.request('GET', back, { cookie });
}

const errorOf = (reply: Reply) => {
  expect(reply.status).toBe(302);
  const location = new URL(reply.headers.get('Location') ?? '', ORIGIN);
  expect(location.origin + location.pathname).toBe(`${ORIGIN}/sign-in`);
  expect(cookieOf(reply)).not.toMatch(/session_token=\w/);
  return location.searchParams.get('error');
};

async function invite(email: string): Promise<string> {
  const { cookie } = await api.person('owner', `tenant-of-${email.split('@')[0] ?? ''}`);
  const reply = await api.request('POST', '/api/invitations', {
    cookie,
    body: { email, role: 'member' },
  });
  return InvitationAnswer.parse(reply.body).link.split('/').at(-1) ?? '';
}

test('the sign-in page offers it by its name', async () => {
  const reply = await api.request('GET', '/api/sign-in', { token: null });
  expect(SignInOptions.parse(reply.body).oidc).toEqual({
    name: 'The organisation',
    url: '/api/sign-in/oidc',
  });
});

test('somebody who is invited gets an account, joins, and comes back to it', async () => {
  const secret = await invite('alice@org.test');
  const first = await signIn('alice@org.test');
  expect(first.headers.get('Location')).toBe('/');
  const cookie = cookieOf(first);
  const before = Me.parse((await api.request('GET', '/api/me', { cookie })).body);
  expect(before).toMatchObject({
    user: { email: 'alice@org.test', name: 'Somebody called alice@org.test', operator: false },
    tenant: null,
    session: { password: false },
  });
  expect(before.session?.confirmedUntil, 'the provider has just asked her').not.toBeNull();
  const joined = await api.request('POST', `/api/invitations/${secret}/accept`, { cookie });
  expect(joined.status, joined.text).toBe(200);

  const again = cookieOf(await signIn('alice@org.test'));
  const after = Me.parse((await api.request('GET', '/api/me', { cookie: again })).body);
  expect(after.user?.id).toBe(before.user?.id);
  expect(after.tenant).toMatchObject({ slug: 'tenant-of-alice', role: 'member' });
  const confirm = await api.request('POST', '/api/confirm', {
    cookie: again,
    body: { password: 'none' },
  });
  expect(confirm.body).toMatchObject({ code: 'no_password' });

  const acts = (await readRecord(api.db)).filter((row) => row.byId === before.user?.id);
  expect(acts.map((row) => row.action)).toEqual(['sign-in', 'invitation.accept', 'sign-in']);
  expect(acts[0]?.detail).toEqual({ way: 'oidc' });
  const [account] = await api.db
    .selectFrom('accounts')
    .selectAll()
    .where('userId', '=', before.user?.id ?? '')
    .execute();
  expect(account, 'what the provider gave is not kept').toMatchObject({
    providerId: 'oidc',
    accountId: 'alice@org.test',
    accessToken: null,
    refreshToken: null,
    idToken: null,
  });
});

test('nobody else does, and it is on record', async () => {
  expect(errorOf(await signIn('mallory@org.test'))).toBe('not_invited');
  const people = await api.db.selectFrom('users').select('email').execute();
  expect(people.map((one) => one.email)).not.toContain('mallory@org.test');
  const failed = (await readRecord(api.db)).filter((row) => row.action === 'sign-in-failed');
  expect(failed.at(-1)).toMatchObject({
    outcome: 'refused',
    byId: null,
    detail: { way: 'oidc', reason: 'not_invited' },
  });
});

test('an address that the provider does not vouch for gets nobody in', async () => {
  await invite('unverified@org.test');
  expect(errorOf(await signIn('unverified@org.test'))).toBe('email_not_verified');
});

describe('an account with a password', () => {
  /** Somebody's, who joined by an invitation's link. */
  async function makeAccount(email: string): Promise<string> {
    const { id } = await api.person('owner', `tenant-of-${email.split('@')[0] ?? ''}`);
    await api.db.updateTable('users').set({ email }).where('id', '=', id).execute();
    return id;
  }

  /** They have a link mailed and choose a password by it. */
  async function chooseAnew(email: string): Promise<void> {
    const path = '/api/auth/request-password-reset';
    await api.request('POST', path, { token: null, body: { email } });
    await expect.poll(() => resetTokens.has(email)).toBe(true);
    const reply = await api.request('POST', '/api/auth/reset-password', {
      token: null,
      body: { token: resetTokens.get(email), newPassword: PASSWORD },
    });
    expect(reply.status, reply.text).toBe(204);
  }

  test('is not taken over by whoever has the same address at the provider', async () => {
    const id = await makeAccount('taken@org.test');
    expect(errorOf(await signIn('taken@org.test'))).toBe('account_not_linked');
    expect(await listProviders(id)).toEqual(['credential']);
  });

  test('is theirs at the provider too, once a mail has shown whose the address is', async () => {
    const id = await makeAccount('carol@org.test');
    await chooseAnew('carol@org.test');
    const cookie = cookieOf(await signIn('carol@org.test'));
    const me = Me.parse((await api.request('GET', '/api/me', { cookie })).body);
    expect(me).toMatchObject({ user: { id }, tenant: { slug: 'tenant-of-carol', role: 'owner' } });
    expect(await listProviders(id)).toEqual(['credential', 'oidc']);
    await api.signIn('carol@org.test'); // the password is good as before
  });

  test('is not for an address that the provider does not vouch for', async () => {
    const id = await makeAccount('proven-here-only@org.test');
    await chooseAnew('proven-here-only@org.test');
    expect(errorOf(await signIn('proven-here-only@org.test'))).toBe('account_not_linked');
    expect(await listProviders(id)).toEqual(['credential']);
  });

  async function listProviders(userId: string): Promise<readonly string[]> {
    const rows = await api.db
      .selectFrom('accounts')
      .select('providerId')
      .where('userId', '=', userId)
      .orderBy('providerId')
      .execute();
    return rows.map((row) => row.providerId);
  }
});

test('another browser cannot finish what this one began', async () => {
  await invite('bob@org.test');
  const { back, cookie } = await start('bob@org.test');
  expect(errorOf(await api.request('GET', back, { token: null }))).not.toBeNull();
  const done = await api.request('GET', back, { cookie });
  expect(done.headers.get('Location')).toBe('/');
  const again = await api.request('GET', back, { cookie });
  expect(errorOf(again), 'once').not.toBeNull();
});

test('made-up answers lead back to the sign-in page', async () => {
  for (const query of ['', '?code=x', '?code=x&state=y', '?error=access_denied&state=y'])
    expect(
      errorOf(await api.request('GET', `${OIDC_CALLBACK}${query}`, { token: null })),
    ).not.toBeNull();
});
