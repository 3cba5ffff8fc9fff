/**
 * What a route is: method, path, who may, what it takes, what it answers, and the handler. The
 * router, the authorisation matrix of the tests and the OpenAPI document all come from the one list
 * of these (app.ts). A route without a policy does not compile.
 */
import type { Context } from 'koa';
import type { z } from 'zod';
import type { Principal } from '../db/principals.ts';
import { describeIssue, isMissing } from '../describe-issue.ts';
import type { FieldError } from '../domain/request.ts';
import type { Logger } from '../logger.ts';
import type { Policy } from './auth.ts';
import { invalidRequest, type ProblemCode } from './problem.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** What a handler answers. A handler that writes the response itself answers null. */
export type Answer = {
  readonly status: number;
  readonly body: object | string;
  readonly headers?: Readonly<Record<string, string>>;
} | null;

/** The facts of one request, checked. */
export type Call<Body, Query> = {
  readonly principal: Principal;
  readonly params: Readonly<Record<string, string>>;
  readonly body: Body;
  readonly query: Query;
  readonly idempotencyKey: string | null;
  readonly requestId: string;
  /** Of this request: each of its lines has its id. */
  readonly log: Logger;
  /** Where the caller is, as far as it can be believed. */
  readonly address: string;
  readonly ctx: Context;
};

/** How the route is described to its readers. */
export type RouteDescription = {
  readonly method: Method;
  /** OpenAPI's notation: `/api/stores/{id}`. */
  readonly path: string;
  readonly policy: Policy;
  /** The caller's password was asked for again in the last minutes. */
  readonly recent?: boolean;
  /** Asks the database who calls: what lasts must not begin with what is remembered. */
  readonly fresh?: boolean;
  readonly summary: string;
  readonly body?: z.ZodType;
  /** The handler reads the body itself: it must see the very bytes. */
  readonly raw?: boolean;
  readonly query?: z.ZodType;
  /** Takes an Idempotency-Key. */
  readonly idempotent?: boolean;
  /** Status → body's schema, or a media type for what is not JSON. */
  readonly answers: Readonly<Record<number, z.ZodType | string>>;
  /** What an answer means, where there are several. */
  readonly meanings?: Readonly<Partial<Record<number, string>>>;
  readonly problems?: readonly ProblemCode[];
};

/** What the router and the documents work with: the types of body and query are closed over. */
export type Route = RouteDescription & {
  readonly run: (call: Call<unknown, unknown>) => Promise<Answer> | Answer;
};

/** Declares a route; its handler gets body and query as their schemas' outputs. */
export function route<Body = undefined, Query = undefined>(
  description: Omit<RouteDescription, 'body' | 'query'> & {
    readonly body?: z.ZodType<Body>;
    readonly query?: z.ZodType<Query>;
    readonly handle: (call: Call<Body, Query>) => Promise<Answer> | Answer;
  },
): Route {
  const { handle, ...rest } = description;
  return {
    ...rest,
    run: (call) => {
      if (rest.body === undefined) refuseFields(call.body);
      return handle({
        ...call,
        body: check(rest.body, call.body),
        // Nothing asked for, nothing read: probes and scrapers add parameters of their own.
        query: check(rest.query, call.query),
      });
    },
  };
}

function check<Output>(schema: z.ZodType<Output> | undefined, input: unknown): Output {
  // No schema: the type of the handler's argument is undefined.
  if (schema === undefined) return undefined as Output;
  const result = schema.safeParse(input, { error: describeIssue, reportInput: true });
  if (result.success) return result.data;
  throw invalidRequest(result.error.issues.flatMap(nameFields));
}

/** A route that takes no body takes no fields either: none is dropped in silence. */
function refuseFields(input: unknown): void {
  const fields = input !== null && typeof input === 'object' ? Object.keys(input) : [];
  if (fields.length > 0)
    throw invalidRequest(fields.map((field) => ({ field, message: 'No such field.' })));
}

/** A schema's complaint, with each unknown field under its own name. */
function nameFields(issue: z.core.$ZodIssue): FieldError[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      field: [...path, key].join('.'),
      message: 'No such field.',
    }));
  return [
    {
      field: path.length === 0 ? 'body' : path.join('.'),
      message: isMissing(issue) ? 'This is needed.' : issue.message,
    },
  ];
}
