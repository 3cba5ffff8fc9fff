/** What requests that change stores have in common: their keys, and what they are answered. */
import type { ChangeOutcome } from '../db/accept-outcome.ts';
import { hashRequest, type IdempotencyKey } from '../db/idempotency.ts';
import { invalidRequest, notFound, RequestProblem } from './problem.ts';
import type { Answer, Call } from './route.ts';

/** What any of them may answer besides success. */
export const ALTERING = [
  'malformed_json',
  'idempotency_key_invalid',
  'unsupported_media_type',
  'body_too_large',
  'invalid_request',
  'idempotency_key_reused',
] as const;

/** @param body what the request says besides its path; null: nothing */
export function keyOf(call: Call<unknown, unknown>, body: unknown): IdempotencyKey | null {
  return call.idempotencyKey === null
    ? null
    : {
        tenantId: call.principal.tenantId,
        key: call.idempotencyKey,
        requestHash: hashRequest(call.ctx.method, call.ctx.path, body),
      };
}

/** The answer to a request that was recorded, or why it was not. */
export function answerOutcome(outcome: ChangeOutcome, announce: () => void): Answer {
  switch (outcome.kind) {
    case 'accepted':
      if (outcome.status === 202 && !outcome.replayed) announce();
      return {
        status: outcome.status,
        body: outcome.body,
        headers: {
          Location: `/api/stores/${outcome.body.store.id}`,
          ...(outcome.replayed ? { 'Idempotent-Replayed': 'true' } : {}),
        },
      };
    case 'not-found':
      throw notFound();
    case 'key-reused':
      throw new RequestProblem(
        'idempotency_key_reused',
        'This Idempotency-Key came with another request before.',
        { hint: 'Use a new key for each new request.' },
      );
    case 'taken':
      throw new RequestProblem(outcome.code, outcome.message, {
        errors: [{ field: outcome.field, message: outcome.message }],
      });
    case 'refused':
      throw refuseChange(outcome);
    case 'invalid':
      throw invalidRequest(outcome.errors);
    case 'full':
      throw new RequestProblem(
        'store_limit',
        `${outcome.limit} of at most ${outcome.limit} stores are there${describeKept(outcome.kept)}.`,
        {
          hint:
            outcome.kept === 0
              ? 'Delete a store, or ask an operator for a higher limit.'
              : 'Purge one that is kept, delete another, or ask an operator for a higher limit.',
        },
      );
    case 'too-fast':
      throw new RequestProblem(
        'rate_limited',
        `At most ${outcome.limit} in a minute; the next is possible in ${outcome.retryAfterSeconds} s.`,
        { headers: { 'Retry-After': String(outcome.retryAfterSeconds) } },
      );
  }
}

/** Why a store cannot be changed so, as a client gets it. */
export function refuseChange({
  code,
  message,
  hint,
}: Extract<ChangeOutcome, { readonly kind: 'refused' }>): RequestProblem {
  return new RequestProblem(code, message, hint === undefined ? {} : { hint });
}

/** A deleted store counts until it is purged. */
function describeKept(kept: number): string {
  if (kept === 0) return '';
  return `; ${kept} of them ${kept === 1 ? 'is deleted and counts' : 'are deleted and count'} until purged`;
}
