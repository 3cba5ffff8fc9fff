/** What a store is besides its settings, and what its operations need to say about it. */
import { sql, type Migration } from 'kysely';

export const lifecycleMigration: Migration = {
  async up(db) {
    await sql`
      alter table stores
        add column suspended boolean not null default false,
        add column purge_at timestamptz,
        add column protected boolean not null default false,
        add column upgrade_to text,
        add column review_number int,
        add column review_url text;
      create index stores_kept on stores (purge_at) where status = 'suspended' and purge_at is not null;
      alter table operations
        add column needs_review boolean not null default false,
        add column review_number int,
        add column reverts text,
        add column restores text,
        add column adopts text;
    `.execute(db);
  },
};
