/** What a request did, as it goes on record. */
import { appendAudit } from './audit.ts';
import type { Db } from './open.ts';
import type { Principal } from './principals.ts';
import type { AuditDetail, AuditEntry, AuditOutcome } from '../domain/audit.ts';
import type { Clock } from '../domain/ids.ts';

/** Where a request came from. */
export type Origin = { readonly requestId: string; readonly address: string };

/** Who asked, and from where. `principal` is missing where a route is for anyone. */
export type Actor = Origin & { readonly principal: Principal | null };

export type Act = {
  /** `member.remove`, `sign-in`, … */
  readonly action: string;
  /** Default: done. */
  readonly outcome?: AuditOutcome;
  /** Default: the actor's own. */
  readonly tenantId?: string | null;
  readonly storeId?: string | null;
  /** Who it is that acts, where the request alone does not say: somebody who signs in. */
  readonly by?: { readonly id: string; readonly name: string };
  readonly detail?: AuditDetail;
};

export function describeAct(actor: Actor, act: Act, at: Date): AuditEntry {
  const { principal, requestId, address } = actor;
  const by: AuditEntry['by'] =
    act.by !== undefined
      ? { ...act.by, kind: 'user' }
      : principal === null
        ? { id: null, name: null, kind: 'anonymous' }
        : { id: principal.id, name: principal.name, kind: principal.kind };
  const own = principal === null || principal.tenantId === '' ? null : principal.tenantId;
  return {
    at,
    by,
    tenantId: act.tenantId === undefined ? own : act.tenantId,
    storeId: act.storeId ?? null,
    action: act.action,
    outcome: act.outcome ?? 'done',
    requestId,
    address,
    detail: act.detail ?? {},
  };
}

/** Puts something on record that has happened already, in a transaction of its own. */
export async function recordAct(
  options: { readonly db: Db; readonly clock: Clock },
  actor: Actor,
  act: Act,
): Promise<void> {
  await options.db
    .transaction()
    .execute((tx) => appendAudit(tx, [describeAct(actor, act, options.clock())]));
}
