/** `npm run password-link`: the way back in for whoever has the database and no sign-in. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkAuditTable } from '../../control-plane/src/audit/check-table.ts';
import { TOP } from '../../control-plane/src/templates.ts';
import { ORIGIN, startApi, type Api, type Person } from '../api/support.ts';
import { readRecord } from './audit.ts';

let api: Api;
let operator: Person;
beforeAll(async () => {
  api = await startApi();
  operator = await api.person('operator');
});
afterAll(() => api.close());

type Ending = { readonly code: number; readonly said: string; readonly stdout: string };

/** As a person runs it. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ending> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['control-plane/src/password-link.ts', ...args],
      {
        cwd: TOP,
        env: {
          PATH: process.env.PATH ?? '',
          DATABASE_URL: api.databaseUrl,
          SHOPYARD_PUBLIC_URL: ORIGIN,
          ...env,
        },
      },
      (error, stdout, stderr) =>
        resolve({
          code: error === null ? 0 : Number(error.code),
          said: stdout + stderr,
          stdout,
        }),
    );
  });
}

test('the link works once, beside a running control plane, and is on record', async () => {
  const { code, said, stdout } = await run([operator.email.toUpperCase()]);
  expect(code, said).toBe(0);
  const link = new URL(stdout.trim().split('\n').at(-1) ?? '');
  expect(link.href).toMatch(new RegExp(`^${ORIGIN}/reset-password\\?token=[\\w-]{32}$`));
  const token = link.searchParams.get('token') ?? '';
  const choose = () =>
    api.request('POST', '/api/auth/reset-password', {
      token: null,
      body: { token, newPassword: 'found again now' },
    });
  expect((await choose()).status).toBe(204);
  expect((await choose()).status).toBe(410);
  const old = await api.request('GET', '/api/me', { cookie: operator.cookie });
  expect(old.status, 'signed out').toBe(401);
  const cookie = await api.signIn(operator.email, 'found again now');
  expect((await api.request('GET', '/api/audit', { cookie })).status).toBe(200);

  const acts = await readRecord(api.db);
  expect(acts.find(({ action }) => action === 'password-link')).toMatchObject({
    ...{ outcome: 'done', byId: null, requestId: null, address: null },
    detail: { member: operator.id, email: operator.email, role: 'operator' },
  });
  expect(JSON.stringify(acts)).not.toContain(token);
  expect(api.log.join('')).not.toContain(token);
  expect(await checkAuditTable(api.db, [])).toMatchObject({ kind: 'whole' });
});

test('a password that is chosen ends every other link of that person, and of nobody else', async () => {
  const [ada, eve] = [await api.person('owner', 'ada'), await api.person('owner', 'eve')];
  const make = async (email: string): Promise<string> => {
    const { stdout } = await run([email]);
    return new URL(stdout.trim().split('\n').at(-1) ?? '').searchParams.get('token') ?? '';
  };
  const choose = async (token: string): Promise<number> => {
    const body = { token, newPassword: 'found again now' };
    return (await api.request('POST', '/api/auth/reset-password', { token: null, body })).status;
  };
  const [first, second, another] = [
    await make(ada.email),
    await make(ada.email),
    await make(eve.email),
  ];
  expect(await choose(second)).toBe(204);
  expect(await choose(first)).toBe(410);
  const third = await make(ada.email);
  const cookie = await api.signIn(ada.email, 'found again now');
  const changed = await api.request('POST', '/api/auth/change-password', {
    cookie,
    body: { currentPassword: 'found again now', newPassword: 'chosen by herself' },
  });
  expect(changed.status, changed.text).toBe(204);
  expect(await choose(third)).toBe(410);
  expect(await choose(another)).toBe(204);
});

test('what was made for a merchant is no matter of the platform’s tenant', async () => {
  const { id, email } = await api.person('owner', 'locked-out');
  expect(await run([email])).toMatchObject({ code: 0 });
  const act = (await readRecord(api.db)).find(({ detail }) => detail['member'] === id);
  expect(act).toMatchObject({ action: 'password-link', tenantId: null });
});

test('who is not here is said, and who the operators are; nothing is made', async () => {
  const before = await readRecord(api.db);
  for (const args of [[], ['nobody@people.test'], [operator.email, 'more']]) {
    const { code, said } = await run(args);
    expect(code).toBe(2);
    expect(said).toMatch(/^No link was made: .+\n$/);
    expect(said).toContain(`The operators: ${operator.email}`);
  }
  expect(await readRecord(api.db)).toEqual(before);
});

test('settings and a database that are not right are one sentence', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-link-'));
  try {
    const none = await run([operator.email], { DATABASE_URL: '', SHOPYARD_DATA_DIR: folder });
    expect(none).toMatchObject({ code: 2 });
    expect(none.said).toContain(`There is no database in ${folder}.`);
    const wrong = await run([operator.email], { SHOPYARD_PUBLIC_URL: 'nowhere' });
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.said).toMatch(/^No link was made: SHOPYARD_PUBLIC_URL: .+\n$/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
