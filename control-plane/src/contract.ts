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

/** What a token may be used for: looking, and changing. */
export const SCOPES = ['read', 'write'] as const;
export type Scope = (typeof SCOPES)[number];

const PersonName = z
  .string()
  .trim()
  .min(1, 'This is needed.')
  .max(100)
  .regex(/^\P{C}*$/u, 'No control characters.');
const Email = z.email('An e-mail address.').max(254).toLowerCase();
/** What somebody types to prove who they are: never refused for its shape. */
const TypedPassword = z.string().min(1, 'This is needed.').max(128);
const NewPassword = z
  .string()
  .min(10, 'At least 10 characters.')
  .max(128, 'At most 128 characters.');
const RoleName = z.enum(ROLES);
const MemberRole = z.enum(['owner', 'member', 'viewer']);

export const User = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  operator: z.boolean(),
});
export type User = z.infer<typeof User>;

export const Membership = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  role: RoleName,
});
export type Membership = z.infer<typeof Membership>;

/** What the portal needs on every page. */
export const Me = z.object({
  user: User.nullable().describe('null for a token that is the tenant’s'),
  tenant: Membership.nullable().describe('The one acted in; null for somebody who is in none'),
  tenants: z.array(Membership),
  limits: z
    .object({
      storeLimit: z.number().int(),
      stores: z.number().int(),
      storesLeft: z.number().int(),
      createsPerMinute: z.number().int(),
      nextCreateAt: Time.nullable().describe('null: at once'),
    })
    .nullable()
    .describe('null for operators, who have none, and for somebody who is in no tenant'),
  cluster: z.object({
    name: z.string(),
    kind: z.enum(['practice', 'lab', 'kubeconfig']),
    argocdUrl: z.string().nullable(),
  }),
  signIn: z.object({
    oidc: z.object({ name: z.string() }).nullable(),
    smtp: z.boolean(),
  }),
  session: z
    .object({
      id: z.string(),
      confirmedUntil: Time.nullable().describe('Until then the password need not be given again'),
      password: z.boolean().describe('Whether there is one; else one signs in elsewhere'),
    })
    .nullable()
    .describe('null for tokens'),
});
export type Me = z.infer<typeof Me>;

/** What the sign-in page offers. */
export const SignInOptions = z.object({
  oidc: z
    .object({ name: z.string(), url: z.string().describe('Where the button goes: a GET') })
    .nullable(),
  smtp: z.boolean().describe('Whether a link for a new password can be sent'),
  openSignUp: z.boolean(),
  practice: z.boolean(),
  firstSignIn: z.boolean().describe('Nobody has signed in yet: the password is on the console'),
});
export type SignInOptions = z.infer<typeof SignInOptions>;

export const SignIn = z.strictObject({
  email: Email,
  password: TypedPassword,
  remember: z.boolean().default(true).describe('false: until the browser is closed, a day at most'),
});
export type SignIn = z.infer<typeof SignIn>;

export const SignUp = z.strictObject({ name: PersonName, email: Email, password: NewPassword });
export type SignUp = z.infer<typeof SignUp>;

export const SignedIn = z.object({ user: User });
export type SignedIn = z.infer<typeof SignedIn>;

export const ChangePassword = z.strictObject({
  currentPassword: TypedPassword,
  newPassword: NewPassword,
});
export type ChangePassword = z.infer<typeof ChangePassword>;

export const RequestPasswordReset = z.strictObject({ email: Email });
export type RequestPasswordReset = z.infer<typeof RequestPasswordReset>;

export const ResetPassword = z.strictObject({
  token: z.string().min(1).max(200),
  newPassword: NewPassword,
});
export type ResetPassword = z.infer<typeof ResetPassword>;

export const ChangeUser = z.strictObject({ name: PersonName });
export type ChangeUser = z.infer<typeof ChangeUser>;

export const Confirm = z.strictObject({ password: TypedPassword });
export type Confirm = z.infer<typeof Confirm>;

export const Confirmed = z.object({ confirmedUntil: Time });
export type Confirmed = z.infer<typeof Confirmed>;

