/**
 * The one exit for errors: whatever is thrown becomes problem details (RFC 9457). What we know has a
 * stable code; what we do not know is a 500 that says nothing but the request's id.
 */
import type { ProblemDetails } from '../contract.ts';
import { isDatabaseUnavailable } from '../db/outage.ts';
import { describeUnconnected } from '../domain/cluster.ts';
import type { FieldError } from '../domain/request.ts';
import { PlatformError } from '../errors.ts';

/** Every code that a client may meet: its status and its title. The docs page lists them. */
export const PROBLEMS = {
  malformed_json: [400, 'The body is not JSON'],
  idempotency_key_invalid: [400, 'The Idempotency-Key header is not valid'],
  idempotency_key_unsupported: [400, 'This request takes no Idempotency-Key'],
  malformed_request: [400, 'The request cannot be read'],
  unauthorized: [401, 'A session or a valid token is needed'],
  signature_invalid: [401, 'The signature is missing or wrong'],
  sign_in_failed: [401, 'Not signed in'],
  forbidden: [403, 'Not allowed'],
  origin_refused: [403, 'The request comes from another site'],
  confirmation_needed: [403, 'The password is needed again'],
  sign_up_closed: [403, 'Accounts are made by invitation'],
  other_recipient: [403, 'The invitation is for somebody else'],
  tenant_limit: [403, 'The user owns all the tenants they may own'],
  store_limit: [403, 'The tenant has all the stores it may have'],
  not_found: [404, 'Not found'],
  method_not_allowed: [405, 'This path takes other methods'],
  body_too_slow: [408, 'The body took too long'],
  delivery_repeated: [409, 'This was delivered before'],
  name_taken: [409, 'The name is taken'],
  host_taken: [409, 'The host name is taken'],
  no_cluster: [409, 'No cluster takes the store'],
  store_deleting: [409, 'The store is being deleted'],
  review_over: [409, 'The review is over'],
  review_moved: [409, 'There is something else to look at now'],
  review_elsewhere: [409, 'The review is decided elsewhere'],
  store_kept: [409, 'The store was deleted and is kept for a time'],
  drifted: [409, 'Somebody changed the store’s files in the repository'],
  not_adoptable: [409, 'No setting of a store says what was changed'],
  hold_decided: [409, 'Somebody has decided about these deletes already'],
  hold_moved: [409, 'Other deletes wait now than those that were looked at'],
  protected: [409, 'The store is protected against deletion'],
  upgrade_needed: [409, 'The store’s chart is too old for this'],
  cluster_not_connected: [409, 'The store’s cluster is not connected'],
  not_offered: [409, 'Stores of this kind are no longer offered'],
  rollback_refused: [409, 'The store cannot go back to that commit'],
  login_not_ready: [409, 'The store has no login yet'],
  store_not_ready: [409, 'The store is not ready'],
  practice: [409, 'A practice shop takes no orders'],
  orders_not_offered: [409, 'The engine tells of no orders'],
  nothing_to_sell: [409, 'The shop has nothing to sell'],
  shop_declined: [409, 'The shop says no'],
  rollout_open: [409, 'A rollout of this type is under way'],
  rollout_state: [409, 'The rollout is past that'],
  nothing_to_upgrade: [409, 'No store has an older version'],
  email_taken: [409, 'There is an account with this e-mail address'],
  no_password: [409, 'The account has no password'],
  no_mail: [409, 'No mail can be sent'],
  slug_taken: [409, 'There is a tenant of that name'],
  already_member: [409, 'Already a member'],
  last_owner: [409, 'Somebody must stay'],
  link_invalid: [410, 'The link is no longer valid'],
  body_too_large: [413, 'The body is too large'],
  unsupported_media_type: [415, 'The body must be application/json'],
  invalid_request: [422, 'The request is not valid'],
  idempotency_key_reused: [422, 'The Idempotency-Key was used for another request'],
  rate_limited: [429, 'Too many creates in a minute'],
  too_many_attempts: [429, 'Too many attempts'],
  internal: [500, 'Something went wrong here'],
  not_implemented: [501, 'No such method'],
  shop_refused: [502, 'The shop does not know the platform'],
  shop_unknown: [502, 'The shop is not as its engine makes it'],
  shop_unreachable: [503, 'The shop cannot be reached'],
  orders_not_configured: [503, 'No way to the shops is configured'],
  database_unavailable: [503, 'The database cannot be reached'],
  cluster_unreachable: [503, 'The cluster cannot be reached'],
  cluster_refused: [503, 'The cluster does not let the platform look'],
  repository_unavailable: [503, 'The cluster repository cannot be read'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** A PlatformError with what only HTTP needs: the fields at fault, headers of the answer. */
export class RequestProblem extends PlatformError {
  readonly errors: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    message: string,
    options: {
      readonly errors?: readonly FieldError[];
      readonly headers?: Readonly<Record<string, string>>;
      readonly hint?: string;
    } = {},
  ) {
    super(code, message, options.hint === undefined ? {} : { hint: options.hint });
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }
}

/** The same answer for what is not there and for what is somebody else's. */
export function notFound(): RequestProblem {
  return new RequestProblem('not_found', 'There is nothing here.');
}

/** What is asked of a store's cluster that is not among the configured ones. */
export function notConnected(cluster: string): RequestProblem {
  const { code, message, hint } = describeUnconnected(cluster);
  return new RequestProblem(code, message, { hint });
}

export function invalidRequest(errors: readonly FieldError[]): RequestProblem {
  return new RequestProblem(
    'invalid_request',
    errors.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join(' '),
    { errors },
  );
}

export type ProblemAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ProblemDetails;
  /** True when it is our fault and the log should say what it was. */
  readonly unexpected: boolean;
};

/** What goes out for something thrown. */
export function describeProblem(error: unknown, requestId: string): ProblemAnswer {
  if (isDatabaseUnavailable(error))
    return describe('database_unavailable', requestId, {
      detail: 'The request was not carried out. Try again in a moment.',
      headers: { 'Retry-After': '2' },
      unexpected: true,
    });
  if (!(error instanceof PlatformError) || !isKnown(error.code))
    return describe('internal', requestId, {
      detail: `The log has more under ${requestId}.`,
      unexpected: true,
    });
  const fieldErrors =
    error instanceof RequestProblem && error.errors.length > 0
      ? error.errors
      : error.field === undefined
        ? []
        : [{ field: error.field, message: error.message }];
  return describe(error.code, requestId, {
    detail: error.message,
    headers: error instanceof RequestProblem ? error.headers : {},
    errors: fieldErrors,
    hint: error.hint,
    unexpected: PROBLEMS[error.code][0] >= 500,
  });
}

function describe(
  code: ProblemCode,
  requestId: string,
  more: {
    readonly detail: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly errors?: readonly FieldError[];
    readonly hint?: string | undefined;
    readonly unexpected: boolean;
  },
): ProblemAnswer {
  const [status, title] = PROBLEMS[code];
  return {
    status,
    headers: more.headers ?? {},
    body: {
      type: `/problems/${code.replaceAll('_', '-')}`,
      title,
      status,
      detail: more.detail,
      instance: requestId,
      code,
      ...(more.errors === undefined || more.errors.length === 0
        ? {}
        : { errors: [...more.errors] }),
      ...(more.hint === undefined ? {} : { hint: more.hint }),
    },
    unexpected: more.unexpected,
  };
}

function isKnown(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}
