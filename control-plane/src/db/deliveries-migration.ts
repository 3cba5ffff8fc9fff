/** Webhooks that were taken. */
import { sql, type Migration } from 'kysely';

export const deliveriesMigration: Migration = {
  async up(db) {
    await sql`
      create table deliveries (
        body_hash text primary key,
        event text not null,
        at timestamptz not null
      );
      create index deliveries_age on deliveries (at);
    `.execute(db);
  },
};
