/**
 * The audit table, and the role that the control plane works as. The table belongs to the owner of
 * the schema; the role may add rows and read them, nothing else. The triggers are the second fence:
 * they stop the owner too, until he takes them away.
 */
import { sql, type Migration } from 'kysely';
import { APP_ROLE } from './roles.ts';

/** Any number that no other advisory lock of ours uses. */
const AUDIT_LOCK = 7_423_003;

export const auditMigration: Migration = {
  async up(db) {
    const role = sql.id(APP_ROLE);
    await sql`
      grant usage on schema public to ${role};
      grant select, insert, update, delete on all tables in schema public to ${role};
      revoke insert, update, delete on kysely_migration, kysely_migration_lock from ${role};
      grant usage on all sequences in schema public to ${role};
      alter default privileges in schema public
        grant select, insert, update, delete on tables to ${role};
      alter default privileges in schema public grant usage on sequences to ${role};

      create table audit (
        seq bigint primary key,
        at timestamptz(3) not null,
        by_id text,
        by_name text,
        by_kind text not null check (by_kind in ('user', 'token', 'anonymous', 'system')),
        tenant_id text,
        store_id text,
        action text not null,
        outcome text not null check (outcome in ('done', 'refused', 'failed')),
        request_id text,
        address text,
        detail jsonb not null,
        previous_hash text not null check (previous_hash ~ '^[0-9a-f]{64}$'),
        hash text not null check (hash ~ '^[0-9a-f]{64}$')
      );
      create index audit_tenant on audit (tenant_id, seq desc);
      create index audit_store on audit (store_id, seq desc) where store_id is not null;
      create index audit_by on audit (by_id, seq desc) where by_id is not null;
      create index audit_at on audit using brin (at);
      revoke all on audit from ${role};
      grant select, insert on audit to ${role};

      create function refuse_audit_change() returns trigger language plpgsql as $body$
        begin
          raise exception 'audit rows are never changed or removed'
            using errcode = 'insufficient_privilege';
        end
      $body$;
      create trigger audit_append_only before update or delete on audit
        for each row execute function refuse_audit_change();
      create trigger audit_never_empty before truncate on audit
        for each statement execute function refuse_audit_change();

      create function hold_audit_head() returns table (seq bigint, hash text) language plpgsql
      as $body$
        begin
          -- Whoever comes next waits here until our rows are committed. The query after it sees
          -- what was committed meanwhile: in a function each statement looks anew.
          perform pg_advisory_xact_lock(${sql.lit(AUDIT_LOCK)});
          return query select a.seq, a.hash from audit a order by a.seq desc limit 1;
        end
      $body$;
    `.execute(db);
  },
};
