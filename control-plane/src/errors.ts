/**
 * The one error class of the control plane. Expected outcomes are return values; a failure that a
 * caller cannot decide on is thrown as a PlatformError. One place maps its code to HTTP
 * (http/problem.ts), one maps `retryable` to back-off (reconcile/loop.ts).
 */
export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  /** Stable, snake_case; documented in the API where it reaches a client. */
  readonly code: string;
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** What the reader can do about it, one sentence. */
  readonly hint: string | undefined;
  /** The request field or the setting the failure is about. */
  readonly field: string | undefined;

  constructor(
    code: string,
    message: string,
    options: { retryable?: boolean; hint?: string; field?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.hint = options.hint;
    this.field = options.field;
  }
}

/** The message of anything thrown, for logs and for people. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
