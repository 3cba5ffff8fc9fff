/** OpenAPI 3.1, made from the routes and the schemas that check them: it cannot say anything else. */
import { z } from 'zod';
import * as contract from '../contract.ts';
import { PROBLEMS, type ProblemCode } from './problem.ts';
import type { RouteDescription } from './route.ts';

const COMPONENTS: Readonly<Record<string, z.ZodType>> = {
  Store: contract.Store,
  Operation: contract.Operation,
  Problem: contract.Problem,
  CreateStore: contract.CreateStore,
  ChangeStore: contract.ChangeStore,
  RollbackStore: contract.RollbackStore,
  AdoptEdit: contract.AdoptEdit,
  StoreAnswer: contract.StoreAnswer,
  Accepted: contract.Accepted,
  Review: contract.Review,
  ReviewList: contract.ReviewList,
  ReviewDetail: contract.ReviewDetail,
  ReviewAnswer: contract.ReviewAnswer,
  ApproveHold: contract.ApproveHold,
  ApproveReview: contract.ApproveReview,
  RejectReview: contract.RejectReview,
  StoreList: contract.StoreList,
  StageEntry: contract.StageEntry,
  Health: contract.Health,
  OperationList: contract.OperationList,
  User: contract.User,
  Me: contract.Me,
  SignInOptions: contract.SignInOptions,
  SignIn: contract.SignIn,
  SignUp: contract.SignUp,
  SignedIn: contract.SignedIn,
  ChangePassword: contract.ChangePassword,
  RequestPasswordReset: contract.RequestPasswordReset,
  ResetPassword: contract.ResetPassword,
  ChangeUser: contract.ChangeUser,
  Confirm: contract.Confirm,
  Confirmed: contract.Confirmed,
  SwitchTenant: contract.SwitchTenant,
  SessionList: contract.SessionList,
  MemberList: contract.MemberList,
  MemberAnswer: contract.MemberAnswer,
  ChangeMember: contract.ChangeMember,
  PasswordLink: contract.PasswordLink,
  InvitationList: contract.InvitationList,
  InvitationAnswer: contract.InvitationAnswer,
  CreateInvitation: contract.CreateInvitation,
  InvitationPreview: contract.InvitationPreview,
  AcceptInvitation: contract.AcceptInvitation,
  TenantList: contract.TenantList,
  TenantAnswer: contract.TenantAnswer,
  CreateTenant: contract.CreateTenant,
  ChangeTenant: contract.ChangeTenant,
  CreateToken: contract.CreateToken,
  TokenAnswer: contract.TokenAnswer,
  TokenList: contract.TokenList,
  EngineList: contract.EngineList,
  StoreNameAnswer: contract.StoreNameAnswer,
  FileDiff: contract.FileDiff,
  Preview: contract.Preview,
  PreviewChange: contract.PreviewChange,
  Change: contract.Change,
  ChangeList: contract.ChangeList,
  ChangeAnswer: contract.ChangeAnswer,
  StoreEvents: contract.StoreEvents,
  StorePods: contract.StorePods,
  StoreLog: contract.StoreLog,
  StoreResources: contract.StoreResources,
  AdminLogin: contract.AdminLogin,
  OrderSummary: contract.OrderSummary,
  TestOrder: contract.TestOrder,
  StoreTally: contract.StoreTally,
  AuditEntry: contract.AuditEntry,
  AuditList: contract.AuditList,
  Fleet: contract.Fleet,
  ClusterList: contract.ClusterList,
  PlatformHealth: contract.PlatformHealth,
  StoreDrift: contract.StoreDrift,
  Hold: contract.Hold,
  HoldList: contract.HoldList,
  HoldAnswer: contract.HoldAnswer,
  CreateRollout: contract.CreateRollout,
  RolloutDetail: contract.RolloutDetail,
  RolloutPreview: contract.RolloutPreview,
  RolloutList: contract.RolloutList,
  RolloutAnswer: contract.RolloutAnswer,
  Rollout: contract.Rollout,
  ProblemDetails: contract.ProblemDetails,
  Readiness: contract.Readiness,
  HookAnswer: contract.HookAnswer,
};

/** Codes that any signed-in request may get. */
const SIGNED: readonly ProblemCode[] = ['unauthorized', 'forbidden'];
const ANY: readonly ProblemCode[] = ['internal', 'database_unavailable'];

