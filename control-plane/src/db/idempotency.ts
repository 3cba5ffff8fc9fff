/**
 * Answers kept under the client's Idempotency-Key, per tenant, for a day. Only what was accepted is
 * kept: a refused request changed nothing, so asking again is asking anew.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Accepted } from '../contract.ts';
import type { Db, Tx } from './open.ts';

/** How long a key is remembered, in milliseconds. */
export const IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000;

export type IdempotencyKey = {
  readonly tenantId: string;
  readonly key: string;
  readonly requestHash: string;
};

export type KeptAnswer = {
  readonly requestHash: string;
  readonly status: number;
  readonly body: Accepted;
};

/** A fingerprint of what was asked: method, path and body, whatever the order of its fields. */
export function hashRequest(method: string, path: string, body: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify([method, path, order(body)]))
    .digest('hex');
}

function order(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(order);
  if (value === null || typeof value !== 'object') return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => [name, order(inner)]);
}

/** The kept answers, by `tenantId/key`. */
export async function findKeptAnswers(
  tx: Tx,
  keys: readonly IdempotencyKey[],
): Promise<ReadonlyMap<string, KeptAnswer>> {
  if (keys.length === 0) return new Map();
  const { rows } = await sql<KeptAnswer & { tenantId: string; key: string }>`
    select i.tenant_id, i.key, i.request_hash, i.status, i.body
    from unnest(${keys.map((one) => one.tenantId)}::text[], ${keys.map((one) => one.key)}::text[])
      as k(tenant_id, key)
    cross join lateral (
      select * from idempotency where tenant_id = k.tenant_id and key = k.key limit 1
    ) i
  `.execute(tx);
  return new Map(rows.map((row) => [nameKey(row), row]));
}

export function nameKey(key: { readonly tenantId: string; readonly key: string }): string {
  return `${key.tenantId}/${key.key}`;
}

/** Keeps one answer; false when the key was used meanwhile. */
export async function keepAnswer(
  tx: Tx,
  key: IdempotencyKey,
  answer: { readonly status: number; readonly body: Accepted },
  at: Date,
): Promise<boolean> {
  const kept = await tx
    .insertInto('idempotency')
    .values({
      tenantId: key.tenantId,
      key: key.key,
      requestHash: key.requestHash,
      status: answer.status,
      body: JSON.stringify(answer.body),
      createdAt: at,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('key')
    .executeTakeFirst();
  return kept !== undefined;
}

/** Forgets keys older than a day. */
export async function pruneIdempotency(db: Db, now: Date): Promise<void> {
  await db
    .deleteFrom('idempotency')
    .where('createdAt', '<', new Date(now.getTime() - IDEMPOTENCY_KEPT_MS))
    .execute();
}
