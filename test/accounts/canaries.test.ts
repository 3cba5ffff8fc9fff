/**
 * Secrets go where they must and nowhere else: whatever passwords, tokens, links and cookies pass
 * through here, on good ways and bad ones, is in no log, no event, no record, and in no table but
 * as a hash.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  AdminLogin,
  InvitationAnswer,
  PasswordLink,
  StoreLog,
  TokenAnswer,
} from '../../control-plane/src/contract.ts';
import { createLokiLogs } from '../../control-plane/src/logs/loki.ts';
import {
  cookieOf,
  EMPTY_CLUSTER,
  HOOK_SECRET,
  PASSWORD,
  startApi,
  type Api,
} from '../api/support.ts';
import { openStream, type EventStream } from '../api/event-stream.ts';
import { startLokiStandIn, type LokiStandIn } from '../logs/loki-stand-in.ts';

let api: Api;
let stream: EventStream;
let loki: LokiStandIn;
let folder: string;
/** What must not be found, by what it is. */
const canaries = new Map<string, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-canaries-'));
  loki = await startLokiStandIn();
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, plant('the token for Loki', 'loki-canary-token'));
  const archive = createLokiLogs(
    { url: loki.url, tenant: 'canaries', user: null, tokenFile },
    { clock: () => new Date() },
  );
  api = await startApi({
    reads: {
      cluster: () => ({
        ...EMPTY_CLUSTER,
        readSecret: () =>
          Promise.resolve({
            username: 'shopkeeper',
            password: plant('a shop’s password', 'shop-canary-password'),
          }),
      }),
      logs: () => archive,
    },
  });
  stream = await openStream(api.url, (await api.token('operator')).token);
  await useThem();
  await failWithThem();
});
afterAll(async () => {
  stream.close();
  await api.close();
  await loki.close();
  await rm(folder, { recursive: true });
});

function plant(name: string, secret: string): string {
  canaries.set(name, secret);
  return secret;
}

/** The signature is what makes a cookie one; with it the session could be taken. */
function plantCookie(name: string, cookie: string): string {
  const value = decodeURIComponent(/session_token=([^;]+)/.exec(cookie)?.[1] ?? '');
  plant(`${name}: whole`, value);
  plant(`${name}: signature`, value.split('.').at(-1) ?? '');
  return cookie;
}

/** Every way that takes or gives a secret, used as it is meant. */
async function useThem(): Promise<void> {
  const operator = await api.person('operator');
  const owner = await api.person('owner', 'canaries');
  plantCookie('an owner’s cookie', owner.cookie);
  const invited = await api.request('POST', '/api/invitations', {
    cookie: owner.cookie,
    body: { email: 'canary@people.test', role: 'member' },
  });
  const { link } = InvitationAnswer.parse(invited.body);
  const secret = plant('an invitation’s secret', link.split('/').at(-1) ?? '');
  await api.request('GET', `/api/invitations/${secret}/preview`, { token: null });
  const accepted = await api.request('POST', `/api/invitations/${secret}/accept`, {
    token: null,
    body: { name: 'Canary', password: plant('the first password', 'first-canary-password') },
  });
  const cookie = plantCookie('a member’s cookie', cookieOf(accepted));
  const changed = await api.request('POST', '/api/auth/change-password', {
    cookie,
    body: {
      currentPassword: 'first-canary-password',
      newPassword: plant('the second password', 'second-canary-password'),
    },
  });
  expect(changed.status, changed.text).toBe(204);
  const renewed = plantCookie('the cookie after it', cookieOf(changed));
  await api.request('POST', '/api/confirm', {
    cookie: renewed,
    body: { password: 'second-canary-password' },
  });
  const made = await api.request('POST', '/api/tokens', { cookie: renewed, body: { name: 't' } });
  const { token } = TokenAnswer.parse(made.body);
  plant('a token', token);
  const store = await api.request('POST', '/api/stores', {
    token,
    body: { name: 'canary', type: 'woocommerce' },
  });
  expect(store.status).toBe(202);
  const shop = store.body['store'] as { readonly id: string };
  await confirmAndReveal(shop.id, owner.cookie);
  const logs = await api.request('GET', `/api/stores/${shop.id}/logs`, { cookie: owner.cookie });
  expect(StoreLog.parse(logs.body).source).toBe('loki');
  expect((await deliver(HOOK_SECRET)).status).toBe(202);
  const { id } = (accepted.body['user'] ?? {}) as { id: string };
  const reset = await api.request('POST', `/api/members/${id}/password-link?tenant=canaries`, {
    cookie: operator.cookie,
  });
  const resetToken = new URL(PasswordLink.parse(reset.body).link).searchParams.get('token') ?? '';
  await api.request('POST', '/api/auth/reset-password', {
    token: null,
    body: {
      token: plant('a reset token', resetToken),
      newPassword: plant('the third password', 'third-canary-password'),
    },
  });
  plantCookie('the last cookie', await api.signIn('canary@people.test', 'third-canary-password'));
}

/** An owner looks at the shop's login. */
async function confirmAndReveal(id: string, cookie: string): Promise<void> {
  await api.request('POST', '/api/confirm', { cookie, body: { password: PASSWORD } });
  const reply = await api.request('POST', `/api/stores/${id}/reveal`, { cookie });
  expect(AdminLogin.parse(reply.body).password).toBe('shop-canary-password');
}

