/**
 * The API's shapes, as zod schemas: requests are checked by them, OpenAPI and the portal's types
 * come from them. Unknown fields are refused: the platform alone decides project, namespace, chart.
 */
import { z } from 'zod';
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
