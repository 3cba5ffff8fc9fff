/**
 * People, their sessions and their tenants: the tables that better-auth works with, in our naming
 * (a test holds them against what it asks for), and the attempts that its ways in are limited by.
 */
import { sql, type Migration } from 'kysely';

export const accountsMigration: Migration = {
  async up(db) {
    await sql`
      alter table tenants add column name text not null default '';
      update tenants set name = slug;
      alter table tenants add column logo text;
      alter table tenants add column metadata text;
      create index tenants_page on tenants (created_at desc, id desc);

      create table users (
        id text primary key,
        name text not null,
        email text not null unique check (email = lower(email)),
        email_verified boolean not null default false,
        image text,
        operator boolean not null default false,
        signed_in_at timestamptz,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now()
      );
      create table sessions (
        id text primary key,
        user_id text not null references users on delete cascade,
        token text not null unique,
        expires_at timestamptz not null,
        ip_address text,
        user_agent text,
        active_tenant_id text references tenants on delete set null,
        confirmed_at timestamptz,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now()
      );
      create index sessions_user_id_idx on sessions (user_id);
      create table accounts (
        id text primary key,
        user_id text not null references users on delete cascade,
        account_id text not null,
        provider_id text not null,
        access_token text,
        refresh_token text,
        id_token text,
        access_token_expires_at timestamptz,
        refresh_token_expires_at timestamptz,
        scope text,
        password text,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        unique (provider_id, account_id)
      );
      create index accounts_user_id_idx on accounts (user_id);
      create table verifications (
        id text primary key,
        identifier text not null,
        value text not null,
        expires_at timestamptz not null,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now()
      );
      create index verifications_identifier_idx on verifications (identifier);
      create table members (
        id text primary key,
        tenant_id text not null references tenants on delete cascade,
        user_id text not null references users on delete cascade,
        role text not null check (role in ('owner', 'member', 'viewer')),
        created_at timestamptz not null default now(),
        unique (user_id, tenant_id)
      );
      create index members_tenant_id_idx on members (tenant_id);
      create index members_user_id_idx on members (user_id);
      create table invitations (
        id text primary key,
        tenant_id text not null references tenants on delete cascade,
        email text not null check (email = lower(email)),
        role text not null check (role in ('operator', 'owner', 'member', 'viewer')),
        status text not null default 'pending'
          check (status in ('pending', 'accepted', 'rejected', 'canceled')),
        inviter_id text references users on delete set null,
        secret_hash text not null unique,
        expires_at timestamptz not null,
        created_at timestamptz not null default now()
      );
      create index invitations_tenant_id_idx on invitations (tenant_id);
      create index invitations_email_idx on invitations (email);

      create table attempts (
        key text primary key,
        count int not null,
        until timestamptz not null
      );
      create index attempts_until on attempts (until);

      alter table tokens add column user_id text references users on delete cascade;
      alter table tokens add column scopes text[] not null default '{read,write}'
        check (scopes <@ '{read,write}' and cardinality(scopes) > 0);
      alter table tokens add column revoked_at timestamptz;
      create index tokens_user on tokens (user_id) where user_id is not null;
      create index tokens_tenant on tokens (tenant_id);
    `.execute(db);
  },
};
