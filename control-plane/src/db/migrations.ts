/**
 * Schema changes, oldest first. Each runs once, in order, under Kysely's migration lock, so several
 * processes may start at the same time. A landed migration is never edited: add the next one.
 */
import { sql, type Migration } from 'kysely';
import { accountsMigration } from './accounts-migration.ts';
import { auditMigration } from './audit-migration.ts';
import { driftMigration } from './drift-migration.ts';
import { guardMigration } from './guard-migration.ts';
import { heldHostsMigration } from './held-hosts-migration.ts';
import { deliveriesMigration } from './deliveries-migration.ts';
import { forgeCredentialsMigration } from './forge-credentials-migration.ts';
import { lifecycleMigration } from './lifecycle-migration.ts';
import { clustersMigration } from './clusters-migration.ts';
import { mailClaimsMigration, mailsMigration } from './mails-migration.ts';
import { optionsMigration } from './options-migration.ts';
import { queueMigration } from './queue-migration.ts';
import { readsMigration } from './reads-migration.ts';
import { reviewsMigration } from './reviews-migration.ts';
import { rolloutsMigration } from './rollouts-migration.ts';
import { takenReviewsMigration } from './taken-reviews-migration.ts';

const first: Migration = {
  async up(db) {
    await sql`
      create table tenants (
        id text primary key check (id ~ '^[a-z0-9]{6}$'),
        slug text not null unique,
        store_limit int not null default 5,
        creates_per_minute int not null default 1,
        created_at timestamptz not null default now()
      );
      create table tenant_clusters (
        tenant_id text not null references tenants,
        cluster text not null,
        committed_at timestamptz,
        seen_at timestamptz,
        primary key (tenant_id, cluster)
      );
      create table tokens (
        id text primary key,
        tenant_id text not null references tenants,
        hash text not null unique,
        role text not null check (role in ('operator', 'owner', 'member', 'viewer')),
        name text not null,
        created_at timestamptz not null default now(),
        expires_at timestamptz
      );
      create table stores (
        id text primary key,
        tenant_id text not null references tenants,
        name text not null,
        type text not null,
        chart text not null,
        chart_version text not null,
        plan text not null,
        storage_plan text not null,
        cluster text not null,
        application text not null,
        namespace text not null,
        host text not null,
        url text not null,
        domain text,
        generation int not null default 1,
        attempt int not null default 1,
        status text not null default 'provisioning' check (status in
          ('provisioning','ready','degraded','failed','rejected','suspended','deleting','deleted')),
        stage text not null default 'requested',
        detail text,
        error_code text,
        error_message text,
        error_hint text,
        commit_sha text,
        commit_position bigint,
        operation_id text not null,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        ready_at timestamptz,
        deadline_at timestamptz,
        deleted_at timestamptz
      );
      create unique index stores_name on stores (tenant_id, name) where status <> 'deleted';
      create unique index stores_host on stores (cluster, host) where status <> 'deleted';
      create unique index stores_application on stores (cluster, application) where status <> 'deleted';
      create index stores_page on stores (tenant_id, created_at desc, id desc);
      create index stores_page_all on stores (created_at desc, id desc);
      create index stores_deadline on stores (deadline_at) where status = 'provisioning';
      create index stores_deleting on stores (cluster) where status = 'deleting';
      create table operations (
        id text primary key,
        seq bigint generated always as identity,
        store_id text not null references stores,
        tenant_id text not null references tenants,
        cluster text not null,
        kind text not null,
        action text not null,
        state text not null default 'queued',
        generation int not null,
        spec jsonb not null,
        requested_by text not null,
        commit_sha text,
        error_code text,
        error_message text,
        created_at timestamptz not null default now(),
        committed_at timestamptz,
        finished_at timestamptz
      );
      create index operations_queue on operations (seq) where state = 'queued';
      create index operations_store on operations (store_id, seq desc);
      create index operations_rate on operations (requested_by, created_at) where kind = 'create';
      create table stages (
        store_id text not null references stores,
        operation_id text not null references operations,
        stage text not null,
        ordinal int not null,
        started_at timestamptz not null,
        finished_at timestamptz,
        deadline_at timestamptz,
        commit_sha text,
        primary key (operation_id, stage)
      );
      create index stages_store on stages (store_id);
      create table commits (
        repository text not null,
        position bigint not null,
        sha text not null,
        operation_id text,
        action text,
        store_id text,
        subject text not null,
        author text not null,
        committed_at timestamptz not null,
        primary key (repository, position)
      );
      create unique index commits_sha on commits (sha, repository);
      create table repositories (
        repository text primary key,
        acknowledged_sha text,
        acknowledged_position bigint not null default 0,
        updated_at timestamptz not null default now()
      );
      create table leases (
        name text primary key,
        holder text not null,
        fence bigint not null,
        expires_at timestamptz not null
      );
      create table idempotency (
        tenant_id text not null references tenants,
        key text not null,
        request_hash text not null,
        status int not null,
        body jsonb not null,
        created_at timestamptz not null default now(),
        primary key (tenant_id, key)
      );
      create index idempotency_age on idempotency (created_at);
      create table events (
        id bigint generated always as identity primary key,
        xid xid8 not null default pg_current_xact_id(),
        tenant_id text not null,
        store_id text,
        type text not null,
        body jsonb not null,
        at timestamptz not null default now()
      );
      create index events_tail on events (xid, id);
      create index events_age on events (at);
    `.execute(db);
  },
};

/** Looked for by every tick of the observer, among all tenants there ever were. */
const unseenTenants: Migration = {
  async up(db) {
    await sql`
      create index tenant_clusters_unseen on tenant_clusters (cluster) where seen_at is null
    `.execute(db);
  },
};

export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '001-first': first,
  '002-accounts': accountsMigration,
  '003-audit': auditMigration,
  '004-reads': readsMigration,
  '005-unseen-tenants': unseenTenants,
  '006-mails': mailsMigration,
  '007-options': optionsMigration,
  '008-mail-claims': mailClaimsMigration,
  '009-lifecycle': lifecycleMigration,
  '010-reviews': reviewsMigration,
  '011-guard': guardMigration,
  '012-drift': driftMigration,
  '015-deliveries': deliveriesMigration,
  '016-forge-credentials': forgeCredentialsMigration,
  '014-rollouts': rolloutsMigration,
  '013-clusters': clustersMigration,
  '017-held-hosts': heldHostsMigration,
  '018-queue': queueMigration,
  '019-taken-reviews': takenReviewsMigration,
};
