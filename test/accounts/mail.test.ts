/** What is mailed, to whom, and once: by a real SMTP server. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Accepted, InvitationAnswer, SignInOptions } from '../../control-plane/src/contract.ts';
import { createMailer, type Mailer } from '../../control-plane/src/accounts/mail.ts';
import { describePasswordReset } from '../../control-plane/src/accounts/mails.ts';
import { createStoreMails, type StoreMails } from '../../control-plane/src/accounts/store-mails.ts';
import { DEFAULT_RULES } from '../../control-plane/src/domain/cluster.ts';
import { ORIGIN, PASSWORD, startApi, type Api } from '../api/support.ts';
import { startMailServer, type MailServer, type ReceivedMail } from './smtp-server.ts';

let server: MailServer;
let mailer: Mailer;
let api: Api;
beforeEach(async () => {
  server = await startMailServer();
  mailer = createMailer({ url: server.url, from: 'Shopyard <shops@shopyard.test>' });
  api = await startApi({
    accounts: { mailer },
    auth: {
      sendPasswordReset: (email, token) =>
        mailer.send(describePasswordReset({ publicUrl: ORIGIN, email, token })),
    },
    attempts: { perMailbox: { most: 2, seconds: 60 } },
    clusters: [
      {
        ...DEFAULT_RULES,
        name: 'lab',
        kind: 'lab',
        argocdUrl: null,
        baseDomain: 'localhost',
        scheme: 'http',
        retentionDays: 30,
      },
    ],
  });
});
afterEach(async () => {
  await api.close();
  mailer.close();
  await server.close();
});

const received = (count: number) =>
  vi.waitFor(
    () => {
      if (server.mails.length < count) throw new Error('not yet');
      return server.mails;
    },
    { timeout: 10_000, interval: 10 },
  );

test('an invitation', async () => {
  const { cookie } = await api.person('owner', 'mailing');
  await api.request('PATCH', '/api/me', {
    cookie,
    body: { name: 'Zoë http://evil.test/ Owner' },
  });
  const reply = await api.request('POST', '/api/invitations', {
    cookie,
    body: { email: 'guest@people.test', role: 'member' },
  });
  const { link, mailed } = InvitationAnswer.parse(reply.body);
  expect(mailed).toBe(true);
  const [mail] = server.mails;
  expect(mail).toMatchObject({
    from: 'shops@shopyard.test',
    to: ['guest@people.test'],
    subject: 'Join mailing on Shopyard',
  });
  expect(mail?.text).toContain(link);
  expect(mail?.text).toContain('Zoë');
  expect(mail?.text, 'a name is no link').not.toContain('http://evil.test');
});

test('an invitation that cannot be mailed can still be handed over', async () => {
  server.refuses = true;
  const { cookie } = await api.person('owner', 'unmailed');
  const reply = await api.request('POST', '/api/invitations', {
    cookie,
    body: { email: 'guest@people.test', role: 'member' },
  });
  expect(reply.status).toBe(201);
  const { link, mailed } = InvitationAnswer.parse(reply.body);
  expect(mailed).toBe(false);
  expect(link).toContain('/invitations/');
  expect(api.log.join()).toContain('an invitation could not be mailed');
  expect(api.log.join()).not.toContain(link.split('/').at(-1));
});

describe('a new password', () => {
  const ask = (email: string) =>
    api.request('POST', '/api/auth/request-password-reset', { token: null, body: { email } });
  const tokenOf = (mail: ReceivedMail | undefined) =>
    /reset-password\?token=(\S+)/.exec(mail?.text ?? '')?.[1] ?? '';
  const choose = (token: string, newPassword = 'chosen anew') =>
    api.request('POST', '/api/auth/reset-password', { token: null, body: { token, newPassword } });

  test('by a link, once; all sessions end', async () => {
    const options = await api.request('GET', '/api/sign-in', { token: null });
    expect(SignInOptions.parse(options.body).smtp).toBe(true);
    const { email, cookie } = await api.person('member', 'forgets');
    expect((await ask(email.toUpperCase())).status).toBe(202);
    const [mail] = await received(1);
    expect(mail?.to).toEqual([email]);
    const token = tokenOf(mail);
    expect((await choose(token, 'short')).status).toBe(422);
    expect((await choose(token)).status).toBe(204);
    expect((await choose(token)).status).toBe(410);
    expect((await api.request('GET', '/api/me', { cookie })).status).toBe(401);
    await expect(api.signIn(email, PASSWORD)).rejects.toThrow();
    await api.signIn(email, 'chosen anew');
    const kept = JSON.stringify(await api.db.selectFrom('users').selectAll().execute());
    expect(kept).not.toContain(token);
  });

  test('the answer does not tell who has an account; one mailbox is not flooded', async () => {
    const { email } = await api.person('member', 'flooded');
    const third = await api.inOneMoment(async () => {
      const unknown = await ask('nobody@people.test');
      expect(unknown.status).toBe(202);
      expect(unknown.text).toBe((await ask(email)).text);
      expect((await ask(email)).status).toBe(202);
      return ask(email);
    });
    expect(third.status).toBe(429);
    expect(Number(third.headers.get('Retry-After'))).toBeGreaterThan(50);
    await received(2);
    expect(server.mails.map((mail) => mail.to)).toEqual([[email], [email]]);
  });
});

describe('stores', () => {
  let ending: AbortController;
  let running: Promise<unknown>;
  const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  beforeEach(() => {
    logger.warn.mockClear();
    ending = new AbortController();
    running = Promise.resolve();
  });
  afterEach(async () => {
    ending.abort();
    await running;
  });

  /** Two processes that each look after mails. */
  function startMails(clock = () => new Date()): StoreMails {
    const make = () => createStoreMails({ db: api.db, mailer, publicUrl: ORIGIN, clock, logger });
    const [one, two] = [make(), make()];
    running = Promise.all([one.run(ending.signal), two.run(ending.signal)]);
    return {
      poke: () => {
        one.poke();
        two.poke();
      },
      run: () => Promise.reject(new Error('It runs.')),
    };
  }

  async function create(name: string, options: Parameters<Api['request']>[2]) {
    const reply = await api.request('POST', '/api/stores', {
      ...options,
      body: { name, type: 'woocommerce' },
    });
    return Accepted.parse(reply.body);
  }

  const end = (operation: string, state: 'done' | 'failed', message: string | null = null) =>
    api.db
      .updateTable('operations')
      .set({ state, finishedAt: new Date(), errorMessage: message })
      .where('id', '=', operation)
      .execute();

  test('ready: a link, never a password; once, though two processes look', async () => {
    const mails = startMails();
    const { email, cookie } = await api.person('member', 'ready');
    const { store, operation } = await create('ready', { cookie });
    await end(operation.id, 'done');
    mails.poke();
    const [mail] = await received(1);
    expect(mail).toMatchObject({ to: [email], subject: 'ready is ready' });
    expect(mail?.text).toContain(`${ORIGIN}/stores/${store.id}`);
    expect(mail?.text).toContain(store.url);
    for (let count = 0; count < 3; count += 1) mails.poke();
    const second = await create('ready-too', { token: (await api.token('owner', 'other')).token });
    const owner = await api.person('owner', 'other');
    await end(second.operation.id, 'done');
    mails.poke();
    await received(2);
    expect(
      server.mails.map((one) => one.to),
      'a tenant’s token: its owners',
    ).toEqual([[email], [owner.email]]);
  });

  test('failed, with the reason; and ready when it recovers; a change that worked is no news', async () => {
    const mails = startMails();
    const { cookie } = await api.person('owner', 'failing');
    const { operation } = await create('failing', { cookie });
    await end(operation.id, 'failed', 'The image cannot be pulled.');
    mails.poke();
    const [failed] = await received(1);
    expect(failed?.subject).toBe('failing needs a look');
    expect(failed?.text).toContain('The image cannot be pulled.');
    await end(operation.id, 'done');
    mails.poke();
    await received(2);
    const change = await api.request('PATCH', `/api/stores/${operation.store}`, {
      cookie,
      body: { plan: 'large' },
    });
    await end(Accepted.parse(change.body).operation.id, 'done');
    await api.setLimits('failing', { createsPerMinute: 100 });
    const last = await create('last', { cookie });
    await end(last.operation.id, 'done');
    mails.poke();
    await received(3);
    expect(server.mails.map((mail) => mail.subject)).toEqual([
      'failing needs a look',
      'failing is ready',
      'last is ready',
    ]);
  });

  test('kept, once, and how long; and gone, long after it was asked for', async () => {
    const mails = startMails();
    const { email, cookie } = await api.person('owner', 'keeping');
    const { store, operation } = await create('keeping', { cookie });
    await end(operation.id, 'done');
    mails.poke();
    await received(1);
    await api.db.updateTable('stores').set({ commitSha: 'c' }).execute();
    const reply = await api.request('DELETE', `/api/stores/${store.id}`, { cookie });
    const { store: kept, operation: deletion } = Accepted.parse(reply.body);
    await api.db
      .updateTable('operations')
      .set({ state: 'waiting' })
      .where('id', '=', deletion.id)
      .execute();
    mails.poke();
    await api.db.updateTable('stores').set({ stage: 'kept' }).execute();
    mails.poke();
    const [, told] = await received(2);
    expect(told).toMatchObject({ to: [email], subject: 'keeping is closed; its data is kept' });
    expect(told?.text).toContain(`until ${kept.purgeAt?.slice(0, 16).replace('T', ' ') ?? ''} UTC`);
    for (let count = 0; count < 3; count += 1) mails.poke();
    await end(deletion.id, 'done');
    await api.db.updateTable('stores').set({ status: 'deleted' }).execute();
    mails.poke();
    await received(3);
    expect(server.mails.map((mail) => mail.subject)).toEqual([
      'keeping is ready',
      'keeping is closed; its data is kept',
      'keeping is gone',
    ]);
  });

  test('what a crash cut off is sent again once its claim has run out, and then no more', async () => {
    const { cookie } = await api.person('owner', 'crashing');
    const { operation } = await create('crashing', { cookie });
    await end(operation.id, 'done');
    let offset = 0;
    const make = (through: Mailer) =>
      createStoreMails({
        db: api.db,
        mailer: through,
        publicUrl: ORIGIN,
        clock: () => new Date(Date.now() + offset),
        logger,
      });
    // A process that ends in the middle never comes back from sending.
    const begun = vi.fn(() => new Promise<never>(() => undefined));
    void make({ send: begun, close: () => undefined }).run(ending.signal);
    await expect.poll(() => begun).toHaveBeenCalledOnce();
    const next = make(mailer);
    running = next.run(ending.signal);
    // It has looked, and left what is claimed, when it mails about a later one.
    const { token } = await api.token('owner', 'crashing');
    const later = await create('later', { token });
    await end(later.operation.id, 'done');
    next.poke();
    await received(1);
    offset = 6 * 60 * 1000;
    next.poke();
    await received(2);
    expect(server.mails.map((mail) => mail.subject)).toEqual([
      'later is ready',
      'crashing is ready',
    ]);
    const readMark = () =>
      api.db
        .selectFrom('operations')
        .select(['mailedState', 'mailClaimedUntil'])
        .where('id', '=', operation.id)
        .executeTakeFirst();
    await expect.poll(readMark).toEqual({ mailedState: 'done', mailClaimedUntil: null });
  });

  test('a server that takes no mail now gets it later, and is not asked all the time', async () => {
    server.refuses = true;
    const { cookie } = await api.person('owner', 'later');
    await api.setLimits('later', { createsPerMinute: 100, storeLimit: 100 });
    // More than are looked at in one go.
    const names = Array.from({ length: 12 }, (_, index) => `later-${String(index)}`);
    for (const name of names) await end((await create(name, { cookie })).operation.id, 'done');
    const send = vi.spyOn(mailer, 'send');
    let offset = 0;
    const mails = startMails(() => new Date(Date.now() + offset));
    const waits = () =>
      logger.warn.mock.calls.filter(([, message]) => message === 'a store’s mail waits').length;
    await expect.poll(waits).toBe(names.length);
    // A mail that the server takes shows that what came before it was not tried again.
    server.refuses = false;
    await end((await create('next', { cookie })).operation.id, 'done');
    mails.poke();
    await received(1);
    expect(send).toHaveBeenCalledTimes(names.length + 1);
    offset = 2 * 60 * 1000;
    mails.poke();
    await received(names.length + 1);
    expect(server.mails.map(({ subject }) => subject).sort()).toEqual(
      [...names, 'next'].map((name) => `${name} is ready`).sort(),
    );
  });
});
