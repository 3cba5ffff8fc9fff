/** Which end of an operation somebody was mailed about, and who is about to. */
import { sql, type Migration } from 'kysely';

export const mailsMigration: Migration = {
  async up(db) {
    await sql`
      alter table operations add column mailed_state text;
      update operations set mailed_state = state where finished_at is not null;
      create index operations_unmailed on operations (finished_at)
        where state in ('done', 'failed') and mailed_state is distinct from state;
    `.execute(db);
  },
};

export const mailClaimsMigration: Migration = {
  async up(db) {
    await sql`alter table operations add column mail_claimed_until timestamptz`.execute(db);
  },
};
