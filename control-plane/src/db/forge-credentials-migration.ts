/** Where each credential of a forge was first sent: it goes nowhere else. */
import { sql, type Migration } from 'kysely';

export const forgeCredentialsMigration: Migration = {
  async up(db) {
    await sql`
      create table forge_credentials (
        fingerprint text primary key,
        address text not null,
        created_at timestamptz not null default now()
      )
    `.execute(db);
  },
};
