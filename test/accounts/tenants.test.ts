/** Tenants, their members and invitations, and tokens: who may what, and what stays true. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  InvitationAnswer,
  InvitationPreview,
  InvitationList,
  Me,
  MemberList,
  PasswordLink,
  TenantAnswer,
  TenantList,
  TokenAnswer,
  TokenList,
} from '../../control-plane/src/contract.ts';
import { readRecord } from './audit.ts';
import { cookieOf, ORIGIN, PASSWORD, startApi, type Api } from '../api/support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const invite = async (cookie: string, body: object, at = api) => {
  const reply = await at.request('POST', '/api/invitations', { cookie, body });
  expect(reply.status, reply.text).toBe(201);
  const answer = InvitationAnswer.parse(reply.body);
  return { ...answer, secret: answer.link.split('/').at(-1) ?? '' };
};
const accept = (secret: string, options: Parameters<Api['request']>[2], at = api) =>
  at.request('POST', `/api/invitations/${secret}/accept`, options);
const preview = (secret: string) =>
  api.request('GET', `/api/invitations/${secret}/preview`, { token: null });
const me = async (cookie: string, at = api) =>
  Me.parse((await at.request('GET', '/api/me', { cookie })).body);

describe('invitations', () => {
  test('somebody new follows the link, chooses a password and is in', async () => {
    const { cookie } = await api.person('owner', 'inviting');
    const { link, secret, invitation, mailed } = await invite(cookie, {
      email: 'New@people.test',
      role: 'member',
    });
    expect(link).toBe(`${ORIGIN}/invitations/${secret}`);
    expect(mailed).toBe(false);
    expect(invitation).toMatchObject({ email: 'new@people.test', invitedBy: 'A owner' });

    const seen = InvitationPreview.parse((await preview(secret)).body);
    expect(seen).toMatchObject({
      email: 'new@people.test',
      role: 'member',
      tenant: { slug: 'inviting' },
      hasAccount: false,
    });
    const bare = await accept(secret, { token: null });
    expect(bare.status).toBe(422);
    expect(bare.body).toMatchObject({ errors: [{ field: 'name' }, { field: 'password' }] });
    const done = await accept(secret, {
      token: null,
      body: { name: 'Newcomer', password: 'chosen by herself' },
    });
    expect(done.status, done.text).toBe(200);
    const theirs = await me(cookieOf(done));
    expect(theirs).toMatchObject({
      user: { name: 'Newcomer', email: 'new@people.test', operator: false },
      tenant: { slug: 'inviting', role: 'member' },
    });
    await api.signIn('new@people.test', 'chosen by herself');

    const again = await accept(secret, { token: null, body: { name: 'X', password: PASSWORD } });
    expect(again.status).toBe(410);
    expect((await preview(secret)).status).toBe(410);
    expect((await preview(`${secret.slice(1)}A`)).status).toBe(404);
  });

  test('somebody who has an account signs in and accepts; nobody else does', async () => {
    const { cookie } = await api.person('owner', 'joining');
    const guest = await api.person('guest');
    const { secret } = await invite(cookie, { email: guest.email, role: 'viewer' });
    expect(InvitationPreview.parse((await preview(secret)).body).hasAccount).toBe(true);
    const anew = await accept(secret, { token: null, body: { name: 'X', password: PASSWORD } });
    expect(anew.status).toBe(409);
    expect(anew.body).toMatchObject({ code: 'email_taken' });
    const { cookie: stranger } = await api.person('guest');
    const wrong = await accept(secret, { cookie: stranger });
    expect(wrong.status).toBe(403);
    expect(wrong.body).toMatchObject({ code: 'other_recipient' });
    const elsewhere = await accept(secret, {
      token: null,
      headers: { Cookie: guest.cookie, Origin: 'http://elsewhere.test' },
    });
    expect(elsewhere.status, 'no other site joins for them').toBe(403);
    const done = await accept(secret, { cookie: guest.cookie });
    expect(done.status, done.text).toBe(200);
    expect((await me(guest.cookie)).tenant).toMatchObject({ slug: 'joining', role: 'viewer' });
  });

  test('a link is taken back, replaced by a newer one, and grows old', async () => {
    const { cookie } = await api.person('owner', 'voiding');
    const email = 'late@people.test';
    const first = await invite(cookie, { email, role: 'member' });
    const second = await invite(cookie, { email, role: 'viewer' });
    expect((await preview(first.secret)).status).toBe(410);
    const list = async () =>
      InvitationList.parse((await api.request('GET', '/api/invitations', { cookie })).body)
        .invitations;
    expect((await list()).map((one) => one.id)).toEqual([second.invitation.id]);
    const path = `/api/invitations/${second.invitation.id}`;
    const { cookie: stranger } = await api.person('owner', 'voiding-not');
    expect((await api.request('DELETE', path, { cookie: stranger })).status).toBe(404);
    expect((await api.request('DELETE', path, { cookie })).status).toBe(204);
    expect((await api.request('DELETE', path, { cookie })).status).toBe(404);
    expect((await preview(second.secret)).status).toBe(410);
    const own = await startApi();
    try {
      const owner = await own.person('owner', 'old');
      const { secret } = await invite(owner.cookie, { email, role: 'member' }, own);
      own.advance(7 * 24 * 60 * 60 * 1000 + 1);
      const late = await accept(
        secret,
        { token: null, body: { name: 'Late', password: PASSWORD } },
        own,
      );
      expect(late.status).toBe(410);
    } finally {
      await own.close();
    }
  });

  test('of ten who accept at once with one link, one does', async () => {
    const { cookie } = await api.person('owner', 'racing');
    const { secret } = await invite(cookie, { email: 'race@people.test', role: 'member' });
    const replies = await Promise.all(
      Array.from({ length: 10 }, () =>
        accept(secret, { token: null, body: { name: 'Race', password: PASSWORD } }),
      ),
    );
    expect(replies.filter((reply) => reply.status === 200)).toHaveLength(1);
    expect(replies.filter((reply) => reply.status === 410 || reply.status === 409)).toHaveLength(9);
  });

  test('operators are invited by operators, into the platform', async () => {
    const { cookie } = await api.person('owner', 'ambitious');
    const tried = await api.request('POST', '/api/invitations', {
      cookie,
      body: { email: 'op@people.test', role: 'operator' },
    });
    expect(tried.status).toBe(422);
    const named = await api.request('POST', '/api/invitations', {
      cookie,
      body: { email: 'op@people.test', role: 'operator', tenant: 'platform' },
    });
    expect(named.status).toBe(422);
    const operator = await api.person('operator');
    const odd = await api.request('POST', '/api/invitations', {
      cookie: operator.cookie,
      body: { email: 'op@people.test', role: 'member' },
    });
    expect(odd.status).toBe(422);
    const { secret } = await invite(operator.cookie, { email: 'op@people.test', role: 'operator' });
    const done = await accept(secret, { token: null, body: { name: 'Op', password: PASSWORD } });
    expect(await me(cookieOf(done))).toMatchObject({
      user: { operator: true },
      tenant: { slug: 'platform', role: 'operator' },
    });
  });
});

describe('members', () => {
  const members = async (cookie: string, query = '') =>
    MemberList.parse((await api.request('GET', `/api/members${query}`, { cookie })).body).members;

  test('an owner sees, changes and removes them; what they had open ends', async () => {
    const owner = await api.person('owner', 'staff');
    const member = await api.person('member', 'staff');
    const made = await api.request('POST', '/api/tokens', {
      cookie: member.cookie,
      body: { name: 'mine' },
    });
    const { token } = TokenAnswer.parse(made.body);
    expect((await members(owner.cookie)).map(({ id, role, self }) => ({ id, role, self }))).toEqual(
      expect.arrayContaining([
        { id: owner.id, role: 'owner', self: true },
        { id: member.id, role: 'member', self: false },
      ]),
    );
    const change = await api.request('PATCH', `/api/members/${member.id}`, {
      cookie: owner.cookie,
      body: { role: 'viewer' },
    });
    expect(change.status, change.text).toBe(200);
    const write = (options: Parameters<Api['request']>[2]) =>
      api.request('POST', '/api/stores', {
        ...options,
        body: { name: 'refused', type: 'woocommerce' },
      });
    expect((await write({ cookie: member.cookie })).status).toBe(403);
    api.advance(4001);
    expect((await write({ token })).status, 'their token is no more than they are').toBe(403);
    const removed = await api.request('DELETE', `/api/members/${member.id}`, {
      cookie: owner.cookie,
    });
    expect(removed.status).toBe(204);
    expect((await me(member.cookie)).tenant).toBeNull();
    api.advance(4001);
    expect((await api.request('GET', '/api/stores', { token })).status).toBe(401);
  });

  test('everybody may leave by themselves, by a session and not by a token; not the last owner', async () => {
    const owner = await api.person('owner', 'left');
    const viewer = await api.person('viewer', 'left');
    const member = await api.person('member', 'left');
    const made = await api.request('POST', '/api/tokens', {
      cookie: member.cookie,
      body: { name: 'mine' },
    });
    const { token } = TokenAnswer.parse(made.body);
    const leave = (id: string, options: Parameters<Api['request']>[2]) =>
      api.request('DELETE', `/api/members/${id}`, options);
    expect((await leave(viewer.id, { cookie: member.cookie })).status, 'another').toBe(403);
    expect((await leave(member.id, { token })).status, 'by a token').toBe(403);
    expect((await leave(viewer.id, { cookie: viewer.cookie })).status).toBe(204);
    expect((await me(viewer.cookie)).tenant).toBeNull();
    expect((await leave(viewer.id, { cookie: viewer.cookie })).status, 'again').toBe(403);
    expect((await leave(member.id, { cookie: member.cookie })).status).toBe(204);
    expect((await leave(owner.id, { cookie: owner.cookie })).body).toMatchObject({
      code: 'last_owner',
    });
    expect((await members(owner.cookie)).map(({ id }) => id)).toEqual([owner.id]);
    const record = await readRecord(api.db);
    expect(record.findLast((row) => row.action === 'member.leave')).toMatchObject({
      outcome: 'done',
      byId: member.id,
    });
    api.advance(4001);
    expect((await api.request('GET', '/api/stores', { token })).status).toBe(401);
  });

  test('the last owner stays, also when two go at once', async () => {
    const one = await api.person('owner', 'lasting');
    const two = await api.person('owner', 'lasting');
    const results = await Promise.all([
      api.request('DELETE', `/api/members/${two.id}`, { cookie: one.cookie }),
      api.request('PATCH', `/api/members/${one.id}`, {
        cookie: two.cookie,
        body: { role: 'viewer' },
      }),
    ]);
    expect(results.filter((reply) => reply.status < 300)).toHaveLength(1);
    const { count } = await api.db
      .selectFrom('members as m')
      .innerJoin('tenants as t', 't.id', 'm.tenantId')
      .select((is) => is.fn.countAll<number>().as('count'))
      .where('t.slug', '=', 'lasting')
      .where('m.role', '=', 'owner')
      .executeTakeFirstOrThrow();
    expect(count).toBe(1);
  });

  test('another tenant’s member is nobody', async () => {
    const { cookie } = await api.person('owner', 'here');
    const there = await api.person('member', 'there');
    for (const [method, body] of [
      ['PATCH', { role: 'owner' }],
      ['DELETE', undefined],
    ] as const) {
      const foreign = await api.request(method, `/api/members/${there.id}`, { cookie, body });
      const unknown = await api.request(method, '/api/members/usr_none', { cookie, body });
      expect(foreign.status).toBe(404);
      expect({ ...foreign.body, instance: '' }).toEqual({ ...unknown.body, instance: '' });
    }
    const named = await api.request('GET', '/api/members?tenant=there', { cookie });
    expect(named.status).toBe(422);
  });

  test('somebody owns one tenant; an operator may own more', async () => {
    const first = await api.person('owner', 'first-own');
    const second = await api.person('owner', 'second-own');
    const { secret } = await invite(second.cookie, { email: first.email, role: 'owner' });
    const refused = await accept(secret, { cookie: first.cookie });
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({ code: 'tenant_limit' });
    expect((await preview(secret)).status, 'it is not used up').toBe(200);
    const { secret: asMember } = await invite(second.cookie, {
      email: first.email,
      role: 'member',
    });
    expect((await accept(asMember, { cookie: first.cookie })).status).toBe(200);
    const raised = await api.request('PATCH', `/api/members/${first.id}`, {
      cookie: second.cookie,
      body: { role: 'owner' },
    });
    expect(raised.status).toBe(403);
    await api.db.updateTable('users').set({ operator: true }).where('id', '=', first.id).execute();
    const asOperator = await api.request('PATCH', `/api/members/${first.id}`, {
      cookie: second.cookie,
      body: { role: 'owner' },
    });
    expect(asOperator.status, asOperator.text).toBe(200);
  });

  test('an operator makes a link for a forgotten password, which works once', async () => {
    const { cookie: operator } = await api.person('operator');
    const { id, email, cookie } = await api.person('member', 'forgetful');
    const reply = await api.request('POST', `/api/members/${id}/password-link?tenant=forgetful`, {
      cookie: operator,
    });
    expect(reply.status, reply.text).toBe(201);
    const token = new URL(PasswordLink.parse(reply.body).link).searchParams.get('token') ?? '';
    const choose = () =>
      api.request('POST', '/api/auth/reset-password', {
        token: null,
        body: { token, newPassword: 'remembered now' },
      });
    expect((await choose()).status).toBe(204);
    const again = await choose();
    expect(again.status).toBe(410);
    expect(again.body).toMatchObject({ code: 'link_invalid' });
    expect((await api.request('GET', '/api/me', { cookie })).status, 'signed out').toBe(401);
    await api.signIn(email, 'remembered now');
    const kept = JSON.stringify(await api.db.selectFrom('accounts').selectAll().execute());
    expect(kept).not.toContain('remembered now');
  });
});

describe('tenants', () => {
  test('somebody in two acts in one at a time, and only in theirs', async () => {
    const person = await api.person('member', 'one-of-two');
    const owner = await api.person('owner', 'two-of-two');
    const { secret } = await invite(owner.cookie, { email: person.email, role: 'viewer' });
    await accept(secret, { cookie: person.cookie });
    const before = await me(person.cookie);
    expect(before.tenants.map(({ slug, role }) => `${slug} ${role}`)).toEqual([
      'one-of-two member',
      'two-of-two viewer',
    ]);
    const turn = (tenant: string) =>
      api.request('POST', '/api/sessions/tenant', { cookie: person.cookie, body: { tenant } });
    expect(before.tenant?.slug).toBe('two-of-two');
    const turned = await turn('one-of-two');
    expect(Me.parse(turned.body).tenant).toMatchObject({ slug: 'one-of-two', role: 'member' });
    expect((await me(person.cookie)).tenant?.slug).toBe('one-of-two');
    const elsewhere = await api.signIn(person.email);
    await turn('two-of-two');
    expect((await me(elsewhere)).tenant?.slug, 'each session its own').toBe('one-of-two');
    for (const slug of ['lasting', 'no-such-tenant', 'platform'])
      expect((await turn(slug)).status).toBe(404);
  });

  test('who chose another acts in it at once, in every process', async () => {
    const person = await api.person('member', 'left');
    const owner = await api.person('owner', 'right');
    const { secret } = await invite(owner.cookie, { email: person.email, role: 'viewer' });
    const accepted = await accept(secret, { cookie: person.cookie });
    const renewed = 'shopyard.renewed=1';
    expect(accepted.headers.getSetCookie().join()).toContain(renewed);
    const other = await startApi({ databaseUrl: api.databaseUrl });
    try {
      await other.inOneMoment(async () => {
        expect((await me(person.cookie, other)).tenant?.slug).toBe('right');
        const turned = await api.request('POST', '/api/sessions/tenant', {
          cookie: person.cookie,
          body: { tenant: 'left' },
        });
        expect(turned.headers.getSetCookie()).toContain(
          `${renewed}; Path=/; Max-Age=5; HttpOnly; SameSite=Lax`,
        );
        const now = await me(`${person.cookie}; ${renewed}`, other);
        expect(now.tenant?.slug).toBe('left');
      });
    } finally {
      await other.close();
    }
  });

  test('an operator lists them by pages, makes one with an owner, and changes its limits', async () => {
    const { cookie } = await api.person('operator');
    const made = await api.request('POST', '/api/tenants', {
      cookie,
      body: { slug: 'made', name: 'Made & Co', ownerEmail: 'made@people.test' },
    });
    expect(made.status, made.text).toBe(201);
    const { tenant, invitation } = TenantAnswer.parse(made.body);
    expect(tenant).toMatchObject({ slug: 'made', storeLimit: 5, createsPerMinute: 1, members: 0 });
    const secret = invitation?.link.split('/').at(-1) ?? '';
    const done = await accept(secret, { token: null, body: { name: 'Maker', password: PASSWORD } });
    expect((await me(cookieOf(done))).tenant).toMatchObject({ name: 'Made & Co', role: 'owner' });
    const twice = await api.request('POST', '/api/tenants', {
      cookie,
      body: { slug: 'made', name: 'Again' },
    });
    expect(twice.status).toBe(409);

    const change = await api.request('PATCH', `/api/tenants/${tenant.id}`, {
      cookie,
      body: { storeLimit: 2, createsPerMinute: 3 },
    });
    expect(TenantAnswer.parse(change.body).tenant).toMatchObject({
      storeLimit: 2,
      createsPerMinute: 3,
      members: 1,
    });
    expect((await me(cookieOf(done))).limits).toEqual({
      storeLimit: 2,
      stores: 0,
      storesLeft: 2,
      createsPerMinute: 3,
      nextCreateAt: null,
    });

    const slugs: string[] = [];
    let cursor: string | null = null;
    do {
      const reply = await api.request(
        'GET',
        `/api/tenants?limit=3${cursor === null ? '' : `&cursor=${cursor}`}`,
        { cookie },
      );
      const page = TenantList.parse(reply.body);
      slugs.push(...page.tenants.map((one) => one.slug));
      cursor = page.next;
    } while (cursor !== null);
    const { count } = await api.db
      .selectFrom('tenants')
      .select((is) => is.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    expect(slugs).toHaveLength(count);
    expect(new Set(slugs).size).toBe(count);
    expect(slugs[0]).toBe('made');
    const found = TenantList.parse(
      (await api.request('GET', `/api/tenants?q=${encodeURIComponent('made &')}`, { cookie })).body,
    );
    expect(found.tenants.map((one) => one.slug)).toEqual(['made']);
    for (const q of ['%25', '_', '%5C']) {
      const none = await api.request('GET', `/api/tenants?q=${q}`, { cookie });
      expect(TenantList.parse(none.body).tenants).toEqual([]);
    }
    const bad = await api.request('GET', '/api/tenants?cursor=zzz', { cookie });
    expect(bad.status).toBe(422);
  });

  test('where sign-up is open, somebody makes one of their own and no more', async () => {
    const own = await startApi({ accounts: { openSignUp: true } });
    try {
      const { cookie } = await own.person('guest');
      const create = (slug: string, more = {}) =>
        own.request('POST', '/api/tenants', { cookie, body: { slug, name: slug, ...more } });
      const named = await create('mine', { ownerEmail: 'other@people.test' });
      expect(named.status).toBe(422);
      const made = await create('mine');
      expect(made.status, made.text).toBe(201);
      expect((await me(cookie, own)).tenant).toMatchObject({ slug: 'mine', role: 'owner' });
      const second = await create('mine-too');
      expect(second.status).toBe(403);
      expect(second.body).toMatchObject({ code: 'tenant_limit' });
      const left = await own.db.selectFrom('tenants').select('slug').execute();
      expect(left.map((one) => one.slug).toSorted()).toEqual(['mine', 'platform']);
      const hasty = await own.person('guest');
      const replies = await Promise.all(
        ['a1', 'a2', 'a3', 'a4'].map((slug) =>
          own.request('POST', '/api/tenants', {
            cookie: hasty.cookie,
            body: { slug, name: slug },
          }),
        ),
      );
      expect(replies.filter((reply) => reply.status === 201)).toHaveLength(1);
    } finally {
      await own.close();
    }
    const { cookie } = await api.person('guest');
    const closed = await api.request('POST', '/api/tenants', {
      cookie,
      body: { slug: 'closed', name: 'closed' },
    });
    expect(closed.status).toBe(403);
  });
});

describe('tokens of people', () => {
  const make = (cookie: string, body: object) =>
    api.request('POST', '/api/tokens', { cookie, body: { name: 'a token', ...body } });

  test('can do what their owner can, at most, and what they were made for', async () => {
    const { cookie } = await api.person('member', 'tokens');
    expect((await make(cookie, { role: 'owner' })).status).toBe(422);
    expect((await make(cookie, { role: 'operator' })).status).toBe(422);
    expect((await make(cookie, { tenant: 'here' })).status).toBe(422);
    const looking = TokenAnswer.parse((await make(cookie, { scopes: ['read'] })).body);
    expect(looking).toMatchObject({ role: 'member', scopes: ['read'], tenant: 'tokens' });
    const { token } = looking;
    expect((await api.request('GET', '/api/stores', { token })).status).toBe(200);
    const write = await api.request('POST', '/api/stores', {
      token,
      body: { name: 'no-write', type: 'woocommerce' },
    });
    expect(write.status).toBe(403);
    const writing = TokenAnswer.parse((await make(cookie, { scopes: ['write'] })).body);
    expect((await api.request('GET', '/api/stores', { token: writing.token })).status).toBe(403);
  });

  test('are seen and revoked by their owner alone, and by operators', async () => {
    const mine = await api.person('owner', 'vault');
    const colleague = await api.person('member', 'vault');
    const made = TokenAnswer.parse((await make(mine.cookie, { expiresInDays: 1 })).body);
    const list = async (options: Parameters<Api['request']>[2], query = '') =>
      TokenList.parse((await api.request('GET', `/api/tokens${query}`, options)).body).tokens;
    expect((await list({ cookie: mine.cookie })).map((one) => one.id)).toEqual([made.id]);
    expect(await list({ cookie: colleague.cookie })).toEqual([]);
    expect((await list({}, '?tenant=vault')).map((one) => one.id)).toEqual([made.id]);
    expect(JSON.stringify(await list({ cookie: mine.cookie }))).not.toContain(made.token);
    const revoke = (cookie: string) => api.request('DELETE', `/api/tokens/${made.id}`, { cookie });
    expect((await revoke(colleague.cookie)).status).toBe(404);
    expect((await revoke(mine.cookie)).status).toBe(204);
    expect((await revoke(mine.cookie)).status).toBe(404);
    api.advance(4001);
    expect((await api.request('GET', '/api/stores', { token: made.token })).status).toBe(401);
  });

  test('make no others', async () => {
    const { cookie } = await api.person('owner', 'breeding');
    const { token } = TokenAnswer.parse((await make(cookie, { expiresInDays: 1 })).body);
    const reply = await api.request('POST', '/api/tokens', { token, body: { name: 'for ever' } });
    expect(reply.status).toBe(403);
  });

  test('creates count for the person, whatever they ask with, revoked tokens too', async () => {
    const { cookie } = await api.person('owner', 'pace');
    const create = (name: string, options: Parameters<Api['request']>[2]) =>
      api.request('POST', '/api/stores', { ...options, body: { name, type: 'woocommerce' } });
    const first = TokenAnswer.parse((await make(cookie, {})).body);
    const second = TokenAnswer.parse((await make(cookie, {})).body);
    expect((await create('pace-a', { token: first.token })).status).toBe(202);
    expect((await create('pace-b', { token: second.token })).status).toBe(429);
    expect((await create('pace-b', { cookie })).status).toBe(429);
    await api.request('DELETE', `/api/tokens/${first.id}`, { cookie });
    expect((await create('pace-b', { cookie })).status).toBe(429);
    const { limits } = await me(cookie);
    expect(limits).toMatchObject({ stores: 1, storesLeft: 4 });
    expect(Date.parse(limits?.nextCreateAt ?? '')).toBeGreaterThan(Date.now());
    api.advance(61_000);
    expect((await me(cookie)).limits?.nextCreateAt).toBeNull();
    expect((await create('pace-b', { cookie })).status).toBe(202);
  });
});

test('all of it is on record, with who and from where, and nothing secret', async () => {
  const own = await startApi();
  try {
    const operator = await own.person('operator');
    const owner = await own.person('owner', 'recorded');
    await own.request('POST', '/api/auth/sign-in/email', {
      token: null,
      body: { email: owner.email, password: 'a wrong password' },
    });
    await own.request('POST', '/api/auth/sign-in/email', {
      token: null,
      body: { email: 'typed-by-mistake@people.test', password: 'a wrong password' },
    });
    const { secret, invitation } = await invite(
      owner.cookie,
      { email: 'rec@people.test', role: 'member' },
      own,
    );
    const accepted = await accept(
      secret,
      { token: null, body: { name: 'Rec', password: PASSWORD } },
      own,
    );
    const { id: member } = (accepted.body['user'] ?? {}) as { id: string };
    const token = TokenAnswer.parse(
      (await own.request('POST', '/api/tokens', { cookie: owner.cookie, body: { name: 't' } }))
        .body,
    );
    await own.request('DELETE', `/api/tokens/${token.id}`, { cookie: owner.cookie });
    await own.request('PATCH', `/api/members/${member}`, {
      cookie: owner.cookie,
      body: { role: 'viewer' },
    });
    await own.request('DELETE', `/api/members/${member}`, { cookie: owner.cookie });
    const tenants = TenantList.parse(
      (await own.request('GET', '/api/tenants?q=recorded', { cookie: operator.cookie })).body,
    );
    await own.request('PATCH', `/api/tenants/${tenants.tenants[0]?.id ?? ''}`, {
      cookie: operator.cookie,
      body: { storeLimit: 9 },
    });
    await own.request('POST', '/api/auth/sign-out', { cookie: owner.cookie });

    const rows = await readRecord(own.db);
    expect(rows.map((row) => [row.action, row.outcome, row.byId])).toEqual([
      ['sign-in', 'done', operator.id],
      ['sign-in', 'done', owner.id],
      ['sign-in-failed', 'refused', null],
      ['sign-in-failed', 'refused', null],
      ['invitation.create', 'done', owner.id],
      ['invitation.accept', 'done', member],
      ['token.create', 'done', owner.id],
      ['token.revoke', 'done', owner.id],
      ['member.change', 'done', owner.id],
      ['member.remove', 'done', owner.id],
      ['limits', 'done', operator.id],
      ['sign-out', 'done', owner.id],
    ]);
    expect(rows.every((row) => row.address === '127.0.0.1' && row.requestId !== null)).toBe(true);
    expect(rows[2]?.detail).toEqual({ account: owner.id });
    expect(rows[3]?.detail).toEqual({ account: null });
    expect(rows[4]?.detail).toMatchObject({ invitation: invitation.id, role: 'member' });
    expect(rows[10]?.detail).toEqual({ storeLimit: 9, storeLimitBefore: 5 });
    const text = JSON.stringify(rows);
    for (const hidden of [secret, token.token, PASSWORD, 'a wrong password', 'typed-by-mistake'])
      expect(text).not.toContain(hidden);
  } finally {
    await own.close();
  }
});
