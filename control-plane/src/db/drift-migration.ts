/** Files of stores that a person changed in the repository, and who knew of it when asking. */
import { sql, type Migration } from 'kysely';

export const driftMigration: Migration = {
  async up(db) {
    await sql`
      create table drifts (
        store_id text not null references stores,
        path text not null,
        kind text not null check (kind in ('changed', 'removed', 'added')),
        ours text,
        first_sha text,
        sha text not null,
        author text not null,
        at timestamptz not null,
        primary key (store_id, path)
      );
      alter table stores add column drift_sha text;
      create index stores_drifted on stores (updated_at desc) where drift_sha is not null;
      alter table operations add column drift_sha text;
    `.execute(db);
  },
};