export const SwitchTenant = z.strictObject({ tenant: checked(checkTenantSlug) });
export type SwitchTenant = z.infer<typeof SwitchTenant>;

export const SessionList = z.object({
  sessions: z.array(
    z.object({
      id: z.string(),
      current: z.boolean(),
      address: z.string().nullable(),
      agent: z.string().nullable().describe('The browser, as it names itself'),
      createdAt: Time,
      expiresAt: Time,
    }),
  ),
});
export type SessionList = z.infer<typeof SessionList>;

/** Operators name a tenant; for everybody else it is their own. */
export const TenantQuery = z.strictObject({
  tenant: checked(checkTenantSlug).optional().describe('Operators only'),
});
export type TenantQuery = z.infer<typeof TenantQuery>;

export const Member = z.object({
  id: z.string().describe('The person’s'),
  name: z.string(),
  email: z.string(),
  role: RoleName,
  self: z.boolean(),
  joinedAt: Time,
});
export const MemberList = z.object({ members: z.array(Member) });
export type MemberList = z.infer<typeof MemberList>;
export const MemberAnswer = z.object({ member: Member });
export type MemberAnswer = z.infer<typeof MemberAnswer>;

export const ChangeMember = z.strictObject({ role: MemberRole });
export type ChangeMember = z.infer<typeof ChangeMember>;

export const PasswordLink = z.object({
  link: z.string().describe('Shown this once: who has it chooses the password'),
  expiresAt: Time,
});
export type PasswordLink = z.infer<typeof PasswordLink>;

export const Invitation = z.object({
  id: z.string(),
  email: z.string(),
  role: RoleName,
  tenant: z.string(),
  invitedBy: z.string().nullable(),
  createdAt: Time,
  expiresAt: Time,
});
export const InvitationList = z.object({ invitations: z.array(Invitation) });
export type InvitationList = z.infer<typeof InvitationList>;

export const CreateInvitation = z.strictObject({
  email: Email,
  role: RoleName.describe('operator: by operators, into the tenant platform'),
  tenant: checked(checkTenantSlug).optional().describe('Operators only'),
});
export type CreateInvitation = z.infer<typeof CreateInvitation>;

export const InvitationAnswer = z.object({
  invitation: Invitation,
  link: z.string().describe('Shown this once: who has it can accept'),
  mailed: z.boolean(),
});
export type InvitationAnswer = z.infer<typeof InvitationAnswer>;

/** What somebody who follows the link sees. */
export const InvitationPreview = z.object({
  email: z.string(),
  role: RoleName,
  tenant: z.object({ slug: z.string(), name: z.string() }),
  invitedBy: z.string().nullable(),
  expiresAt: Time,
  hasAccount: z.boolean().describe('They sign in and accept; else they choose a name and password'),
});
export type InvitationPreview = z.infer<typeof InvitationPreview>;

export const AcceptInvitation = z
  .strictObject({ name: PersonName, password: NewPassword })
  .partial()
  .default({});
export type AcceptInvitation = z.infer<typeof AcceptInvitation>;

export const Tenant = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  storeLimit: z.number().int(),
  createsPerMinute: z.number().int(),
  stores: z.number().int(),
  members: z.number().int(),
  createdAt: Time,
});
export type Tenant = z.infer<typeof Tenant>;

export const TenantListQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(200).optional(),
  q: z
    .string()
    .max(100)
    .regex(/^\P{C}*$/u, 'No control characters.')
    .optional()
    .describe('Part of the name'),
});
export const TenantList = z.object({
  tenants: z.array(Tenant),
  next: z.string().nullable().describe('The cursor of the next page; null on the last one'),
});
export type TenantList = z.infer<typeof TenantList>;

export const CreateTenant = z.strictObject({
  slug: checked(checkTenantSlug),
  name: PersonName,
  ownerEmail: Email.optional().describe('Operators only: gets an invitation'),
});
export type CreateTenant = z.infer<typeof CreateTenant>;

