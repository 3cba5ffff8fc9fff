/**
 * Several of each part on one Postgres and one git server. The leading writer is killed, the leading
 * observer stopped, a process of the API killed, while creates come through all of them. Rows 12 and
 * 19 look at the same: what event streams told across it, and where secrets went.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Accepted, EventBodies } from '../../control-plane/src/contract.ts';
import { readCommitTrailers } from '../../control-plane/src/domain/commit-message.ts';
import { openStream, type EventStream } from '../api/event-stream.ts';
import { ApiClient, type ControlPlaneProcess } from '../support/control-plane-process.ts';
import { expectSound } from '../support/sound.ts';
import { choosePatience, chooseRounds, tally } from './tally.ts';
import { openWorld, SECRETS, type World } from './world.ts';
import { resume } from './yard.ts';

const ROUNDS = chooseRounds({ short: 1, full: 4 });
const CREATES = chooseRounds({ short: 8, full: 12 });
/** A leader that is gone has a successor by then. */
const REPLACED_MS = choosePatience(10_000);

vi.setConfig({ testTimeout: 900_000, hookTimeout: 180_000 });

let world: World;
let apis: ControlPlaneProcess[];
let writers: ControlPlaneProcess[];
let observers: ControlPlaneProcess[];
beforeAll(async () => {
  world = await openWorld();
  apis = [await world.start('api'), await world.start('api')];
  writers = [await world.start('writer'), await world.start('writer')];
  observers = [await world.start('observer'), await world.start('observer')];
});
afterAll(() => world.close());

/** The process that has the lease; its id begins the name by which leases know it. */
async function readLeader(kind: 'writer' | 'observer'): Promise<number> {
  const row = await world.database.db
    .selectFrom('leases')
    .select('holder')
    .where('name', 'like', `${kind} %`)
    .where('expiresAt', '>', sql<Date>`now()`)
    .executeTakeFirstOrThrow();
  return Number(row.holder.split('-')[0]);
}

/** Between two leaders, or while one is slow, there is none. */
const findLeader = (kind: 'writer' | 'observer'): Promise<number> =>
  vi.waitFor(() => readLeader(kind), { timeout: 60_000, interval: 50 });

/** Waits until another has the lease; returns how long that took. */
async function untilReplaced(kind: 'writer' | 'observer', pid: number): Promise<number> {
  const from = performance.now();
  await vi.waitFor(async () => expect(await readLeader(kind)).not.toBe(pid), {
    timeout: 60_000,
    interval: 50,
  });
  const took = performance.now() - from;
  expect(took, `the ${kind} is replaced`).toBeLessThan(REPLACED_MS);
  return took;
}

