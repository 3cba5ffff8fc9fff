/**
 * The role that the control plane works as. It owns nothing: what the owner of the schema does not
 * grant, no statement of ours can do, whatever is wrong with it. Migrations run as the owner.
 */
import { sql, type Kysely } from 'kysely';
import { PlatformError, describeError } from '../errors.ts';

export const APP_ROLE = 'shopyard_app';

/** Makes the role when it is not there. Roles belong to the server: two databases may both try. */
export async function ensureAppRole<T>(owner: Kysely<T>): Promise<void> {
  if (await hasRole(owner)) return;
  try {
    await sql`create role ${sql.id(APP_ROLE)} nologin`.execute(owner);
    await sql`grant ${sql.id(APP_ROLE)} to current_user`.execute(owner);
  } catch (error) {
    if (await hasRole(owner)) return;
    throw new PlatformError(
      'database_role_missing',
      `The role ${APP_ROLE} cannot be made: ${describeError(error)}.`,
      {
        field: 'DATABASE_URL',
        hint:
          `Let an administrator run: create role ${APP_ROLE} nologin; ` +
          `grant ${APP_ROLE} to the user of DATABASE_URL.`,
        cause: error,
      },
    );
  }
}

async function hasRole<T>(db: Kysely<T>): Promise<boolean> {
  const { rows } = await sql`select from pg_roles where rolname = ${APP_ROLE}`.execute(db);
  return rows.length > 0;
}
