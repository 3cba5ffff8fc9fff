/** What pages of changes and of trouble are read by. */
import { sql, type Migration } from 'kysely';

export const readsMigration: Migration = {
  async up(db) {
    await sql`
      alter table commits add column tenant_id text;
      update commits c set tenant_id = s.tenant_id from stores s where s.id = c.store_id;
      create index commits_store on commits (store_id, position desc) where store_id is not null;
      create index commits_tenant on commits (tenant_id, position desc)
        where tenant_id is not null;
      create index stores_trouble on stores (updated_at)
        where status in ('degraded', 'failed', 'rejected', 'deleting');
    `.execute(db);
  },
};
