/**
 * The API's shapes, as zod schemas: requests are checked by them, OpenAPI and the portal's types
 * come from them. Unknown fields are refused: the platform alone decides project, namespace, chart.
 */
import { z } from 'zod';
import { REVIEW_MODES } from './domain/cluster.ts';
import { DRIFT_KINDS } from './domain/drift.ts';
import { HOLD_STATES } from './domain/guard.ts';
import { checkDomain, checkStoreName, checkTenantSlug } from './domain/names.ts';
import { ROLLOUT_STATES, ROLLOUT_STORE_STATES } from './domain/rollout.ts';
import {
  ACTIONS,
  APPLY_STAGES,
  DELETE_STAGES,
  OPERATION_KINDS,
  OPERATION_STATES,
  STORE_STATUSES,
  SUSPEND_STAGES,
} from './domain/store.ts';

const Labels = z.record(z.string(), z.string());
const Time = z.iso.datetime().describe('RFC 3339, UTC');
const Stage = z.enum([...new Set([...APPLY_STAGES, ...SUSPEND_STAGES, ...DELETE_STAGES])]);

export const Problem = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().nullable(),
});

/** A store's options, by name: GET /api/engines tells which an engine has. */
const StoreOptions = z.record(z.string(), z.union([z.string(), z.boolean()]));