/** Asks until somebody accepts: as a client does whose server went away before it answered. */
async function createSomewhere(name: string, at: number): Promise<Accepted> {
  for (let turn = at; ; turn += 1) {
    const { url } = apis[turn % apis.length] ?? { url: '' };
    const response = await fetch(`${url}/api/stores`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${SECRETS.token}`,
        'content-type': 'application/json',
        'idempotency-key': name,
      },
      body: JSON.stringify({ name, type: 'woocommerce' }),
    }).catch(() => null);
    if (response?.status === 202) return Accepted.parse(await response.json());
    if (response !== null && response.status < 500)
      throw new Error(`${response.status}: ${await response.text()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Names of stores in the order in which the stream told of them first. */
function namesOf(streams: readonly EventStream[]): Set<string> {
  return new Set(
    streams.flatMap(({ events }) =>
      events
        .filter((event) => event.type === 'store')
        .map((event) => EventBodies.store.parse(event.data).store.name),
    ),
  );
}

const names: string[] = [];
const streams: EventStream[] = [];

test('row 4: the leading writer killed, the leading observer stopped, an API killed: replaced, nothing lost or doubled', async ({
  task,
}) => {
  const [first] = apis;
  streams.push(await openStream(first?.url ?? '', SECRETS.token));
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const stopped = await findLeader('observer');
    const killed = await findLeader('writer');
    const creating = Array.from({ length: CREATES }, (_, index) =>
      createSomewhere(`r${round}-${index}`, index),
    );
    names.push(...Array.from({ length: CREATES }, (_, index) => `r${round}-${index}`));
    await creating[0];
    const victim = writers.find(({ pid }) => pid === killed);
    const [lost] = apis;
    process.kill(stopped, 'SIGSTOP');
    await Promise.all([victim?.kill(), lost?.kill()]);
    const replaced = Promise.all([
      untilReplaced('writer', killed),
      untilReplaced('observer', stopped),
    ]);
    // Whoever followed the one that was killed goes on at the other.
    apis.shift();
    const last = streams.at(-1)?.events.at(-1)?.id ?? '';
    streams.push(await openStream(apis[0]?.url ?? '', SECRETS.token, last));
    const accepted = await Promise.all(creating);
    times.push(...(await replaced));
    const api = new ApiClient(apis[0]?.url ?? '', SECRETS.token);
    for (const { store } of accepted)
      await api.waitFor(store.id, 'ready', ({ status }) => status === 'ready', {
        timeout: 120_000,
        mayFail: true,
      });
    await expectStoppedOneWritesNothing(stopped);
    // As a supervisor would.
    apis.push(await world.start('api'));
    writers = [...writers.filter((one) => one !== victim), await world.start('writer')];
  }
  await expectEachOnce();
  const slowest = (Math.max(...times) / 1_000).toFixed(1);
  tally(task, {
    done: `${ROUNDS} writers and APIs killed, ${ROUNDS} observers stopped, ${names.length} creates, replaced after at most ${slowest} s`,
  });
});

/** It wakes up with what it had in hand, and finds that another has its lease. */
async function expectStoppedOneWritesNothing(pid: number): Promise<void> {
  const read = async (): Promise<unknown> => {
    const { db } = world.database;
    const operations = await db.selectFrom('operations').selectAll().orderBy('seq').execute();
    return {
      stores: await db.selectFrom('stores').selectAll().orderBy('id').execute(),
      // Who mails is whoever is first, with the lease or without.
      operations: operations.map((row) => ({ ...row, mailedState: 0, mailClaimedUntil: 0 })),
      events: await db
        .selectFrom('events')
        .select((is) => is.fn.countAll().as('n'))
        .execute(),
    };
  };
  const before = await read();
  resume(pid);
  const observer = observers.find((one) => one.pid === pid);
  await vi.waitFor(
    async () => {
      const response = await fetch(`${observer?.url ?? ''}/metrics`);
      expect(response.status).toBe(200);
    },
    { timeout: 30_000 },
  );
  // Its end waits for what it is at.
  expect(await observer?.stop()).toBe(0);
  expect(await read()).toEqual(before);
  observers = [...observers.filter((one) => one.pid !== pid), await world.start('observer')];
}

async function expectEachOnce(): Promise<void> {
  const { db } = world.database;
  const stores = await db.selectFrom('stores').select(['name', 'status']).execute();
  expect(stores.map(({ name }) => name).sort()).toEqual([...names].sort());
  expect(new Set(stores.map(({ status }) => status))).toEqual(new Set(['ready']));
  const operations = await db.selectFrom('operations').select('id').execute();
  const log = await world.repository.git('log', '--format=%B%x00', 'main');
  const committed = log
    .split('\0')
    .map((message) => readCommitTrailers(message).operationId)
    .filter((id) => id !== null);
  expect(committed.sort()).toEqual(operations.map(({ id }) => id).sort());
  await expectSound((args) => world.repository.git(...args));
}

test('row 4: told to end while its mail server hangs, an observer keeps nobody from its lease', async ({
  task,
}) => {
  await using cleanup = new AsyncDisposableStack();
  // It takes calls and says nothing: its caller waits for fifteen seconds.
  const calls: Socket[] = [];
  const hanging = createServer((call) => void calls.push(call.on('error', () => undefined)));
  cleanup.defer(() => {
    for (const call of calls) call.destroy();
    hanging.close();
  });
  hanging.listen(0, '127.0.0.1');
  await once(hanging, 'listening');
  const { port } = hanging.address() as AddressInfo;
  await Promise.all(observers.map((one) => one.stop()));
  // The bootstrap token's owner has no address: all of it is news to the first operator.
  const { db } = world.database;
  const { id } = await db.selectFrom('users').select('id').executeTakeFirstOrThrow();
  const untold = { requestedBy: id, mailClaimedUntil: null, mailedState: null };
  await db.updateTable('operations').set(untold).execute();
  const stopped = await world.start('observer', {
    env: { SHOPYARD_SMTP_URL: `smtp://127.0.0.1:${port}` },
  });
  await vi.waitFor(async () => expect(await readLeader('observer')).toBe(stopped.pid), 30_000);
  observers = [await world.start('observer')];
  // The next of its mails has its fifteen seconds still before it.
  const before = calls.length;
  for (const one of calls) one.destroy();
  await vi.waitFor(() => expect(calls.length).toBeGreaterThan(before), 60_000);
  const [call] = calls.slice(-1);
  if (call === undefined) throw new Error('it mails');
  const end = stopped.stop();
  const first = await Promise.race([
    once(call, 'close').then(() => 'its mail was given up'),
    untilReplaced('observer', stopped.pid).then(() => 'another has its lease'),
  ]);
  expect(first).toBe('another has its lease');
  for (const one of calls) one.destroy();
  await end;
  tally(task, { done: '1 observer ended while it mailed' });
});

test('row 12: event streams that went on at another process told of every store', async ({
  task,
}) => {
  await vi.waitFor(() => expect(namesOf(streams)).toEqual(new Set(names)), 30_000);
  const kinds = new Set(streams.flatMap(({ events }) => events.map(({ type }) => type)));
  expect(kinds).not.toContain('resync');
  tally(task, { done: `${streams.length - 1} processes killed under a stream` });
});

test('row 19: no secret is in git, logs, database, events or the audit log, whatever was killed', async ({
  task,
}) => {
  const { forge } = world.repository;
  const [api] = apis;
  const client = new ApiClient(api?.url ?? '', SECRETS.token);
  const { stores } = (await client.call('GET', '/api/stores')).body as { stores: { id: string }[] };
  const { session, password } = await reveal(api?.url ?? '', stores[0]?.id ?? '');
  const [signature, wrong] = await callWhatFails(client, api?.url ?? '', stores[0]?.id ?? '');
  const canaries: Readonly<Record<string, string>> = {
    ...SECRETS,
    'the writer’s password': forge.remote.password,
    'the reader’s password': forge.readRemote.password,
    'the database’s password': new URL(world.database.url).password,
    'a session’s cookie': session,
    'a shop’s password': password,
    'a webhook’s signature': signature,
    'a wrong one': wrong,
  };
  for (const [name, secret] of Object.entries(canaries))
    expect(secret.length, name).toBeGreaterThan(8);
  const places: Readonly<Record<string, string>> = {
    git: await world.repository.git('log', '-p', '--all', '--format=raw'),
    logs: await world.readLogs(),
    database: await dumpDatabase(),
    events: JSON.stringify(streams.map(({ events }) => events)),
    audit: JSON.stringify((await client.call('GET', '/api/audit')).body),
  };
  for (const [place, text] of Object.entries(places)) {
    expect(text.length, place).toBeGreaterThan(1_000);
    for (const [name, secret] of Object.entries(canaries))
      expect(text.includes(secret), `${name} in ${place}`).toBe(false);
  }
  tally(task, {
    done: `${Object.keys(canaries).length} secrets in ${Object.keys(places).length} places`,
  });
});

test('every line about an operation says whose it is', async () => {
  const lines = (await world.readLogs())
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const { db } = world.database;
  const operations = await db
    .selectFrom('operations')
    .select(['id', 'storeId', 'tenantId'])
    .execute();
  const owners = new Map(operations.map((row) => [row.id, row]));
  const told = new Map<unknown, Set<unknown>>();
  for (const line of lines) {
    const { operation, store, msg } = line;
    const owner = typeof operation === 'string' ? owners.get(operation) : undefined;
    if (owner === undefined) continue;
    expect(store, JSON.stringify(line)).toBe(owner.storeId);
    expect(line['tenant'], JSON.stringify(line)).toBe(owner.tenantId);
    told.set(operation, (told.get(operation) ?? new Set()).add(msg));
  }
  // From its request on: a commit whose writer was killed before it said so is read from the branch.
  for (const { id } of operations) expect(told.get(id), id).toContain('request');
  expect([...told.values()].filter((said) => said.has('committed')).length).toBeGreaterThan(0);
});

/** Loki and the mail server do not answer; a webhook is signed, and signed wrong. */
async function callWhatFails(
  client: ApiClient,
  url: string,
  id: string,
): Promise<readonly [string, string]> {
  const { body } = await client.call('GET', `/api/stores/${id}/logs`);
  expect(body).toMatchObject({ source: 'cluster', problem: { code: 'logs_unreachable' } });
  const invited = { email: 'canary@people.test', role: 'operator', tenant: 'platform' };
  expect(await client.call('POST', '/api/invitations', invited)).toMatchObject({
    status: 201,
    body: { mailed: false },
  });
  const raw = JSON.stringify({ ref: 'refs/heads/main', after: 'c'.repeat(40) });
  const deliver = async (secret: string, status: number): Promise<string> => {
    const signature = createHmac('sha256', secret).update(raw).digest('hex');
    const response = await fetch(`${url}/api/hooks/forge`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-github-event': 'push',
        'x-github-delivery': randomUUID(),
        'x-hub-signature-256': `sha256=${signature}`,
      },
      body: raw,
    });
    expect(response.status).toBe(status);
    return signature;
  };
  return [await deliver(SECRETS.forgeHookSecret, 202), await deliver('some other secret', 401)];
}

/** A shop's login, as the first operator sees it in a browser. */
async function reveal(url: string, id: string): Promise<{ session: string; password: string }> {
  const [, email, shown] =
    /Sign in as (\S+) with the password (\S+) /.exec(await world.readLogs()) ?? [];
  const post = async (path: string, body: object, cookie = ''): Promise<Response> => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: 'http://shops.test', cookie },
      body: JSON.stringify(body),
    });
    expect(response.status, path).toBeLessThan(300);
    return response;
  };
  const signedIn = await post('/api/auth/sign-in/email', { email, password: shown });
  const cookie = signedIn.headers
    .getSetCookie()
    .map((one) => one.split(';')[0])
    .join('; ');
  await post('/api/confirm', { password: shown }, cookie);
  const login = await post(`/api/stores/${id}/reveal`, {}, cookie);
  const { password } = (await login.json()) as { password: string };
  const session = decodeURIComponent(/session_token=([^;]+)/.exec(cookie)?.[1] ?? '');
  return { session, password };
}

async function dumpDatabase(): Promise<string> {
  const { db } = world.database;
  const { rows } = await sql<{ name: string }>`
    select tablename as name from pg_tables where schemaname = 'public'
  `.execute(db);
  let text = '';
  for (const { name } of rows) {
    const content = await sql<{
      row: string;
    }>`select t::text as row from ${sql.table(name)} t`.execute(db);
    text += content.rows.map(({ row }) => row).join('\n');
  }
  return text;
}
