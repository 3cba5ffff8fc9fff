/** Pull requests: those of changes that somebody looks at before they reach the branch. */
import { sql, type Migration } from 'kysely';

export const reviewsMigration: Migration = {
  async up(db) {
    await sql`
      -- The embedded forge keeps its pull requests here, and writes no more than its own columns
      -- (up to comment); the writer adds what it knows of the change, whatever the forge.
      create table pull_requests (
        repository text not null,
        number int not null,
        branch text not null,
        head_sha text not null,
        title text not null,
        body text not null,
        labels text[] not null default '{}',
        url text,
        state text not null default 'open' check (state in ('open', 'merged', 'closed')),
        opened_at timestamptz not null default now(),
        closed_at timestamptz,
        merged_sha text,
        comment text,
        operation_id text references operations,
        store_id text references stores,
        tenant_id text references tenants,
        cluster text,
        base_sha text,
        decision text check (decision in ('approved', 'rejected')),
        decided_by text,
        decided_name text,
        decided_at timestamptz,
        decided_head text,
        reason text,
        branch_gone boolean not null default false,
        primary key (repository, number)
      );
      create unique index pull_requests_branch on pull_requests (repository, branch)
        where state = 'open';
      create index pull_requests_page on pull_requests (tenant_id, number desc);
      create index pull_requests_operation on pull_requests (operation_id);
      create index pull_requests_left on pull_requests (repository) where not branch_gone;
      -- The commit that is put on its branch, written down before it is pushed: who starts over after
      -- a crash knows it again.
      alter table operations add column review_commit jsonb;
      create index operations_review on operations (seq) where state = 'review';
      create index operations_reviewed on operations (id) where review_commit is not null;
      create index operations_committed on operations (store_id, seq desc)
        where committed_at is not null;
    `.execute(db);
  },
};