export const Store = z.object({
  id: z.string(),
  name: z.string(),
  tenant: z.string(),
  type: z.string(),
  chartVersion: z.string(),
  upgradeTo: z
    .string()
    .nullable()
    .describe('The version of its chart that its engine has now; null: it has that one'),
  plan: z.string(),
  options: StoreOptions,
  cluster: z.string(),
  disconnected: z
    .boolean()
    .describe('Its cluster is not connected any more: the rest is what was known last'),
  namespace: z.string(),
  url: z.string(),
  status: z.enum(STORE_STATUSES),
  stage: Stage,
  detail: z.string().nullable().describe('What is being waited for, in words'),
  suspended: z.boolean().describe('Nothing of it runs, or is to run; its data stays'),
  purgeAt: Time.nullable().describe('Deleted: its data is kept until then'),
  protected: z.boolean().describe('It cannot be deleted'),
  drifted: z.boolean().describe('Somebody changed its files in the repository'),
  review: z
    .object({ number: z.number().int(), url: z.string().nullable() })
    .nullable()
    .describe('The pull request of its current change'),
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
  review: z.number().int().nullable().describe('The number of its pull request'),
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

const AskedOptions = z.record(
  z.string().max(40),
  z.union([z.string().max(200), z.boolean()], { error: 'A text, or true or false.' }),
);

export const CreateStore = z.strictObject({
  name: checked(checkStoreName).describe('A DNS label of at most 40 characters, not reserved'),
  type: Word.describe('The engine: GET /api/engines lists them'),
  plan: Word.default('small'),
  options: AskedOptions.optional().describe('By name; the engine’s defaults for the others'),
  cluster: Word.optional().describe('Default: the one with the most room'),
  labels: z
    .record(z.string().max(317), z.string().max(63))
    .refine((labels) => Object.keys(labels).length <= 16, 'At most 16.')
    .optional()
    .describe('What its cluster must have: GET /api/engines lists clusters with theirs'),
  domain: checked(checkDomain).optional().describe('A domain of the merchant’s own'),
  tenant: checked(checkTenantSlug)
    .optional()
    .describe('Operators only: whose it is, a tenant that there is; default: the platform’s'),
});
export type CreateStore = z.infer<typeof CreateStore>;

export const ChangeStore = z
  .strictObject({
    plan: Word.optional(),
    domain: checked(checkDomain).nullable().optional().describe('null: back to the default host'),
    options: AskedOptions.optional().describe('Those that are to change, by name'),
    protected: z.boolean().optional().describe('Owners only, and by itself'),
  })
  .refine((change) => Object.values(change).some((value) => value !== undefined), {
    message: 'Name at least one of plan, domain and options, or protected.',
  });
export type ChangeStore = z.infer<typeof ChangeStore>;

export const DeleteQuery = z.strictObject({
  now: z
    .enum(['true', 'false'])
    .default('false')
    .transform((now) => now === 'true')
    .describe('true: owners only; nothing is kept, whatever the cluster keeps'),
});
export type DeleteQuery = z.infer<typeof DeleteQuery>;

/** A commit of the store, by its whole name. */
export const RollbackStore = z.strictObject({
  commit: z.string().regex(/^[0-9a-f]{40}$/, 'The 40 digits of a commit.'),
});
export type RollbackStore = z.infer<typeof RollbackStore>;

export const AdoptEdit = z.strictObject({
  commit: z
    .string()
    .regex(/^[0-9a-f]{40}$/, 'The 40 digits of a commit.')
    .describe('Of the difference that was looked at: another one in its place is refused'),
});
export type AdoptEdit = z.infer<typeof AdoptEdit>;

export const StoreAnswer = z.object({ store: Store });
export type StoreAnswer = z.infer<typeof StoreAnswer>;

export const Accepted = z.object({ store: Store, operation: Operation });
export type Accepted = z.infer<typeof Accepted>;

/** What GET /api/stores takes. */
export const StoreQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(200).optional(),
  status: z
    .enum([...STORE_STATUSES, 'disconnected'])
    .optional()
    .describe(
      'Stores of connected clusters in this status; `disconnected` finds those of the others, `deleted` the deleted ones of any',
    ),
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
  cluster: z.object({
    name: z.string(),
    heardAt: Time.nullable().describe('When it last said anything: all this is as of then'),
    heard: z.boolean().describe('False: it does not answer now, or has been silent for too long'),
    connected: z.boolean().describe('False: it is not among the platform’s clusters any more'),
  }),
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
const ClusterCard = z.object({
  name: z.string(),
  kind: z.enum(['practice', 'lab', 'kubeconfig']),
  argocdUrl: z.string().nullable(),
});

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
  cluster: ClusterCard.describe('The first of the clusters'),
  clusters: z.array(ClusterCard),
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
  practice: z.boolean().describe('No shop runs here: all clusters are practice ones'),
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

export const HookAnswer = z.object({
  taken: z.boolean().describe('Whether it was about something that concerns the platform'),
});
export type HookAnswer = z.infer<typeof HookAnswer>;

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
      options: z.array(
        z.object({
          name: z.string(),
          label: z.string(),
          help: z.string(),
          kind: z.enum(['choice', 'flag', 'text']),
          choices: z
            .array(z.object({ value: z.string(), label: z.string() }))
            .describe('Of a choice; else empty'),
          pattern: z.string().nullable().describe('Of a text; a regular expression'),
          max: z.number().int().nullable().describe('Characters of a text'),
          default: z.union([z.string(), z.boolean()]),
          changeable: z.boolean().describe('false: decided when the store is made'),
          reason: z.string().nullable().describe('Why it is not, and what to do instead'),
        }),
      ),
      plans: z.array(
        z.object({
          name: z.string(),
          replicas: z.number().int().describe('Web pods'),
          workers: z.number().int().nullable().describe('Requests one web pod serves at once'),
          cpu: z
            .string()
            .describe('Of what serves a visitor, at most, each pod once; Kubernetes notation'),
          memory: z.string(),
          storage: z
            .string()
            .describe(
              'Of the shop’s own volumes, given when the store is made; backups have theirs',
            ),
          quota: z
            .object({ cpu: z.string(), memory: z.string(), storage: z.string() })
            .nullable()
            .describe('What its namespace may request of the cluster; null: no bound'),
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
      labels: Labels.describe('What a create may ask for'),
      open: z.boolean().describe('Whether a store that names no cluster may go there now'),
      review: z.enum(REVIEW_MODES).describe('Which changes wait for a reviewer’s merge'),
      retentionDays: z.number().int().describe('How long a deleted store’s data is kept; 0: not'),
    }),
  ),
  placement: z
    .string()
    .nullable()
    .describe('The cluster that such a store would go to now; null: none takes one'),
});
export type EngineList = z.infer<typeof EngineList>;