export type ApiDescription = {
  readonly openapi: '3.1.0';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>;
    readonly securitySchemes: Readonly<Record<string, object>>;
  };
};

export function describeApi(routes: readonly RouteDescription[]): ApiDescription {
  const paths: Record<string, Record<string, object>> = {};
  for (const one of routes) {
    const path = (paths[one.path] ??= {});
    path[one.method.toLowerCase()] = describeRoute(one);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Shopyard',
      version: '1.0.0',
      description:
        'Creates shops by committing to git. Requests are recorded and answered at once; follow ' +
        'them by GET or on the event stream.',
    },
    paths,
    components: {
      schemas: describeSchemas(),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'shopyard.session_token' },
      },
    },
  };
}

/** What a route may answer when it refuses. */
export function listProblems(one: RouteDescription): readonly ProblemCode[] {
  return [
    ...(one.policy === 'anyone' ? [] : SIGNED),
    ...(one.recent === true ? (['confirmation_needed'] as const) : []),
    ...(one.method === 'GET' ? [] : (['origin_refused'] as const)),
    ...(one.problems ?? []),
    ...ANY,
  ];
}

function describeSchemas(): Record<string, object> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(COMPONENTS)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    target: 'draft-2020-12',
    io: 'input',
    uri: (id) => `#/components/schemas/${id}`,
  });
  // Inside the document a schema's address is its place: it carries no `$id` of its own.
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => [
      id,
      Object.fromEntries(Object.entries(schema).filter(([name]) => !name.startsWith('$'))),
    ]),
  );
}

function refer(schema: z.ZodType): object {
  const name = Object.keys(COMPONENTS).find((id) => COMPONENTS[id] === schema);
  if (name === undefined) throw new Error('A route uses a schema that is not a component.');
  return { $ref: `#/components/schemas/${name}` };
}

function describeRoute(one: RouteDescription): object {
  const responses: Partial<Record<string, object>> = {};
  for (const [status, answer] of Object.entries(one.answers)) {
    const description = one.meanings?.[Number(status)] ?? one.summary;
    if (answer === 'empty') responses[status] = { description: 'Done' };
    else
      responses[status] =
        typeof answer === 'string'
          ? { description, content: { [answer]: {} } }
          : {
              description,
              content: { 'application/json': { schema: refer(answer) } },
            };
  }
  for (const code of listProblems(one)) {
    const status = PROBLEMS[code][0];
    const codes = listProblems(one).filter((other) => PROBLEMS[other][0] === status);
    responses[status] ??= {
      description: codes.join(', '),
      content: { 'application/problem+json': { schema: refer(contract.ProblemDetails) } },
    };
  }
  return {
    operationId: nameOperation(one),
    summary: one.summary,
    security: describeSecurity(one),
    'x-policy': one.policy,
    ...(one.recent === true ? { 'x-recent': true } : {}),
    parameters: describeParameters(one),
    ...(one.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: refer(one.body) } },
          },
        }),
    responses,
  };
}

function describeSecurity(one: RouteDescription): object[] {
  if (one.policy === 'anyone') return [];
  const isForPeople = one.policy === 'user' || one.recent === true;
  return isForPeople ? [{ session: [] }] : [{ session: [] }, { token: [] }];
}

/** `GET /api/stores/{id}/health` → `getStoresIdHealth`. */
function nameOperation(one: RouteDescription): string {
  const words = one.path.split(/[^A-Za-z]+/).filter((word) => word !== '' && word !== 'api');
  return (
    one.method.toLowerCase() +
    words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
  );
}

function describeParameters(one: RouteDescription): object[] {
  const path = [...one.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const header = one.idempotent
    ? [
        {
          name: 'Idempotency-Key',
          in: 'header',
          required: false,
          schema: { type: 'string', minLength: 1, maxLength: 255 },
        },
      ]
    : [];
  if (one.query === undefined) return [...path, ...header];
  const query = z.toJSONSchema(one.query, { target: 'draft-2020-12', io: 'input' });
  return [
    ...path,
    ...Object.entries(query.properties ?? {}).map(([name, schema]) => ({
      name,
      in: 'query',
      required: query.required?.includes(name) ?? false,
      schema,
    })),
    ...header,
  ];
}
