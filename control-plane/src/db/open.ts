/** Opens the database: pool, Kysely, migrations. Every process of the product goes through here. */
import { CamelCasePlugin, Kysely, Migrator, PostgresDialect, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { PlatformError, describeError } from '../errors.ts';
import { MIGRATIONS } from './migrations.ts';
import type { Database } from './schema.ts';

export type Db = Kysely<Database>;
export type Tx = Transaction<Database>;

type TypeId = Parameters<typeof pg.types.getTypeParser>[0];

/**
 * Connects to Postgres. bigint columns come back as numbers: ours are counters far below 2^53.
 * @param url `postgres://…`
 * @param options.poolSize connections held at most; default 10
 */
export function openDatabase(url: string, options: { poolSize?: number } = {}): Db {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.poolSize ?? 10,
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
export async function connectDatabase(db: Db): Promise<void> {
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

/** Brings the schema up to date. Safe with several processes at once: Kysely holds a lock. */
export async function migrate(db: Db): Promise<void> {
  const migrator = new Migrator({
    // Migrations are SQL with snake_case names: no plugin may rewrite them.
    db: db.withoutPlugins(),
    provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined)
    throw new PlatformError(
      'migration_failed',
      `The database schema could not be brought up to date: ${describeError(error)}`,
      { cause: error },
    );
}
