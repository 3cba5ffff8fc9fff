/**
 * The tables as TypeScript sees them (camelCase here, snake_case in Postgres). migrations.ts is
 * what makes them. Times are `timestamptz`; ids are text with a prefix.
 */
import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { Role, Scope } from '../contract.ts';
import type {
  Action,
  OperationKind,
  OperationState,
  Stage,
  StoreSpec,
  StoreStatus,
} from '../domain/store.ts';

type Time = ColumnType<Date, Date | string | undefined, Date | string>;
type MaybeTime = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
/** pg hands out bigint as string; every bigint of ours is parsed to a number (db/open.ts). */
type BigNumber = number;

export type TenantTable = {
  id: string;
  slug: string;
  name: Generated<string>;
  storeLimit: Generated<number>;
  createsPerMinute: Generated<number>;
  createdAt: Time;
};

/** A person. Operators run the platform; everybody else is a member of tenants. */
export type UserTable = {
  id: string;
  name: string;
  /** In lower case. */
  email: string;
  emailVerified: Generated<boolean>;
  operator: Generated<boolean>;
  /** When last; null: never yet. */
  signedInAt: MaybeTime;
  createdAt: Time;
  updatedAt: Time;
};

export type SessionTable = {
  id: string;
  userId: string;
  /** What the cookie carries, there with a signature: this alone signs nobody in. */
  token: string;
  expiresAt: Time;
  ipAddress: string | null;
  userAgent: string | null;
  activeTenantId: string | null;
  /** When the password was last asked for again. */
  confirmedAt: MaybeTime;
  createdAt: Time;
};

/** A way for a person to sign in: a password (provider `credential`), or an OpenID provider. */
export type AccountTable = {
  id: string;
  userId: string;
  accountId: string;
  providerId: string;
  /** Its scrypt hash. */
  password: string | null;
};

export type MemberTable = {
  id: string;
  tenantId: string;
  userId: string;
  role: Exclude<Role, 'operator'>;
  createdAt: Time;
};

export type InvitationTable = {
  id: string;
  tenantId: string;
  /** In lower case. */
  email: string;
  role: Role;
  status: ColumnType<'pending' | 'accepted' | 'canceled', 'pending' | undefined>;
  inviterId: string | null;
  /** SHA-256 of what the link carries, hex. */
  secretHash: string;
  expiresAt: Time;
  createdAt: Time;
};

/** How often somebody tried something in the window that ends at `until`. */
export type AttemptTable = { key: string; count: number; until: Time };

/** A tenant's AppProject on one cluster: committed by the writer, seen by the observer. */
export type TenantClusterTable = {
  tenantId: string;
  cluster: string;
  committedAt: MaybeTime;
  seenAt: MaybeTime;
};

export type TokenTable = {
  id: string;
  tenantId: string;
  /** SHA-256 of the token, hex. The token itself is never stored. */
  hash: string;
  role: Role;
  name: string;
  /** Whose it is: it can do no more than this person. Null: an operator made it for the tenant. */
  userId: string | null;
  scopes: ColumnType<Scope[], readonly Scope[] | undefined, never>;
  createdAt: Time;
  expiresAt: MaybeTime;
  revokedAt: MaybeTime;
};

export type StoreTable = {
  id: string;
  tenantId: string;
  name: string;
  type: string;
  chart: string;
  chartVersion: string;
  plan: string;
  /** The plan its volumes were sized by. */
  storagePlan: string;
  cluster: string;
  /** Application name: unique on its cluster for ever-living rows. */
  application: string;
  namespace: string;
  host: string;
  url: string;
  domain: string | null;
  generation: Generated<number>;
  attempt: Generated<number>;
  status: Generated<StoreStatus>;
  stage: Generated<Stage>;
  /** What is being waited for, in words; null when nothing is. */
  detail: string | null;
  errorCode: string | null;
  errorMessage: string | null;
  errorHint: string | null;
  /** The last commit of this store's current operation and its place on the branch. */
  commitSha: string | null;
  commitPosition: BigNumber | null;
  /** The operation the stages belong to. */
  operationId: string;
  createdAt: Time;
  updatedAt: Time;
  readyAt: MaybeTime;
  /** When the current operation counts as failed unless it is done. */
  deadlineAt: MaybeTime;
  deletedAt: MaybeTime;
};

export type OperationTable = {
  id: string;
  /** Order of acceptance. */
  seq: Generated<number>;
  storeId: string;
  tenantId: string;
  cluster: string;
  kind: OperationKind;
  /** What the next (state queued) or last (state waiting) commit does. */
  action: Action;
  state: Generated<OperationState>;
  generation: number;
  spec: JSONColumnType<StoreSpec>;
  requestedBy: string;
  commitSha: string | null;
  errorCode: string | null;
  errorMessage: string | null;
  createdAt: Time;
  committedAt: MaybeTime;
  finishedAt: MaybeTime;
  /** The end that somebody was mailed about. */
  mailedState: string | null;
};

export type StageTable = {
  storeId: string;
  operationId: string;
  stage: Stage;
  /** Order within the operation. */
  ordinal: number;
  startedAt: Time;
  finishedAt: MaybeTime;
  deadlineAt: MaybeTime;
  commitSha: string | null;
};

/** Every commit on the branch, ours and people's, in branch order: sha → position. */
export type CommitTable = {
  repository: string;
  position: BigNumber;
  sha: string;
  operationId: string | null;
  action: string | null;
  storeId: string | null;
  tenantId: string | null;
  subject: string;
  author: string;
  committedAt: Time;
};

export type RepositoryTable = {
  /** Address and branch. */
  repository: string;
  /** Last commit whose consequences are in this database. */
  acknowledgedSha: string | null;
  acknowledgedPosition: Generated<number>;
  updatedAt: Time;
};

export type LeaseTable = {
  name: string;
  holder: string;
  fence: BigNumber;
  expiresAt: Time;
};

export type IdempotencyTable = {
  tenantId: string;
  key: string;
  /** SHA-256 of the canonical request. */
  requestHash: string;
  status: number;
  body: JSONColumnType<object>;
  createdAt: Time;
};

export type EventTable = {
  id: Generated<number>;
  /** Transaction that wrote it: readers stop at the oldest one still running. */
  xid: Generated<string>;
  tenantId: string;
  storeId: string | null;
  type: string;
  body: JSONColumnType<object>;
  at: Time;
};

export type Database = {
  tenants: TenantTable;
  users: UserTable;
  sessions: SessionTable;
  accounts: AccountTable;
  members: MemberTable;
  invitations: InvitationTable;
  attempts: AttemptTable;
  tenantClusters: TenantClusterTable;
  tokens: TokenTable;
  stores: StoreTable;
  operations: OperationTable;
  stages: StageTable;
  commits: CommitTable;
  repositories: RepositoryTable;
  leases: LeaseTable;
  idempotency: IdempotencyTable;
  events: EventTable;
};
