/**
 * The tables as TypeScript sees them (camelCase here, snake_case in Postgres). migrations.ts is
 * what makes them. Times are `timestamptz`; ids are text with a prefix.
 */
import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { Role, Scope } from '../contract.ts';
import type { StoreOptions } from '../domain/options.ts';
import type { CommitSha } from '../git/types.ts';
import type { DriftKind } from '../domain/drift.ts';
import type { HoldState } from '../domain/guard.ts';
import type { RolloutSelection, RolloutState, RolloutStoreState } from '../domain/rollout.ts';
import type {
  Action,
  OperationKind,
  OperationState,
  RecordedSpec,
  Stage,
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
  /** A value for each option that its engine had when it was last changed. */
  options: ColumnType<StoreOptions, string | undefined, string>;
  cluster: string;
  /** Application name: unique on its cluster for ever-living rows. */
  application: string;
  namespace: string;
  host: string;
  /** The host that is live while the change to `host` waits for its commit: nobody else gets it. */
  heldHost: string | null;
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
  /** The newest commit of a person's that changed its files; null: they are as ours. */
  driftSha: string | null;
  /** Nothing of it runs; its data stays. */
  suspended: Generated<boolean>;
  /** Deleted, and kept until then; null: nobody deleted it, or nothing is kept. */
  purgeAt: MaybeTime;
  /** A delete is refused. */
  protected: Generated<boolean>;
  /** The version of its chart that its engine has now; null: it has that one. */
  upgradeTo: string | null;
  /** The pull request that its current operation waits for, or waited for. */
  reviewNumber: number | null;
  reviewUrl: string | null;
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
  spec: JSONColumnType<RecordedSpec>;
  requestedBy: string;
  commitSha: string | null;
  errorCode: string | null;
  errorMessage: string | null;
  createdAt: Time;
  committedAt: MaybeTime;
  finishedAt: MaybeTime;
  /** The end that somebody was mailed about. */
  mailedState: string | null;
  /** Until then somebody is mailing about it; later they are taken to have failed. */
  mailClaimedUntil: Date | null;
  /** Its first commit waits for a pull request to be merged. */
  needsReview: Generated<boolean>;
  reviewNumber: number | null;
  /** The commit that a rollback undoes, and the one whose state it restores. */
  reverts: string | null;
  restores: string | null;
  /** The person's commit that became the store's spec. */
  adopts: string | null;
  /** The removals that it waits with for a second operator, or waited. */
  holdId: string | null;
  /** When its removal was let through; null: it removes nothing (yet). */
  removalAt: MaybeTime;
  /** The person's commit that whoever asked for it knew of, where it writes over one. */
  driftSha: string | null;
  /** The commit that was put on its review branch. */
  reviewCommit: ColumnType<ReviewCommit | null, string | null | undefined, string | null>;
};

/** Removals over the guard's limit, that a second operator decides about. */
export type HoldTable = {
  id: string;
  cluster: string;
  state: Generated<HoldState>;
  openedAt: Time;
  decidedAt: MaybeTime;
  decidedBy: string | null;
  decidedByName: string | null;
};

/** A file of a store that a person changed. */
export type DriftTable = {
  storeId: string;
  path: string;
  kind: DriftKind;
  /** The blob that our commit left; null: none. */
  ours: string | null;
  /** The first commit that left something else; null: the history was replaced. */
  firstSha: string | null;
  /** The last one. */
  sha: string;
  author: string;
  at: Time;
};

/** The commit of a review as it was meant to be pushed, with the files it changes as it found them. */
export type ReviewCommit = {
  readonly sha: CommitSha;
  readonly base: CommitSha | null;
  readonly action: Action;
  /** Path → its object on the base; null: there was none. */
  readonly files: Readonly<Record<string, string | null>>;
  /** Path → its object as the commit leaves it; null: there is none. */
  readonly left: Readonly<Record<string, string | null>>;
  /** What the branch was at before: of ours as well, should the push never have come there. */
  readonly replaces: CommitSha | null;
};

/** A pull request. The embedded forge keeps its own here: the columns up to `comment` are its. */
export type PullRequestTable = {
  repository: string;
  number: number;
  branch: string;
  headSha: string;
  title: string;
  /** Markdown. */
  body: string;
  labels: Generated<string[]>;
  url: string | null;
  state: Generated<'open' | 'merged' | 'closed'>;
  openedAt: Time;
  closedAt: MaybeTime;
  mergedSha: string | null;
  /** Said when it was closed. */
  comment: string | null;
  operationId: string | null;
  storeId: string | null;
  tenantId: string | null;
  cluster: string | null;
  baseSha: string | null;
  /** What an operator decided in the portal, and of which head. */
  decision: 'approved' | 'rejected' | null;
  decidedBy: string | null;
  decidedName: string | null;
  decidedAt: MaybeTime;
  decidedHead: string | null;
  reason: string | null;
  /** While the writer carries out what was decided; one that is killed has it until then. */
  takenUntil: MaybeTime;
  /** Nothing of it is left to tidy up on the forge. */
  branchGone: Generated<boolean>;
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

/** What is known of a cluster itself; written by its observer. */
export type ClusterTable = {
  name: string;
  /** When its API server last said anything. */
  heardAt: Date | null;
  /** Why it was not heard the last time; null: it was. */
  trouble: string | null;
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

/** A webhook that was taken. */
export type DeliveryTable = {
  /** SHA-256 of its body, hex. */
  bodyHash: string;
  event: string;
  at: Time;
};

/** Where a credential was first sent. */
export type ForgeCredentialTable = {
  /** Derived from the credential; it cannot be had back from it. */
  fingerprint: string;
  /** Origin and path. */
  address: string;
  createdAt: Time;
};

/** An upgrade of stores of one type, in waves. */
export type RolloutTable = {
  id: string;
  type: string;
  toVersion: string;
  selection: JSONColumnType<RolloutSelection>;
  waveSize: number;
  allowedUnhealthy: number;
  state: Generated<RolloutState>;
  /** Why it stopped. */
  reason: string | null;
  /** The last that was begun; 0: none yet. */
  wave: Generated<number>;
  /** In which the operator acted who began it. */
  tenantId: string;
  requestedBy: string;
  requestedName: string;
  requestedKind: 'user' | 'token';
  createdAt: Time;
  updatedAt: Time;
  finishedAt: MaybeTime;
};

export type RolloutStoreTable = {
  rolloutId: string;
  storeId: string;
  /** The order of turns. */
  ordinal: number;
  state: Generated<RolloutStoreState>;
  /** Why it is unhealthy, or was left out. */
  reason: string | null;
  wave: number | null;
  operationId: string | null;
  startedAt: MaybeTime;
  finishedAt: MaybeTime;
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
  holds: HoldTable;
  drifts: DriftTable;
  pullRequests: PullRequestTable;
  stages: StageTable;
  commits: CommitTable;
  repositories: RepositoryTable;
  clusters: ClusterTable;
  leases: LeaseTable;
  idempotency: IdempotencyTable;
  events: EventTable;
  deliveries: DeliveryTable;
  forgeCredentials: ForgeCredentialTable;
  rollouts: RolloutTable;
  rolloutStores: RolloutStoreTable;
};
