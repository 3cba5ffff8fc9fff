/**
 * What the writer looks for in every batch, found without reading the rest of the queue: what is to
 * be committed, what is to be reviewed, and the tenants without a project of their own.
 */
import { sql, type Migration } from 'kysely';

export const queueMigration: Migration = {
  async up(db) {
    await sql`
      create index operations_ready on operations (seq)
        where state = 'queued' and not needs_review;
      create index operations_to_review on operations (seq)
        where state = 'queued' and needs_review;
      drop index operations_queue;

      create index tenant_clusters_uncommitted on tenant_clusters (cluster, tenant_id)
        where committed_at is null;
      -- A tenant's first operation on a cluster asks for its project there, whoever records it. In
      -- one order: two batches then wait for each other, never both.
      create function ask_for_tenant_projects() returns trigger language plpgsql as $body$
        begin
          insert into tenant_clusters (tenant_id, cluster)
          select distinct q.tenant_id, q.cluster from queued q
          where not exists (select from tenant_clusters tc
            where tc.tenant_id = q.tenant_id and tc.cluster = q.cluster)
          order by q.tenant_id, q.cluster
          on conflict do nothing;
          return null;
        end
      $body$;
      create trigger operations_tenant_projects after insert on operations
        referencing new table as queued
        for each statement execute function ask_for_tenant_projects();
      insert into tenant_clusters (tenant_id, cluster)
      select distinct tenant_id, cluster from operations where state = 'queued'
      on conflict do nothing;
    `.execute(db);
  },
};
