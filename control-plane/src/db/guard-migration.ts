/** Removals that wait for a second operator, and when each removal was let through. */
import { sql, type Migration } from 'kysely';

export const guardMigration: Migration = {
  async up(db) {
    await sql`
      create table holds (
        id text primary key,
        cluster text not null,
        state text not null default 'open' check (state in ('open', 'approved', 'rejected')),
        opened_at timestamptz not null,
        decided_at timestamptz,
        decided_by text,
        decided_by_name text
      );
      create unique index holds_open on holds (cluster) where state = 'open';
      create index holds_page on holds (opened_at desc, id desc);
      alter table operations add column hold_id text references holds;
      alter table operations add column removal_at timestamptz;
      create index operations_hold on operations (hold_id) where hold_id is not null;
      create index operations_removals on operations (cluster, removal_at)
        where removal_at is not null;
    `.execute(db);
  },
};
