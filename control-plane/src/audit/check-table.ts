/** Checks the audit table from its first row to its last, a page at a time. */
import { readAuditAfter } from '../db/audit.ts';
import type { Db } from '../db/open.ts';
import {
  createAuditCheck,
  type AuditAnchor,
  type AuditFault,
  type AuditHead,
} from '../domain/audit.ts';

const PAGE = 1000;

export type AuditVerdict =
  | { readonly kind: 'whole'; readonly head: AuditHead }
  | { readonly kind: 'broken'; readonly fault: AuditFault };

/** @param anchors read before the table is: a row is there before a commit can name it */
export async function checkAuditTable(
  db: Db,
  anchors: readonly AuditAnchor[],
): Promise<AuditVerdict> {
  const check = createAuditCheck(anchors);
  for (;;) {
    const rows = await readAuditAfter(db, check.head.seq, { tenantId: null }, PAGE);
    for (const row of rows) {
      const fault = check.next(row);
      if (fault !== null) return { kind: 'broken', fault };
    }
    if (rows.length < PAGE) break;
  }
  const fault = check.end();
  return fault === null ? { kind: 'whole', head: check.head } : { kind: 'broken', fault };
}
