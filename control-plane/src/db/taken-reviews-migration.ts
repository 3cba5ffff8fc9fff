/** A decision that is being carried out can no longer be taken back. */
import { sql, type Migration } from 'kysely';

export const takenReviewsMigration: Migration = {
  async up(db) {
    await sql`alter table pull_requests add column taken_until timestamptz`.execute(db);
  },
};
