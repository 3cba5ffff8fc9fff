/**
 * The API's shapes, as zod schemas: requests are checked by them, OpenAPI and the portal's types
 * come from them. Unknown fields are refused: the platform alone decides project, namespace, chart.
 */
import { z } from 'zod';
import { checkDomain, checkStoreName, checkTenantSlug } from './domain/names.ts';
import {
  ACTIONS,
  APPLY_STAGES,
  DELETE_STAGES,
  OPERATION_KINDS,
  OPERATION_STATES,
  STORE_STATUSES,
} from './domain/store.ts';

const Time = z.iso.datetime().describe('RFC 3339, UTC');
const Stage = z.enum([...new Set([...APPLY_STAGES, ...DELETE_STAGES])]);

export const Problem = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().nullable(),
});

export const Store = z.object({
  id: z.string(),
  name: z.string(),
  tenant: z.string(),
  type: z.string(),
  plan: z.string(),
  cluster: z.string(),
  namespace: z.string(),
  url: z.string(),
  status: z.enum(STORE_STATUSES),
  stage: Stage,
  detail: z.string().nullable().describe('What is being waited for, in words'),
  generation: z.number().int(),
  commit: z.string().nullable().describe('Last commit of this store in the cluster repository'),
  createdAt: Time,
  readyAt: Time.nullable(),
  error: Problem.nullable(),
});
export type Store = z.infer<typeof Store>;

export const Operation = z.object({
  id: z.string(),
  store: z.string(),
  kind: z.enum(OPERATION_KINDS),
  action: z.enum(ACTIONS),
  state: z.enum(OPERATION_STATES),
  generation: z.number().int(),
  requestedBy: z.string(),
  commit: z.string().nullable(),
  error: Problem.nullable(),
  createdAt: Time,
  committedAt: Time.nullable(),
  finishedAt: Time.nullable(),
});
export type Operation = z.infer<typeof Operation>;

/** A field of our own grammar: what the check says is what the client reads. */
function checked(check: (input: string) => { ok: true } | { ok: false; message: string }) {
  return z.string().superRefine((value, context) => {
    const result = check(value);
    if (!result.ok) context.addIssue({ code: 'custom', message: result.message });
  });
}

const Word = z
  .string()
  .max(64)
  .regex(/^[\x21-\x7e]+$/, 'One word.');

export const CreateStore = z.strictObject({
  name: checked(checkStoreName).describe('A DNS label of at most 40 characters, not reserved'),
  type: Word.describe('The engine, e.g. woocommerce'),
  plan: Word.default('small'),
  cluster: Word.optional().describe('Default: the first cluster'),
  domain: checked(checkDomain).optional().describe('A domain of the merchant’s own'),
  tenant: checked(checkTenantSlug)
    .optional()
    .describe('Operators only; a tenant that does not exist is made'),
});
export type CreateStore = z.infer<typeof CreateStore>;

export const ChangeStore = z
  .strictObject({
    plan: Word.optional(),
    domain: checked(checkDomain).nullable().optional().describe('null: back to the default host'),
  })
  .refine((change) => change.plan !== undefined || change.domain !== undefined, {
    message: 'Name at least one of plan and domain.',
  });
export type ChangeStore = z.infer<typeof ChangeStore>;

export const StoreAnswer = z.object({ store: Store });
export type StoreAnswer = z.infer<typeof StoreAnswer>;

export const Accepted = z.object({ store: Store, operation: Operation });
export type Accepted = z.infer<typeof Accepted>;

/** What GET /api/stores takes. */
export const StoreQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(200).optional(),
  status: z.enum(STORE_STATUSES).optional(),
  type: Word.optional(),
  q: z
    .string()
    .max(100)
    .regex(/^\P{C}*$/u, 'No control characters.')
    .optional()
    .describe('Part of the name or the host'),
  tenant: checked(checkTenantSlug).optional().describe('Operators only'),
});
export type StoreQuery = z.infer<typeof StoreQuery>;

export const StoreList = z.object({
  stores: z.array(Store),
  next: z.string().nullable().describe('The cursor of the next page; null on the last one'),
});
export type StoreList = z.infer<typeof StoreList>;

export const StageEntry = z.object({
  stage: Stage,
  startedAt: Time,
  finishedAt: Time.nullable(),
  deadlineAt: Time.nullable(),
  commit: z.string().nullable(),
});

export const Health = z.object({
  status: z.enum(STORE_STATUSES),
  stage: Stage,
  detail: z.string().nullable(),
  generation: z.number().int(),
  operation: z.string().describe('The operation that the stages belong to'),
  deadlineAt: Time.nullable(),
  stages: z.array(StageEntry),
  error: Problem.nullable(),
});
export type Health = z.infer<typeof Health>;

export const OperationList = z.object({ operations: z.array(Operation) });
export type OperationList = z.infer<typeof OperationList>;

export const ROLES = ['operator', 'owner', 'member', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

export const CreateToken = z.strictObject({
  name: z
    .string()
    .max(64)
    .regex(/^[\p{L}\p{N} ._-]+$/u, 'Letters, digits, spaces, dots, hyphens and underscores.'),
  role: z.enum(ROLES),
  tenant: checked(checkTenantSlug).optional().describe('Default: platform'),
  expiresInDays: z.number().int().min(1).max(3650).optional(),
});
export type CreateToken = z.infer<typeof CreateToken>;

export const TokenAnswer = z.object({
  id: z.string(),
  token: z.string().describe('Shown this once'),
  name: z.string(),
  role: z.enum(ROLES),
  tenant: z.string(),
  expiresAt: Time.nullable(),
});
export type TokenAnswer = z.infer<typeof TokenAnswer>;

/** RFC 9457, with what a client needs to act on it. */
export const ProblemDetails = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  instance: z.string().describe('The request’s id, as in the log'),
  code: z.string(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  hint: z.string().optional(),
});
export type ProblemDetails = z.infer<typeof ProblemDetails>;

export const Readiness = z.object({
  ready: z.boolean(),
  checks: z.array(
    z.object({ name: z.string(), ready: z.boolean(), message: z.string().nullable() }),
  ),
});
export type Readiness = z.infer<typeof Readiness>;

/** The bodies of the events on GET /api/events, by event name. */
export const EventBodies = {
  hello: z.object({ cursor: z.string() }),
  resync: z.object({ reason: z.string() }),
  store: z.object({ store: Store }),
} as const;