export const StoreNameQuery = z.strictObject({
  cluster: Word.optional().describe('Default: the one with the most room'),
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
  cluster: z
    .string()
    .describe('The store’s; of one that is not made yet: where it would be placed now'),
});
export type Preview = z.infer<typeof Preview>;

export const PreviewChange = z
  .strictObject({
    plan: Word.optional(),
    domain: checked(checkDomain).nullable().optional(),
    options: AskedOptions.optional(),
    delete: z.literal(true).optional().describe('Instead: what a delete commits'),
    purge: z.literal(true).optional().describe('Instead: what a delete that keeps nothing commits'),
    retry: z.literal(true).optional().describe('Instead: what a retry commits'),
    suspend: z.literal(true).optional().describe('Instead: what a suspension commits'),
    resume: z.literal(true).optional().describe('Instead: what starting it again commits'),
    repair: z.literal(true).optional().describe('Instead: what its files are to be'),
    upgrade: z.literal(true).optional().describe('Instead: what an upgrade commits'),
  })
  .refine(
    ({ plan, domain, options, ...others }) =>
      [plan ?? domain ?? options, ...Object.values(others)].filter((one) => one !== undefined)
        .length === 1,
    {
      message:
        'Name what to preview: plan, domain and options, or one of delete, purge, retry, suspend, resume, repair and upgrade.',
    },
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
  changed: z
    .array(z.string())
    .describe('Which settings, in words: “Plan from small to medium”; none that its subject says'),
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

/** A pull request of ours: a change that somebody looks at before it is made. */
export const Review = z.object({
  number: z.number().int(),
  title: z.string(),
  labels: z.array(z.string()),
  state: z.enum(['open', 'merged', 'closed']),
  url: z.string().nullable().describe('Where it is decided; null: here'),
  branch: z.string(),
  head: z.string().describe('The commit to look at; an approval names it'),
  store: z.object({ id: z.string(), name: z.string() }),
  tenant: z.string(),
  cluster: z.string(),
  operation: z.string(),
  kind: z.enum(OPERATION_KINDS),
  requestedBy: z.object({ id: z.string(), name: z.string().nullable() }),
  openedAt: Time,
  closedAt: Time.nullable(),
  merged: z.string().nullable().describe('The commit by which it came to the branch'),
  decision: z
    .object({
      kind: z.enum(['approved', 'rejected']),
      by: z.string(),
      at: Time,
      reason: z.string().nullable(),
    })
    .nullable()
    .describe('Taken here, and carried out a moment later'),
});
export type Review = z.infer<typeof Review>;

export const ReviewQuery = ChangeQuery.extend({
  state: z.enum(['open', 'merged', 'closed']).optional(),
});
export type ReviewQuery = z.infer<typeof ReviewQuery>;

export const ReviewList = z.object({
  reviews: z.array(Review),
  next: z.string().nullable().describe('The cursor of the next page; null on the last one'),
});
export type ReviewList = z.infer<typeof ReviewList>;

export const ReviewDetail = z.object({
  review: Review,
  body: z.string().describe('Markdown'),
  decidedHere: z.boolean().describe('false: at its url'),
  files: z.array(FileDiff),
  omitted: z.number().int().describe('Files that are not in the list'),
  note: z.string().nullable().describe('Why no files are shown, or what is unusual about them'),
});
export type ReviewDetail = z.infer<typeof ReviewDetail>;

export const ReviewAnswer = z.object({ review: Review });
export type ReviewAnswer = z.infer<typeof ReviewAnswer>;

export const ApproveReview = z.strictObject({
  headSha: z
    .string()
    .regex(/^[0-9a-f]{40}$/, 'The commit that was looked at: 40 hexadecimal digits.'),
});
export type ApproveReview = z.infer<typeof ApproveReview>;

export const RejectReview = z
  .strictObject({
    reason: z
      .string()
      .trim()
      .max(500)
      .regex(/^\P{C}*$/u, 'No control characters.')
      .optional(),
  })
  .optional();
export type RejectReview = z.infer<typeof RejectReview>;

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
  hours: z.coerce
    .number()
    .int()
    .min(1)
    .max(168)
    .optional()
    .describe('How far back; default: a day in Loki, all that a cluster has'),
});
export type StoreLogQuery = z.infer<typeof StoreLogQuery>;