export const TenantAnswer = z.object({
  tenant: Tenant,
  invitation: InvitationAnswer.nullable(),
});
export type TenantAnswer = z.infer<typeof TenantAnswer>;

export const ChangeTenant = z
  .strictObject({
    name: PersonName,
    storeLimit: z.number().int().min(0).max(100_000),
    createsPerMinute: z.number().int().min(0).max(10_000),
  })
  .partial()
  .refine((change) => Object.values(change).some((value) => value !== undefined), {
    message: 'Name at least one of name, storeLimit and createsPerMinute.',
  });
export type ChangeTenant = z.infer<typeof ChangeTenant>;

export const CreateToken = z.strictObject({
  name: z
    .string()
    .max(64)
    .regex(/^[\p{L}\p{N} ._-]+$/u, 'Letters, digits, spaces, dots, hyphens and underscores.'),
  role: RoleName.optional().describe('At most your own; default: your own'),
  scopes: z
    .array(z.enum(SCOPES))
    .min(1)
    .max(SCOPES.length)
    .default([...SCOPES]),
  tenant: checked(checkTenantSlug).optional().describe('Operators only; default: your own'),
  expiresInDays: z.number().int().min(1).max(3650).optional(),
});
export type CreateToken = z.infer<typeof CreateToken>;

const Token = z.object({
  id: z.string(),
  name: z.string(),
  role: RoleName,
  scopes: z.array(z.enum(SCOPES)),
  tenant: z.string(),
  expiresAt: Time.nullable(),
});

export const TokenAnswer = Token.extend({ token: z.string().describe('Shown this once') });
export type TokenAnswer = z.infer<typeof TokenAnswer>;

export const TokenList = z.object({
  tokens: z.array(
    Token.extend({
      owner: z.string().nullable().describe('Whose it is; null: the tenant’s'),
      createdAt: Time,
    }),
  ),
});
export type TokenList = z.infer<typeof TokenList>;

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
  ready: z.boolean().describe('Requests are taken; a cluster that is away does not change that'),
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

const Cursor = z.string().max(200).optional();
const Next = z.string().nullable().describe('The cursor of the next page; null on the last one');
const PageSize = z.coerce.number().int().min(1).max(200).default(50);

/** What can be chosen for a new store. */
export const EngineList = z.object({
  engines: z.array(
    z.object({
      type: z.string(),
      title: z.string(),
      summary: z.string(),
      orders: z.boolean().describe('Whether its orders can be shown'),
      plans: z.array(
        z.object({
          name: z.string(),
          replicas: z.number().int().describe('Web pods'),
          workers: z.number().int().nullable().describe('Requests one web pod serves at once'),
          cpu: z.string().describe('Of one web pod, at most; Kubernetes notation'),
          memory: z.string(),
          storage: z.string().describe('Of all volumes, given when the store is made'),
        }),
      ),
    }),
  ),
  clusters: z.array(
    z.object({
      name: z.string(),
      baseDomain: z.string(),
      scheme: z.enum(['http', 'https']),
      port: z.number().int().nullable().describe('null: the scheme’s own'),
    }),
  ),
});
export type EngineList = z.infer<typeof EngineList>;

export const StoreNameQuery = z.strictObject({
  cluster: Word.optional().describe('Default: the first cluster'),
  tenant: checked(checkTenantSlug).optional().describe('Operators only'),
});
export type StoreNameQuery = z.infer<typeof StoreNameQuery>;

export const StoreNameAnswer = z.object({
  name: z.string(),
  available: z.boolean(),
  url: z.string().nullable().describe('Where the store would be; null for what is no name'),
  problem: Problem.nullable(),
});
export type StoreNameAnswer = z.infer<typeof StoreNameAnswer>;

/** One file of a commit, before and after. */
export const FileDiff = z.object({
  path: z.string(),
  before: z.string().nullable().describe('null: the file is new, or see note'),
  after: z.string().nullable().describe('null: the file goes, or see note'),
  note: z.string().nullable().describe('Why the content is not shown'),
});
export type FileDiff = z.infer<typeof FileDiff>;

