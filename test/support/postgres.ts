/** A database of its own for a test file: cloned from the migrated template, dropped at the end. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import pg from 'pg';
import { inject } from 'vitest';
import { openDatabase, type Db } from '../../control-plane/src/db/open.ts';
import { TEMPLATE } from './postgres-setup.ts';

export type TestDatabase = {
  readonly db: Db;
  readonly url: string;
  close(): Promise<void>;
};

export async function createTestDatabase(): Promise<TestDatabase> {
  const adminUrl = inject('postgresUrl');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await administer(adminUrl, `create database ${name} template ${TEMPLATE}`);
  const url = adminUrl.replace(/[^/]+$/, name);
  const db = openDatabase(url);
  return {
    db,
    url,
    close: async () => {
      await db.destroy();
      await administer(adminUrl, `drop database ${name} with (force)`);
    },
  };
}

/** How many connections to this database wait for a lock. */
export async function countWaiting(db: Db): Promise<number> {
  const { rows } = await sql`
    select from pg_locks l join pg_stat_activity a on a.pid = l.pid
    where not l.granted and a.datname = current_database()
  `.execute(db);
  return rows.length;
}

/** A connection that may do anything, unlike the product's own. To be ended by the caller. */
export async function connectAsOwner(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

async function administer(url: string, statement: string): Promise<void> {
  const client = await connectAsOwner(url);
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