export const StoreLog = z.object({
  pod: z.string().nullable().describe('null: there is no such pod (any more)'),
  container: z.string().nullable(),
  lines: z.array(z.string()),
  source: z.enum(['cluster', 'loki']).describe('What was read'),
  problem: Problem.nullable().describe('Why it is the cluster, though there is a Loki'),
  gone: z
    .array(z.object({ pod: z.string(), container: z.string() }))
    .describe('What else Loki has lines of: pods that the cluster does not have'),
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

/** An order that the platform placed. */
export const TestOrder = z.object({
  number: z.string(),
  total: z.number().describe('In whole units of the currency'),
  currency: z.string().describe('ISO 4217'),
});
export type TestOrder = z.infer<typeof TestOrder>;

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

/** Stores by status; those of clusters that are not connected any more apart, whatever theirs is. */
export const StoreTally = z.record(z.enum([...COUNTED, 'disconnected']), Count);
export type StoreTally = z.infer<typeof StoreTally>;

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
      kind: z
        .enum(['practice', 'lab', 'kubeconfig'])
        .nullable()
        .describe('null: it is not connected any more, and stores are left of it'),
      argocdUrl: z.string().nullable(),
      stores: StoreCounts,
      heardAt: Time.nullable().describe('When its API server last said anything'),
      trouble: z.string().nullable().describe('Why it was not heard the last time'),
    }),
  ),
  stuck: z.array(Store).describe('In trouble, or going for longer than they should; at most 50'),
});
export type Fleet = z.infer<typeof Fleet>;

/** The clusters as they are registered, and what is known of each. */
export const ClusterList = z.object({
  clusters: z.array(
    ClusterCard.extend({
      labels: Labels,
      capacity: z.number().int().nullable().describe('Stores; null: as many as come'),
      stores: z.number().int().describe('That are not deleted; a few seconds old at most'),
      heardAt: Time.nullable().describe('When its API server last said anything'),
      trouble: z.string().nullable().describe('Why it was not heard the last time; null: it was'),
      heard: z.boolean().describe('Whether new stores are placed there'),
      review: z.enum(REVIEW_MODES),
      retentionDays: z.number().int(),
      guard: z.object({ removals: z.number(), percent: z.number(), minutes: z.number() }),
    }),
  ),
});
export type ClusterList = z.infer<typeof ClusterList>;

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

const Share = z.number().int().min(1).max(100);

/** Which stores of a type are upgraded. */
export const RolloutSelection = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('all') }),
  z.strictObject({
    kind: z.literal('share'),
    percent: Share.describe('Of the stores that have an older version: the first to try it'),
  }),
  z.strictObject({ kind: z.literal('stores'), stores: z.array(Word).min(1).max(200).readonly() }),
]);

export const CreateRollout = z.strictObject({
  type: Word.describe('The engine'),
  toVersion: Word.optional().describe('What was shown: refused when another is on offer now'),
  selection: RolloutSelection.default({ kind: 'all' }),
  waveSize: z.number().int().min(1).max(50).default(5).describe('Stores at a time'),
  allowedUnhealthy: z
    .number()
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe('Upgraded stores that may be failed or degraded; with more of them it stops'),
});
export type CreateRollout = z.infer<typeof CreateRollout>;

export const RolloutPreview = z.object({
  toVersion: z.string(),
  stores: z.number().int().describe('That would be upgraded, were it begun now'),
  waves: z.number().int(),
  leftOut: z.array(z.object({ reason: z.string(), stores: z.number().int() })),
});
export type RolloutPreview = z.infer<typeof RolloutPreview>;