export const Preview = z.object({
  subject: z.string(),
  message: z.string().describe('As it will be committed, but for the Audit-Head trailer'),
  files: z.array(FileDiff).describe('Empty: nothing would change'),
  then: z.array(z.string()).describe('Subjects of the commits that follow when this one is live'),
});
export type Preview = z.infer<typeof Preview>;

export const PreviewChange = z
  .strictObject({
    plan: Word.optional(),
    domain: checked(checkDomain).nullable().optional(),
    delete: z.literal(true).optional().describe('Instead: what a delete commits'),
    retry: z.literal(true).optional().describe('Instead: what a retry commits'),
  })
  .refine(
    (wanted) =>
      [wanted.delete, wanted.retry, wanted.plan ?? wanted.domain].filter((one) => one !== undefined)
        .length === 1,
    { message: 'Name what to preview: plan and domain, or delete, or retry.' },
  );
export type PreviewChange = z.infer<typeof PreviewChange>;

export const ChangeQuery = z.strictObject({ limit: PageSize, cursor: Cursor });
export type ChangeQuery = z.infer<typeof ChangeQuery>;

export const ChangesQuery = ChangeQuery.extend({
  tenant: checked(checkTenantSlug).optional().describe('Operators only'),
});
export type ChangesQuery = z.infer<typeof ChangesQuery>;

/** A commit in the cluster repository. */
export const Change = z.object({
  sha: z.string(),
  subject: z.string(),
  action: z.string().nullable().describe('null: a person’s commit'),
  by: z.object({
    id: z.string().nullable(),
    name: z.string().nullable().describe('For a person’s commit: its author'),
  }),
  at: Time,
  operation: z.string().nullable(),
  generation: z.number().int().nullable(),
  store: z.object({ id: z.string(), name: z.string() }).nullable(),
  tenant: z.string().nullable(),
});
export type Change = z.infer<typeof Change>;

export const ChangeList = z.object({ changes: z.array(Change), next: Next });
export type ChangeList = z.infer<typeof ChangeList>;

export const ChangeAnswer = z.object({
  change: Change,
  message: z.string(),
  files: z.array(FileDiff),
  omitted: z.number().int().describe('Files that are not shown: there were too many'),
});
export type ChangeAnswer = z.infer<typeof ChangeAnswer>;

export const StoreEvents = z.object({
  events: z.array(
    z.object({
      at: Time,
      type: z.enum(['Normal', 'Warning']),
      reason: z.string(),
      message: z.string(),
      object: z.string().describe('`Pod/web-0`'),
      count: z.number().int(),
    }),
  ),
});
export type StoreEvents = z.infer<typeof StoreEvents>;

export const StorePods = z.object({
  pods: z.array(
    z.object({
      name: z.string(),
      component: z.string().nullable(),
      job: z.string().nullable(),
      phase: z.string(),
      ready: z.boolean(),
      restarts: z.number().int(),
      startedAt: Time.nullable(),
      containers: z.array(
        z.object({
          name: z.string(),
          image: z.string(),
          state: z.enum(['running', 'waiting', 'ended']),
          ready: z.boolean(),
          restarts: z.number().int(),
          reason: z.string().nullable().describe('Why it waits, or how it ended'),
        }),
      ),
    }),
  ),
});
export type StorePods = z.infer<typeof StorePods>;

const KubernetesName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'A name as Kubernetes has it.');

export const StoreLogQuery = z.strictObject({
  pod: KubernetesName.optional().describe('Default: the newest of the set-up Job'),
  container: KubernetesName.optional().describe('Default: the pod’s last to start'),
  lines: z.coerce.number().int().min(1).max(2000).default(200),
});
export type StoreLogQuery = z.infer<typeof StoreLogQuery>;

export const StoreLog = z.object({
  pod: z.string().nullable().describe('null: there is no such pod (any more)'),
  container: z.string().nullable(),
  lines: z.array(z.string()),
});
export type StoreLog = z.infer<typeof StoreLog>;

