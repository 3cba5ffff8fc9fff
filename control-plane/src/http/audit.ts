/** The record of who did what: pages of it, and all of it as NDJSON. */
import { Readable } from 'node:stream';
import {
  AuditExportQuery,
  AuditList,
  AuditQuery,
  type AuditEntry as AuditView,
} from '../contract.ts';
import { recordAct } from '../db/acts.ts';
import {
  readAuditAfter,
  readAuditBefore,
  type AuditFilter,
  type AuditRecord,
} from '../db/audit.ts';
import type { Db } from '../db/open.ts';
import type { Principal } from '../db/principals.ts';
import { findTenant } from '../db/tenants.ts';
import type { AuditDetail } from '../domain/audit.ts';
import type { Clock } from '../domain/ids.ts';
import { invalidRequest } from './problem.ts';
import { route, type Route } from './route.ts';
import { scopeOf } from './stores.ts';

const EXPORT_PAGE = 500;

export function auditRoutes(options: { readonly db: Db; readonly clock: Clock }): Route[] {
  const { db, clock } = options;
  return [
    route({
      method: 'GET',
      path: '/api/audit',
      policy: 'owner',
      summary: 'Who did what, newest first; owners see their tenant’s, operators everything',
      query: AuditQuery,
      answers: { 200: AuditList },
      problems: ['invalid_request'],
      handle: async ({ principal, query }) => {
        const before = query.cursor === undefined ? null : readCursor(query.cursor);
        const filter = await readFilter(db, principal, query);
        const rows = await readAuditBefore(db, before, filter, query.limit + 1);
        const more = rows.length > query.limit;
        if (more) rows.pop();
        const last = rows.at(-1);
        return {
          status: 200,
          body: {
            entries: rows.map(viewRecord),
            next: more && last !== undefined ? String(last.seq) : null,
          } satisfies AuditList,
        };
      },
    }),
    route({
      method: 'GET',
      path: '/api/audit.ndjson',
      policy: 'owner',
      summary: 'The record as one JSON object a line, oldest first, with the hashes that chain it',
      query: AuditExportQuery,
      answers: { 200: 'application/x-ndjson' },
      problems: ['invalid_request'],
      handle: async (call) => {
        const { principal, query, ctx } = call;
        const filter = await readFilter(db, principal, query);
        // What was asked for; a field that was left out goes with JSON.
        const detail = JSON.parse(JSON.stringify(query)) as AuditDetail;
        await recordAct({ db, clock }, call, { action: 'audit.export', detail });
        ctx.status = 200;
        ctx.body = Readable.from(exportLines(db, filter));
        ctx.set({
          'Content-Type': 'application/x-ndjson; charset=utf-8',
          'Content-Disposition': 'attachment; filename="audit.ndjson"',
        });
        return null;
      },
    }),
  ];
}

/** A tenant's owner asks for a slice, whatever else is named. */
async function readFilter(
  db: Db,
  principal: Principal,
  query: AuditExportQuery,
): Promise<AuditFilter> {
  const { action, store, by, from, to } = query;
  let tenantId = scopeOf(principal);
  if (query.tenant !== undefined) {
    if (tenantId !== null)
      throw invalidRequest([{ field: 'tenant', message: 'Only operators name a tenant.' }]);
    // A tenant that is not there has no rows.
    tenantId = (await findTenant(db, query.tenant))?.id ?? '';
  }
  return {
    tenantId,
    action,
    storeId: store,
    by,
    from: from === undefined ? undefined : new Date(from),
    to: to === undefined ? undefined : new Date(to),
  };
}

function readCursor(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor))
    throw invalidRequest([{ field: 'cursor', message: 'This is not a cursor of ours.' }]);
  return Number(cursor);
}

function viewRecord(row: AuditRecord): AuditView {
  const { seq, at, by, tenant, storeId, storeName, action, outcome, requestId, address } = row;
  return {
    seq,
    at: at.toISOString(),
    by,
    tenant,
    store: storeId === null ? null : { id: storeId, name: storeName },
    action,
    outcome,
    requestId,
    address,
    detail: { ...row.detail },
  };
}

/** Rows that are added while it goes on are part of it: it ends at the end of the table. */
async function* exportLines(db: Db, filter: AuditFilter): AsyncGenerator<string> {
  let after = 0;
  for (;;) {
    const rows = await readAuditAfter(db, after, filter, EXPORT_PAGE);
    if (rows.length > 0)
      yield rows
        .map((row) => {
          const { tenantId, previousHash, hash } = row;
          return `${JSON.stringify({ ...viewRecord(row), tenantId, previousHash, hash })}\n`;
        })
        .join('');
    after = rows.at(-1)?.seq ?? after;
    if (rows.length < EXPORT_PAGE) return;
  }
}
