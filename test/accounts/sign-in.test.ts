/** Signing in and out, and what a browser's cookie is good for. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Me, SessionList, SignInOptions } from '../../control-plane/src/contract.ts';
import { ensureFirstOperator } from '../../control-plane/src/accounts/first-operator.ts';
import { createIds } from '../../control-plane/src/domain/ids.ts';
import { cookieOf, ORIGIN, PASSWORD, PORTAL_SECRET, startApi, type Api } from '../api/support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const signIn = (email: string, password: string, headers: Record<string, string> = {}) =>
  api.request('POST', '/api/auth/sign-in/email', {
    token: null,
    body: { email, password },
    headers,
  });

describe('the first operator', () => {
  test('is made once, of two processes at once by one, and signs in with what was shown', async () => {
    const own = await startApi();
    try {
      const options = { auth: own.accounts.auth, ids: createIds(), email: 'first@shopyard.local' };
      const before = await own.request('GET', '/api/sign-in', { token: null });
      expect(SignInOptions.parse(before.body).firstSignIn).toBe(true);
      const made = await Promise.all([
        ensureFirstOperator(own.db, options),
        ensureFirstOperator(own.db, options),
      ]);
      const [first] = made.filter((one) => one !== null);
      expect(made.filter((one) => one !== null)).toHaveLength(1);
      expect(await ensureFirstOperator(own.db, options)).toBeNull();
      const cookie = await own.signIn(first?.email ?? '', first?.password);
      const me = Me.parse((await own.request('GET', '/api/me', { cookie })).body);
      expect(me).toMatchObject({
        user: { email: 'first@shopyard.local', operator: true },
        tenant: { slug: 'platform', role: 'operator' },
        limits: null,
      });
      const after = await own.request('GET', '/api/sign-in', { token: null });
      expect(SignInOptions.parse(after.body).firstSignIn).toBe(false);
    } finally {
      await own.close();
    }
  });
});

describe('signing in', () => {
  test('a cookie that scripts cannot read and other sites do not send', async () => {
    const { email } = await api.person('owner', 'cookies');
    const reply = await signIn(email.toUpperCase(), PASSWORD);
    expect(reply.status, reply.text).toBe(200);
    const [cookie = ''] = reply.headers.getSetCookie();
    expect(cookie).toMatch(/^shopyard\.session_token=/);
    expect(cookie).toContain('HttpOnly');
    expect(cookie).toContain('SameSite=Lax');
    expect(cookie).toContain('Path=/');
    expect(cookie).not.toContain('Secure');
    expect(reply.text, 'no token in the body').toBe(
      JSON.stringify({
        user: {
          id: reply.body['user'] && (reply.body['user'] as { id: string }).id,
          name: 'A owner',
          email,
          operator: false,
        },
      }),
    );
  });

  test('is Secure where browsers come by https', async () => {
    const own = await startApi({ auth: { publicUrl: 'https://shopyard.test' } });
    try {
      const { email } = await own.person('owner', 'secure');
      const reply = await own.request('POST', '/api/auth/sign-in/email', {
        token: null,
        body: { email, password: PASSWORD },
      });
      const [cookie = ''] = reply.headers.getSetCookie();
      expect(cookie).toMatch(/^__Secure-shopyard\.session_token=.*; Secure/);
      const me = await own.request('GET', '/api/me', { cookie: cookieOf(reply) });
      expect(me.status).toBe(200);
    } finally {
      await own.close();
    }
  });

  test('a wrong password and an unknown address get the same answer', async () => {
    const { email } = await api.person('owner', 'wrong');
    const wrong = await signIn(email, 'not the password');
    const unknown = await signIn('nobody@people.test', 'not the password');
    expect(wrong.status).toBe(401);
    expect({ ...wrong.body, instance: '' }).toEqual({ ...unknown.body, instance: '' });
    expect(wrong.headers.getSetCookie()).toEqual([]);
    const other = await signIn(email, PASSWORD.toUpperCase());
    expect(other.status).toBe(401);
  });

  test('who sends more than asked for is refused by the field', async () => {
    const { email } = await api.person('owner', 'more');
    const reply = await api.request('POST', '/api/auth/sign-in/email', {
      token: null,
      body: { email, password: PASSWORD, callbackURL: 'http://elsewhere.test' },
    });
    expect(reply.status).toBe(422);
    expect(reply.body).toMatchObject({ errors: [{ field: 'callbackURL' }] });
  });

  test('a changed cookie is none', async () => {
    const { cookie } = await api.person('owner', 'forged');
    const [name, value = ''] = cookie.split('=');
    const [token = '', signature = ''] = decodeURIComponent(value).split('.');
    for (const forged of [
      `${name}=${encodeURIComponent(`${token}.${signature.toLowerCase()}`)}`,
      `${name}=${encodeURIComponent(token)}`,
      `${name}=${encodeURIComponent(`${token}x.${signature}`)}`,
    ]) {
      const reply = await api.request('GET', '/api/me', { cookie: forged });
      expect(reply.status).toBe(401);
    }
  });

  test('sign-up is closed; open, it makes somebody who is in no tenant', async () => {
    const body = { name: 'New', email: 'new@people.test', password: PASSWORD };
    const closed = await api.request('POST', '/api/auth/sign-up/email', { token: null, body });
    expect(closed.status).toBe(403);
    expect(closed.body).toMatchObject({ code: 'sign_up_closed' });
    const own = await startApi({ accounts: { openSignUp: true } });
    try {
      const open = await own.request('POST', '/api/auth/sign-up/email', { token: null, body });
      expect(open.status, open.text).toBe(201);
      const me = Me.parse((await own.request('GET', '/api/me', { cookie: cookieOf(open) })).body);
      expect(me).toMatchObject({ user: { operator: false }, tenant: null, tenants: [] });
      const again = await own.request('POST', '/api/auth/sign-up/email', { token: null, body });
      expect(again.status).toBe(409);
      const raised = await own.request('POST', '/api/auth/sign-up/email', {
        token: null,
        body: { ...body, email: 'raised@people.test', operator: true },
      });
      expect(raised.status).toBe(422);
      expect(raised.body).toMatchObject({ errors: [{ field: 'operator' }] });
    } finally {
      await own.close();
    }
  });
});

describe('too many attempts', () => {
  test('from one address: 429 with the time, as a problem; another address goes on', async () => {
    const own = await startApi({ attempts: { perAddress: { most: 3, seconds: 60 } } });
    try {
      const { email } = await own.person('owner', 'limits');
      const from = (address: string) =>
        own.request('POST', '/api/auth/sign-in/email', {
          token: null,
          body: { email, password: PASSWORD },
          headers: { 'X-Shopyard-Portal': PORTAL_SECRET, 'X-Forwarded-For': address },
        });
      const refused = await own.inOneMoment(async () => {
        for (let count = 0; count < 3; count += 1)
          expect((await from('192.0.2.1')).status).toBe(200);
        return from('192.0.2.1');
      });
      expect(refused.status).toBe(429);
      expect(refused.headers.get('Content-Type')).toContain('application/problem+json');
      expect(refused.body).toMatchObject({ code: 'too_many_attempts' });
      const seconds = Number(refused.headers.get('Retry-After'));
      expect(seconds).toBeGreaterThan(50);
      expect((await from('192.0.2.2')).status).toBe(200);
      own.advance(seconds * 1000);
      expect((await from('192.0.2.1')).status).toBe(200);
      const sessions = await own.db.selectFrom('sessions').select('ipAddress').execute();
      expect(sessions.map((one) => one.ipAddress)).toContain('192.0.2.2');
    } finally {
      await own.close();
    }
  });

  test('what a client says of its own address does not help', async () => {
    const own = await startApi({ attempts: { perAddress: { most: 2, seconds: 60 } } });
    try {
      const try_ = (address: string) =>
        own.request('POST', '/api/auth/sign-in/email', {
          token: null,
          body: { email: 'nobody@people.test', password: 'guess' },
          headers: {
            'X-Forwarded-For': address,
            'X-Shopyard-Portal': 'guessed',
            'X-Shopyard-Address': address,
          },
        });
      const statuses = [];
      for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
        statuses.push((await try_(address)).status);
      expect(statuses).toEqual([401, 401, 429]);
    } finally {
      await own.close();
    }
  });

  test('for one account, from many addresses and in two processes', async () => {
    const own = await startApi({ attempts: { perAccount: { most: 4, seconds: 300 } } });
    const other = await startApi({
      databaseUrl: own.databaseUrl,
      attempts: { perAccount: { most: 4, seconds: 300 } },
    });
    try {
      const { email } = await own.person('owner', 'guessed');
      const guess = (at: Api, password: string) =>
        at.request('POST', '/api/auth/sign-in/email', { token: null, body: { email, password } });
      const guesses = await Promise.all(
        Array.from({ length: 8 }, (_, index) => guess(index % 2 === 0 ? own : other, 'guess')),
      );
      expect(guesses.filter((reply) => reply.status === 401)).toHaveLength(4);
      expect(guesses.filter((reply) => reply.status === 429)).toHaveLength(4);
      expect((await guess(own, PASSWORD)).status, 'the right one waits too').toBe(429);
      own.advance(301_000);
      expect((await guess(own, PASSWORD)).status).toBe(200);
      const kept = JSON.stringify(await own.db.selectFrom('attempts').selectAll().execute());
      expect(kept).not.toContain(email);
    } finally {
      await other.close();
      await own.close();
    }
  });
});

describe('pages of other sites', () => {
  test('a cookie changes something only for pages of ours', async () => {
    const { cookie } = await api.person('owner', 'csrf');
    const send = (headers: Record<string, string>) =>
      api.request('PATCH', '/api/me', {
        token: null,
        body: { name: 'Changed' },
        headers: { Cookie: cookie, ...headers },
      });
    for (const headers of [{}, { Origin: 'http://elsewhere.test' }, { Origin: 'null' }]) {
      const reply = await send(headers);
      expect(reply.status).toBe(403);
      expect(reply.body).toMatchObject({ code: 'origin_refused' });
    }
    expect((await send({ Origin: ORIGIN })).status).toBe(200);
    const read = await api.request('GET', '/api/me', { token: null, headers: { Cookie: cookie } });
    expect(read.status, 'looking is not changing').toBe(200);
  });

  test('they sign nobody in', async () => {
    const { email } = await api.person('owner', 'csrf-login');
    const reply = await signIn(email, PASSWORD, { Origin: 'http://elsewhere.test' });
    expect(reply.status).toBe(403);
    expect(reply.body).toMatchObject({ code: 'origin_refused' });
  });

  test('a token needs no origin, and wins over a cookie', async () => {
    const { cookie } = await api.person('viewer', 'both');
    const { token } = await api.token('owner', 'both');
    const reply = await api.request('GET', '/api/me', { token, headers: { Cookie: cookie } });
    expect(Me.parse(reply.body)).toMatchObject({ user: null, tenant: { role: 'owner' } });
    const made = await api.request('POST', '/api/stores', {
      token,
      body: { name: 'both', type: 'woocommerce' },
      headers: { Cookie: cookie, Origin: 'http://elsewhere.test' },
    });
    expect(made.status).toBe(202);
  });
});

describe('sessions', () => {
  test('are listed, ended one by one, and all at once', async () => {
    const { email, cookie, sessionId } = await api.person('member', 'several');
    const second = await api.signIn(email);
    const third = await api.signIn(email);
    const { sessions } = SessionList.parse(
      (await api.request('GET', '/api/sessions', { cookie })).body,
    );
    expect(sessions).toHaveLength(3);
    expect(sessions.filter((one) => one.current).map((one) => one.id)).toEqual([sessionId]);
    expect(sessions[0]).toMatchObject({ address: '127.0.0.1', agent: 'node' });

    const away = sessions.find((one) => !one.current)?.id ?? '';
    const ended = await api.request('DELETE', `/api/sessions/${away}`, { cookie });
    expect(ended.status).toBe(204);
    const statuses = [];
    for (const one of [second, third])
      statuses.push((await api.request('GET', '/api/me', { cookie: one })).status);
    expect(statuses.toSorted()).toEqual([200, 401]);

    const { cookie: stranger } = await api.person('member', 'several');
    const foreign = await api.request('DELETE', `/api/sessions/${sessionId}`, { cookie: stranger });
    const unknown = await api.request('DELETE', '/api/sessions/ses_none', { cookie: stranger });
    expect(foreign.status).toBe(404);
    expect({ ...foreign.body, instance: '' }).toEqual({ ...unknown.body, instance: '' });

    expect((await api.request('DELETE', '/api/sessions', { cookie })).status).toBe(204);
    for (const one of [cookie, second, third])
      expect((await api.request('GET', '/api/me', { cookie: one })).status).toBe(401);
  });

  test('signing out ends this one', async () => {
    const { cookie } = await api.person('member', 'leaves');
    const reply = await api.request('POST', '/api/auth/sign-out', { cookie });
    expect(reply.status).toBe(204);
    expect(reply.headers.getSetCookie().join()).toMatch(/session_token=;.*Max-Age=0/i);
    expect((await api.request('GET', '/api/me', { cookie })).status).toBe(401);
  });

  test('ended elsewhere, in another process, it is over within seconds', async () => {
    const { id, cookie } = await api.person('member', 'ended');
    await api.inOneMoment(async () => {
      expect((await api.request('GET', '/api/me', { cookie })).status).toBe(200);
      await api.db.deleteFrom('sessions').where('userId', '=', id).execute();
      expect((await api.request('GET', '/api/me', { cookie })).status).toBe(200);
    });
    api.advance(4001);
    expect((await api.request('GET', '/api/me', { cookie })).status).toBe(401);
  });

  test('somebody who is put out of a tenant is out within seconds; a role is what it is now', async () => {
    const { id, cookie } = await api.person('owner', 'put-out');
    const role = async () =>
      Me.parse((await api.request('GET', '/api/me', { cookie })).body).tenant?.role;
    expect(await role()).toBe('owner');
    await api.db.updateTable('members').set({ role: 'viewer' }).where('userId', '=', id).execute();
    api.advance(4001);
    expect(await role()).toBe('viewer');
    await api.db.deleteFrom('members').where('userId', '=', id).execute();
    api.advance(4001);
    expect(await role()).toBeUndefined();
    expect((await api.request('GET', '/api/stores', { cookie })).status).toBe(403);
  });
});

describe('passwords', () => {
  const change = (cookie: string, currentPassword: string, newPassword: string) =>
    api.request('POST', '/api/auth/change-password', {
      cookie,
      body: { currentPassword, newPassword },
    });

  test('changing one ends the other sessions and leaves this one', async () => {
    const { email, cookie } = await api.person('member', 'changes');
    const elsewhere = await api.signIn(email);
    const wrong = await change(cookie, 'not the password', 'another password');
    expect(wrong.status).toBe(422);
    expect(wrong.body).toMatchObject({ errors: [{ field: 'currentPassword' }] });
    const short = await change(cookie, PASSWORD, 'short');
    expect(short.body).toMatchObject({ errors: [{ field: 'newPassword' }] });
    const done = await change(cookie, PASSWORD, 'another password');
    expect(done.status, done.text).toBe(204);
    const renewed = cookieOf(done);
    expect((await api.request('GET', '/api/me', { cookie: renewed })).status).toBe(200);
    expect((await api.request('GET', '/api/me', { cookie: elsewhere })).status).toBe(401);
    expect((await signIn(email, PASSWORD)).status).toBe(401);
    expect((await signIn(email, 'another password')).status).toBe(200);
  });

  test('given again, it counts for five minutes in this session', async () => {
    const { email, cookie } = await api.person('member', 'confirms');
    const session = async (with_: string) =>
      Me.parse((await api.request('GET', '/api/me', { cookie: with_ })).body).session;
    expect(await session(cookie)).toMatchObject({ confirmedUntil: null, password: true });
    const wrong = await api.request('POST', '/api/confirm', { cookie, body: { password: 'no' } });
    expect(wrong.status).toBe(422);
    expect(wrong.body).toMatchObject({ errors: [{ field: 'password' }] });
    const right = await api.request('POST', '/api/confirm', {
      cookie,
      body: { password: PASSWORD },
    });
    expect(right.status, right.text).toBe(200);
    expect((await session(cookie))?.confirmedUntil).toBe(right.body['confirmedUntil']);
    const other = await api.signIn(email);
    expect(await session(other)).toMatchObject({ confirmedUntil: null });
    api.advance(300_000);
    expect(await session(cookie)).toMatchObject({ confirmedUntil: null });
  });
});
