/**
 * Opens the database: pool, Kysely, migrations. Every process of the product goes through here.
 * What is opened works as the role of roles.ts; only `migrate` works as the owner of the schema.
 */
import { Socket } from 'node:net';
import { CamelCasePlugin, Kysely, Migrator, PostgresDialect, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { PlatformError, describeError } from '../errors.ts';
import { noticeDiskFull } from './disk.ts';
import { MIGRATIONS } from './migrations.ts';
import { APP_ROLE, ensureAppRole } from './roles.ts';
import type { Database } from './schema.ts';

export type Db = Kysely<Database>;
export type Tx = Transaction<Database>;

/** The longest that a statement, or a transaction between two, may take: a minute. */
const STATEMENT_SECONDS = 60;
/**
 * A connection on which nothing has moved for so long is given up, statement or not: the network may
 * be gone without a word, and TCP alone tells after a quarter of an hour.
 */
const SILENCE_MS = (STATEMENT_SECONDS + 15) * 1_000;

type TypeId = Parameters<typeof pg.types.getTypeParser>[0];

/**
 * Connects to a Postgres that `migrate` has been at. bigint columns come back as numbers: ours are
 * counters far below 2^53.
 * @param url `postgres://…`
 * @param options.poolSize connections held at most; default 10
 * @param options.silenceMs when a connection is given up on which nothing moves; default 75 s
 */
export function openDatabase(
  url: string,
  options: { poolSize?: number; silenceMs?: number } = {},
): Db {
  const limit = `${STATEMENT_SECONDS}s`;
  const settings = [
    // As part of connecting: a connection that cannot take the role is none.
    `role=${APP_ROLE}`,
    `statement_timeout=${limit}`,
    // Its locks are free again even when the server does not hear of our end.
    `idle_in_transaction_session_timeout=${limit}`,
  ];
  return connect({
    url,
    poolSize: options.poolSize ?? 10,
    startup: settings.map((one) => `-c ${one}`).join(' '),
    silenceMs: options.silenceMs ?? SILENCE_MS,
  });
}

/** @param options.silenceMs 0: never; a migration takes as long as it takes */
function connect(options: {
  readonly url: string;
  readonly poolSize: number;
  readonly startup?: string;
  readonly silenceMs: number;
}): Db {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    ...(options.startup === undefined ? {} : { options: options.startup }),
    keepAlive: true,
    keepAliveInitialDelayMillis: 15_000,
    stream: () => {
      const socket = new Socket();
      return socket.setTimeout(options.silenceMs, () =>
        socket.destroy(new Error('Connection terminated: nothing was heard for too long')),
      );
    },
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    application_name: 'shopyard',
    types: {
      getTypeParser: (oid: TypeId, format?: 'text' | 'binary') =>
        oid === pg.types.builtins.INT8
          ? Number
          : (pg.types.getTypeParser(oid, format) as (value: string) => unknown),
    },
  });
  // A connection that dies (Postgres restarted) is replaced on the next query. Who was using it is
  // told by their query; the event is for nobody, and unheard it would end the process.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const db: Db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
    log: (event) => {
      if (event.level === 'error') noticeDiskFull(db, event.error);
    },
  });
  return db;
}

/** Makes sure the database answers; throws one sentence that names the setting when it does not. */
async function checkAnswers(db: Db): Promise<void> {
  try {
    await sql`select 1`.execute(db);
  } catch (error) {
    throw new PlatformError(
      'database_unreachable',
      `The database does not answer: ${describeError(error)}.`,
      {
        field: 'DATABASE_URL',
        hint: 'Start it or correct the address; without the setting an embedded Postgres is used.',
        cause: error,
      },
    );
  }
}

/**
 * Brings the schema up to date, as the owner of the schema: the user of the address. Safe with
 * several processes at once: Kysely holds a lock.
 */
export async function migrate(url: string): Promise<void> {
  const owner = connect({ url, poolSize: 2, silenceMs: 0 });
  try {
    await checkAnswers(owner);
    await ensureAppRole(owner);
    const migrator = new Migrator({
      // Migrations are SQL with snake_case names: no plugin may rewrite them.
      db: owner.withoutPlugins(),
      provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) },
    });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw describeRefusal(error);
  } finally {
    await owner.destroy();
  }
}

/** Kysely names the first migration that this version does not have. */
function describeRefusal(error: unknown): PlatformError {
  const later = /previously executed migration (\S+) is missing/.exec(describeError(error))?.[1];
  if (later === undefined)
    return new PlatformError(
      'migration_failed',
      `The database schema could not be brought up to date: ${describeError(error)}`,
      { cause: error },
    );
  return new PlatformError(
    'database_newer',
    `A newer Shopyard has brought the database up to date (${later}); this one does not know it.`,
    {
      hint: 'Start the newer one, or put back the dump from before the upgrade.',
      cause: error,
    },
  );
}
