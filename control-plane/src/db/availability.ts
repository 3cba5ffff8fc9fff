/** Whether a new store's name and host are free, as its create would find them. */
import { sql } from 'kysely';
import type { Db } from './open.ts';

export type Availability = 'free' | 'name-taken' | 'name-leaving' | 'name-kept' | 'host-taken';

/** @param wanted.tenantId null: a tenant that is still to be made */
export async function checkAvailability(
  db: Db,
  wanted: {
    readonly tenantId: string | null;
    readonly name: string;
    readonly cluster: string;
    readonly host: string;
  },
): Promise<Availability> {
  const { rows } = await sql<{ found: Availability }>`
    (select case
        when s.status = 'deleting' then 'name-leaving'
        when s.purge_at is not null then 'name-kept'
        else 'name-taken' end as found
      from stores s
      where s.tenant_id = ${wanted.tenantId} and s.name = ${wanted.name} and s.status <> 'deleted'
      limit 1)
    union all
    (select 'host-taken' from stores s
      where s.cluster = ${wanted.cluster} and s.status <> 'deleted'
        and s.host = ${wanted.host}
      limit 1)
    union all
    (select 'host-taken' from stores s
      where s.cluster = ${wanted.cluster} and s.status <> 'deleted'
        and s.held_host = ${wanted.host} and s.held_host is not null
      limit 1)
    limit 1
  `.execute(db);
  return rows[0]?.found ?? 'free';
}
