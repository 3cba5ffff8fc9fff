/** What is on record, as the table has it. */
import { sql } from 'kysely';
import type { Db } from '../../control-plane/src/db/open.ts';

export type RecordedAct = {
  readonly action: string;
  readonly outcome: string;
  readonly byId: string | null;
  readonly tenantId: string | null;
  readonly requestId: string | null;
  readonly address: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
};

/** Every act, oldest first. */
export async function readRecord(db: Db): Promise<readonly RecordedAct[]> {
  const { rows } = await sql<RecordedAct>`
    select action, outcome, by_id, tenant_id, request_id, address, detail from audit order by seq
  `.execute(db);
  return rows;
}
