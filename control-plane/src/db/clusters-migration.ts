/** When each cluster was last heard from, and what is in the way: written by its observer. */
import { sql, type Migration } from 'kysely';

export const clustersMigration: Migration = {
  async up(db) {
    await sql`
      create table clusters (
        name text primary key,
        heard_at timestamptz,
        trouble text
      );
    `.execute(db);
  },
};
