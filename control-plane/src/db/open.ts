/**
 * Opens the database: pool, Kysely, migrations. Every process of the product goes through here.
 * What is opened works as the role of roles.ts; only `migrate` works as the owner of the schema.
 */
import { CamelCasePlugin, Kysely, Migrator, PostgresDialect, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { PlatformError, describeError } from '../errors.ts';
import { MIGRATIONS } from './migrations.ts';
import { APP_ROLE, ensureAppRole } from './roles.ts';
import type { Database } from './schema.ts';

export type Db = Kysely<Database>;
export type Tx = Transaction<Database>;

type TypeId = Parameters<typeof pg.types.getTypeParser>[0];

/**
 * Connects to a Postgres that `migrate` has been at. bigint columns come back as numbers: ours are
 * counters far below 2^53.
 * @param url `postgres://…`
 * @param options.poolSize connections held at most; default 10
 */
export function openDatabase(url: string, options: { poolSize?: number } = {}): Db {
  // As part of connecting: a connection that cannot take the role is none.
  return connect({ url, poolSize: options.poolSize ?? 10, startup: `-c role=${APP_ROLE}` });
}

function connect(options: { url: string; poolSize: number; startup?: string }): Db {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    ...(options.startup === undefined ? {} : { options: options.startup }),
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
  // An idle connection that dies (Postgres restarted) is replaced on the next query.
  pool.on('error', () => undefined);
  return new Kysely<Database>({
    dialect: new PostgresDialect({ pool }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  });
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
  const owner = connect({ url, poolSize: 2 });
  try {
    await checkAnswers(owner);
    await ensureAppRole(owner);
    const migrator = new Migrator({
      // Migrations are SQL with snake_case names: no plugin may rewrite them.
      db: owner.withoutPlugins(),
      provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) },
    });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined)
      throw new PlatformError(
        'migration_failed',
        `The database schema could not be brought up to date: ${describeError(error)}`,
        { cause: error },
      );
  } finally {
    await owner.destroy();
  }
}
