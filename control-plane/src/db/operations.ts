/** Operations as the API shows them. */
import { sql, type Selectable } from 'kysely';
import type { Operation } from '../contract.ts';
import type { Db, Tx } from './open.ts';
import type { OperationTable } from './schema.ts';

/** What of a row the API shows. */
export type OperationRow = Pick<
  Selectable<OperationTable>,
  | 'id'
  | 'storeId'
  | 'kind'
  | 'action'
  | 'state'
  | 'generation'
  | 'requestedBy'
  | 'commitSha'
  | 'needsReview'
  | 'reviewNumber'
  | 'errorCode'
  | 'errorMessage'
  | 'createdAt'
  | 'committedAt'
  | 'finishedAt'
>;

const COLUMNS = [
  'id',
  'storeId',
  'kind',
  'action',
  'state',
  'generation',
  'requestedBy',
  'commitSha',
  'needsReview',
  'reviewNumber',
  'errorCode',
  'errorMessage',
  'createdAt',
  'committedAt',
  'finishedAt',
] as const satisfies readonly (keyof OperationRow)[];

export function viewOperation(row: OperationRow): Operation {
  return {
    id: row.id,
    store: row.storeId,
    kind: row.kind,
    action: row.action,
    state: row.state,
    generation: row.generation,
    requestedBy: row.requestedBy,
    commit: row.commitSha,
    review: row.reviewNumber,
    error:
      row.errorCode === null
        ? null
        : { code: row.errorCode, message: row.errorMessage ?? '', hint: null },
    createdAt: row.createdAt.toISOString(),
    committedAt: row.committedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

/** A store's operations, newest first; the last hundred. */
export async function listOperations(db: Db, storeId: string): Promise<OperationRow[]> {
  return db
    .selectFrom('operations')
    .select(COLUMNS)
    .where('storeId', '=', storeId)
    .orderBy('seq', 'desc')
    .limit(100)
    .execute();
}

/** Operations by id. */
export async function findOperations(
  db: Db | Tx,
  ids: readonly string[],
): Promise<ReadonlyMap<string, OperationRow>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('operations')
    .select(COLUMNS)
    .where('id', '=', sql<string>`any(${ids})`)
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}