/** A forge's webhook, signed with this; whoever has the signature may send it once more. */
function deliver(secret: string) {
  const raw = JSON.stringify({ ref: 'refs/heads/main', after: 'c'.repeat(40) });
  const signature = createHmac('sha256', secret).update(raw).digest('hex');
  plant('the webhooks’ secret', HOOK_SECRET);
  return api.request('POST', '/api/hooks/forge', {
    token: null,
    raw,
    headers: {
      'X-GitHub-Event': 'push',
      'X-GitHub-Delivery': randomUUID(),
      'X-Hub-Signature-256': `sha256=${plant(`a signature with ${secret}`, signature)}`,
    },
  });
}

/** The same ways with what is wrong, misplaced, malformed, and while the database is broken. */
async function failWithThem(): Promise<void> {
  const wrong = plant('a wrong password', 'wrong-canary-password');
  const misplaced = plant('a password typed as the address', 'misplaced-canary@password.test');
  const signIn = (body: unknown, at = api) =>
    at.request('POST', '/api/auth/sign-in/email', { token: null, body });
  await signIn({ email: 'canary@people.test', password: wrong });
  await signIn({ email: misplaced, password: wrong });
  await signIn({ email: misplaced, password: wrong, pasword: wrong });
  await signIn([wrong]);
  await api.request('POST', '/api/auth/sign-in/email', {
    token: null,
    raw: `{"password": "${wrong}`,
  });
  await api.request('POST', '/api/auth/sign-in/email', {
    token: null,
    raw: `password=${wrong}`,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  });
  await api.request('GET', '/api/stores', {
    token: plant('an unknown token', 'shop_canary-token'),
  });
  await api.request('GET', '/api/stores', {
    token: null,
    headers: { Authorization: `Basic ${plant('basic credentials', 'Y2FuYXJ5OmNhbmFyeQ==')}` },
  });
  await api.request('GET', `/api/invitations/${plant('a made-up link', 'c'.repeat(43))}/preview`, {
    token: null,
  });
  expect((await deliver('the wrong secret of a forge')).status).toBe(401);
  await readLogsInVain();
  const { cookie } = await api.person('owner', 'canaries');
  plantCookie('a broken session’s cookie', cookie);
  const owner = new pg.Client({ connectionString: api.databaseUrl });
  await owner.connect();
  try {
    for (const table of ['accounts', 'sessions', 'attempts', 'invitations', 'tokens']) {
      await owner.query(`alter table ${table} rename to ${table}_away`);
      try {
        api.advance(4001);
        const password = canaries.get('the third password');
        const broken = await Promise.all([
          signIn({ email: 'canary@people.test', password }),
          api.request('GET', '/api/me', { cookie }),
          api.request('POST', '/api/confirm', { cookie, body: { password } }),
          api.request('GET', '/api/stores', { token: canaries.get('a token') ?? '' }),
          api.request('GET', `/api/invitations/${'c'.repeat(43)}/preview`, { token: null }),
        ]);
        expect(broken.map((reply) => reply.status)).toContain(500);
        for (const reply of broken)
          if (reply.status === 500) expect(reply.body).toMatchObject({ code: 'internal' });
      } finally {
        await owner.query(`alter table ${table}_away rename to ${table}`);
      }
    }
  } finally {
    await owner.end();
  }
  expect(PASSWORD).toBe(plant('everybody’s password', PASSWORD));
}

/** Loki's errors say what they were asked with. */
async function readLogsInVain(): Promise<void> {
  const { cookie } = await api.person('owner', 'canaries');
  const { id } = await api.db.selectFrom('stores').select('id').executeTakeFirstOrThrow();
  loki.fault = (request, response) =>
    !!response.writeHead(500).end(`cannot serve ${JSON.stringify(request.headers)}`);
  const failed = await api.request('GET', `/api/stores/${id}/logs`, { cookie });
  expect(StoreLog.parse(failed.body).problem).toMatchObject({ code: 'logs_unreachable' });
  expect(failed.text).not.toContain('loki-canary-token');
}

function expectNone(text: string, where: string): void {
  expect(text.length, `there is something in ${where}`).toBeGreaterThan(100);
  const found = [...canaries].filter(([, secret]) => text.includes(secret));
  expect(
    found.map(([name]) => name),
    where,
  ).toEqual([]);
}

test('there is something to look for (reliability 19)', () => {
  expect(canaries.size).toBeGreaterThan(15);
  for (const [name, secret] of canaries) expect(secret.length, name).toBeGreaterThan(8);
});

test('not in the log, not even at its most talkative (reliability 19)', () => {
  const log = api.log.join('\n');
  expect(log).toContain('/api/invitations/:secret/accept');
  expect(log).toContain('"status":500');
  expectNone(log, 'the log');
});

test('not in the events (reliability 19)', async () => {
  await expect.poll(() => stream.events.map(({ type }) => type)).toContain('store');
  expectNone(JSON.stringify(stream.events), 'the event stream');
});

test('not in any table but as a hash (reliability 19)', async () => {
  const { rows } = await sql<{ name: string }>`
    select tablename as name from pg_tables where schemaname = 'public'
  `.execute(api.db);
  expect(rows.map((row) => row.name)).toEqual(
    expect.arrayContaining(['audit', 'accounts', 'sessions', 'tokens', 'verifications', 'events']),
  );
  let text = '';
  for (const { name } of rows) {
    const content = await sql<{
      row: string;
    }>`select t::text as row from ${sql.table(name)} t`.execute(api.db);
    text += content.rows.map((one) => one.row).join('\n');
  }
  expect(text).toContain('canary@people.test');
  expectNone(text, 'the database');
});