export const StoreResources = z.object({
  quota: z.array(z.object({ resource: z.string(), used: z.string(), hard: z.string() })),
});
export type StoreResources = z.infer<typeof StoreResources>;

export const AdminLogin = z.object({
  username: z.string(),
  password: z.string(),
  email: z.string().nullable(),
  url: z.string().describe('The administration’s page'),
});
export type AdminLogin = z.infer<typeof AdminLogin>;

export const OrderQuery = z.strictObject({
  days: z.coerce.number().int().min(1).max(90).default(30),
});
export type OrderQuery = z.infer<typeof OrderQuery>;

export const OrderSummary = z.object({
  currency: z.string().nullable().describe('The one that most orders are in; ISO 4217'),
  days: z
    .array(
      z.object({
        date: z.string().describe('In UTC; oldest first, today last'),
        orders: z.number().int(),
        revenue: z.number().describe('In whole units of the currency; what was not paid is none'),
      }),
    )
    .describe('Empty when there is a problem'),
  recent: z.array(
    z.object({
      number: z.string(),
      at: Time,
      total: z.number().describe('In whole units of the currency'),
      currency: z.string(),
      status: z.string().describe('The engine’s own word'),
      customer: z.string().nullable(),
    }),
  ),
  complete: z.boolean().describe('False: there are more orders than were read'),
  problem: Problem.nullable().describe('Why there is nothing to show'),
});
export type OrderSummary = z.infer<typeof OrderSummary>;

const COUNTED = [
  'provisioning',
  'ready',
  'degraded',
  'failed',
  'rejected',
  'suspended',
  'deleting',
] as const satisfies readonly (typeof STORE_STATUSES)[number][];
const Count = z.number().int();

/** Stores by status; a few seconds old at most. */
export const StoreCounts = z.record(z.enum(COUNTED), Count);
export type StoreCounts = z.infer<typeof StoreCounts>;

export const AuditQuery = z.strictObject({
  limit: PageSize,
  cursor: Cursor,
  action: Word.optional(),
  store: Word.optional().describe('A store’s id'),
  by: Word.optional().describe('A user’s or token’s id'),
  from: Time.optional(),
  to: Time.optional().describe('Before this moment'),
  tenant: checked(checkTenantSlug).optional().describe('Operators only'),
});
export type AuditQuery = z.infer<typeof AuditQuery>;

export const AuditExportQuery = AuditQuery.omit({ limit: true, cursor: true });
export type AuditExportQuery = z.infer<typeof AuditExportQuery>;

export const AuditEntry = z.object({
  seq: z.number().int(),
  at: Time,
  by: z.object({
    id: z.string().nullable(),
    name: z.string().nullable().describe('As it was then'),
    kind: z.enum(['user', 'token', 'anonymous', 'system']),
  }),
  tenant: z.string().nullable(),
  store: z.object({ id: z.string(), name: z.string().nullable() }).nullable(),
  action: z.string(),
  outcome: z.enum(['done', 'refused', 'failed']),
  requestId: z.string().nullable(),
  address: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
});
export type AuditEntry = z.infer<typeof AuditEntry>;

export const AuditList = z.object({ entries: z.array(AuditEntry), next: Next });
export type AuditList = z.infer<typeof AuditList>;

export const Fleet = z.object({
  clusters: z.array(
    z.object({
      name: z.string(),
      kind: z.enum(['practice', 'lab', 'kubeconfig']),
      argocdUrl: z.string().nullable(),
      stores: StoreCounts,
      heardAt: Time.nullable().describe('When its API server last said anything to this process'),
    }),
  ),
  stuck: z.array(Store).describe('In trouble, or going for longer than they should; at most 50'),
});
export type Fleet = z.infer<typeof Fleet>;

export const PlatformHealth = z.object({
  parts: z.array(
    z.object({
      name: z.string(),
      ready: z.boolean(),
      message: z.string().nullable(),
      advice: z.string().nullable().describe('What to do about it'),
    }),
  ),
});
export type PlatformHealth = z.infer<typeof PlatformHealth>;