export const Rollout = z.object({
  id: z.string(),
  type: z.string(),
  toVersion: z.string(),
  selection: RolloutSelection,
  waveSize: z.number().int(),
  allowedUnhealthy: z.number().int(),
  state: z.enum(ROLLOUT_STATES),
  reason: z.string().nullable().describe('Why it stopped'),
  wave: z.number().int().describe('The last that was begun; 0: none yet'),
  counts: z.record(z.enum(ROLLOUT_STORE_STATES), z.number().int()),
  requestedBy: z.object({ id: z.string(), name: z.string() }),
  createdAt: Time,
  updatedAt: Time,
  finishedAt: Time.nullable(),
});
export type Rollout = z.infer<typeof Rollout>;

export const RolloutStore = z.object({
  store: z.object({
    id: z.string(),
    name: z.string(),
    tenant: z.string(),
    status: z.enum(STORE_STATUSES),
    chartVersion: z.string(),
  }),
  state: z.enum(ROLLOUT_STORE_STATES),
  reason: z.string().nullable().describe('Why it is unhealthy, or was left out'),
  wave: z.number().int().nullable(),
  operation: z.string().nullable(),
  startedAt: Time.nullable(),
  finishedAt: Time.nullable(),
});

export const RolloutQuery = z.strictObject({
  limit: PageSize,
  cursor: Cursor,
  state: z.enum(ROLLOUT_STORE_STATES).optional(),
});
export type RolloutQuery = z.infer<typeof RolloutQuery>;

export const RolloutAnswer = z.object({ rollout: Rollout });
export type RolloutAnswer = z.infer<typeof RolloutAnswer>;

export const RolloutDetail = RolloutAnswer.extend({
  stores: z.array(RolloutStore).describe('In the order of their turns'),
  next: Next,
});
export type RolloutDetail = z.infer<typeof RolloutDetail>;

export const RolloutList = z.object({ rollouts: z.array(Rollout) });
export type RolloutList = z.infer<typeof RolloutList>;

/** How a store differs from what it should be: in the repository, and in its cluster. */
export const StoreDrift = z.object({
  commit: z
    .string()
    .nullable()
    .describe('The newest of the commits that changed its files; null: they are as they should be'),
  git: z.array(
    z.object({
      path: z.string(),
      kind: z.enum(DRIFT_KINDS),
      sha: z.string().describe('The last commit that changed it'),
      author: z.string(),
      at: Time,
      file: FileDiff.describe('before: as it should be; after: as it is'),
      adoptable: z.boolean().describe('Whether the settings of a store can say it'),
      why: z.string().nullable().describe('Why they cannot'),
    }),
  ),
  omitted: z.number().int().min(0).describe('How many more files differ'),
  live: z.array(
    z.object({
      kind: z.string(),
      name: z.string(),
      namespace: z.string(),
      status: z.enum(['OutOfSync', 'Missing', 'Unknown']),
      message: z.string(),
    }),
  ),
  problem: Problem.nullable().describe('Why the cluster could not be asked'),
});
export type StoreDrift = z.infer<typeof StoreDrift>;

/** Deletes over the limit of a cluster's guard, which a second operator decides about. */
export const Hold = z.object({
  id: z.string(),
  cluster: z.string(),
  state: z.enum(HOLD_STATES),
  openedAt: Time,
  decidedAt: Time.nullable(),
  decidedBy: z.string().nullable(),
  own: z.boolean().describe('The caller asked for one of them, and may not approve'),
  total: z.number().int().describe('How many deletes: of an open hold those that wait now'),
  operations: z.array(
    z.object({
      id: z.string(),
      state: z.enum(OPERATION_STATES),
      store: z.object({ id: z.string(), name: z.string() }),
      tenant: z.string(),
      requestedBy: z.object({ id: z.string(), name: z.string().nullable() }),
      at: Time,
    }),
  ),
});
export type Hold = z.infer<typeof Hold>;

export const HoldList = z.object({ holds: z.array(Hold) });
export type HoldList = z.infer<typeof HoldList>;

export const HoldAnswer = z.object({ hold: Hold });
export type HoldAnswer = z.infer<typeof HoldAnswer>;

export const ApproveHold = z.strictObject({
  operations: z
    .array(z.string().max(64))
    .max(1000)
    .describe('The deletes that were looked at; others that wait are let through by nobody'),
});
export type ApproveHold = z.infer<typeof ApproveHold>;
