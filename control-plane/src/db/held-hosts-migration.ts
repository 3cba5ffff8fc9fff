/** A host stays its store's until the commit that moves the store to another is on the branch. */
import { sql, type Migration } from 'kysely';

export const heldHostsMigration: Migration = {
  async up(db) {
    await sql`
      alter table stores add column held_host text;
      create index stores_held_host on stores (cluster, held_host) where held_host is not null;
    `.execute(db);
  },
};
