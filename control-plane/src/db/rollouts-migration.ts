/** Upgrades in waves, and the stores that each has in view. */
import { sql, type Migration } from 'kysely';

export const rolloutsMigration: Migration = {
  async up(db) {
    await sql`
      create table rollouts (
        id text primary key,
        type text not null,
        to_version text not null,
        selection jsonb not null,
        wave_size int not null check (wave_size > 0),
        allowed_unhealthy int not null check (allowed_unhealthy >= 0),
        state text not null default 'running' check (state in
          ('running', 'paused', 'stopped', 'done', 'cancelled')),
        reason text,
        wave int not null default 0,
        tenant_id text not null references tenants,
        requested_by text not null,
        requested_name text not null,
        requested_kind text not null,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        finished_at timestamptz
      );
      create unique index rollouts_open on rollouts (type)
        where state in ('running', 'paused', 'stopped');
      create index rollouts_page on rollouts (created_at desc, id desc);
      create table rollout_stores (
        rollout_id text not null references rollouts,
        store_id text not null references stores,
        ordinal int not null,
        state text not null default 'pending' check (state in
          ('pending', 'upgrading', 'upgraded', 'unhealthy', 'left-out')),
        reason text,
        wave int,
        operation_id text,
        started_at timestamptz,
        finished_at timestamptz,
        primary key (rollout_id, store_id)
      );
      create index rollout_stores_page on rollout_stores (rollout_id, ordinal);
      create index rollout_stores_state on rollout_stores (rollout_id, state, ordinal);
      create index rollout_stores_upgrading on rollout_stores (rollout_id)
        where state = 'upgrading';
    `.execute(db);
  },
};
