import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { sql } from 'kysely';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.ts';
import { MIGRATIONS } from './migrations.ts';
import { migrate, openDatabase } from './open.ts';
import { isDatabaseUnavailable } from './outage.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.close());

/** Passes connections on to Postgres until `silence` says that the network is gone. */
async function startNetwork(): Promise<{ url: string; silence(): void }> {
  const target = new URL(inject('postgresUrl'));
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) sockets.push(socket.on('error', () => undefined));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const url = new URL(database.url);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    silence: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
  };
}

test('gives up a connection whose network is gone, and works on by a new one', async () => {
  const network = await startNetwork();
  // Longer than a loaded machine takes to begin a connection, which may be silent, too.
  const db = openDatabase(network.url, { poolSize: 1, silenceMs: 8_000 });
  onTestFinished(() => db.destroy());
  await sql`select 1`.execute(db);
  network.silence();
  const failure: unknown = await sql`select 1`.execute(db).catch((error: unknown) => error);
  expect(isDatabaseUnavailable(failure), String(failure)).toBe(true);
  expect((await sql<{ n: number }>`select 2 as n`.execute(db)).rows).toEqual([{ n: 2 }]);
});

test('no statement, and no transaction between two, is endless', async () => {
  const { rows } = await sql<{ name: string; setting: string }>`
    select name, setting from pg_settings
    where name in ('statement_timeout', 'idle_in_transaction_session_timeout') order by name
  `.execute(database.db);
  expect(rows.map(({ setting }) => setting)).toEqual(['60000', '60000']);
});

test('tenants that were not seen yet are found by an index', async () => {
  const { rows } = await database.db.transaction().execute(async (tx) => {
    await sql`set local enable_seqscan = off`.execute(tx);
    return sql<{ 'QUERY PLAN': string }>`
        explain select tenant_id from tenant_clusters where cluster = 'lab' and seen_at is null
      `.execute(tx);
  });
  expect(JSON.stringify(rows)).toContain('tenant_clusters_unseen');
});

/** As the owner of the schema. */
async function asOwner(url: string, statement: string): Promise<readonly object[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<object>(statement)).rows;
  } finally {
    await client.end();
  }
}

test('of several that start at once on an empty database each finds all of the schema', async () => {
  const admin = inject('postgresUrl');
  await asOwner(admin, 'create database started_at_once');
  onTestFinished(async () => {
    await asOwner(admin, 'drop database started_at_once with (force)');
  });
  const url = admin.replace(/[^/]+$/, 'started_at_once');
  await Promise.all(Array.from({ length: 5 }, () => migrate(url)));
  const rows = await asOwner(url, 'select name from kysely_migration order by name');
  expect(rows).toEqual(
    Object.keys(MIGRATIONS)
      .sort()
      .map((name) => ({ name })),
  );
});

test('a database that a newer version was at is left alone, with a sentence', async () => {
  await migrate(database.url);
  await asOwner(
    database.url,
    `insert into kysely_migration (name, timestamp) values ('999-later', 'now')`,
  );
  await expect(migrate(database.url)).rejects.toMatchObject({
    code: 'database_newer',
    message: expect.stringContaining('(999-later)') as string,
  });
});
